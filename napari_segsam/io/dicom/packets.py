"""The packets that compressed pixels come in (PS3.5 A.4), and the size that each packed frame itself says it has."""

from __future__ import annotations

import struct
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import IO, Any

from pydicom.uid import JPEG2000TransferSyntaxes, RLELossless

from napari_segsam.io.dicom.claims import frame_bits, frame_count, samples
from napari_segsam.io.dicom.header import File
from napari_segsam.io.dicom.values import value

_ITEM, _END = 0xE000, 0xE0DD
_EOI, _TAIL = b"\xff\xd9", 10  # the end of a JPEG frame, and where it lies before padding
_J2K_START = b"\xff\x4f\xff\x51"  # SOC, SIZ (ISO/IEC 15444-1 A.4.1, A.5.1)
_J2K_SEARCHED = 1024  # some writers leave the boxes of a JP2 file round the codestream
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}  # frame headers (ISO/IEC 10918-1 B.1, 14495-1 C.1)
_NO_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))
_RLE_RATIO = 64  # two bytes stand for 128 at most (PS3.5 G.3)


@dataclass(frozen=True, eq=False)
class Packets:
    """The packed frames of a file.

    Attributes:
        file: that they are in.
        frames: of each frame, offset and length of its packets in the file.
    """

    file: File
    frames: tuple[tuple[tuple[int, int], ...], ...]

    @classmethod
    def of(cls, stream: IO[bytes], file: File) -> Packets:
        """Find the packets; ``stream`` is the file.

        Raises:
            ValueError: they are cut short, or do not make as many frames as the header says.
        """
        table, packets = _packets(stream, file)
        frames = _by_extended_table(file) or _by_table(table, packets) or _by_count(stream, packets, file)
        if len(frames) != frame_count(file):
            raise ValueError(f"{len(frames)} packed frames instead of {frame_count(file)}")
        return cls(file, frames)

    def read(self, stream: IO[bytes], number: int) -> bytes:
        """One packed frame, whose own size is the header's: decoders allocate what it says.

        Raises:
            ValueError: it is of another size, or says none.
        """
        parts = []
        for offset, length in self.frames[number]:
            stream.seek(offset)
            parts.append(stream.read(length))
        packed = b"".join(parts)
        _check_size(packed, self.file)
        return packed


_Packet = tuple[int, int]
_Frames = tuple[tuple[_Packet, ...], ...]


def _packets(stream: IO[bytes], file: File) -> tuple[list[int], list[_Packet]]:
    """The offset table, and offset and length of each packet, all of which lie inside the file."""
    stream.seek(file.pixels.offset)
    length = _item(stream)
    if length is None or length % 4 or length > file.size:
        raise ValueError("no offset table")
    table = [entry for (entry,) in struct.iter_unpack("<I", stream.read(length))]
    packets = []
    while (length := _item(stream)) is not None:
        offset = stream.tell()
        if offset + length > file.size:
            raise ValueError("a packet is cut short")
        packets.append((offset, length))
        stream.seek(offset + length)
    return table, packets


def _item(stream: IO[bytes]) -> int | None:
    """The length of the item that ``stream`` stands before; None at the delimiter or the end of the file."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    group, element, length = struct.unpack("<HHI", head)
    if (group, element) == (0xFFFE, _END):
        return None
    if (group, element) != (0xFFFE, _ITEM):
        raise ValueError("no packet where one should begin")
    return int(length)


def _by_extended_table(file: File) -> _Frames:
    """By the Extended Offset Table, whose offsets count from the first packet (PS3.3 C.7.6.3.1.8); none without one."""
    offsets, lengths = (value(file.header, f"ExtendedOffsetTable{part}") for part in ("", "Lengths"))
    if not offsets or not lengths:
        return ()
    first = file.pixels.offset + 8  # the offset table, which is empty beside an extended one
    pairs = zip(struct.iter_unpack("<Q", offsets), struct.iter_unpack("<Q", lengths), strict=True)
    found = tuple(((first + 8 + offset, length),) for (offset,), (length,) in pairs)
    if any(offset + length > file.size for ((offset, length),) in found):
        raise ValueError("a packet is cut short")
    return found


def _by_table(table: list[int], packets: list[_Packet]) -> _Frames:
    """By the Basic Offset Table, which counts from the first packet and ascends; none where it is empty."""
    if not table or not packets:
        return ()
    starts = [offset - packets[0][0] for offset, _ in packets]
    at = [bisect_left(starts, entry) for entry in table]
    if at[0] != 0 or any(a >= b for a, b in pairwise(at)) or [starts[n] for n in at] != table:
        raise ValueError("the offset table does not point to packets in order")
    return tuple(tuple(packets[a:b]) for a, b in zip(at, [*at[1:], len(packets)], strict=True))


def _by_count(stream: IO[bytes], packets: list[_Packet], file: File) -> _Frames:
    """One packet a frame, or all of them for the only frame, or as many as it takes to come to a frame's end."""
    if len(packets) == frame_count(file):
        return tuple((packet,) for packet in packets)
    if frame_count(file) == 1 or file.syntax == RLELossless:
        return (tuple(packets),)
    frames: list[tuple[_Packet, ...]] = []
    open_frame: list[_Packet] = []
    for offset, length in packets:
        open_frame.append((offset, length))
        stream.seek(offset + max(0, length - _TAIL))
        if _EOI in stream.read(min(length, _TAIL)):
            frames.append(tuple(open_frame))
            open_frame = []
    return tuple(frames)


def _check_size(packed: bytes, file: File) -> None:
    if file.syntax == RLELossless:
        if len(packed) * _RLE_RATIO * 8 < frame_bits(file):
            raise ValueError("too short for a frame")
        return
    said = _j2k_size(packed) if file.syntax in JPEG2000TransferSyntaxes else _jpeg_size(packed)
    wanted = (int(value(file.header, "Rows")), int(value(file.header, "Columns")), samples(file))
    if said != wanted:
        raise ValueError(f"a frame of {said} instead of {wanted}")


def _j2k_size(packed: bytes) -> tuple[int, int, int]:
    """Rows, columns and components of a JPEG 2000 codestream."""
    at = packed.find(_J2K_START, 0, _J2K_SEARCHED)
    if at < 0:
        raise ValueError("no JPEG 2000 codestream")
    right, bottom, left, top = struct.unpack_from(">4I", packed, at + 8)
    (components,) = struct.unpack_from(">H", packed, at + 40)
    return bottom - top, right - left, components


def _jpeg_size(packed: bytes) -> tuple[int, int, int]:
    """Rows, columns and components of a JPEG or JPEG-LS frame."""
    at = packed.index(b"\xff\xd8") + 2
    while True:
        if packed[at] != 0xFF:
            raise ValueError("no JPEG marker")
        kind: Any = packed[at + 1]
        if kind in _SOF:
            rows, cols, components = struct.unpack_from(">HHB", packed, at + 5)
            return rows, cols, components
        # Fill bytes may precede a marker.
        at += 1 if kind == 0xFF else 2 if kind in _NO_LENGTH else 2 + struct.unpack_from(">H", packed, at + 2)[0]
