"""Reading a file to its very end: what is cut short, damaged or longer than it says is refused."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from napari_segsam.core.errors import UnreadableInputError

_BLOCK = 1 << 20
_GZIP = 31  # zlib's wbits for a gzip member, whose CRC and length it then checks
_MAX_RATIO = 1032  # deflate cannot do better
_MAGIC = b"\x1f\x8b"


def is_gzip(path: Path) -> bool:
    """Whether the file starts as gzip does, whatever its name."""
    with path.open("rb") as file:
        return file.read(2) == _MAGIC


def read_whole(path: Path, head_bytes: int, total_bytes: Callable[[bytes], int]) -> bytearray:
    """The file's (decompressed) bytes, exactly as many as its header asks for.

    Args:
        path: plain or gzip.
        head_bytes: how much ``total_bytes`` needs to see.
        total_bytes: from the first bytes, the length of the whole.

    Raises:
        UnreadableInputError: shorter or longer than that, or a checksum is wrong.
    """
    packed, size = is_gzip(path), path.stat().st_size
    with path.open("rb") as file:
        blocks = _gunzipped(file, path.name) if packed else iter(lambda: file.read(_BLOCK), b"")
        head = bytearray()
        for block in blocks:
            head += block
            if len(head) >= head_bytes:
                break
        total = total_bytes(bytes(head))
        if total > size * (_MAX_RATIO if packed else 1):
            raise _wrong_length(path, "shorter")  # before any memory is asked for
        return _filled(path, head, blocks, total)


def _filled(path: Path, head: bytearray, blocks: Iterator[bytes], total: int) -> bytearray:
    try:
        whole, filled = bytearray(total), 0
    except MemoryError as error:
        raise UnreadableInputError(
            f"{path.name} needs {total / 1e9:.1f} GB of memory; close programs or crop it."
        ) from error
    for block in _chain(head, blocks):
        if filled + len(block) > total:
            raise _wrong_length(path, "longer")
        whole[filled : filled + len(block)] = block
        filled += len(block)
    if filled < total:
        raise _wrong_length(path, "shorter")
    return whole


def _chain(head: bytearray, blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield bytes(head)
    yield from blocks


def _gunzipped(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Decompressed blocks of at most 1 MiB of all gzip members, each one's checksum verified."""
    waiting = file.read(_BLOCK)
    while waiting:
        if waiting[:2] != _MAGIC[: len(waiting)] and not waiting.strip(b"\0"):
            waiting = file.read(_BLOCK)  # zeros after the last member are padding
            continue
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            try:
                block = member.decompress(waiting, _BLOCK)
            except zlib.error as error:
                raise UnreadableInputError(f"{name} is damaged (gzip checksum or data); copy it again.") from error
            if block:
                yield block
            waiting = member.unconsumed_tail or (member.unused_data if member.eof else file.read(_BLOCK))
            if not waiting and not member.eof and not block:
                raise UnreadableInputError(f"{name} is cut short; copy it again.")
        waiting = waiting or file.read(_BLOCK)


def _wrong_length(path: Path, how: str) -> UnreadableInputError:
    return UnreadableInputError(
        f"{path.name} is {how} than its header says; it was probably cut or damaged: copy it again."
    )
