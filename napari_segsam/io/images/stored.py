"""The stored numbers of one volume of a file, taken out while the whole file is read to its end.

Only that volume is kept in memory, and nothing is asked for before header, file length and free memory agree.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.images.encodings import LARGEST, UNPACKERS
from napari_segsam.io.images.layout import Layout
from napari_segsam.io.images.memory import check_memory, too_large
from napari_segsam.io.intensities import Voxels

Buffer = NDArray[np.uint8]


def read_stored(layout: Layout, volume: int) -> Voxels:
    """(ni, nj, nk) or (ni, nj, nk, colours) numbers of volume 0, 1, ..., in this machine's byte order.

    Raises:
        UnreadableInputError: the file is shorter or longer than its header says, damaged, or too large for the memory.
    """
    inner = 1 + max((*layout.space, -1 if layout.colour is None else layout.colour))  # axes of one stretch of bytes
    outer = math.prod(layout.sizes[inner:])
    length = layout.bytes // outer
    steps = dict(zip(layout.others, layout.steps_of(volume), strict=True))
    slow = [a for a in layout.others if a >= inner]
    at = int(np.ravel_multi_index([steps[a] for a in slow], layout.sizes[inner:], order="F")) if slow else 0
    _check_claim(layout)
    numbers = _native(_stretch(layout, at * length, length).view(layout.dtype))
    stored = numbers.reshape(layout.sizes[:inner], order="F")
    stored = stored[tuple(steps.get(a, slice(None)) for a in range(inner))]
    return _as_volume(stored, layout)


def check_whole(layout: Layout) -> None:
    """Read the file to its end and keep nothing.

    Raises:
        UnreadableInputError: as :func:`read_stored`.
    """
    _check_claim(layout)
    if layout.packed.encoding != "raw":
        _fill(np.empty(0, np.uint8), layout, 0)


def _as_volume(stored: Voxels, layout: Layout) -> Voxels:
    """The axes in the order i, j, k, colour; a flat image gets its one slice."""
    left = [a for a in range(len(layout.sizes)) if a in layout.space or a == layout.colour]
    if layout.colour is not None:
        stored = np.moveaxis(stored, left.index(layout.colour), -1)
    if len(layout.space) == 2:
        stored = np.expand_dims(stored, 2)
    compact = stored.base is None or stored.base.nbytes <= stored.nbytes
    return stored if compact else stored.copy(order="K")


def _native(numbers: Voxels) -> Voxels:
    if numbers.dtype.isnative:
        return numbers
    return numbers.byteswap(inplace=True).view(numbers.dtype.newbyteorder("="))


def _check_claim(layout: Layout) -> None:
    """Refuse what cannot be in a file of this length before a byte of it is unpacked."""
    packed = layout.packed
    there = packed.path.stat().st_size - packed.start
    wanted = packed.skip + layout.bytes
    if wanted > there * LARGEST[packed.encoding]:
        raise _wrong_length(packed.path, "shorter")
    if packed.encoding == "raw" and wanted < there:
        raise _wrong_length(packed.path, "longer")


def _stretch(layout: Layout, start: int, length: int) -> Buffer:
    """Decoded bytes [start, start + length) of the numbers."""
    needed = length * (1 if _kept_as_stored(layout) else 2)
    check_memory(needed, layout.path.name)
    try:
        buffer: Buffer = np.empty(length, np.uint8)  # takes memory only where it is filled
    except MemoryError as error:
        raise too_large(needed, layout.path.name) from error
    if layout.packed.encoding == "raw":
        _fill_raw(buffer, layout, start)
    else:
        _fill(buffer, layout, start)
    return buffer


def _kept_as_stored(layout: Layout) -> bool:
    return layout.dtype.str[1:] in ("u1", "i2", "u2", "i4", "f4") and (layout.slope, layout.intercept) == (1, 0)


def _fill_raw(buffer: Buffer, layout: Layout, start: int) -> None:
    packed = layout.packed
    view = buffer.data
    with packed.path.open("rb") as file:
        file.seek(packed.start + packed.skip + start)
        while view and (count := file.readinto(view)):
            view = view[count:]
    if view:
        raise _wrong_length(packed.path, "shorter")


def _fill(buffer: Buffer, layout: Layout, start: int) -> None:
    """Unpack the whole file and keep what lies at ``start`` of the numbers."""
    packed = layout.packed
    start += packed.skip
    done, end = 0, packed.skip + layout.bytes
    with packed.path.open("rb") as file:
        file.seek(packed.start)
        for block in UNPACKERS[packed.encoding](file, layout.dtype, packed.path.name):
            low, high = max(start, done), min(start + len(buffer), done + len(block))
            if low < high:
                buffer[low - start : high - start] = np.frombuffer(block, np.uint8)[low - done : high - done]
            done += len(block)
            if done > end:
                raise _wrong_length(packed.path, "longer")
    if done < end:
        raise _wrong_length(packed.path, "shorter")


def _wrong_length(path: Path, how: str) -> UnreadableInputError:
    return UnreadableInputError(
        f"{path.name} is {how} than its header says; it was probably cut or damaged: copy it again."
    )
