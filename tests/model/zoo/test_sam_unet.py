from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from napari_segsam.model.prompt_tokens import BOX_MAX, BOX_MIN, NEGATIVE, PAD, POSITIVE, PromptBatch
from napari_segsam.model.zoo.accounts import ModelFileError
from napari_segsam.model.zoo.family import SAM_MEAN, SAM_STD
from napari_segsam.model.zoo.sam_unet import FAMILY, SamUnet
from tests.model.zoo.golden import fill, keys, picture
from tests.model.zoo.parity import Parity

BOX = [[10.0, 20.0, 120.0, 200.0]]


def built(keys):
    return FAMILY.build(fill(keys), None)


def box_prompt():
    return PromptBatch(torch.tensor(BOX).reshape(1, 2, 2), torch.tensor([[BOX_MIN, BOX_MAX]]))


def prepared():
    """The golden's picture, 256 rows and 200 columns, normalised and padded to the square."""
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (SAM_MEAN, SAM_STD))
    image = (torch.from_numpy(picture(0, 255, (3, 256, 200))) - mean) / std
    return F.pad(image, (0, 56)).unsqueeze(0)


def outputs(model):
    features = model.encode(prepared())
    return {
        "box": np.float32(BOX),
        "low_res_logits": model.answer(features, box_prompt()).logits.numpy(),
        "multi_scale_feature_mean": features["fine"].mean((2, 3)).numpy(),
    }


def without_the_resnet(model):
    for adapter in model.adapters_in:
        for p in adapter.reshaper[-1].parameters():
            p.data.zero_()


def with_bridges_in_the_other_order(model):
    model.adapters_bridge = torch.nn.ModuleList(reversed(model.adapters_bridge))


MUTATIONS = {"ResNet left out": without_the_resnet, "bridges in reverse": with_bridges_in_the_other_order}
PARITY = tuple(
    Parity(f"SAM-UNet, ResNet-{n}", keys, keys, partial(built, keys), outputs, MUTATIONS, tensors=tensors)
    for n, tensors in ((34, 559), (50, 661))
    for keys in [f"samunet_res{n}_sam_unet"]
)


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return FAMILY.build(SamUnet(34, 64).state_dict(), None)


@pytest.mark.parametrize("parity", PARITY, ids=lambda p: p.row)
def test_its_files_are_recognised(parity):
    assert FAMILY.recognises(keys(parity.keys))


def test_clicks_boxes_and_the_last_mask_all_count(small):
    with torch.inference_mode():
        features = small.encode(torch.randn(1, 3, 64, 64))
        xy = torch.tensor([[[10.0, 12.0], [40.0, 50.0]]])
        last = torch.randn(1, 1, 16, 16)
        asked = [
            PromptBatch(xy, torch.tensor([[BOX_MIN, BOX_MAX]])),
            PromptBatch(xy, torch.tensor([[POSITIVE, PAD]])),
            PromptBatch(xy, torch.tensor([[POSITIVE, NEGATIVE]])),
            PromptBatch(xy, torch.tensor([[POSITIVE, PAD]]), last, torch.tensor([True])),
        ]
        found = [small.answer(features, p) for p in asked]
    assert all(m.logits.shape == (1, 1, 16, 16) and m.iou is None for m in found)
    for i, one in enumerate(found):
        assert all(float((one.logits - other.logits).abs().max()) > 1e-4 for other in found[:i])


def test_several_prompts_at_once_get_what_each_gets_alone(small):
    with torch.inference_mode():
        features = small.encode(torch.randn(1, 3, 64, 64))
        xy, labels = torch.rand(3, 2, 2) * 60, torch.tensor([[BOX_MIN, BOX_MAX]] * 3)
        together = small.answer(features, PromptBatch(xy, labels)).logits
        alone = [small.answer(features, PromptBatch(xy[i : i + 1], labels[:1])).logits for i in range(3)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


def test_the_decoder_needs_both_features(small):
    with torch.inference_mode():
        features = small.encode(torch.randn(1, 3, 64, 64))
        xy, labels = torch.rand(1, 2, 2) * 60, torch.tensor([[BOX_MIN, BOX_MAX]])
        whole = small.answer(features, PromptBatch(xy, labels)).logits
        for name in ("embedding", "fine"):
            without = features | {name: torch.zeros_like(features[name])}
            assert float((small.answer(without, PromptBatch(xy, labels)).logits - whole).abs().max()) > 1e-4


def test_a_file_without_one_of_its_tensors_is_refused_by_name(small):
    tensors = dict(small.state_dict())
    del tensors["mask_decoder.hf_mlp.layers.0.bias"]
    with pytest.raises(ModelFileError, match=r"hf_mlp\.layers\.0\.bias"):
        FAMILY.build(tensors, None)
