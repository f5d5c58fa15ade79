"""Elements out of the bytes of a DICOM file, up to its pixels."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

from pydicom.charset import convert_encodings
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator, read_partial
from pydicom.tag import BaseTag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from napari_segsam.io.dicom.damage import DAMAGE
from napari_segsam.io.dicom.stream import Clamped, inflated
from napari_segsam.io.dicom.tags import READ
from napari_segsam.io.dicom.values import value

START = 1 << 17
"""Bytes that are read at once: nearly every header, and few bytes beside it."""

_DEFLATED_HEADER = 1 << 25  # bytes of a deflated file's data set that are looked at for its header
_PREAMBLE = 128
_META_LENGTH, _MEDIA_KIND, _SYNTAX = BaseTag(0x00020000), BaseTag(0x00020002), BaseTag(0x00020010)
_PIXEL_GROUP, _PIXELS = 0x7FE0, {0x0008: "FloatPixelData", 0x0009: "DoubleFloatPixelData", 0x0010: "PixelData"}
_PIXEL_TAGS = frozenset(_PIXEL_GROUP << 16 | element for element in _PIXELS)
_BULK = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN")
_UNDEFINED = 0xFFFFFFFF
_DEEPEST = 64  # items of undefined length that are open at once; real headers nest a handful
_NESTING = (
    (b"\xfe\xff\x00\xe0\xff\xff\xff\xff", b"\xfe\xff\x0d\xe0\0\0\0\0"),
    (b"\xff\xfe\xe0\x00\xff\xff\xff\xff", b"\xff\xfe\xe0\x0d\0\0\0\0"),
)
"""How such an item begins and ends (PS3.5 7.5.1), in little and in big endian."""
_ASSUMED = {True: ImplicitVRLittleEndian, False: ExplicitVRBigEndian}  # of an old file that does not say
_WITH_PIXELS = ("Image Storage", "Segmentation Storage", "Map Storage", "Volume Storage", "Dose Storage")


@dataclass(frozen=True, eq=False)
class PixelData:
    """Where the pixels lie in a file, or in the inflated data set of a deflated one.

    Attributes:
        keyword: ``"PixelData"``, ``"FloatPixelData"`` or ``"DoubleFloatPixelData"``.
        vr: value representation, empty in implicit VR.
        offset: of their first byte.
        length: in bytes, as the file says; None where they are in packets that end with a delimiter.
    """

    keyword: str
    vr: str
    offset: int
    length: int | None


@dataclass(frozen=True, eq=False)
class Parsed:
    """A header: its elements, how it is encoded, what it is of, where its pixels lie, and where its data set begins."""

    header: Dataset
    syntax: UID
    kind: UID
    pixels: PixelData | None
    body: int


def looks_like_dicom(start: bytes) -> bool:
    """Whether a file that begins like this is DICOM, in the format of the standard or older."""
    if start[_PREAMBLE : _PREAMBLE + 4] == b"DICM":
        return True
    # Old files lack the preamble and begin with an element of group 2 or 8.
    return start[:2] in (b"\x02\0", b"\x08\0") and start[3:4] == b"\0" and len(start) > _PREAMBLE


def has_pixels(kind: UID) -> bool:
    """Whether such objects are images as far as anybody knows."""
    return kind.name == kind or any(word in kind.name for word in _WITH_PIXELS)


def parse(file: io.FileIO, start: bytes) -> Parsed | None:
    """The header from the file's first bytes where it follows the standard, else from all of it as pydicom guesses."""
    refuse_deep(start)
    meta = meta_of(start)
    if meta is None:
        return _guessed(file)
    kind, syntax, body = meta
    if not has_pixels(kind):
        return None
    if syntax == DeflatedExplicitVRLittleEndian:
        file.seek(body)
        return _data_set(inflated(file, _DEFLATED_HEADER), kind, syntax, body)
    stream = io.BytesIO(start)
    stream.seek(body)
    try:
        found = _data_set(stream, kind, syntax, body)
    except DAMAGE:
        found = None  # the first bytes may end in the middle of an element
    return found if found and found.pixels else _guessed(file)


