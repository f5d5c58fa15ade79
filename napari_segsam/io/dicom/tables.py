"""Lookup tables of a DICOM header: stored number -> intensity, colour or brightness (PS3.3 C.11, C.7.6.3.1.5)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from napari_segsam.io.dicom.values import value

_COLOURS = ("Red", "Green", "Blue")
_MOST_ENTRIES = 1 << 16
_LITERAL, _LINE, _AGAIN = 0, 1, 2  # kinds of segments (PS3.3 Table C.7-24)


@dataclass(frozen=True, eq=False)
class Table:
    """A lookup table.

    Attributes:
        first: the number that its first entry is for; smaller ones take that entry too, and larger ones the last.
        entries: (n,) uint16.
        bits: how many of an entry's bits are used, 8 to 16.
    """

    first: int
    entries: NDArray[np.uint16]
    bits: int

    def of(self, numbers: NDArray[Any]) -> NDArray[np.uint16]:
        """The entries for these numbers, in their shape."""
        index = np.clip(numbers.astype(np.int64) - self.first, 0, len(self.entries) - 1)
        return self.entries[index]


def lookup_table(item: Dataset, header: Dataset) -> Table:
    """Of an item of the Modality or VOI LUT Sequence.

    Raises:
        ValueError: cut short.
    """
    return _table(item.LUTDescriptor, _bytes(item.LUTData, header), header)


def palette(header: Dataset) -> tuple[Table, Table, Table]:
    """Red, green and blue of a palette, whole or in segments.

    Raises:
        ValueError: cut short, or segments that make another number of entries.
    """
    red, green, blue = (_colour(header, colour) for colour in _COLOURS)
    return red, green, blue


def _colour(header: Dataset, colour: str) -> Table:
    descriptor = header[f"{colour}PaletteColorLookupTableDescriptor"].value
    whole = value(header, f"{colour}PaletteColorLookupTableData")
    if whole is not None:
        return _table(descriptor, _bytes(whole, header), header)
    segments = _bytes(header[f"Segmented{colour}PaletteColorLookupTableData"].value, header)
    wide = int(descriptor[2]) > 8
    numbers = np.frombuffer(segments, f"{_order(header)}u2" if wide else "u1").tolist()
    entries = _expanded(numbers, 2 if wide else 4)
    return _table(descriptor, np.array(entries, f"{_order(header)}u2").tobytes(), header)


def _table(descriptor: Sequence[int], data: bytes, header: Dataset) -> Table:
    count, first, bits = (int(v) for v in descriptor)
    count = count or _MOST_ENTRIES
    if value(header, "PixelRepresentation") == 1 and first > 0x7FFF:
        first -= 0x10000  # written as if it were unsigned
    if not (0 < count <= _MOST_ENTRIES and 8 <= bits <= 16):
        raise ValueError(f"{count} entries of {bits} bits")
    if len(data) >= 2 * count:
        entries = np.frombuffer(data, f"{_order(header)}u2", count).astype(np.uint16)
    else:  # two entries of 8 bits in a word
        words = np.frombuffer(data, f"{_order(header)}u2").astype("<u2") if len(data) % 2 == 0 else data
        entries = np.frombuffer(bytes(words), np.uint8, count).astype(np.uint16)
    return Table(first, entries, bits)


def _order(header: Dataset) -> str:
    return "<" if header.original_encoding[1] is not False else ">"


def _bytes(data: Any, header: Dataset) -> bytes:
    """Table data as they lie in the file, whichever of its two representations (US, OW) the file chose."""
    if isinstance(data, bytes):
        return data
    numbers = [int(v) for v in data] if hasattr(data, "__iter__") else [int(data)]
    return struct.pack(f"{_order(header)}{len(numbers)}H", *numbers)


def _expanded(segments: Sequence[int], pointer_words: int) -> list[int]:
    """The entries of a segmented palette (PS3.3 C.7.9.2): literal runs, straight lines, and runs seen before."""
    entries: list[int] = []
    at = 0
    while at + 1 < len(segments):
        at = _segment(segments, at, entries, pointer_words)
    return entries


def _segment(segments: Sequence[int], at: int, entries: list[int], pointer_words: int) -> int:
    """Append what the segment at ``at`` stands for; returns where the next one begins."""
    kind, length = segments[at], segments[at + 1]
    if length == 0 or len(entries) > _MOST_ENTRIES:
        raise ValueError("a palette without end")
    if kind == _LITERAL:
        entries += segments[at + 2 : at + 2 + length]
        return at + 2 + length
    if kind == _LINE:
        line = np.linspace(entries[-1], segments[at + 2], length + 1)[1:]
        entries += np.rint(line).astype(int).tolist()
        return at + 3
    if kind != _AGAIN:
        raise ValueError(f"palette segment of kind {kind}")
    end = at + 2 + pointer_words
    back = _pointer(segments[at + 2 : end])
    for _ in range(length):
        if segments[back] == _AGAIN:
            raise ValueError("a palette that refers to itself")
        back = _segment(segments, back, entries, pointer_words)
    return end


def _pointer(words: Sequence[int]) -> int:
    """Index of the number that a byte offset, of four bytes or of two words from the lowest, points to."""
    each = 4 // len(words)
    return sum(word << (8 * each * n) for n, word in enumerate(words)) // each
