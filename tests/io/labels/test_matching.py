"""Label maps onto a scan: reordered exactly or refused, with by how much they differ."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segsam.core.errors import GridMismatchError
from napari_segsam.core.grid import Grid
from napari_segsam.io.labels.matching import matched
from tests.core.grids import affine_of, affines, rotation, shapes

SCAN = Grid((4, 5, 6), affine_of("LPS"))
LABELS = np.random.default_rng(1).integers(0, 9, SCAN.shape).astype(np.uint16)


@given(shapes, affines(), st.permutations(range(3)), st.lists(st.booleans(), min_size=3, max_size=3))
def test_any_index_order_of_the_same_voxels_is_put_back(shape, affine, axes, flips):
    grid = Grid(shape, affine)
    voxels = np.arange(1, np.prod(shape) + 1).reshape(shape).astype(np.uint16)
    turned = voxels.transpose(axes)[tuple(slice(None, None, -1 if f else 1) for f in flips)]
    change = np.zeros((4, 4))
    change[3, 3] = 1
    for new, old in enumerate(axes):
        change[old, new] = -1 if flips[new] else 1
        change[old, 3] = shape[old] - 1 if flips[new] else 0
    assert np.array_equal(matched(turned, Grid(turned.shape, affine @ change), grid, "x"), voxels)


@pytest.mark.parametrize(
    ("shape", "change", "said"),
    [
        ((4, 5, 7), np.eye(4), "it has 4 x 5 x 7 voxels, the scan has 4 x 5 x 6"),
        ((4, 5, 6), np.diag([1.1, 1, 1, 1]), "its voxels are 0.77 x 1.1 x 2.5 mm, the scan's 0.7 x 1.1 x 2.5 mm"),
        ((4, 5, 6), np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "up to 0.7 mm beside"),
        ((4, 5, 6), np.array([[1, 0, 0, 0.1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "up to 0.07 mm beside"),
    ],
)
def test_any_other_grid_is_refused_with_by_how_much_it_differs(shape, change, said):
    other = Grid(shape, SCAN.affine @ change)
    with pytest.raises(GridMismatchError, match=f"x.nii does not fit the scan: .*{said}"):
        matched(np.zeros(shape, np.uint16), other, SCAN, "x.nii")


def test_a_turned_grid_is_refused():
    affine = np.array(SCAN.affine)
    affine[:3, :3] = rotation((0.0, 0.0, 0.05)) @ affine[:3, :3]
    with pytest.raises(GridMismatchError, match="mm beside those of the scan"):
        matched(LABELS, Grid(SCAN.shape, affine), SCAN, "x.nii")


@pytest.mark.parametrize(("beside_mm", "said"), [(0.0009, []), (0.0012, ["0.001 mm"]), (0.03, ["0.030 mm"])])
def test_what_is_more_than_rounding_and_taken_all_the_same_is_said(beside_mm, said):
    moved, told = np.array(SCAN.affine), []
    moved[2, 3] += beside_mm
    for part in (False, True):
        assert np.array_equal(
            matched(LABELS, Grid(SCAN.shape, moved), SCAN, "x.nii", part=part, tell=told.append), LABELS
        )
    assert told == [f"x.nii lies up to {mm} beside the scan, {LESS}" for mm in said] * 2


LESS = "less than a twentieth of a voxel; its labels were taken over as they are."


def test_rounded_headers_are_the_same_grid():
    affine = SCAN.affine + np.random.default_rng(0).uniform(-1e-3, 1e-3, (4, 4)) * (np.arange(4) < 3)[:, None]
    assert np.array_equal(matched(LABELS, Grid(SCAN.shape, affine), SCAN, "x.nii"), LABELS)


def box(low: tuple[int, int, int], high: tuple[int, int, int]) -> tuple[np.ndarray, Grid]:
    affine = np.array(SCAN.affine)
    affine[:3, 3] = SCAN.to_mm(low)
    shape = tuple(b - a for a, b in zip(low, high, strict=True))
    return np.ones(shape, np.uint16), Grid(shape, affine)


def test_a_box_is_laid_into_its_place_where_the_format_crops_and_refused_elsewhere():
    voxels, grid = box((1, 2, 3), (3, 4, 6))
    found = matched(voxels, grid, SCAN, "x.seg.nrrd", part=True)
    assert found[1:3, 2:4, 3:6].all() and found.sum() == 12
    with pytest.raises(GridMismatchError, match="2 x 2 x 3 voxels"):
        matched(voxels, grid, SCAN, "x.nii")


def test_what_reaches_beyond_the_scan_may_only_be_empty():
    voxels, grid = box((-1, 0, 0), (5, 5, 6))
    with pytest.raises(GridMismatchError, match="60 labelled voxels lie outside"):
        matched(voxels, grid, SCAN, "x.seg.nrrd", part=True)
    voxels[[0, -1]] = 0
    assert matched(voxels, grid, SCAN, "x.seg.nrrd", part=True).all()
    far, grid = box((40, 40, 40), (42, 42, 42))
    with pytest.raises(GridMismatchError, match="8 labelled voxels lie outside"):
        matched(far, grid, SCAN, "x.seg.nrrd", part=True)


def test_the_direction_across_a_single_slice_does_not_matter():
    flat, thick = Grid((4, 5, 1), np.diag([1.0, 1.0, 1.0, 1.0])), Grid((4, 5, 1), np.diag([1.0, 1.0, -9.0, 1.0]))
    voxels = np.arange(20, dtype=np.uint16).reshape(4, 5, 1)
    assert np.array_equal(matched(voxels, thick, flat, "x.nii"), voxels)
