"""Polygons to voxels: centres inside, on an edge, on a path; holes, islands, overlaps."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from skimage.measure import points_in_poly

from napari_segsam.io.labels.contours import outlines
from napari_segsam.io.labels.rasterise import Polygon, fill

SHAPE = (12, 10)
masks = arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def box(low: float, high: float, exclusive: bool = False) -> Polygon:
    return Polygon(np.array([(low, low), (high, low), (high, high), (low, high)], float), exclusive)


def filled(*polygons: Polygon, shape: tuple[int, int] = SHAPE) -> NDArray[np.bool_]:
    return fill(polygons, shape)[0]


@given(mask=masks)
def test_outlines_come_back_as_their_mask(mask: NDArray[np.bool_]) -> None:
    back, shared = fill([Polygon(p) for p in outlines(mask)], mask.shape)
    assert np.array_equal(back, mask) and shared == 0


@given(points=arrays(np.float64, st.tuples(st.integers(3, 9), st.just(2)), elements=st.floats(-4, 14)))
def test_inside_is_what_another_library_calls_inside(points: NDArray[np.float64]) -> None:
    points = points + 0.0123
    assume(not Polygon(points).through_centres)
    centres = np.indices(SHAPE).reshape(2, -1).T.astype(float)
    distance = np.min(
        [_distance(centres, a, b) for a, b in zip(points, np.roll(points, -1, axis=0), strict=True)], axis=0
    )
    wanted, clear = points_in_poly(centres, points), distance > 1e-9  # on an edge conventions differ
    assert np.array_equal(filled(Polygon(points)).ravel()[clear], wanted[clear])


def _distance(points: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    way = b - a
    at = np.clip(((points - a) @ way) / max(way @ way, 1e-300), 0, 1)
    return np.linalg.norm(points - a - at[:, None] * way, axis=1)


@given(corner=st.tuples(st.integers(1, 10), st.integers(1, 8)), slant=st.integers(-3, 3))
def test_neighbours_that_share_edges_share_no_voxel_and_leave_none_out(corner: tuple[int, int], slant: int) -> None:
    """Four quadrangles about a voxel's centre, over half a voxel more than the slice: edges run through centres."""
    i, j = corner
    low, (high_i, high_j) = -0.5, (SHAPE[0] - 0.5, SHAPE[1] - 0.5)
    top, bottom = (i + slant / 2, low), (i - slant / 2, high_j)
    parts = (
        [(low, low), top, corner, (low, j)],
        [top, (high_i, low), (high_i, j), corner],
        [(low, j), corner, bottom, (low, high_j)],
        [corner, (high_i, j), (high_i, high_j), bottom],
    )
    assert (sum(filled(Polygon(np.array(p, float))).astype(int) for p in parts) == 1).all()


def test_a_centre_on_an_edge_belongs_to_the_side_of_growing_index() -> None:
    wedge = Polygon(np.array([(2, 2), (6, 2), (6, 5), (2.5, 5)]))
    assert np.argwhere(filled(wedge)).min(axis=0).tolist() == [2, 2]
    assert np.argwhere(filled(wedge)).max(axis=0).tolist() == [5, 4]


def test_a_polygon_inside_another_is_a_hole_and_one_inside_that_an_island() -> None:
    rings = [box(low - 0.3, 9.3 - low) for low in (3, 0, 4, 1)]  # in any order
    assert filled(*rings).sum() == 10 * 10 - 8 * 8 + 4 * 4 - 2 * 2
    assert np.array_equal(filled(*rings), filled(*(Polygon(p.points, True) for p in rings)))


def test_overlaps_are_joined_and_counted_unless_they_are_exclusive() -> None:
    assert fill([box(0.5, 4.5), box(2.5, 6.5)], SHAPE)[1] == 4
    assert filled(box(0.5, 4.5), box(2.5, 6.5)).sum() == 28
    assert filled(box(0.5, 4.5), box(2.5, 6.5, exclusive=True)).sum() == 24


def test_a_polygon_that_is_there_twice_counts_once_unless_it_is_exclusive() -> None:
    assert fill([box(0.5, 4.5), box(0.5, 4.5)], SHAPE) == (pytest.approx(filled(box(0.5, 4.5))), 0)
    assert not filled(box(0.5, 4.5, True), box(0.5, 4.5, True)).any()


def test_what_a_polygon_runs_around_twice_is_outside() -> None:
    star = np.array([(5.3 + 5 * np.sin(a), 4.6 - 5 * np.cos(a)) for a in 0.8 * np.pi * np.arange(5)])
    mask = filled(Polygon(star))
    assert not mask[5, 4] and not mask[5, 5] and mask[5, 1] and mask[5, 2]


def test_what_lies_beyond_the_slice_is_cut_off() -> None:
    assert filled(box(-1e5, 1e5)).all() and not filled(box(-9.0, -3.0)).any() and not filled(box(20.0, 30.0)).any()
    assert filled(box(7.5, 1e5)).sum() == 4 * 2


@given(mask=masks)
def test_contours_that_opencv_traces_through_voxel_centres_come_back_as_their_mask(mask: NDArray[np.bool_]) -> None:
    """What rt-utils and its like write: holes, islands, lines and points, all through voxels of the mask."""
    cv2 = pytest.importorskip("cv2")
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    polygons = [Polygon(points[:, 0, ::-1].astype(float)) for points in found]
    assert all(p.through_centres for p in polygons)
    assert np.array_equal(filled(*polygons, shape=mask.shape), mask)


def test_the_outline_and_the_hole_of_a_ring_one_voxel_wide_are_the_same_and_both_count() -> None:
    ring = Polygon(np.array([(2.0, 2.0), (2.0, 6.0), (6.0, 6.0), (6.0, 2.0)]))
    mask = filled(ring, ring)
    assert mask.sum() == 16 and not mask[3:6, 3:6].any()
