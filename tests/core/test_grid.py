"""Where voxels lie: index to millimetres and back, with nibabel and SimpleITK as independent readers."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from napari_segsam.core.errors import GridMismatchError
from napari_segsam.core.grid import LPS_RAS, Grid
from tests.core.grids import AXIS_CODES, affine_of, affines, grids, rotation

indices = st.tuples(*[st.floats(-10, 500)] * 3)


def itk_image(grid: Grid) -> sitk.Image:
    """An ITK image on the grid; ITK has origin, spacing and orthonormal directions instead of an affine."""
    image = sitk.Image(list(grid.shape), sitk.sitkInt16)
    image.SetSpacing(grid.spacing_mm)
    image.SetDirection((grid.affine[:3, :3] / grid.spacing_mm).ravel())
    image.SetOrigin(grid.affine[:3, 3])
    return image


@given(affines(shear=0.0), indices)
def test_itk_puts_an_index_at_the_same_millimetres(affine, ijk):
    grid = Grid((3, 4, 5), affine)
    assert np.allclose(itk_image(grid).TransformContinuousIndexToPhysicalPoint(ijk), grid.to_mm(ijk), atol=1e-6)


@given(affines(), indices)
def test_nibabel_puts_an_index_at_the_same_millimetres(affine, ijk):
    image = nibabel.Nifti1Image(np.zeros((3, 4, 5), np.int16), LPS_RAS @ affine)
    ras = nibabel.affines.apply_affine(image.affine, ijk)
    assert np.allclose(ras * (-1, -1, 1), Grid((3, 4, 5), affine).to_mm(ijk), atol=1e-6)


@pytest.mark.parametrize("codes", AXIS_CODES)
def test_a_file_of_one_library_lies_where_the_other_reads_it(codes: str, tmp_path: Path):
    affine = affine_of(codes)
    affine[:3, :3] = rotation((0.1, -0.2, 0.15)) @ affine[:3, :3]
    grid = Grid((3, 4, 5), affine)
    sitk.WriteImage(itk_image(grid), tmp_path / "scan.nii.gz")
    read = nibabel.load(tmp_path / "scan.nii.gz")
    assert Grid(read.shape, LPS_RAS @ read.affine).matches(grid)


@given(grids, indices)
def test_millimetres_lead_back_to_the_index(grid: Grid, ijk):
    assert np.allclose(grid.to_ijk(grid.to_mm(ijk)), ijk, atol=1e-6)


@given(affines(shear=0.0))
def test_the_volume_of_a_voxel_is_the_product_of_its_spacings(affine):
    grid = Grid((1, 1, 1), affine)
    assert np.isclose(grid.voxel_mm3, np.prod(grid.spacing_mm))


@given(grids)
def test_a_grid_matches_itself_and_a_hair_beside_itself(grid: Grid):
    beside = grid.affine + np.pad(np.full((3, 1), 5e-4), ((0, 1), (3, 0)))
    assert grid.matches(grid)
    assert grid.matches(Grid(grid.shape, beside))


@given(grids, st.sampled_from(range(3)), st.sampled_from((-1, 1)))
def test_a_grid_moved_by_a_hundredth_of_a_millimetre_is_another(grid: Grid, axis: int, way: int):
    moved = grid.affine.copy()
    moved[axis, 3] += way * 0.01
    assert not grid.matches(Grid(grid.shape, moved))


@pytest.mark.parametrize("axis", range(3))
def test_a_flipped_grid_over_the_same_box_is_another(axis: int):
    grid = Grid((3, 4, 5), affine_of("LPS"))
    flipped = grid.affine.copy()
    flipped[:3, 3] += flipped[:3, axis] * (grid.shape[axis] - 1)
    flipped[:3, axis] *= -1
    assert not grid.matches(Grid(grid.shape, flipped))


def test_grids_of_another_shape_do_not_match():
    assert not Grid((3, 4, 5), np.eye(4)).matches(Grid((3, 4, 6), np.eye(4)))


@pytest.mark.parametrize(
    "affine",
    [
        np.zeros((4, 4)),
        np.eye(3),
        np.diag([1.0, 1.0, 0.0, 1.0]),
        np.full((4, 4), np.nan),
        np.diag([np.inf, 1, 1, 1]),
        np.array([[1e3, 1e3, 0, 0], [1e3, 1e3, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]),
        np.diag([1.0, 1.0, 1.0, 2.0]),
    ],
    ids=["zeros", "3 x 3", "flat", "nan", "infinite", "two axes alike", "not affine"],
)
def test_an_affine_that_places_nothing_is_refused(affine):
    with pytest.raises(GridMismatchError, match="not an invertible 4x4 matrix"):
        Grid((1, 1, 1), affine)


@pytest.mark.parametrize("spacing", [1e-6, 1e-3, 1e3])
def test_microscopic_and_huge_spacings_are_invertible_too(spacing: float):
    assert np.allclose(Grid((1, 1, 1), np.diag([spacing] * 3 + [1.0])).spacing_mm, spacing)


def test_the_affine_cannot_be_changed_behind_the_grid():
    affine = np.eye(4)
    grid = Grid((1, 1, 1), affine)
    affine[0, 3] = 5.0
    assert grid.affine[0, 3] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 3] = 1.0
