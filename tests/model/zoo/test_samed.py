from functools import partial

import pytest
import torch
from torch.nn import functional as F

from napari_segsam.model.image_encoder import ImageEncoder, ViTSizes
from napari_segsam.model.zoo.accounts import ModelFileError
from napari_segsam.model.zoo.samed import FAMILY, Samed, built, name_here
from tests.model.zoo.golden import fill, picture
from tests.model.zoo.parity import Parity
from tests.model.zoo.small_sam import SMALL, small_sam

GOLDENS = {"SAMed": "samed_sam_lora_image_encoder", "SAMed_s": "samed_sam_lora_image_encoder_mask_decoder"}


def published(keys):
    """Filled as the golden is: SAM's own tensors first, for squares of 256 px, and the file's over them."""
    return built(fill(keys), fill("sam_vit_b_256"), side=256)


def outputs(model):
    return {"low_res_logits": model(torch.from_numpy(picture(0, 1, (1, 3, 256, 256)))).numpy()}


def without_updates(model):
    for name, p in model.named_parameters():
        if "_up." in name or name.endswith("lora_B"):
            p.data.zero_()


def query_and_value_swapped(model):
    for block in model.image_encoder.blocks:
        qkv = block.attn.qkv
        qkv.lora_q_up, qkv.lora_v_up = qkv.lora_v_up, qkv.lora_q_up
        qkv.lora_q_down, qkv.lora_v_down = qkv.lora_v_down, qkv.lora_q_down


MUTATIONS = {"no low-rank updates": without_updates, "query and value swapped": query_and_value_swapped}
PARITY = tuple(
    Parity(row, f"{keys}_img256", keys, partial(published, keys), outputs, MUTATIONS, name_here, tensors)
    for (row, keys), tensors in zip(GOLDENS.items(), (215, 161), strict=True)
)


@pytest.mark.parametrize("parity", PARITY, ids=lambda p: p.row)
def test_what_it_writes_is_the_published_file_tensor_for_tensor(parity):
    ours, theirs = parity.build().published(), fill(parity.keys)
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def small(classes=3, small=False, seed=1, side=64):
    """A file's tensors as published, of a random model."""
    torch.manual_seed(seed)
    model = Samed(SMALL, classes, rank=2, small=small, side=side)
    return model.published()


@pytest.mark.parametrize("variant", [False, True], ids=["SAMed", "SAMed_s"])
def test_updates_of_nothing_leave_sam_itself(variant):
    base = small_sam()
    tensors = small(small=variant)
    assert all(not t.any() for k, t in tensors.items() if k.startswith("w_b_"))
    images = torch.rand(1, 3, 64, 64)
    plain = ImageEncoder(SMALL, 64).eval()
    plain.load_state_dict({k.removeprefix("image_encoder."): t for k, t in base.items() if k.startswith("image_enc")})
    with torch.inference_mode():
        assert torch.equal(built(tensors, base, 64, SMALL).encode(images)["embedding"], plain(images))


def test_a_smaller_square_has_sams_position_tables_resampled():
    base = small_sam(side=256)
    model = built(small(side=128), base, 128, SMALL)
    table = base["image_encoder.pos_embed"].permute(0, 3, 1, 2)
    expected = F.interpolate(table, (8, 8), mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
    assert torch.equal(model.image_encoder.pos_embed, expected)
    assert model.image_encoder.blocks[1].attn.rel_pos_h.shape == (15, 16)
    assert torch.equal(model.image_encoder.blocks[0].attn.rel_pos_h, base["image_encoder.blocks.0.attn.rel_pos_h"])


def test_there_is_a_mask_for_each_class_and_the_background():
    base = small_sam()
    model = built(small(classes=5), base, 64, SMALL)
    features = model.encode(torch.rand(1, 3, 64, 64))
    assert model.semantic(features).shape == (1, 6, 16, 16)


@pytest.mark.parametrize("lost", ["w_a_003", "prompt_encoder.no_mask_embed.weight", "mask_decoder.iou_token.weight"])
def test_a_file_that_lacks_a_tensor_is_refused_by_its_name(lost):
    base = small_sam()
    tensors = {k: t for k, t in small().items() if k != lost}
    with pytest.raises(ModelFileError, match=lost if "." in lost else "w_a"):
        built(tensors, base, 64, SMALL)


def test_a_tensor_too_many_is_refused_by_its_name():
    base = small_sam()
    with pytest.raises(ModelFileError, match="extra"):
        built(small() | {"extra": torch.zeros(1)}, base, 64, SMALL)


def test_a_sam_of_another_size_is_refused():
    base = small_sam(sizes=ViTSizes(64, 2, 2, (1,)))
    with pytest.raises(ModelFileError, match="width 32"):
        built(small(), base, 64, ViTSizes(64, 2, 2, (1,)))


def test_a_file_without_its_sam_is_refused():
    with pytest.raises(ModelFileError, match="not given"):
        FAMILY.build(small(), None)


def test_its_files_are_recognised_and_sams_own_are_not():
    base = small_sam()
    shapes = {k: tuple(t.shape) for k, t in small(classes=8).items()}
    assert FAMILY.recognises(shapes)
    assert FAMILY.names(shapes)[4] == "liver"
    assert not FAMILY.recognises({k: tuple(t.shape) for k, t in base.items()})
