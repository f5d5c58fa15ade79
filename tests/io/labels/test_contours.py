"""Masks to outlines: exactly the voxels, whatever rule a reader fills with."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage
from skimage.draw import polygon2mask

from napari_segsam.io.labels.contours import INSET, outlines

Mask = NDArray[np.bool_]
masks = arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def winding(polygons: list[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.int64]:
    """How often all polygons together run around each voxel's centre, from their edges along j alone."""
    number = np.zeros(shape, np.int64)
    for points in polygons:
        for (i, j), (i_next, j_next) in zip(points, np.roll(points, -1, axis=0), strict=True):
            if i == i_next:
                low, high = sorted((j, j_next))
                inside = (np.arange(shape[1]) > low) & (np.arange(shape[1]) < high)
                number[np.arange(shape[0]) > i] += inside * int(np.sign(j_next - j))
    return number


def area(points: NDArray[np.float64]) -> float:
    (i, j), (i_next, j_next) = points.T, np.roll(points, -1, axis=0).T
    return float(abs((i * j_next - j * i_next).sum()) / 2)


@given(mask=masks)
def test_outlines_run_once_around_each_voxel_of_the_mask_and_around_no_other(mask: Mask) -> None:
    assert np.array_equal(winding(outlines(mask), mask.shape), mask)


@given(mask=masks)
def test_another_library_fills_each_polygon_on_its_own_and_finds_the_mask(mask: Mask) -> None:
    filled = sum((polygon2mask(mask.shape, points).astype(int) for points in outlines(mask)), np.zeros(mask.shape, int))
    assert np.array_equal(filled, mask)


@given(mask=masks)
def test_each_component_that_is_connected_by_edges_is_one_polygon(mask: Mask) -> None:
    assert len(outlines(mask)) == ndimage.label(mask)[1]


@given(mask=masks)
def test_vertices_rounded_to_voxels_are_voxels_of_the_mask(mask: Mask) -> None:
    for points in outlines(mask):
        i, j = np.rint(points).astype(int).T
        assert mask[i, j].all()


@given(mask=masks)
def test_polygons_touch_neither_themselves_nor_each_other(mask: Mask) -> None:
    points = np.concatenate([np.zeros((0, 2)), *outlines(mask)])
    assert len(np.unique(np.round(points, 6), axis=0)) == len(points)


@given(mask=masks)
def test_area_is_that_of_the_voxels_less_a_thousandth_of_a_voxel_along_the_outline(mask: Mask) -> None:
    polygons = outlines(mask)
    length = sum(np.abs(np.diff(p, axis=0, append=p[:1])).sum() for p in polygons)
    missing = mask.sum() - sum(area(p) for p in polygons)
    assert -1e-9 <= missing <= 1.01 * INSET * length + 1e-9


@given(mask=masks)
def test_edges_run_along_i_and_j_in_turn(mask: Mask) -> None:
    for points in outlines(mask):
        along = np.abs(np.diff(points, axis=0, append=points[:1])) > 1e-9
        assert (along.sum(axis=1) == 1).all() and (along[:, 0] != np.roll(along[:, 0], 1)).all()


def test_a_voxel_is_a_square_just_inside_its_edges() -> None:
    mask = np.zeros((3, 4), bool)
    mask[2, 0] = True
    (square,) = outlines(mask)
    half = 0.5 - INSET
    assert sorted((square - (2, 0)).round(9).tolist()) == [[-half, -half], [-half, half], [half, -half], [half, half]]


@pytest.mark.parametrize("turned", [0, 1])
def test_voxels_that_touch_at_a_corner_are_polygons_of_their_own(turned: int) -> None:
    assert [len(p) for p in outlines(np.rot90(np.eye(2, dtype=bool), turned))] == [4, 4]


def test_holes_are_joined_to_what_surrounds_them_and_islands_are_not() -> None:
    i, j = np.indices((41, 41)) - 20
    distance = np.hypot(i, j)
    mask = ((distance < 18) & (distance > 12)) | (distance < 6)
    mask[:3, :3] = True
    mask[33:, 20] &= False
    assert len(outlines(mask)) == 3


def test_many_holes_in_a_row_share_one_polygon() -> None:
    mask = np.ones((9, 41), bool)
    mask[1::2, 1::2] = False
    (points,) = outlines(mask)
    assert np.array_equal(winding([points], mask.shape), mask)


def test_an_empty_slice_has_no_outline() -> None:
    assert outlines(np.zeros((3, 3), bool)) == []
