"""How image files pack their numbers, undone block by block to the last byte of the file.

Nothing is handed out as whole that is cut short, damaged (where there is a checksum it is verified), or followed by
something else. A block is at most a few MiB, so that a decompression bomb is seen before it goes off.
"""

from __future__ import annotations

import bz2
import zlib
from binascii import unhexlify
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from napari_segsam.core.errors import UnreadableInputError

_BLOCK = 1 << 20
_MAGIC = b"\x1f\x8b"
_GZIP, _ZLIB = 31, 15  # zlib's wbits; it then checks a gzip member's CRC and length, or a zlib stream's Adler-32

Blocks = Iterator[bytes]
Unpacker = Callable[[BinaryIO, "np.dtype[Any]", str], Blocks]


def is_gzip(path: Path, start: int = 0) -> bool:
    """Whether the file's bytes from ``start`` begin as gzip does, whatever its name."""
    with path.open("rb") as file:
        file.seek(start)
        return file.read(2) == _MAGIC


def _raw(file: BinaryIO, dtype: np.dtype[Any], name: str) -> Blocks:
    return iter(lambda: file.read(_BLOCK), b"")


def _gzip(file: BinaryIO, dtype: np.dtype[Any], name: str) -> Blocks:
    """All members; zeros behind the last one are padding, as they are to gzip(1)."""
    waiting = file.read(_BLOCK)
    while True:
        waiting = yield from _inflated(file, waiting, _GZIP, name)
        while not (waiting := waiting.lstrip(b"\0")):
            if not (waiting := file.read(_BLOCK)):
                return
        waiting += file.read(1)  # both bytes of the magic number
        if waiting[:2] != _MAGIC:
            raise _followed(name)


def _zlib(file: BinaryIO, dtype: np.dtype[Any], name: str) -> Blocks:
    if (yield from _inflated(file, file.read(_BLOCK), _ZLIB, name)) or file.read(1):
        raise _followed(name)


def _inflated(file: BinaryIO, waiting: bytes, wbits: int, name: str) -> Generator[bytes, None, bytes]:
    """Blocks of one stream that begins with ``waiting``; returns what was read of the file behind its end."""
    stream = zlib.decompressobj(wbits)
    while not stream.eof:
        if not waiting and not (waiting := file.read(_BLOCK)):
            raise _cut(name)
        try:
            block = stream.decompress(waiting, _BLOCK)
        except zlib.error as error:
            raise _damaged(name) from error
        waiting = stream.unconsumed_tail
        if block:
            yield block
    return stream.unused_data


def _bzip2(file: BinaryIO, dtype: np.dtype[Any], name: str) -> Blocks:
    waiting = file.read(_BLOCK)
    while True:
        stream = bz2.BZ2Decompressor()
        while not stream.eof:
            if stream.needs_input and not waiting and not (waiting := file.read(_BLOCK)):
                raise _cut(name)
            try:
                block = stream.decompress(waiting, _BLOCK)
            except OSError as error:
                raise _damaged(name) from error
            waiting = b""
            if block:
                yield block
        waiting = stream.unused_data or file.read(_BLOCK)
        if not waiting:
            return
        if not waiting.startswith(b"BZh"[: len(waiting)]):
            raise _followed(name)


def _hex(file: BinaryIO, dtype: np.dtype[Any], name: str) -> Blocks:
    odd = b""
    for block in _raw(file, dtype, name):
        digits = odd + block.translate(None, b" \t\r\n\v\f")
        even = len(digits) // 2 * 2
        odd = digits[even:]
        try:
            yield unhexlify(digits[:even])
        except ValueError as error:
            raise _damaged(name) from error
    if odd:
        raise _cut(name)


def _ascii(file: BinaryIO, dtype: np.dtype[Any], name: str) -> Blocks:
    number: Callable[[bytes], float] = float if dtype.kind == "f" else int
    begun = b""
    for block in _raw(file, dtype, name):
        *whole, begun = b"".join((begun, block.translate(_SPACES))).split(b" ")
        try:
            if b"_" in block:  # Python would read 1_000 as a number
                raise ValueError("underscore")
            yield np.array([number(w) for w in whole if w], dtype).tobytes()
        except (ValueError, OverflowError) as error:
            raise _damaged(name) from error
    if begun:  # a number with nothing behind it may have lost digits
        raise _cut(name)


_SPACES = bytes.maketrans(b"\t\r\n\v\f", b" " * 5)

UNPACKERS: dict[str, Unpacker] = {
    "raw": _raw,
    "gzip": _gzip,
    "zlib": _zlib,
    "bzip2": _bzip2,
    "hex": _hex,
    "ascii": _ascii,
}
"""Encoding -> what undoes it: (file at the beginning of the numbers, type of one number, name for messages)."""

LARGEST = {"raw": 1, "gzip": 1032, "zlib": 1032, "bzip2": 1 << 21, "hex": 1, "ascii": 8}
"""Encoding -> the most bytes that one byte of a file can stand for; bzip2 is measured to reach 1.2 million."""


def first_bytes(path: Path, count: int) -> bytes:
    """The first ``count`` (decompressed) bytes of a file, plain or gzip; fewer where there are no more.

    Raises:
        UnreadableInputError: damaged before that.
    """
    head = bytearray()
    with path.open("rb") as file:
        unpack = UNPACKERS["gzip" if is_gzip(path) else "raw"]
        for block in unpack(file, np.dtype("u1"), path.name):
            head += block
            if len(head) >= count:
                break
    return bytes(head[:count])


def _cut(name: str) -> UnreadableInputError:
    return UnreadableInputError(f"{name} is cut short; copy it again.")


def _damaged(name: str) -> UnreadableInputError:
    return UnreadableInputError(f"{name} is damaged (checksum or data); copy it again.")


def _followed(name: str) -> UnreadableInputError:
    return UnreadableInputError(f"{name} goes on behind its own end; it was probably damaged: copy it again.")
