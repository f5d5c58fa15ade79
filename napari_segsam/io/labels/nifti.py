"""NIfTI label maps, on exactly the affine of their grid.

Programs differ in whether they go by the sform or the qform, which of the codes decides, and where they put a file
that has neither. A label map of a NIfTI scan therefore says its place in the same fields as the scan does: whoever
reads both puts them in one place, be it the right one or not. Other label maps say it in both forms.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.grid import LPS_RAS, Grid, NiftiForms
from napari_segsam.io.atomic import write_bytes
from napari_segsam.io.labels.voxel_bytes import Stored, gzipped

Header = Any
"""nibabel's NIfTI-1 or NIfTI-2 header."""
_NIFTI1_LARGEST = np.iinfo(np.int16).max
_COMMENT = 6
_SCANNER = 1  # qform and sform code: coordinates of the scanner
_APART_MM = 2e-4  # what the header says may be so far from the grid, as a qform is three float32


def write_nifti_labels(path: Path, stored: Stored, grid: Grid, note: str) -> None:
    """Write (nk, nj, ni) labels as they are, with slope 1 and intercept 0; gzip where the name ends in .gz.

    A ``note`` becomes an extension of the header that holds a comment.
    """
    header, extension = _label_header(stored, grid), _comment(note)
    start = header.binaryblock + extension
    header["vox_offset"] = len(start)
    start = header.binaryblock + extension
    write_bytes(path, *(gzipped(start, stored) if path.name.endswith(".gz") else (start, stored.data)))


def _label_header(stored: Stored, grid: Grid) -> Header:
    large = max(grid.shape) > _NIFTI1_LARGEST
    header: Header = nib.Nifti2Header(endianness="<") if large else nib.Nifti1Header(endianness="<")  # type: ignore[no-untyped-call]
    header.set_data_dtype(stored.dtype)
    header.set_data_shape(grid.shape)
    if grid.nifti is None or not _says(header, grid, grid.nifti):
        both = NiftiForms(_SCANNER, _SCANNER, grid.affine)
        if not (_says(header, grid, both) and _is_at(header.get_qform(), grid)):  # a qform cannot be sheared
            _says(header, grid, NiftiForms(0, _SCANNER))
    header.set_xyzt_units("mm")
    header["scl_slope"], header["scl_inter"] = 1.0, 0.0
    return header


def _says(header: Header, grid: Grid, forms: NiftiForms) -> bool:
    """Say the grid's place in these forms; whether a reader that goes by the sform first finds the grid then."""
    header["qform_code"] = header["sform_code"] = 0
    header["pixdim"][1:4] = grid.spacing_mm
    if forms.qform is not None:
        header.set_qform(LPS_RAS @ forms.qform, code=forms.qform_code, strip_shears=True)
    if forms.sform_code:
        header.set_sform(LPS_RAS @ grid.affine, code=forms.sform_code)
    return _is_at(header.get_best_affine(), grid)


def _is_at(ras: NDArray[np.float64], grid: Grid) -> bool:
    """Whether this affine puts every voxel where the grid does."""
    apart = np.abs(ras - LPS_RAS @ grid.affine) @ np.array([*grid.shape, 1.0])
    return bool(apart.max() <= _APART_MM)


def _comment(note: str) -> bytes:
    """What follows the header's numbers: no extension, or one of code 6, whose length is a multiple of 16."""
    if not note:
        return bytes(4)
    text = note.encode()
    length = -(-(len(text) + 8) // 16) * 16
    return struct.pack("<4Bii", 1, 0, 0, 0, length, _COMMENT) + text.ljust(length - 8, b"\0")
