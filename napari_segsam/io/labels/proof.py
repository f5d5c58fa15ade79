"""Written label maps read back by libraries that did not write them, before anyone hears "saved"."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from napari_segsam.core.errors import SegsamError, WriteError
from napari_segsam.core.grid import LPS_RAS, Grid
from napari_segsam.io.labels.dicom_seg import read_segments
from napari_segsam.io.labels.voxel_bytes import Stored

_TOLERANCE_MM = 1e-3
_PART = 0.01  # of a voxel's smallest edge, where that is less
_UNREADABLE = (SegsamError, ImageFileError, HeaderDataError, RuntimeError, ValueError, EOFError, zlib.error)


def prove_image(written: Path, name: str, stored: Stored, grid: Grid) -> None:
    """Compare what SimpleITK finds in a NIfTI, NRRD or MetaImage file with what it should hold.

    Where a NIfTI lies is asked of nibabel too; all of it where the affine is sheared, which ITK's reader straightens.

    Args:
        written: the file.
        name: what an error calls it.
        stored: (nk, nj, ni).
        grid: where its voxels are to lie.

    Raises:
        WriteError: voxels or places differ, or it cannot be read.
    """
    try:
        grids, found = _read_back(written)
    except _UNREADABLE as error:
        raise WriteError(f"{name} was not written: it could not be read back. What was there is unchanged.") from error
    if not all(g.matches(grid, tolerance_mm(grid)) for g in grids) or not np.array_equal(found, stored):
        raise unequal(name)


def prove_seg(written: Path, name: str, stored: Stored, grid: Grid) -> None:
    """Compare what pydicom finds in a segmentation, frame by frame, with the (nk, nj, ni) numbers it should hold.

    Raises:
        WriteError: voxels or places differ, or it cannot be read.
    """
    try:
        found_grid, found, _ = read_segments(written)
    except SegsamError as error:
        raise WriteError(f"{name} was not written: it could not be read back. What was there is unchanged.") from error
    wanted_grid, wanted = _between_first_and_last(stored, grid)
    if not found_grid.matches(wanted_grid, tolerance_mm(grid)) or not np.array_equal(found, wanted):
        raise unequal(name)


def unequal(name: str) -> WriteError:
    """Why a file was not put in its place."""
    return WriteError(f"{name} was not written: it did not read back equal. What was there is unchanged; report this.")


def tolerance_mm(grid: Grid) -> float:
    """Millimetres that a voxel may lie beside its place."""
    return min(_TOLERANCE_MM, _PART * min(grid.spacing_mm))


def _between_first_and_last(stored: Stored, grid: Grid) -> tuple[Grid, Stored]:
    """What is left without empty slices at the ends, from the lowest to the highest along the normal of a slice."""
    k = np.flatnonzero(stored.any(axis=(1, 2)))
    first, last = int(k[0]), int(k[-1])
    affine, inside = grid.affine.copy(), stored[first : last + 1]
    if np.linalg.det(affine[:3, :3]) < 0:  # k runs against the normal
        affine[:3, 2] *= -1.0
        first, inside = last, inside[::-1]
    affine[:3, 3] = grid.to_mm((0, 0, first))
    return Grid((grid.shape[0], grid.shape[1], len(inside)), affine), inside


def _read_back(written: Path) -> tuple[list[Grid], Stored]:
    """The grid as each library sees it, and the (nk, nj, ni) voxels."""
    if not written.name.endswith((".nii", ".nii.gz")):
        return _by_itk(written)
    nifti: Any = nib.load(written)
    grid = Grid((*nifti.shape, 1, 1)[:3], LPS_RAS @ nifti.affine)
    if int(nifti.header["qform_code"]) == 0:  # as the writer says where the affine is sheared
        return [grid], np.asanyarray(nifti.dataobj).reshape(grid.shape).T
    grids, found = _by_itk(written)
    return [grid, *grids], found


def _by_itk(written: Path) -> tuple[list[Grid], Stored]:
    image: Any = sitk.ReadImage(str(written))
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return [Grid(image.GetSize(), affine)], sitk.GetArrayViewFromImage(image).copy()
