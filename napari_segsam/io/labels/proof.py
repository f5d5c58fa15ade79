"""Written label maps read back before anyone hears "saved": none is read by what wrote its voxels."""

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

    Where a NIfTI lies is asked of nibabel too; of it alone where the header leaves it to the reader, as that of the
    scan does: two forms that differ, or none. ITK refuses a sheared sform without a qform; nibabel reads voxels then.

    Args:
        written: the file.
        name: what an error calls it.
        stored: (nk, nj, ni).
        grid: where its voxels are to lie.

    Raises:
        WriteError: voxels or places differ, or it cannot be read.
    """
    try:
        holds = _nifti_holds if written.name.endswith((".nii", ".nii.gz")) else _image_holds
        same = holds(written, stored, grid)
    except _UNREADABLE as error:
        raise WriteError(f"{name} was not written: it could not be read back. What was there is unchanged.") from error
    if not same:
        raise unequal(name)


def prove_seg(written: Path, name: str, stored: Stored, grid: Grid) -> None:
    """Compare what pydicom finds in a segmentation, frame by frame, with the (nk, nj, ni) numbers it should hold.

    Raises:
        WriteError: voxels or places differ, or it cannot be read.
    """
    try:
        found_grid, found = read_segments(written)
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


def _image_holds(written: Path, stored: Stored, grid: Grid) -> bool:
    placed, found = _by_itk(written)
    return np.array_equal(found, stored) and _match(placed, grid)


def _nifti_holds(written: Path, stored: Stored, grid: Grid) -> bool:
    nifti: Any = nib.load(written)
    shape = (*nifti.shape, 1, 1)[:3]
    qform, sform = (int(nifti.header[f"{form}_code"]) for form in ("qform", "sform"))
    placed = Grid(shape, LPS_RAS @ nifti.affine)
    by_qform = Grid(shape, LPS_RAS @ nifti.header.get_qform()) if qform else placed
    of_the_scan = grid if grid.nifti is None or grid.nifti.qform is None else Grid(grid.shape, grid.nifti.qform)
    if not _match(placed, grid) or not (_match(by_qform, grid) or _match(by_qform, of_the_scan)):
        return False
    try:
        by_itk, found = _by_itk(written)
    except RuntimeError:
        if qform:
            raise
        by_itk, found = placed, np.asanyarray(nifti.dataobj).reshape(shape).T
    is_left_to_the_reader = not (qform or sform) or not _match(by_qform, grid)
    return np.array_equal(found, stored) and (is_left_to_the_reader or _match(by_itk, grid))


def _match(placed: Grid, grid: Grid) -> bool:
    return placed.matches(grid, tolerance_mm(grid))


def _by_itk(written: Path) -> tuple[Grid, Stored]:
    image: Any = sitk.ReadImage(str(written))
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return Grid(image.GetSize(), affine), sitk.GetArrayViewFromImage(image).copy()
