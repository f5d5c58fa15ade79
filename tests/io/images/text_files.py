"""NRRD and MetaImage files written by hand, as headers that no library writes need it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ARRAY = np.arange(24, dtype=np.int16).reshape(2, 3, 4, order="F")
DIRECTIONS = "space: left-posterior-superior\nspace directions: (2,0,0) (0,3,0) (0,0,4)\nspace origin: (5,6,7)"

_NRRD = {"int16": "short", "uint8": "uchar", "float32": "float", "float64": "double"}
_META = {"int16": "SHORT", "uint8": "UCHAR", "float32": "FLOAT", "float64": "DOUBLE"}


def nrrd(
    path: Path,
    *lines: str,
    array: NDArray = ARRAY,  # type: ignore[type-arg]
    encoding: str = "raw",
    data: bytes | None = None,
    place: str = DIRECTIONS,
) -> Path:
    """An attached NRRD file of ``array`` (i first), with these lines added to its header."""
    header = [
        "NRRD0005",
        f"type: {_NRRD[array.dtype.name]}",
        f"dimension: {array.ndim}",
        f"sizes: {' '.join(map(str, array.shape))}",
        "endian: little",
        f"encoding: {encoding}",
        *place.splitlines(),
        *lines,
    ]
    path.write_bytes("\n".join(header).encode() + b"\n\n" + (array.tobytes(order="F") if data is None else data))
    return path


def meta(
    path: Path,
    *lines: str,
    array: NDArray = ARRAY,  # type: ignore[type-arg]
    dims: int | None = None,
    data: bytes | None = None,
    place: str = "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 5 6 7\nElementSpacing = 2 3 4",
    file: str = "LOCAL",
) -> Path:
    """An .mha file of ``array`` (i first, or colours where ``dims`` is less than its axes)."""
    dims = dims or array.ndim
    header = [
        "ObjectType = Image",
        f"NDims = {dims}",
        f"DimSize = {' '.join(map(str, array.shape[-dims:]))}",
        f"ElementType = MET_{_META[array.dtype.name]}",
        *place.splitlines(),
        *lines,
        f"ElementDataFile = {file}",
    ]
    path.write_bytes("\n".join(header).encode() + b"\n" + (array.tobytes(order="F") if data is None else data))
    return path
