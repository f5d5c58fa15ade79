from dataclasses import replace

import pytest
import torch

from napari_segsam.model import build as building
from napari_segsam.model.sam_weights import fitted_to
from tests.tiny import SLIM_VIT, TINY_VIT, tiny

PARTS = ("image_encoder.", "prompt_encoder.", "mask_decoder.")


@pytest.fixture(autouse=True)
def slim(monkeypatch):
    monkeypatch.setitem(building._VITS, "vit_b", SLIM_VIT)


def published(side=64):
    """A SAM of another run: its own three parts under their own names."""
    weights = tiny(replace(TINY_VIT, img_size=side), seed=5).state_dict()
    return {k: v for k, v in weights.items() if k.startswith(PARTS) and not k.endswith("prior_trust")}


def test_sams_three_parts_are_taken_over_and_both_decoders_start_from_its_decoder():
    model, sam = tiny(TINY_VIT), published()
    fitted_to(model, sam)
    now = model.state_dict()
    assert all(torch.equal(now[k], v) for k, v in sam.items())
    twins = [k for k in now if k.startswith("semantic_decoder.transformer.")]
    assert twins
    assert all(torch.equal(now[k], sam[k.replace("semantic_", "mask_", 1)]) for k in twins)
    kernel = "layers.0.weight"
    first = sam[f"mask_decoder.output_hypernetworks_mlps.0.{kernel}"]
    assert torch.equal(now[f"semantic_decoder.hypernetwork.{kernel}"], first)
    assert torch.equal(now["semantic_decoder.so_token.weight"], sam["mask_decoder.mask_tokens.weight"][:1])


def test_dec_saw_keeps_its_random_start_where_that_is_wanted():
    model, sam = tiny(replace(TINY_VIT, saw_init="random")), published()
    before = {k: v.clone() for k, v in model.state_dict().items() if k.startswith("semantic_decoder.")}
    fitted_to(model, sam)
    now = model.state_dict()
    assert all(torch.equal(now[k], v) for k, v in (before | sam).items())


def test_each_classs_mask_starts_from_sams_first():
    model, sam = tiny(replace(TINY_VIT, cls_head="k_masks")), published()
    fitted_to(model, sam)
    first = sam["mask_decoder.output_hypernetworks_mlps.0.layers.0.weight"]
    for kernel in ("hypernetwork.0", "hypernetwork.2", "co_hypernetwork"):
        assert torch.equal(model.state_dict()[f"semantic_decoder.{kernel}.layers.0.weight"], first)


def test_adapters_that_the_file_brings_are_taken_over_and_others_stay_as_they_were():
    model, sam = tiny(replace(TINY_VIT, encoder_mode="sammed2d")), published()
    before = model.state_dict()["image_encoder.blocks.0.Adapter.channel.0.weight"].clone()
    fitted_to(model, sam)
    assert torch.equal(model.state_dict()["image_encoder.blocks.0.Adapter.channel.0.weight"], before)
    name = "image_encoder.blocks.1.Adapter.norm.weight"
    fitted_to(model, sam | {name: torch.full((16,), 3.0)})
    assert bool((model.state_dict()[name] == 3).all())


def test_positions_are_resampled_where_the_picture_size_differs():
    model, sam = tiny(TINY_VIT), published(128)
    fitted_to(model, sam)
    now = model.state_dict()
    assert now["image_encoder.pos_embed"].shape[1:3] == (4, 4)
    mean = sam["image_encoder.pos_embed"].mean((1, 2))
    assert torch.allclose(now["image_encoder.pos_embed"].mean((1, 2)), mean, atol=1e-6)
    whole = "image_encoder.blocks.1.attn.rel_pos_h"  # of a block with global attention
    assert sam[whole].shape[0] == 15
    assert now[whole].shape[0] == 7


def test_a_tensor_that_is_missing_or_of_another_width_is_named():
    sam = published()
    del sam["mask_decoder.iou_token.weight"]
    with pytest.raises(RuntimeError, match="iou_token"):
        fitted_to(tiny(TINY_VIT), sam)
    wide = published() | {"mask_decoder.iou_token.weight": torch.zeros(1, 99)}
    with pytest.raises(RuntimeError, match=r"iou_token.*\(1, 99\)"):
        fitted_to(tiny(TINY_VIT), wide)
