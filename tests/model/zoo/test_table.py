"""The table finds one family for every published file, and asks where files of two are alike."""

import pytest
import torch

from napari_segsam.io.registry import registry
from napari_segsam.model.zoo import table
from napari_segsam.model.zoo.accounts import ModelFileError, UndecidedError
from tests.model.zoo.golden import fill, keys
from tests.model.zoo.parity import key_lists

TWINS = {frozenset({"sam", "medsam"}), frozenset({"sam", "sam_med2d"})}
"""Families whose files are alike although their pictures are prepared differently."""
PARTS = {
    "auxol_unet4_bilinear",
    "litemedsam_encoder",
    "medsa_sam_lora_only",
    "hqsam_vit_b_extra",
    "hqsam_vit_tiny_extra",
}
"""Lists of what is no whole file of the zoo: AuxOL's own network, an encoder alone, what a family adds to a SAM."""


@pytest.mark.parametrize("name", sorted(set(key_lists()) - PARTS))
def test_every_published_file_is_found_as_one_family_or_as_twins(name: str):
    found = {family.name for family in table.FAMILIES if family.recognises(keys(name))}
    assert len(found) == 1 or frozenset(found) in TWINS, found


@pytest.mark.parametrize("name", sorted(PARTS))
def test_a_part_of_a_file_is_refused_by_the_table_or_by_the_one_family_that_claims_it(name: str):
    found = [family for family in table.FAMILIES if family.recognises(keys(name))]
    assert len(found) <= 1
    for family in found:
        with pytest.raises(ModelFileError):
            family.build(fill(name), None)


def test_between_twins_a_person_chooses():
    shapes = keys("sam_vit_b")
    with pytest.raises(UndecidedError, match="@sam or @medsam") as asked:
        table.find(shapes)
    assert set(asked.value.families) == {"sam", "medsam"}
    assert table.find(shapes, "medsam").name == "medsam"
    assert table.find(shapes, "sam").name == "sam"


def test_a_file_of_another_family_than_was_asked_for_is_refused_by_both_titles():
    with pytest.raises(ModelFileError, match=r"no file of SAM-UNet: its tensors are those of SAM-Med2D"):
        table.find(keys("sammed2d_b"), "sam_unet")


def test_an_unknown_file_is_refused_with_its_first_names():
    with pytest.raises(ModelFileError, match=r"of no family .* 'a', 'b', 'c'"):
        table.find({"c": (1,), "b": (1,), "a": (1,), "d": (1,)})
    with pytest.raises(ModelFileError, match="of no family"):
        table.find({})


LACKING = {
    "litemedsam_full": ("image_encoder.patch_embed.seq.0.c.weight", "LiteMedSAM"),
    "mobilesam_vit_t": ("image_encoder.patch_embed.seq.0.c.weight", "MobileSAM"),
    "sammed2d_b": ("image_encoder.blocks.0.Adapter.norm.weight", "SAM-Med2D"),
    "sam_vit_b": ("mask_decoder.iou_token.weight", "SAM"),
    "sam_vit_b_256": ("image_encoder.pos_embed", "SAM"),
    "hqsam_vit_b": ("mask_decoder.hf_token.weight", "HQ-SAM"),
    "hqsam_vit_tiny": ("mask_decoder.hf_token.weight", "HQ-SAM"),
}


@pytest.mark.parametrize("name", LACKING)
def test_a_file_without_the_tensor_that_tells_its_family_is_told_which_one_it_lacks(name: str):
    tensor, title = LACKING[name]
    shapes = {k: s for k, s in keys(name).items() if k != tensor}
    with pytest.raises(ModelFileError, match=f"^it lacks the tensor '{tensor}' of {title}$"):
        table.find(shapes)


def test_a_file_that_lacks_a_tensor_of_the_family_that_was_asked_for_is_told_so():
    shapes = {k: s for k, s in keys("sam_vit_b").items() if k != "image_encoder.pos_embed"}
    with pytest.raises(ModelFileError, match=r"'image_encoder\.pos_embed' of MedSAM$"):
        table.find(shapes, "medsam")
    with pytest.raises(ModelFileError, match="no file of LiteMedSAM: its tensors are of no family"):
        table.find(shapes, "lite_medsam")


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("samed_sam_lora_image_encoder", "w_a_000"),
        ("samed_sam_lora_image_encoder", "mask_decoder.mask_tokens.weight"),
        ("masam_vit_b", "image_encoder.FacTu.weight"),
        ("masam_vit_b", "mask_decoder.mask_tokens.weight"),
        ("samunet_res34_sam_unet", "image_encoder.sam_img_encoder.pos_embed"),
        ("massam_vit_b", "sam.image_encoder.pos_embed"),
    ],
)
def test_a_family_that_claims_a_file_by_less_names_the_tensor_that_it_lacks(name: str, tensor: str):
    shapes = {k: s for k, s in keys(name).items() if k != tensor}
    with torch.device("meta"):
        tensors = {k: torch.empty(s) for k, s in shapes.items()}
        base = {"image_encoder.pos_embed": torch.empty(1, 64, 64, 768)}
    with pytest.raises(ModelFileError, match=f"it lacks the tensor '{tensor}'"):
        table.find(shapes).build(tensors, base)


def test_an_unknown_family_is_refused_with_those_there_are():
    with pytest.raises(ModelFileError, match=r"no family 'sma'; the families are .*sam"):
        table.find({}, "sma")


def test_no_two_families_have_one_name():
    assert len({family.name for family in table.FAMILIES}) == len(table.FAMILIES)


def test_every_row_of_the_registry_is_of_a_family_that_stands_as_it_says():
    families = {family.name: family for family in table.FAMILIES}
    for row in registry().values():
        if row.family != "nano":
            family = families[row.family]
            assert set(row.words) <= families.keys()
            assert bool(row.base) == bool(family.base)
            assert not row.base or registry()[row.base].family == family.base


def test_every_family_says_what_it_cannot_do_and_where_it_comes_from():
    for family in table.FAMILIES:
        assert family.limits.endswith(".") and family.licence and family.source.startswith("https://")
        assert family.base is None or family.base in {f.name for f in table.FAMILIES}
