"""Axis letters and display frames, for every index order, with nibabel as an independent reader."""

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segsam.core.geometry import DisplayFrame, axis_codes
from napari_segsam.core.grid import LPS_RAS, Grid
from tests.core.grids import AXIS_CODES, affine_of, affines, shapes


def test_there_are_48_index_orders():
    assert len(set(AXIS_CODES)) == 48


@pytest.mark.parametrize("codes", AXIS_CODES)
def test_the_letters_are_those_that_the_axes_point_to(codes: str):
    assert axis_codes(affine_of(codes)) == codes


@pytest.mark.parametrize("codes", AXIS_CODES)
def test_nibabel_reads_the_same_letters_from_the_same_grid(codes: str):
    assert "".join(nibabel.aff2axcodes(LPS_RAS @ affine_of(codes))) == codes


@given(affines(shear=0.1, tilt=np.pi / 9))
def test_nibabel_agrees_on_oblique_and_sheared_grids(affine):
    assert "".join(nibabel.aff2axcodes(LPS_RAS @ affine)) == axis_codes(affine)


@given(affines())
def test_each_patient_axis_is_named_once_however_oblique(affine):
    letters = axis_codes(affine)
    assert sorted(next(p for p in ("LR", "AP", "IS") if letter in p) for letter in letters) == ["AP", "IS", "LR"]


@pytest.mark.parametrize("codes", AXIS_CODES)
def test_displayed_axes_run_inferior_posterior_left(codes: str):
    grid = Grid((4, 5, 6), affine_of(codes))
    origin, *steps = grid.display.voxel_index(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]), grid.shape)
    inferior, posterior, left = (grid.to_mm(step) - grid.to_mm(origin) for step in steps)
    assert inferior[2] < 0 and np.allclose(inferior[:2], 0)
    assert posterior[1] > 0 and np.allclose(posterior[[0, 2]], 0)
    assert left[0] > 0 and np.allclose(left[1:], 0)


@given(affines(), shapes)
def test_displaying_and_back_changes_nothing(affine, shape):
    voxels = np.arange(np.prod(shape)).reshape(shape)
    frame = DisplayFrame.of(affine)
    assert np.array_equal(frame.from_display(frame.to_display(voxels)), voxels)


@given(affines(), shapes)
def test_colours_stay_behind_the_three_axes(affine, shape):
    colours = np.arange(np.prod(shape) * 3).reshape(*shape, 3)
    frame = DisplayFrame.of(affine)
    for channel in range(3):
        assert np.array_equal(frame.to_display(colours)[..., channel], frame.to_display(colours[..., channel]))
    assert np.array_equal(frame.from_display(frame.to_display(colours)), colours)


@given(affines(), shapes, st.data())
def test_a_displayed_pixel_is_the_voxel_that_its_index_names(affine, shape, data):
    voxels = np.arange(np.prod(shape)).reshape(shape)
    frame = DisplayFrame.of(affine)
    ijk = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    shown = frame.display_index(np.array(ijk), shape)
    assert frame.to_display(voxels)[tuple(shown)] == voxels[ijk]
    assert tuple(frame.voxel_index(shown, shape)) == ijk


@given(affines())
def test_the_displayed_array_is_a_view_that_writes_through(affine):
    voxels = np.zeros((3, 4, 5), np.int16)
    DisplayFrame.of(affine).to_display(voxels)[0, 0, 0] = 7
    assert (voxels == 7).sum() == 1
