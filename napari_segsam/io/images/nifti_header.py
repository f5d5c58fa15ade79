"""The 348 (or 540) bytes that say what a NIfTI file holds, and where it lies in the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from napari_segsam.core.errors import GridMismatchError, UnreadableInputError
from napari_segsam.core.grid import LPS_RAS, Grid

Header = Any
"""nibabel's Nifti1Header or Nifti2Header; their methods have no types."""

HEAD_BYTES = 540
_MAGIC_1, _MAGIC_2 = b"n+1\0", b"n+2\0\r\n\x1a\n"
_COLOURS = {128: 3, 2304: 4}  # RGB24, RGBA32
_NUMBERS = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_MILLIMETRES = {1: 1000.0, 3: 0.001}  # xyzt_units: metre, micrometre
_CONFLICT_MM = 0.01


@dataclass(frozen=True, eq=False)
class NiftiLayout:
    """What a NIfTI header says.

    Attributes:
        grid: shape and LPS affine, the sform where its code is set, else the qform, exactly.
        dtype: of one stored number, with the file's byte order.
        channels: 1, or 3 and 4 for colours.
        offset: byte at which the voxels start.
        slope, intercept: stored number -> intensity.
    """

    grid: Grid
    dtype: np.dtype
    channels: int
    offset: int
    slope: float
    intercept: float
    warnings: tuple[str, ...]

    @property
    def total_bytes(self) -> int:
        """Length of the whole (decompressed) file."""
        count = int(np.prod([int(n) for n in self.grid.shape], dtype=object))
        return self.offset + count * self.channels * self.dtype.itemsize


def read_layout(head: bytes, name: str) -> NiftiLayout:
    """Read the header in the first bytes of a file called ``name``.

    Raises:
        UnreadableInputError: no NIfTI header, a damaged one, or one of a kind that is not supported (4D, complex, ...).
    """
    header = _header(head, name)
    try:
        slope, intercept = header.get_slope_inter()
        affine, warnings = _affine(header)
    except HeaderDataError as error:
        raise UnreadableInputError(
            f"{name}: the NIfTI header is damaged ({error}); convert the image again."
        ) from error
    shape = _shape(header, name)
    dtype, channels = _dtype(header, name)
    return NiftiLayout(
        _grid(shape, affine, name),
        dtype,
        channels,
        _offset(header, name),
        1.0 if slope is None else float(slope),
        float(intercept or 0.0),
        warnings,
    )


def _header(head: bytes, name: str) -> Header:
    size = head[:4]
    if size in (b"\x5c\x01\0\0", b"\0\0\x01\x5c") and head[344:348] == _MAGIC_1:
        return nib.Nifti1Header(head[:348], check=False)  # type: ignore[no-untyped-call]
    if size in (b"\x1c\x02\0\0", b"\0\0\x02\x1c") and head[4:12] == _MAGIC_2 and len(head) >= HEAD_BYTES:
        return nib.Nifti2Header(head[:540], check=False)  # type: ignore[no-untyped-call]
    raise UnreadableInputError(f"{name} is not a NIfTI image, or it is cut short; check the file or convert it again.")


def _shape(header: Header, name: str) -> tuple[int, int, int]:
    count, *dims = (int(n) for n in header["dim"])
    dims = dims[:count]
    if not 1 <= count <= 7 or min(dims) < 1:
        raise UnreadableInputError(f"{name}: the NIfTI header has impossible dimensions; convert the image again.")
    if any(n > 1 for n in dims[3:]):
        volumes = int(np.prod(dims[3:]))
        raise UnreadableInputError(f"{name} holds {volumes} volumes (4D); split it and open one of them.")
    i, j, k = (*dims, 1, 1)[:3]
    return i, j, k


def _dtype(header: Header, name: str) -> tuple[np.dtype, int]:
    code = int(header["datatype"])
    if code in _COLOURS:
        return np.dtype("u1"), _COLOURS[code]
    if code not in _NUMBERS:
        raise UnreadableInputError(
            f"{name}: voxels of NIfTI type {code} (complex, bit, ...) are not supported; convert them."
        )
    return np.dtype(_NUMBERS[code]).newbyteorder(header.endianness), 1


def _offset(header: Header, name: str) -> int:
    offset = float(header["vox_offset"])
    if not (offset.is_integer() and int(header["sizeof_hdr"]) <= offset < 1 << 31):
        raise UnreadableInputError(
            f"{name}: the NIfTI header says that voxels start at byte {offset:g}; convert it again."
        )
    return int(offset)


def _affine(header: Header) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """(4, 4) voxel -> LPS millimetres, and what to say about it."""
    warnings = []
    ras = np.asarray(header.get_best_affine(), np.float64)
    sform, qform = int(header["sform_code"]) > 0, int(header["qform_code"]) > 0
    if not sform and not qform:
        warnings.append("The file does not say how it lies in the patient: left and right are a guess.")
    if sform and qform:
        apart = np.abs(np.asarray(header.get_qform()) - ras) @ np.array([*header["dim"][1:4], 1.0])
        if apart.max() > _CONFLICT_MM:
            warnings.append(f"The file's sform and qform disagree by up to {apart.max():.2f} mm; the sform is used.")
    scale = _MILLIMETRES.get(int(header["xyzt_units"]) & 7, 1.0)
    if scale != 1.0:
        warnings.append(f"The file counts in units of {scale:g} mm; they were converted to millimetres.")
    return LPS_RAS @ np.diag([scale, scale, scale, 1.0]) @ ras, tuple(warnings)


def _grid(shape: tuple[int, int, int], affine: NDArray[np.float64], name: str) -> Grid:
    if shape[2] == 1 and np.isfinite(affine).all() and not affine[:3, 2].any():
        affine = affine.copy()
        affine[:3, 2] = _normal(affine)  # a 2D image may leave its third axis out
    try:
        return Grid(shape, affine)
    except GridMismatchError as error:
        raise UnreadableInputError(
            f"{name}: the NIfTI header holds no usable affine; convert the image again."
        ) from error


def _normal(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    length = float(np.linalg.norm(normal))
    return normal / length if length else normal
