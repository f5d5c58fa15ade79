"""Ways to damage a file; each takes a random generator and gives the same bytes for the same state of it."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

Mutation = Callable[[Random, bytes, bytes], bytes]
"""(generator, content, content of another file of the family) -> damaged content."""

_INTEGERS = [0, 1, 2, 3, 7, 8, 16, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000]
_INTEGERS += [0xFFFFFFFE, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
_FLOATS = [0.0, -0.0, 1e-45, -1.0, 1e38, float("inf"), float("-inf"), float("nan"), 1e300]
_NUMBERS = [b"0", b"-1", b"1", b"65536", b"4294967296", b"99999999999999999999", b"1e999", b"-1e999", b"nan", b"0x10"]
_NUMBERS += [b"", b" ", b"1.5", b"\xb2", b"1_0", b"9" * 5000, b"none", b"1 1 1 1 1 1 1 1 1 1 1"]
_TEXTS = [
    b"",
    b"\0",
    b"\xff\xfe",
    b"../../../../etc/passwd",
    b"/etc/passwd",
    b"C:\\CON",
    b"a" * 70_000,
    b"\n\r\n\n",
    b"%s%n",
]
_TEXTS += [
    b"1.2." * 40,
    b"1..2",
    b"\\" * 300,
    b"\x1b$B",
    b"ISO_IR 999",
    b"ISO 2022 IR 87\\ISO 2022 IR 159",
    b"LIST",
    b"'\"",
]
_VRS = [
    b"UL",
    b"US",
    b"SS",
    b"DS",
    b"IS",
    b"OB",
    b"OW",
    b"SQ",
    b"UN",
    b"AT",
    b"FD",
    b"OF",
    b"UT",
    b"PN",
    b"DA",
    b"??",
    b"\0\0",
]
_LONG_VRS = frozenset((b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UN", b"UT", b"UC", b"UR", b"SV", b"UV"))
_ITEM, _ITEM_END, _SEQUENCE_END = (struct.pack("<HHI", 0xFFFE, e, 0) for e in (0xE000, 0xE00D, 0xE0DD))
_UNDEFINED = 0xFFFFFFFF
_HEADER = 512
_TEXT_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd", ".json")


def _place(rng: Random, data: bytes) -> int:
    """Half of the time in the first bytes, where headers are."""
    return rng.randrange(min(len(data), _HEADER) if rng.random() < 0.5 else len(data)) if data else 0


def _put(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def flip(rng: Random, data: bytes, other: bytes) -> bytes:
    """One to eight bits."""
    damaged = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8)) if data else 0):
        damaged[_place(rng, data)] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def overwrite(rng: Random, data: bytes, other: bytes) -> bytes:
    """Numbers at the edges of their types, of any size and byte order, somewhere or on a multiple of their size."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = _place(rng, data)
        if rng.random() < 0.2:
            new = struct.pack(rng.choice(("<f", ">f")), rng.choice(_FLOATS[:-1]))
        else:
            size = rng.choice((1, 2, 4, 8))
            number = rng.choice(_INTEGERS) % (1 << (8 * size))
            new = number.to_bytes(size, rng.choice(("little", "big")))
        data = _put(data, at - at % len(new) if rng.random() < 0.7 else at, new)
    return data


def truncate(rng: Random, data: bytes, other: bytes) -> bytes:
    """Cut short."""
    return data[: rng.randrange(len(data) or 1)]


def cut_out(rng: Random, data: bytes, other: bytes) -> bytes:
    """Some bytes are gone, or there twice, or there is junk between them."""
    at, length = _place(rng, data), rng.choice((1, 2, 4, 8, 64, 1000))
    chosen = rng.randrange(3)
    if chosen == 0:
        return data[:at] + data[at + length :]
    return data[:at] + (data[at : at + length] * 2 if chosen == 1 else rng.randbytes(length)) + data[at:]


def splice(rng: Random, data: bytes, other: bytes) -> bytes:
    """The beginning of one file and the end of another."""
    return data[: _place(rng, data)] + other[_place(rng, other) :]


def number_in_text(rng: Random, data: bytes, other: bytes) -> bytes:
    """A decimal number in a text header becomes another one, or something else."""
    found = [m for m in re.finditer(rb"[-+]?\d[\d.]*", data[:4096]) if m.end() - m.start() < 30]
    if not found:
        return overwrite(rng, data, other)
    match = rng.choice(found)
    return data[: match.start()] + rng.choice(_NUMBERS) + data[match.end() :]


def line_in_text(rng: Random, data: bytes, other: bytes) -> bytes:
    """A line of a text header is gone, doubled, moved, or says something else."""
    lines = data[:4096].split(b"\n")
    at = rng.randrange(len(lines))
    chosen = rng.randrange(4)
    if chosen == 0:
        del lines[at]
    elif chosen == 1:
        lines.insert(at, lines[at])
    elif chosen == 2:
        lines.insert(rng.randrange(len(lines)), lines.pop(at))
    else:
        key, colon, _ = lines[at].partition(b": " if b": " in lines[at] else b"=")
        lines[at] = key + colon + rng.choice(_TEXTS)
    return b"\n".join(lines) + data[4096:]


