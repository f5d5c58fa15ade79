"""Label voxels as every file has them: i fastest, then j, then k, in the smallest type that holds them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

Stored = NDArray[np.unsignedinteger]
_LEVEL = 3
"""Of zlib: as fast as 1 on label maps, and smaller; 6 takes twice as long."""
_GZIP = 31  # zlib's wbits for a gzip member; it has no name and no time, so equal labels are equal files
_ROWS = 8  # so many rows of j at a time stay in the processor's cache while they are turned


def as_stored(voxels: NDArray[np.unsignedinteger]) -> Stored:
    """(ni, nj, nk) labels -> (nk, nj, ni) uint8 or uint16, C-contiguous, little-endian."""
    kind = np.dtype(np.uint8 if voxels.size == 0 or voxels.max() <= np.iinfo(np.uint8).max else "<u2")
    ni, nj, nk = voxels.shape
    out = np.empty((nk, nj, ni), kind)
    for j in range(0, nj, _ROWS):
        rows = voxels[:, j : j + _ROWS]
        for k in range(0, nk, 4 * _ROWS):
            out[k : k + 4 * _ROWS, j : j + _ROWS] = rows[:, :, k : k + 4 * _ROWS].T
    return out


def counts_in(stored: Stored) -> dict[int, int]:
    """How many voxels have each value but 0 that occurs, by ascending value."""
    counts = np.zeros(np.iinfo(stored.dtype).max + 1, np.int64)
    for plane in stored:  # one at a time: numpy makes 64-bit indices of them
        here = np.bincount(plane.ravel())
        counts[: len(here)] += here
    return {int(v): int(counts[v]) for v in np.flatnonzero(counts) if v}


def values_in(stored: Stored) -> list[int]:
    """Every value but 0 that occurs, ascending."""
    return list(counts_in(stored))


def renumbered(stored: Stored, numbers: Mapping[int, int]) -> Stored:
    """The voxels with each value replaced; what is no key becomes 0."""
    table = np.zeros(np.iinfo(stored.dtype).max + 1, stored.dtype)
    table[list(numbers)] = list(numbers.values())
    return table[stored]


def gzipped(*parts: bytes | Stored) -> Iterator[bytes]:
    """The parts one after another as one gzip member."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    for part in parts:
        yield packer.compress(part if isinstance(part, bytes) else part.data)
    yield packer.flush()
