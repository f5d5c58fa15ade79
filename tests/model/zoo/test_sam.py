"""Against segment_anything itself, with the same weights."""

import pytest
import torch

from napari_segsam.model.image_encoder import VIT_SIZES, ImageEncoder
from napari_segsam.model.prompt_tokens import BOX_MAX, BOX_MIN, NEGATIVE, PAD, POSITIVE, PromptBatch
from napari_segsam.model.zoo import hq_sam, medsam, sam
from napari_segsam.model.zoo.accounts import ModelFileError
from tests.model.zoo.golden import keys
from tests.model.zoo.public_sam import SIDE, SIZES, picture, public, their_answer
from tests.tiny import prompts

FAMILIES = {"sam": sam.FAMILY, "medsam": medsam.FAMILY, "hq_sam": hq_sam.FAMILY}


@pytest.mark.parametrize(
    ("labels", "masked"),
    [
        ([POSITIVE, NEGATIVE, PAD], False),
        ([BOX_MIN, BOX_MAX], False),
        ([NEGATIVE, BOX_MIN, BOX_MAX], True),
        ([POSITIVE, PAD], True),
    ],
)
def test_it_answers_clicks_boxes_and_masks_as_the_public_model(labels, masked):
    batch = prompts([labels] * 3, SIDE)
    if masked:
        batch.mask_logits, batch.has_mask = torch.randn(3, 1, 16, 16), torch.ones(3, dtype=torch.bool)
    ours = sam.built(public().state_dict(), SIZES)
    with torch.no_grad():
        masks, iou = their_answer(batch, sum(label in (POSITIVE, NEGATIVE) for label in labels))
        said = ours.answer(ours.encode(picture()), batch)
    assert torch.allclose(said.logits, masks, atol=1e-4 * float(masks.max() - masks.min()))
    assert torch.allclose(said.iou, iou, atol=1e-4)


def test_many_prompts_on_one_picture_are_answered_as_each_alone():
    ours, batch = sam.built(public().state_dict(), SIZES), prompts([[POSITIVE, PAD]] * 3, SIDE)
    with torch.no_grad():
        features = ours.encode(picture())
        together = ours.answer(features, batch).logits
        alone = [ours.answer(features, PromptBatch(batch.points_xy[i : i + 1], batch.labels[:1])) for i in range(3)]
    assert torch.allclose(together, torch.cat([a.logits for a in alone]), atol=1e-5)


def test_medsam_gives_the_first_of_sams_masks_and_no_iou():
    batch = prompts([[BOX_MIN, BOX_MAX]], SIDE)
    ours = medsam.built(public().state_dict(), SIZES, SIDE)
    with torch.no_grad():
        masks, _ = their_answer(batch, 0)
        said = ours.answer(ours.encode(picture()), batch)
    assert torch.allclose(said.logits, masks[:, :1], atol=1e-4)
    assert said.iou is None


@pytest.mark.parametrize("size", VIT_SIZES)
def test_published_files_are_told_by_their_names_and_only_medsam_is_sams_twin(size):
    with torch.device("meta"):
        shapes = sam.shapes_of(sam.Sam(ImageEncoder(VIT_SIZES[size], 1024), 1024).state_dict())
    claimed = {name for name, family in FAMILIES.items() if family.recognises(shapes)}
    assert claimed == ({"sam", "medsam"} if size == "vit_b" else {"sam"})
    assert sam.FAMILY.preparation(shapes).side == 1024


@pytest.mark.parametrize(
    "list_of", ["hqsam_vit_b", "hqsam_vit_tiny", "medsa_sam_adpt", "medsa_sam_lora", "mobilesam_vit_t", "sammed2d_b",
                "litemedsam_full", "massam_vit_b", "samunet_res34_sam_unet", "samed_sam_lora_image_encoder"]
)  # fmt: skip
def test_files_of_other_families_are_neither_sams_nor_medsams(list_of):
    shapes = keys(list_of)
    assert not sam.FAMILY.recognises(shapes)
    assert not medsam.FAMILY.recognises(shapes)
    assert sam.FAMILY.recognises(keys("sam_vit_b"))


def test_a_file_that_lacks_a_tensor_is_still_sams_and_the_tensor_is_named():
    tensors = dict(public().state_dict())
    del tensors["mask_decoder.mask_tokens.weight"]
    assert sam.FAMILY.recognises({k: s for k, s in keys("sam_vit_b").items() if k in tensors})
    with pytest.raises(ModelFileError, match=r"mask_decoder\.mask_tokens"):
        sam.built(tensors, SIZES)


def test_a_vit_of_no_published_width_is_refused():
    with pytest.raises(ModelFileError, match="32 wide"):
        sam.built(public().state_dict())
