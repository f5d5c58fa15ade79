import pytest
import torch

from napari_segsam.model.prompt_tokens import BOX_MAX, BOX_MIN, PromptBatch
from napari_segsam.model.zoo.accounts import ModelFileError
from napari_segsam.model.zoo.lite_medsam import FAMILY, SIDE
from tests.model.zoo.golden import fill, keys, picture
from tests.model.zoo.parity import Parity

NAME, KEYS = "litemedsam", "litemedsam_full"
BOX = PromptBatch(torch.tensor([[[10.0, 20.0], [120.0, 200.0]]]), torch.tensor([[BOX_MIN, BOX_MAX]]))


def built():
    return FAMILY.build(fill(KEYS), None)


def outputs(model):
    features = model.encode(torch.from_numpy(picture(0, 1, (1, 3, SIDE, SIDE))))
    return {
        "embedding_mean": features["embedding"].mean((2, 3)).numpy(),
        "low_res_logits": model.answer(features, BOX).logits[..., ::4, ::4].numpy(),
    }


def with_heads_side_by_side(model):
    """As if q, k and v of all heads lay side by side, as in SAM's ViT, and not head by head."""
    for stage in model.image_encoder.layers:
        for block in stage.blocks:
            if hasattr(block, "attn"):
                weight, heads = block.attn.qkv.weight, block.attn.heads
                block.attn.qkv.weight = torch.nn.Parameter(
                    weight.reshape(3, heads, -1, weight.shape[1]).transpose(0, 1).reshape(weight.shape)
                )


PARITY = (
    Parity("LiteMedSAM", NAME, KEYS, built, outputs, {"q, k, v as in SAM": with_heads_side_by_side}, tensors=435),
)


@pytest.fixture(scope="module")
def model():
    return built()


def test_each_box_gets_one_mask_and_its_iou(model):
    features = {"embedding": torch.randn(1, 256, 64, 64)}
    two = PromptBatch(torch.rand(2, 2, 2) * 200, BOX.labels.expand(2, -1))
    with torch.inference_mode():
        masks = model.answer(features, two)
    assert masks.logits.shape == (2, 1, 256, 256)
    assert masks.iou is not None
    assert masks.iou.shape == (2, 1)


@pytest.mark.parametrize(
    ("name", "is_one"), [(KEYS, True), ("mobilesam_vit_t", False), ("hqsam_vit_tiny", False), ("sam_vit_b", False)]
)
def test_it_knows_its_files(name, is_one):
    assert FAMILY.recognises(keys(name)) is is_one


def test_a_mobilesam_is_refused():
    with pytest.raises(ModelFileError, match="norm_head"):
        FAMILY.build(fill("mobilesam_vit_t"), None)


def test_it_takes_boxes_alone_in_0_to_1():
    how = FAMILY.preparation({})
    assert not FAMILY.abilities.points
    assert (how.side, how.fit, how.resample, how.intensities) == (256, "longest", "area", "minmax")
    assert (how.mean, how.std) == ((0, 0, 0), (1, 1, 1))
