"""SAM's tables of positions fit another picture size as the published systems resize them."""

import torch
from torch.nn import functional as F

from napari_segsam.model.zoo.positions import bicubic, resized

GLOBAL = (2, 5)


def tables() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    made = {"image_encoder.pos_embed": torch.randn(1, 64, 64, 8), "image_encoder.neck.0.weight": torch.randn(2, 2)}
    for block in range(13):
        length = 127 if block in GLOBAL else 27
        for axis in "hw":
            made[f"image_encoder.blocks.{block}.attn.rel_pos_{axis}"] = torch.randn(length, 4)
    return made


def test_absolute_positions_are_resized_bilinearly():
    before, after = tables(), resized(tables(), 256, GLOBAL)
    planes = before["image_encoder.pos_embed"].permute(0, 3, 1, 2)
    expected = F.interpolate(planes, (16, 16), mode="bilinear", align_corners=False)
    torch.testing.assert_close(after["image_encoder.pos_embed"].permute(0, 3, 1, 2), expected)


def test_relative_positions_of_global_blocks_are_resized_as_a_plane_of_one_row_for_each_offset():
    before, after = tables(), resized(tables(), 256, GLOBAL)
    for block in GLOBAL:
        name = f"image_encoder.blocks.{block}.attn.rel_pos_w"
        plane = F.interpolate(before[name][None, None], (31, 4), mode="bilinear", align_corners=False)[0, 0]
        torch.testing.assert_close(after[name], plane)


def test_blocks_are_global_by_their_number_and_not_by_a_digit_in_their_name():
    before, after = tables(), resized(tables(), 256, GLOBAL)
    for block in (0, 1, 3, 8, 12):
        name = f"image_encoder.blocks.{block}.attn.rel_pos_h"
        assert after[name] is before[name] or torch.equal(after[name], before[name])
        assert after[name].shape == (27, 4)


def test_at_its_own_size_nothing_changes():
    before = tables()
    after = resized(before, 1024, GLOBAL)
    assert all(after[k] is t for k, t in before.items())


def test_the_encoder_may_lie_under_another_name():
    moved = {f"sam.{k}": t for k, t in tables().items()}
    assert resized(moved, 512, GLOBAL, prefix="sam.image_encoder.")["sam.image_encoder.pos_embed"].shape[1] == 32


def test_med_sas_way_is_bicubic():
    table = tables()["image_encoder.pos_embed"]
    expected = F.interpolate(table.permute(0, 3, 1, 2), (16, 16), mode="bicubic", align_corners=False)
    torch.testing.assert_close(bicubic(table, 16).permute(0, 3, 1, 2), expected)
    assert bicubic(table, 64) is table