def refuse_deep(start: bytes) -> None:
    """Refuse items within items without end, at each of which pydicom would search to the file's end.

    Raises:
        ValueError: a file's first bytes open far more items than any real one.
    """
    if any(start.count(begin) - start.count(end) > _DEEPEST for begin, end in _NESTING):
        raise ValueError("nested too deeply")


def meta_of(start: bytes) -> tuple[UID, UID, int] | None:
    """A file's kind of object, transfer syntax and where its data set begins, from its first bytes.

    None where it does not begin as the standard asks (PS3.10 7.1).
    """
    if start[_PREAMBLE : _PREAMBLE + 4] != b"DICM":
        return None
    stream = io.BytesIO(start)
    stream.seek(_PREAMBLE + 4)
    try:
        found: dict[BaseTag, Any] = {
            e.tag: e.value for e in data_element_generator(stream, False, True, stop_when=_past_meta)
        }
        kind, syntax = (UID(found[tag].rstrip(b"\0 ").decode("ascii")) for tag in (_MEDIA_KIND, _SYNTAX))
    except DAMAGE:
        return None
    if syntax == DeflatedExplicitVRLittleEndian:  # what follows is no element, though it may look like one
        length = found.get(_META_LENGTH)
        return (kind, syntax, _PREAMBLE + 16 + int.from_bytes(length, "little")) if length else None
    body = stream.tell()
    group, encoded = start[body : body + 2], start[body + 4 : body + 6]
    explicit = encoded.isalpha() and encoded.isupper()
    if not syntax or group == b"\0\0" or explicit == (syntax == ImplicitVRLittleEndian):
        return None
    return kind, syntax, body


def _past_meta(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag >> 16 != 2


def _at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag in _PIXEL_TAGS


def _data_set(stream: BinaryIO, kind: UID, syntax: UID, body: int) -> Parsed:
    """The elements that we use, up to the pixels, from where ``stream`` stands."""
    little = not syntax.is_transfer_syntax or syntax.is_little_endian
    implicit = syntax == ImplicitVRLittleEndian
    found = data_element_generator(stream, implicit, little, stop_when=_at_pixels, specific_tags=list(READ))
    header = Dataset({element.tag: element for element in found})
    characters = value(header, "SpecificCharacterSet")
    header.set_original_encoding(implicit, little, convert_encodings(characters))
    return Parsed(header, syntax, kind, _pixel_data(stream, little), body)


def _guessed(file: io.FileIO) -> Parsed:
    """As pydicom reads files that lack what the standard asks for, or whose header is long."""
    file.seek(0)
    stream = Clamped(file)
    header = read_partial(stream, stop_when=_at_pixels, force=True, specific_tags=list(READ))
    little = header.original_encoding[1] is not False
    syntax = UID(header.file_meta.get("TransferSyntaxUID") or _ASSUMED[little])
    if not syntax.is_valid:
        raise ValueError("no transfer syntax")
    kind = UID(header.file_meta.get("MediaStorageSOPClassUID") or "")
    pixels = _pixel_data(stream, little)
    stream.detach()  # the file stays open
    return Parsed(header, syntax, kind, pixels, 0)


def _pixel_data(stream: BinaryIO, little: bool) -> PixelData | None:
    """The pixel element that ``stream`` stands before; None where it is at its end."""
    offset, head = stream.tell(), stream.read(12)
    if len(head) < 12:
        return None
    order = "<" if little else ">"
    group, element = struct.unpack_from(f"{order}HH", head)
    if group != _PIXEL_GROUP or element not in _PIXELS:
        return None
    if head[4:6] in _BULK:
        vr, (length,), size = head[4:6].decode(), struct.unpack_from(f"{order}I", head, 8), 12
    else:
        vr, (length,), size = "", struct.unpack_from(f"{order}I", head, 4), 8
    return PixelData(_PIXELS[element], vr, offset + size, None if length == _UNDEFINED else length)
