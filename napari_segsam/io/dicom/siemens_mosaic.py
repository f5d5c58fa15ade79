"""Siemens mosaics: the slices of one volume laid side by side in a single DICOM frame."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.dicom.damage import printable
from napari_segsam.io.dicom.frame import Frame
from napari_segsam.io.dicom.tags import MOSAIC_COUNT, MOSAIC_CSA
from napari_segsam.io.dicom.values import number, value

_NAME_BYTES, _ELEMENT_BYTES, _MOST_ELEMENTS = 64, 84, 1024
_MOST_TILES = 4096


def mosaic_tiles(frame: Frame) -> Iterator[Frame]:
    """One frame per slice, each with its own position.

    Raises:
        UnreadableInputError: the private header does not say how the slices lie.
    """
    count = _count(frame)
    across = math.ceil(math.sqrt(max(count, 1)))
    normal = (
        _csa_vector(bytes(frame.header[MOSAIC_CSA].value), "SliceNormalVector") if MOSAIC_CSA in frame.header else None
    )
    step = number(value(frame.header, "SpacingBetweenSlices"), 0.0)
    corner = _corner(frame)
    divides = 0 < count <= _MOST_TILES and frame.rows % across == 0 == frame.cols % across
    if normal is None or corner is None or step <= 0 or not divides:
        raise UnreadableInputError(
            f"{printable(frame.path.name)} is a mosaic that does not say how its slices lie; export single slices."
        )
    rows, cols = frame.rows // across, frame.cols // across
    first = corner @ (1.0, (frame.cols - cols) / 2, (frame.rows - rows) / 2)
    for n in range(count):
        position = first + n * step * normal
        tile = (n // across * rows, n % across * cols)
        yield replace(frame, tile=tile, rows=rows, cols=cols, position=tuple(float(x) for x in position))


def _corner(frame: Frame) -> NDArray[np.float64] | None:
    """Columns: the header's position and the steps along a row and a column.

    The position is that of the whole mosaic, as if it were one slice about the same centre as each of its tiles.
    """
    if frame.position is None or frame.orientation is None or frame.spacing is None:
        return None
    along_row, along_col = np.array(frame.orientation[:3]), np.array(frame.orientation[3:])
    return np.stack([frame.position, along_row * frame.spacing[1], along_col * frame.spacing[0]], axis=1)


def _count(frame: Frame) -> int:
    value = frame.header[MOSAIC_COUNT].value
    return int.from_bytes(value[:2], "little") if isinstance(value, bytes) else int(value)


def _csa_vector(csa: bytes, wanted: str) -> NDArray[np.float64] | None:
    """Three numbers of one element of a Siemens CSA2 header, None where it is not there."""
    if not csa.startswith(b"SV10"):
        return None
    count, at = struct.unpack_from("<I", csa, 8)[0], 16
    for _ in range(min(count, _MOST_ELEMENTS)):
        name = csa[at : at + _NAME_BYTES].partition(b"\0")[0].decode("latin-1")
        items = struct.unpack_from("<I", csa, at + 76)[0]
        at += _ELEMENT_BYTES
        values = []
        for _ in range(min(items, _MOST_ELEMENTS)):
            length = struct.unpack_from("<I", csa, at + 4)[0]
            values.append(csa[at + 16 : at + 16 + length].partition(b"\0")[0].strip())
            at += 16 + (length + 3) // 4 * 4
        if name == wanted:
            return np.array([float(v) for v in values[:3]]) if len(values) >= 3 and all(values[:3]) else None
    return None
