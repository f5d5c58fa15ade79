"""A scan's voxels on their grid, its window, and a guess at its modality."""

import numpy as np
import pytest

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume, Window, infer_modality


def grid(*shape: int) -> Grid:
    return Grid(shape, np.eye(4))


def test_every_load_has_its_own_id():
    voxels = np.zeros((2, 3, 4))
    assert Volume(grid(2, 3, 4), voxels).id != Volume(grid(2, 3, 4), voxels).id


@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 3), (2, 3, 4, 3, 1)], ids=str)
def test_voxels_that_do_not_fit_the_grid_are_refused_by_name(shape):
    with pytest.raises(UnreadableInputError, match=r"knee: voxels .* do not fit the grid \(2, 3, 4\)"):
        Volume(grid(2, 3, 4), np.zeros(shape), name="knee")


def test_an_image_without_voxels_is_refused():
    with pytest.raises(UnreadableInputError, match="no voxels"):
        Volume(grid(0, 3, 4), np.zeros((0, 3, 4)))


def test_three_colours_make_an_rgb_image():
    assert Volume(grid(2, 3, 1), np.zeros((2, 3, 1, 3), np.uint8)).is_rgb
    assert not Volume(grid(2, 3, 1), np.zeros((2, 3, 1))).is_rgb


def test_more_than_three_channels_are_refused():
    with pytest.raises(UnreadableInputError, match="do not fit"):
        Volume(grid(2, 3, 1), np.zeros((2, 3, 1, 4), np.uint8))


def test_a_window_shows_half_its_width_on_each_side():
    assert Window(40, 400).limits == (-160, 240)


@pytest.mark.parametrize(
    ("voxels", "modality"),
    [
        (np.array([[[-1024, 3071]]], np.int16), "ct"),
        (np.array([[[-1024.0, 40.0]]], np.float32), "ct"),
        (np.array([[[-1024.5, 40.0]]], np.float32), "unknown"),
        (np.array([[[-499, 40]]], np.int16), "unknown"),
        (np.array([[[0, 255]]], np.uint8), "unknown"),
        (np.zeros((1, 1, 1, 3), np.uint8), "rgb"),
    ],
    ids=["int16 HU", "whole-numbered float HU", "fractions", "not low enough", "8 bit", "colours"],
)
def test_ct_is_told_by_whole_numbers_that_reach_minus_500(voxels, modality):
    assert infer_modality(voxels) == modality
