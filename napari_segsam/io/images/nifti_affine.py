"""Where a NIfTI image lies in the patient, exactly as its header says.

The order of precedence is nibabel's: the sform where its code is not 0 (method 3 of the standard), else the qform where
its code is not 0 (method 2), else voxel sizes alone. ITK 5.4 goes by the qform, where there is one, instead of an sform
that is sheared or whose code is not 1, without a word; where there is none it refuses a sheared sform.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.grid import Grid, NiftiForms
from napari_segsam.io.images.layout import UNPLACED, grid_at, with_normal
from napari_segsam.io.images.units import NO_SPACING, NO_UNIT, converted

Header = Any
"""nibabel's Nifti1Header or Nifti2Header; their methods have no types."""

Affine = NDArray[np.float64]

_CODES = range(6)  # NIFTI_XFORM_UNKNOWN to NIFTI_XFORM_TEMPLATE_OTHER
_MILLIMETRES = {1: 1000.0, 2: 1.0, 3: 0.001}  # xyzt_units: metre, millimetre, micrometre
_CONFLICT_MM = 0.01
_UNUSABLE = (HeaderDataError, ValueError)  # nibabel's words for a qform that is no rotation, or has no voxel sizes


def grid_of(header: Header, shape: tuple[int, int, int], name: str) -> tuple[Grid, tuple[str, ...]]:
    """The grid that the header places, exactly, and what to say about it.

    Raises:
        UnreadableInputError: codes that the standard does not know, or no usable affine.
    """
    sform, qform = int(header["sform_code"]), int(header["qform_code"])
    if sform not in _CODES or qform not in _CODES:
        raise UnreadableInputError(f"{name}: sform code {sform} or qform code {qform} is not a NIfTI code; convert it.")
    sizes = header["pixdim"][1:4]
    if not sform and not (np.isfinite(sizes) & (sizes >= 0)).all():
        raise UnreadableInputError(f"{name}: the NIfTI header has impossible voxel sizes; convert the image again.")
    header = header.copy()
    warnings = _mend_voxel_sizes(header, shape)
    ras, said = _placed(header, name)
    scale = _MILLIMETRES.get(int(header["xyzt_units"]) & 7)
    if scale is None:
        said += (NO_UNIT,)
    elif scale != 1.0:
        said += (converted(scale),)
    grid = _grid(shape, _to_lps_mm(ras, scale), name)
    by_qform = _by_qform(header, grid, scale) if qform else None
    if sform and qform:
        said += _conflict(grid, by_qform)
    forms = NiftiForms(qform, sform, by_qform.affine) if by_qform else NiftiForms(0, sform)
    return replace(grid, nifti=forms), (*(warnings if not sform else ()), *said)


def _placed(header: Header, name: str) -> tuple[Affine, tuple[str, ...]]:
    try:
        ras = np.asarray(header.get_best_affine(), np.float64)
    except _UNUSABLE as error:
        raise UnreadableInputError(f"{name}: the NIfTI header holds no usable affine; convert it again.") from error
    return ras, () if header["sform_code"] or header["qform_code"] else (UNPLACED,)


def _mend_voxel_sizes(header: Header, shape: tuple[int, int, int]) -> tuple[str, ...]:
    """What the standard says of a qfac of 0, and of voxel sizes of 0 only common sense: both are taken as 1."""
    pixdim = header["pixdim"]
    if pixdim[0] == 0:
        pixdim[0] = 1
    absent = pixdim[1:4] == 0
    pixdim[1:4][absent] = 1
    return (NO_SPACING,) if (absent & (np.array(shape) > 1)).any() else ()


def _to_lps_mm(ras: Affine, scale: float | None) -> Affine:
    lps: Affine = ras.copy()
    lps[:2] *= -1.0
    lps[:3] *= scale or 1.0
    return lps


def _by_qform(header: Header, grid: Grid, scale: float | None) -> Grid | None:
    """Where the qform puts the voxels, None where it is damaged."""
    try:
        return _grid(grid.shape, _to_lps_mm(np.asarray(header.get_qform()), scale), "")
    except (*_UNUSABLE, UnreadableInputError):
        return None


def _conflict(grid: Grid, by_qform: Grid | None) -> tuple[str, ...]:
    if by_qform is None:
        return ("The file's qform is damaged; its sform is used.",)
    apart = float(np.linalg.norm(grid.corners_mm() - by_qform.corners_mm(), axis=1).max())
    if apart <= _CONFLICT_MM:
        return ()
    return (f"The file's sform and qform disagree by up to {apart:.2f} mm; the sform is used.",)


def _grid(shape: tuple[int, int, int], affine: Affine, name: str) -> Grid:
    flat = shape[2] == 1 and not affine[:3, 2].any()  # which may leave its third axis out
    return grid_at(shape, with_normal(affine) if flat else affine, name)
