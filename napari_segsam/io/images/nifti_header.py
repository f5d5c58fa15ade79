"""The 348 (or 540) bytes that say what a NIfTI file holds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.images.encodings import first_bytes, is_gzip
from napari_segsam.io.images.layout import Layout, Packed, Steps
from napari_segsam.io.images.nifti_affine import Header, grid_of

__all__ = ["Header", "nifti_layout"]

_HEAD_BYTES = 540
_LARGEST_HDR = 1 << 24
_KINDS: dict[int, tuple[Any, slice, bytes, bytes]] = {
    348: (nib.Nifti1Header, slice(344, 348), b"n+1\0", b"ni1\0"),
    540: (nib.Nifti2Header, slice(4, 12), b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n"),
}
"""sizeof_hdr -> class, place of the magic, magic of one file, magic of a pair."""
_COLOURS = {128: 3, 2304: 4}  # RGB24, RGBA32
_NUMBERS = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_REFUSED = {
    **{1: "single bits", 32: "complex numbers (complex64)", 1792: "complex numbers (complex128)"},
    **{2048: "complex numbers (complex256)", 1536: "128-bit floats"},
}
_TIMES = {8: ("time", "s"), 16: ("time", "ms"), 24: ("time", "\xb5s"), 32: ("frequency", "Hz"), 40: ("shift", "ppm")}
_INTENTS = {
    **dict.fromkeys((1004, 1005), "matrix element"),
    **dict.fromkeys((1006, 1007), "vector component"),
    **dict.fromkeys((2003, 2004), "colour"),
}


def nifti_layout(path: Path) -> Layout:
    """What the header of a .nii, .nii.gz, or pair of .hdr and .img says (NIfTI-1 or -2, either byte order).

    Raises:
        UnreadableInputError: no NIfTI header, a damaged one, ANALYZE 7.5, or voxels that are no real numbers.
    """
    pair = path.name.lower().removesuffix(".gz").endswith((".hdr", ".img"))
    start, data = _pair(path) if pair else (path, path)
    header = _header(_head(start, pair), start.name, pair)
    slope, intercept = _scaling(header, path.name)
    dims = _dims(header, path.name)
    dtype, colours = _dtype(header, path.name)
    grid, warnings = grid_of(header, (dims[0], dims[1], dims[2]), path.name)
    first = 1 if colours else 0
    return Layout(
        start,
        grid,
        dtype,
        ((colours,) if colours else ()) + dims,
        (first, first + 1, first + 2),
        0 if colours else None,
        Packed(data, 0, "gzip" if is_gzip(data) else "raw", _offset(header, path.name, pair)),
        _steps(header, dims, first),
        slope,
        intercept,
        warnings,
    )


def other_half(path: Path) -> Path | None:
    """The .img of an .hdr or the other way round, in the same case, gzip or not; None where it is not there."""
    bare = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    suffix = ".img" if bare.suffix.lower() == ".hdr" else ".hdr"
    beside = bare.with_suffix(suffix.upper() if bare.suffix.isupper() else suffix)
    return next((p for p in (beside, beside.with_name(f"{beside.name}.gz")) if p.is_file()), None)


def _pair(path: Path) -> tuple[Path, Path]:
    """Header and voxels."""
    other = other_half(path)
    if other is None:
        raise UnreadableInputError(f"{path.name} is half of a pair of .hdr and .img; put the other one beside it.")
    return (path, other) if path.name.lower().removesuffix(".gz").endswith(".hdr") else (other, path)


def _head(path: Path, pair: bool) -> bytes:
    if not pair:
        return first_bytes(path, _HEAD_BYTES)
    whole = first_bytes(path, _LARGEST_HDR)  # to its end, so that a damaged one is noticed
    if len(whole) == _LARGEST_HDR:
        raise UnreadableInputError(f"{path.name} is too large for a NIfTI header; check the file or convert it again.")
    return whole[:_HEAD_BYTES]


def _header(head: bytes, name: str, pair: bool) -> Header:
    for order in ("<", ">"):
        size = int.from_bytes(head[:4], "little" if order == "<" else "big")
        if size in _KINDS and len(head) >= size:
            kind, magic_at, single, double = _KINDS[size]
            magic = head[magic_at]
            if magic == (double if pair else single):
                return kind(head[:size], order, check=False)
            if magic == double:
                raise UnreadableInputError(f"{name} is the header of a pair; name it .hdr and put its .img beside it.")
            if pair and magic != single:
                raise UnreadableInputError(
                    f"{name} is an ANALYZE 7.5 image, which does not say left from right; convert it to NIfTI."
                )
    raise UnreadableInputError(f"{name} is not a NIfTI image, or it is cut short; check the file or convert it again.")


def _dims(header: Header, name: str) -> tuple[int, ...]:
    """At least three."""
    count, *dims = (int(n) for n in header["dim"])
    if not 1 <= count <= 7 or min(dims[:count]) < 1:
        raise UnreadableInputError(f"{name}: the NIfTI header has impossible dimensions; convert the image again.")
    return (*dims[:count], 1, 1)[: max(count, 3)]


def _dtype(header: Header, name: str) -> tuple[np.dtype[Any], int]:
    """Of one number, and how many colours a voxel has (0: one intensity)."""
    code = int(header["datatype"])
    if code in _COLOURS:
        return np.dtype("u1"), _COLOURS[code]
    if code not in _NUMBERS:
        what = _REFUSED.get(code, f"of the unknown NIfTI type {code}")
        raise UnreadableInputError(f"{name}: the voxels are {what}, not real numbers of up to 64 bits; convert them.")
    return np.dtype(_NUMBERS[code]).newbyteorder(header.endianness), 0


def _offset(header: Header, name: str, pair: bool) -> int:
    offset = float(header["vox_offset"])
    least = 0 if pair else int(header["sizeof_hdr"])
    if not (offset.is_integer() and least <= offset < 1 << 31):
        raise UnreadableInputError(
            f"{name}: the NIfTI header says that voxels start at byte {offset:g}; convert it again."
        )
    return int(offset)


def _scaling(header: Header, name: str) -> tuple[float, float]:
    """Slope and intercept; a slope of 0 or one that is not finite means none."""
    try:
        slope, intercept = header.get_slope_inter()
    except HeaderDataError as error:
        raise UnreadableInputError(f"{name}: the intercept of the NIfTI header is no number; convert it.") from error
    return (1.0, 0.0) if slope is None else (float(slope), float(intercept))


def _steps(header: Header, dims: tuple[int, ...], first: int) -> dict[int, Steps]:
    """The fourth axis is time where it has a unit, the fifth what the intent says."""
    found = {}
    unit = _TIMES.get(int(header["xyzt_units"]) & 0x38)
    if len(dims) > 3 and unit:
        found[first + 3] = Steps(unit[0], _times(header, dims[3], unit[1]))
    intent = _INTENTS.get(int(header["intent_code"]))
    if len(dims) > 4 and intent:
        found[first + 4] = Steps(intent)
    return found


def _times(header: Header, count: int, unit: str) -> tuple[str, ...]:
    begin, step = float(header["toffset"]), float(header["pixdim"][4])
    if not (math.isfinite(begin) and math.isfinite(step) and step > 0) or count > 1 << 16:
        return ()
    return tuple(f"{begin + n * step:.6g} {unit}" for n in range(count))
