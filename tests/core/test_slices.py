"""A slice as a person sees it, and the way back to its voxels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segsam.core.errors import OutsideImageError
from napari_segsam.core.grid import Grid
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Volume
from tests.core.grids import AXIS_CODES, affine_of, volumes

TOP_AND_LEFT = {"k": "AR", "j": "SR", "i": "SA"}
"""Which patient direction lies at the top and at the left of an axial, coronal and sagittal slice."""


@st.composite
def views(draw: st.DrawFn) -> SliceView:
    volume = draw(volumes())
    axis = draw(st.sampled_from(range(3)))
    return SliceView(volume, axis, draw(st.integers(0, volume.grid.shape[axis] - 1)))


@given(views())
def test_every_pixel_is_the_voxel_that_it_stands_for(view: SliceView):
    rc = np.argwhere(np.ones(view.shape, bool))
    ijk = view.rc_to_ijk(rc).astype(int)
    assert np.array_equal(view.volume.voxels[tuple(ijk.T)], view.pixels.ravel())
    assert (ijk[:, view.axis] == view.index).all()


@given(views(), st.floats(-3, 9), st.floats(-3, 9))
def test_rows_and_columns_lead_to_an_index_and_back(view: SliceView, row: float, col: float):
    assert np.allclose(view.ijk_to_rc(view.rc_to_ijk((row, col))), (row, col))


@given(views(), st.integers(1, 4))
def test_many_points_are_mapped_as_one_by_one(view: SliceView, n: int):
    rc = np.linspace(0, 5, 4 * n).reshape(2, n, 2)
    assert view.rc_to_ijk(rc).shape == (2, n, 3)
    assert np.allclose(view.ijk_to_rc(view.rc_to_ijk(rc)), rc)
    assert np.allclose(view.rc_to_ijk(rc)[1, 0], view.rc_to_ijk(rc[1, 0]))


@given(views())
def test_the_shape_and_spacing_are_those_of_the_pixels(view: SliceView):
    grid = view.volume.grid
    assert view.pixels.shape == view.shape
    corner, down, right = grid.to_mm(view.rc_to_ijk([(0, 0), (1, 0), (0, 1)]))
    assert np.allclose(view.spacing_mm, (np.linalg.norm(down - corner), np.linalg.norm(right - corner)))


@given(views(), st.data())
def test_a_masks_flat_indices_are_its_voxels_once_each(view: SliceView, data):
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=view.pixels.size, max_size=view.pixels.size)), bool)
    mask = mask.reshape(view.shape)
    indices = view.flat_indices(mask)
    assert indices.dtype == np.int64
    assert len(set(indices.tolist())) == len(indices)
    assert np.array_equal(view.volume.voxels.reshape(-1)[indices], view.pixels[mask])


@given(views())
def test_writing_to_a_slice_writes_these_voxels_only(view: SliceView):
    touched = np.zeros(view.volume.grid.shape, bool)
    view.of(touched)[...] = True
    assert touched.sum() == np.prod(view.shape)
    assert touched.take(view.index, view.axis).all()


@given(views())
def test_the_displayed_depth_is_where_the_viewer_finds_the_slice(view: SliceView):
    shown = view.volume.grid.display.to_display(view.volume.voxels)
    assert np.array_equal(shown.take(view.display_depth, view.depth_axis), view.pixels)


@given(views())
def test_a_colour_slice_has_the_shape_of_the_grey_one(view: SliceView):
    colours = np.zeros((*view.volume.grid.shape, 3), np.uint8)
    assert view.of(colours).shape == (*view.shape, 3)


@pytest.mark.parametrize("codes", AXIS_CODES)
@pytest.mark.parametrize("axis", range(3))
def test_superior_or_anterior_is_at_the_top_and_the_patients_right_at_the_left(codes: str, axis: int):
    """A radiologist's picture, whatever the file's index order; a sagittal slice looks to the left of the screen."""
    grid = Grid((4, 5, 6), affine_of(codes))
    view = SliceView(Volume(grid, np.zeros(grid.shape)), axis, 1)
    through = "ijk"[next(a for a, pair in enumerate(("LR", "AP", "IS")) if codes[axis] in pair)]
    corner, down, right = grid.to_mm(view.rc_to_ijk([(0, 0), (1, 0), (0, 1)]))
    assert pointing(corner - down) + pointing(corner - right) == TOP_AND_LEFT[through]


def pointing(step_mm: np.ndarray) -> str:
    axis = int(np.abs(step_mm).argmax())
    assert np.isclose(np.abs(step_mm).sum(), np.abs(step_mm[axis]))
    return ("LPS" if step_mm[axis] > 0 else "RAI")[axis]


@pytest.mark.parametrize(("axis", "index"), [(0, 4), (1, -1), (2, 6)])
def test_a_slice_outside_the_image_is_refused_with_the_slices_that_exist(axis: int, index: int):
    volume = Volume(Grid((4, 5, 6), np.eye(4)), np.zeros((4, 5, 6)))
    last = (3, 4, 5)[axis]
    with pytest.raises(
        OutsideImageError, match=f"Slice {index} along {'ijk'[axis]} is outside the image; it has 0 to {last}"
    ):
        SliceView(volume, axis, index)
