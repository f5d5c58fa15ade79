"""The text before a MetaImage file's voxels (https://itk.org/Wiki/ITK/MetaIO/Documentation)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.io.images.encodings import is_gzip
from napari_segsam.io.images.layout import UNPLACED, Layout, Packed, Steps, grid_at
from napari_segsam.io.images.text_header import bad_field, header_lines, numbers, put_once, sizes, voxels_beside, whole
from napari_segsam.io.images.units import MILLIMETRES, NO_SPACING, NO_UNIT, converted

_TYPES = {
    **{"CHAR": "i1", "UCHAR": "u1", "SHORT": "i2", "USHORT": "u2", "INT": "i4", "UINT": "u4"},
    **{"LONG": "i4", "ULONG": "u4", "LONG_LONG": "i8", "ULONG_LONG": "u8", "FLOAT": "f4", "DOUBLE": "f8"},
}
"""A MET_LONG has four bytes, whatever the machine that wrote it."""
_DIRECTIONS = ("TransformMatrix", "Orientation", "Rotation")
_ORIGINS = ("Offset", "Position", "Origin")
_SPACINGS = ("ElementSpacing", "ElementSize")
_MOST_AXES = 10

Fields = Mapping[str, str]
Values = NDArray[np.float64]


def meta_layout(path: Path) -> Layout:
    """What the header of an .mha or .mhd file says.

    Raises:
        UnreadableInputError: no MetaImage header, a damaged one, voxels in several files or outside its folder, or no
            image.
    """
    fields, end = _read(path)
    name = path.name
    count = whole(fields.get("NDims", ""), "NDims", name)
    if not 2 <= count <= _MOST_AXES:
        raise bad_field("NDims", name)
    dims = sizes(fields.get("DimSize", ""), count, "DimSize", name)
    (channels,) = sizes(fields.get("ElementNumberOfChannels", "1"), 1, "ElementNumberOfChannels", name)
    dtype = _dtype(fields, name)
    slope, intercept, warned = _intensity(fields, name)
    grid, warnings = _placed(fields, dims, name)
    stored = (channels, *dims) if channels > 1 else dims
    first = len(stored) - len(dims)
    return Layout(
        path,
        grid,
        dtype,
        stored,
        tuple(range(first, first + min(count, 3))),
        0 if channels in (3, 4) and dtype == np.uint8 else None,
        _packed(path, fields, end, math.prod(stored) * dtype.itemsize),
        {0: Steps("component")} if channels > 1 else {},
        slope,
        intercept,
        (*warnings, *warned),
    )


def _read(path: Path) -> tuple[dict[str, str], int]:
    """The fields, and the byte behind the last of them, which is ElementDataFile."""
    fields: dict[str, str] = {}
    for line, end in header_lines(path):
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals:
            break
        put_once(fields, key, value, path.name)
        if key == "ElementDataFile":
            return fields, end
    raise UnreadableInputError(
        f"{path.name} is not a MetaImage file, or it is cut short; check it or convert it again."
    )


def _dtype(fields: Fields, name: str) -> np.dtype[Any]:
    said = fields.get("ElementType", "").removeprefix("MET_").removesuffix("_ARRAY")
    if said not in _TYPES or fields.get("ObjectType", "Image") != "Image":
        raise UnreadableInputError(f"{name} holds no image of numbers that can be shown; convert it.")
    dtype = np.dtype(_TYPES[said])
    if dtype.itemsize == 1 or not _true(fields, "BinaryData", "True"):
        return dtype
    big = _true(fields, "BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False"))
    return dtype.newbyteorder(">" if big else "<")


def _true(fields: Fields, field: str, default: str) -> bool:
    return fields.get(field, default)[:1] in ("T", "t", "1")


def _intensity(fields: Fields, name: str) -> tuple[float, float, tuple[str, ...]]:
    """Slope, intercept, and what to say about them; as in NIfTI a slope of 0 means none."""
    (slope,), _ = _field(fields, ("ElementToIntensityFunctionSlope",), np.ones(1), name)
    (offset,), _ = _field(fields, ("ElementToIntensityFunctionOffset",), np.zeros(1), name)
    if (slope, offset) == (1, 0) or slope == 0:
        return 1.0, 0.0, ()
    said = f"The header turns stored numbers into intensities (times {slope:g} plus {offset:g}); ITK leaves that out."
    return float(slope), float(offset), (said,)


def _placed(fields: Fields, dims: tuple[int, ...], name: str) -> tuple[Grid, tuple[str, ...]]:
    count, space = len(dims), min(len(dims), 3)
    matrix, turned = _field(fields, _DIRECTIONS, np.eye(count).ravel(), name)
    origin, moved = _field(fields, _ORIGINS, np.zeros(count), name)
    spacing, spaced = _field(fields, _SPACINGS, np.ones(count), name)
    directions = matrix.reshape(count, count)  # a row for each voxel axis
    if directions[:space, space:].any() or directions[space:, :space].any():
        raise UnreadableInputError(f"{name}: its volumes lie at different places; split it and open one of them.")
    scale = MILLIMETRES.get(fields.get("DistanceUnits", "mm").lower())
    affine = np.eye(4)
    affine[:space, :space] = (directions[:space, :space] * spacing[:space, np.newaxis]).T
    affine[:space, 3] = origin[:space]
    affine[:space] *= scale or 1.0
    said = (
        *(() if turned and moved else (UNPLACED,)),
        *(() if spaced else (NO_SPACING,)),
        *((NO_UNIT,) if scale is None else (converted(scale),) if scale != 1.0 else ()),
    )
    i, j, k = (*dims, 1)[:3]
    return grid_at((i, j, k), affine, name), said


def _field(fields: Fields, names: tuple[str, ...], default: Values, name: str) -> tuple[Values, bool]:
    """The first of these fields that is there, else ``default``; and whether one is."""
    for field in names:
        if field in fields:
            found = np.array(numbers(fields[field], default.size, field, name))
            if np.isnan(found).any():
                raise bad_field(field, name)
            return found, True
    return default, False


def _packed(path: Path, fields: Fields, end: int, length: int) -> Packed:
    named = fields["ElementDataFile"]
    local = named.upper() == "LOCAL"
    data, start = (path, end) if local else (voxels_beside(path, named), 0)
    encoding = "raw" if _true(fields, "BinaryData", "True") else "ascii"
    if _true(fields, "CompressedData", "False"):
        encoding = "gzip" if is_gzip(data, start) else "zlib"
    before = whole(fields.get("HeaderSize", "0"), "HeaderSize", path.name)
    if before == -1 and encoding == "raw":  # the voxels end the file, whatever comes before
        return Packed(data, max(start, data.stat().st_size - length))
    if before < 0 or (before and local):
        raise bad_field("HeaderSize", path.name)
    return Packed(data, start + before, encoding)
