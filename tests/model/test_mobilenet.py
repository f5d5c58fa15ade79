import pytest
import torch
from safetensors.torch import load_file

from napari_segsam.model.mobilenet import CHANNELS, MobileNetV2
from tests.conftest import SHARED

STRIDES = (2, 4, 8, 16, 32)


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    return MobileNetV2().eval()


@pytest.mark.parametrize("side", [32, 96])
def test_features_come_at_strides_2_to_32(backbone, side):
    with torch.no_grad():
        taps = backbone(torch.zeros(1, 3, side, side))
    assert [tuple(t.shape) for t in taps] == [
        (1, c, side // s, side // s) for c, s in zip(CHANNELS, STRIDES, strict=True)
    ]


def test_what_is_added_on_the_way_reaches_all_that_comes_after(backbone):
    picture = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        plain = backbone(picture)
        stem = backbone(picture, torch.ones(1, 32, 16, 16))
        stride4 = backbone(picture, None, torch.ones(1, 24, 8, 8))
    assert not any(torch.equal(a, b) for a, b in zip(plain, stem, strict=True))
    assert torch.equal(plain[0], stride4[0])
    assert torch.allclose(plain[1] + 1, stride4[1])


@pytest.mark.parametrize("name", ["mobilenet_v2_imagenet", "mobilenet_v2_coco_voc_segmentation"])
def test_pretrained_weights_fit_with_no_tensor_left_over(name):
    path = SHARED / "pretrained" / f"{name}.safetensors"
    if not path.is_file():
        pytest.skip(f"no pretrained weights: {path.name} is absent; set SEGSAM_SHARED")
    tensors = {k: v.float() for k, v in load_file(path).items() if not k.startswith("head.")}
    backbone = MobileNetV2()
    backbone.load_state_dict(tensors)  # strict
    with torch.no_grad():
        taps = backbone.eval()(torch.rand(1, 3, 64, 64) * 2 - 1)
    assert all(torch.isfinite(t).all() and t.std() > 0 for t in taps)
