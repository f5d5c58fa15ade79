"""Packed: masks and voxels in little memory, for what is kept as long as the window is open.

Bits, and differences of neighbours, are deflated at the lowest level: that takes fewer bytes than the bits of a mask's
box or the runs of its lines, above all where it is ragged, and some 0.1 ms for an organ on 512 x 512 pixels.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LEVEL = 1
_WIDTHS = ("<u1", "<i2", "<i4", "<i8")


@dataclass(frozen=True, eq=False, slots=True)
class PackedMask:
    """A mask at a bit a pixel, compressed.

    Attributes:
        rows, cols: of the mask.
        data: its pixels row by row, eight a byte, deflated.
    """

    rows: int
    cols: int
    data: bytes

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> PackedMask:
        """Pack a (rows, cols) mask."""
        rows, cols = mask.shape
        return cls(rows, cols, zlib.compress(np.packbits(mask).data, _LEVEL))

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(rows, cols), a new array."""
        bits = np.frombuffer(zlib.decompress(self.data), np.uint8)
        return np.unpackbits(bits, count=self.rows * self.cols).view(bool).reshape(self.rows, self.cols)


@dataclass(frozen=True, eq=False, slots=True)
class PackedVoxels:
    """Flat indices of voxels, and values that these have, compressed.

    Attributes:
        count: of the voxels.
        columns: how many values each of them has.
        first: the first index, 0 where there is none.
        width: dtype of the differences between neighbouring indices.
        data: these differences, then the values column by column as uint16, all little-endian, deflated.
    """

    count: int
    columns: int
    first: int
    width: str
    data: bytes

    @classmethod
    def of(cls, indices: NDArray[np.int64], *values: NDArray[np.uint16]) -> PackedVoxels:
        """Pack (n,) flat indices in any order, and any number of (n,) values."""
        steps = np.diff(indices)
        low, high = (int(steps.min()), int(steps.max())) if steps.size else (0, 0)
        width = next(t for t in _WIDTHS if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
        pack = zlib.compressobj(_LEVEL)
        parts = [pack.compress(steps.astype(width).data)]
        parts += [pack.compress(np.ascontiguousarray(v, "<u2").data) for v in values]
        data = b"".join([*parts, pack.flush()])
        return cls(len(indices), len(values), int(indices[0]) if len(indices) else 0, width, data)

    @property
    def indices(self) -> NDArray[np.int64]:
        """(n,) flat indices in the order in which they were packed, a new array."""
        return self._indices(zlib.decompress(self.data))

    def unpack(self) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
        """(n,) flat indices and (columns, n) values, new arrays."""
        data = zlib.decompress(self.data)
        start = len(data) - 2 * self.columns * self.count
        values = np.frombuffer(data, "<u2", offset=start).astype(np.uint16).reshape(self.columns, self.count)
        return self._indices(data), values

    def _indices(self, data: bytes) -> NDArray[np.int64]:
        found = np.full(self.count, self.first, np.int64)
        if self.count > 1:
            found[1:] += np.cumsum(np.frombuffer(data, self.width, self.count - 1), dtype=np.int64)
        return found