@dataclass(frozen=True)
class Element:
    """Where an element of a DICOM file starts, where its VR (if written) and its length stand, and its value."""

    start: int
    vr: bytes
    length_at: int
    length_size: int
    value: int
    length: int

    @property
    def end(self) -> int:
        """Where the next one starts."""
        return self.value + (0 if self.length == _UNDEFINED else self.length)


def elements(data: bytes) -> Iterator[Element]:
    """All elements of a little-endian file, those of sequences too (PS3.5, 7.1.2 and 7.5)."""
    at = 132 if data[128:132] == b"DICM" else 0
    while at + 8 <= len(data):
        vr = data[at + 4 : at + 6]
        if data[at : at + 2] == b"\xfe\xff" or not vr.isalpha() or not vr.isupper():
            found = Element(at, b"", at + 4, 4, at + 8, struct.unpack_from("<I", data, at + 4)[0])
        elif vr in _LONG_VRS and at + 12 <= len(data):
            found = Element(at, vr, at + 8, 4, at + 12, struct.unpack_from("<I", data, at + 8)[0])
        else:
            found = Element(at, vr, at + 6, 2, at + 8, struct.unpack_from("<H", data, at + 6)[0])
        yield found
        inside = found.vr == b"SQ" or data[at : at + 2] == b"\xfe\xff"
        at = found.value if inside else found.end


def element(rng: Random, data: bytes, other: bytes) -> bytes:
    """Something about one to three DICOM elements is wrong: length, VR, tag, value, number, place or depth."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        found = list(elements(data))
        if not found:
            return overwrite(rng, data, other)
        data = rng.choice(_ELEMENT_DAMAGES)(rng, data, rng.choice(found), rng.choice(found))
    return data


def _length(rng: Random, data: bytes, one: Element, other: Element) -> bytes:
    near = [one.length + d for d in (-2, -1, 1, 2, 1000)]
    number = rng.choice([*_INTEGERS, *near, _UNDEFINED]) % (1 << (8 * one.length_size))
    return _put(data, one.length_at, number.to_bytes(one.length_size, "little"))


def _vr(rng: Random, data: bytes, one: Element, other: Element) -> bytes:
    return _put(data, one.start + 4, rng.choice(_VRS)) if one.vr else data


def _tag(rng: Random, data: bytes, one: Element, other: Element) -> bytes:
    return _put(data, one.start, data[other.start : other.start + 4] if rng.random() < 0.7 else rng.randbytes(4))


def _value(rng: Random, data: bytes, one: Element, other: Element) -> bytes:
    size = one.end - one.value
    if size in (2, 4, 8) and rng.random() < 0.5:
        new = (rng.choice(_INTEGERS) % (1 << (8 * size))).to_bytes(size, "little")
    else:
        new = rng.choice((*_NUMBERS, *_TEXTS, data[other.value : other.end][:1000], rng.randbytes(size % 1000)))
    new += b" " * (len(new) % 2)
    sized = (len(new) % (1 << (8 * one.length_size))).to_bytes(one.length_size, "little")
    return data[: one.length_at] + sized + data[one.length_at + one.length_size : one.value] + new + data[one.end :]


def _gone(rng: Random, data: bytes, one: Element, other: Element) -> bytes:
    return data[: one.start] + data[one.end :]


def _moved(rng: Random, data: bytes, one: Element, other: Element) -> bytes:
    return data[: other.start] + data[one.start : one.end] + data[other.start :]


def _nested(rng: Random, data: bytes, one: Element, other: Element) -> bytes:
    """Sequences of undefined length in each other, to a depth that recursion may not stand, closed or not."""
    depth = rng.choice((1, 10, 100, 1000, 20_000))
    tag = b"\x40\0\x75\x02" + (b"SQ\0\0" if one.vr else b"")
    begin = (tag + b"\xff" * 4) + (_ITEM[:4] + b"\xff" * 4)
    end = (_ITEM_END + _SEQUENCE_END) * rng.choice((0, depth, depth - 1))
    return data[: one.start] + begin * depth + end + data[one.start :]


_ELEMENT_DAMAGES = (_length, _length, _vr, _tag, _value, _value, _value, _gone, _moved, _nested)

ANY: dict[str, Mutation] = {f.__name__: f for f in (flip, overwrite, truncate, cut_out, splice)}
"""What can be done to every file."""
TEXT: dict[str, Mutation] = {f.__name__: f for f in (number_in_text, line_in_text)}
"""What can be done to a file with a header of text."""
DICOM: dict[str, Mutation] = {"element": element}
"""What can be done to a DICOM file."""


def mutations_for(suffix: str) -> list[tuple[str, Mutation]]:
    """Those that mean something for a file of this kind; the structured ones as often as all the others."""
    own = TEXT if suffix.endswith(_TEXT_SUFFIXES) else DICOM if suffix in ("", ".dcm") else {}
    return [*ANY.items(), *(list(own.items()) * (len(ANY) // len(own)) if own else [])]
