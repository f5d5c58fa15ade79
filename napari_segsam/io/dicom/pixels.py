"""The voxels of a stack of frames: rescaled slice by slice, in the smallest type that holds them exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.dicom.damage import DAMAGE, printable, refusal
from napari_segsam.io.dicom.frame import Frame
from napari_segsam.io.dicom.opened import OpenFile
from napari_segsam.io.dicom.stack import Stack
from napari_segsam.io.dicom.stored import Unpacker, has_table, plain_kind, without_unused_bits
from napari_segsam.io.dicom.syntax import is_packed, unsupported
from napari_segsam.io.intensities import Voxels

_WHOLE = (np.int16, np.uint16, np.int32)
"""Types for whole intensities, the first that holds all of them is taken; float32 where none does."""


def read_voxels(pile: Stack, name: str) -> Voxels:
    """(ni, nj, n) intensities of the n frames, or (ni, nj, n, 3) uint8 RGB.

    Whole intensities are int16, uint16 or int32, the first that holds them all; fractions, and what exceeds int32, are
    float32, rounded from float64.

    Raises:
        UnreadableInputError: names the file whose pixels are damaged, cut short or packed in an unknown way.
    """
    with OpenFile() as opened:
        slices = _Slices(pile, name, opened)
        for k, frame in enumerate(pile.frames):
            try:
                slices.read(k, frame)
            except DAMAGE as error:
                raise refusal(frame.path, error, _why(frame)) from error
    out = slices.voxels
    return out.transpose(2, 1, 0, *range(3, out.ndim))


class _Slices:
    """Fills (n, rows, cols[, 3]) voxels slice by slice, and widens their type when a slice does not fit in.

    Attributes:
        voxels: what has been read so far.
    """

    def __init__(self, pile: Stack, name: str, opened: OpenFile) -> None:
        self._opened, self._unpacker, self._name = opened, Unpacker(opened), name
        self._low = self._high = 0
        first = pile.frames[0]
        self._shape: tuple[int, ...] = (len(pile.frames), first.rows, first.cols)
        fractions = any(not (f.slope.is_integer() and f.intercept.is_integer()) for f in pile.frames)
        self._kind: type[Any] = np.float32 if fractions else np.int16
        self.voxels: Voxels = np.empty(0)

    def read(self, k: int, frame: Frame) -> None:
        """Read the frame that is slice ``k``."""
        stored = plain_kind(frame)
        if stored is None:
            values = self._unpacker.read(frame)
            self._start(values.shape, frame)
            self._put(k, values, *((1.0, 0.0) if has_table(frame) else (frame.slope, frame.intercept)))
            return
        self._start((frame.rows, frame.cols), frame)
        room = self.voxels[k]
        in_place = room.dtype.kind in "iu" and stored.kind in "iu" and room.dtype.itemsize == stored.itemsize
        values = room.view(stored) if in_place else np.empty(room.shape, stored)
        self._opened.read_into(frame, values)
        if not stored.isnative:
            values = values.byteswap(inplace=True).view(stored.newbyteorder("="))
        without_unused_bits(values, frame)
        self._put(k, values, frame.slope, frame.intercept)

    def _start(self, shape: tuple[int, ...], frame: Frame) -> None:
        """Allocate at the first slice, which has been unpacked by then or is known to be there; compare later ones."""
        if shape[:2] != self._shape[1:3] or (self.voxels.size and shape != self.voxels.shape[1:]):
            name = printable(frame.path.name)
            raise UnreadableInputError(f"{self._name}: {name} has another size than its header says; export it again.")
        if self.voxels.size:
            return
        kind = np.uint8 if len(shape) == 3 else self._kind
        try:
            self.voxels = np.empty((self._shape[0], *shape), kind)
        except MemoryError as error:
            size = self._shape[0] * np.prod(shape) * np.dtype(kind).itemsize / 1e9
            raise UnreadableInputError(
                f"{self._name} needs {size:.1f} GB of memory; close programs or crop it."
            ) from error

    def _put(self, k: int, values: NDArray[Any], slope: float, intercept: float) -> None:
        if values.ndim == 3:
            self.voxels[k] = values
        elif values.dtype.kind == "f" or self.voxels.dtype.kind == "f":
            self._widen(np.float32)
            self.voxels[k] = values.astype(np.float64) * slope + intercept
        else:
            self._put_whole(k, values, int(slope), int(intercept))

    def _put_whole(self, k: int, values: NDArray[Any], slope: int, intercept: int) -> None:
        """Integers wrap round, so that every step is exact once it is known that its result fits."""
        ends = sorted(int(end) * slope + intercept for end in (values.min(), values.max()))
        self._low, self._high = min(self._low, ends[0]), max(self._high, ends[1])
        kind = next((k for k in _WHOLE if np.iinfo(k).min <= self._low and self._high <= np.iinfo(k).max), np.float32)
        self._widen(kind)
        room = self.voxels[k]
        if kind is np.float32:
            room[...] = values.astype(np.float64) * slope + intercept
            return
        if not np.may_share_memory(room, values):
            np.copyto(room, values, casting="unsafe")
        if slope != 1:
            np.multiply(room, _wrapped(slope, kind), out=room)
        if intercept != 0:
            np.add(room, _wrapped(intercept, kind), out=room)

    def _widen(self, kind: type[Any]) -> None:
        if self.voxels.dtype != kind:
            self.voxels = self.voxels.astype(kind)


def _wrapped(value: int, kind: type[Any]) -> NDArray[Any]:
    """An integer as its lowest bits in ``kind``."""
    bits = np.iinfo(kind).bits
    return np.array(value % (1 << bits), dtype=f"u{bits // 8}").astype(kind)


def _why(frame: Frame) -> str:
    syntax = frame.file.syntax
    if is_packed(syntax):
        return unsupported(syntax) or (
            f"its pixels, packed as {printable(syntax.name)}, could not be unpacked; they are damaged or of a rare "
            "variant: export it uncompressed"
        )
    return "its pixels are damaged or cut short; export it again"
