"""NIfTI label maps, on exactly the affine of their grid."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.grid import LPS_RAS, Grid
from napari_segsam.io.atomic import write_bytes
from napari_segsam.io.labels.voxel_bytes import Stored, gzipped

Header = Any
"""nibabel's NIfTI-1 or NIfTI-2 header."""
_NIFTI1_LARGEST = np.iinfo(np.int16).max
_COMMENT = 6
_SCANNER = 1  # qform and sform code: coordinates of the scanner
_QFORM_MM = 2e-4  # a qform is written only where it says the same as the sform


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
    ras = LPS_RAS @ grid.affine
    header.set_qform(ras, code=_SCANNER, strip_shears=True)
    if not _says_the_same(header, ras, grid):
        header["qform_code"] = 0
        header["pixdim"][1:4] = grid.spacing_mm
    header.set_sform(ras, code=_SCANNER)
    header.set_xyzt_units("mm")
    header["scl_slope"], header["scl_inter"] = 1.0, 0.0
    return header


def _comment(note: str) -> bytes:
    """What follows the header's numbers: no extension, or one of code 6, whose length is a multiple of 16."""
    if not note:
        return bytes(4)
    text = note.encode()
    length = -(-(len(text) + 8) // 16) * 16
    return struct.pack("<4Bii", 1, 0, 0, 0, length, _COMMENT) + text.ljust(length - 8, b"\0")


def _says_the_same(header: Header, ras: NDArray[np.float64], grid: Grid) -> bool:
    """Whether the qform puts every voxel where the affine does; it cannot where that is sheared."""
    apart = np.abs(np.asarray(header.get_qform()) - ras) @ np.array([*grid.shape, 1.0])
    return bool(apart.max() <= _QFORM_MM)
