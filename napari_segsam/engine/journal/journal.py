"""Journal: the file. Records are only ever added to it, each with a digest, and a lock says who is writing."""

from __future__ import annotations

import errno
import os
import struct
import weakref
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from uuid import uuid4

from filelock import BaseFileLock, FileLock, Timeout

from napari_segsam.core.errors import UnreadableInputError, WriteError

LOCK = ".lock"
"""Suffix of the file whose lock belongs to the one who writes the journal beside it."""
_MAGIC = b"SEGSAM journal 1\n"
_START = len(_MAGIC) + 16
_MARK = b"\x89REC"
_FRAME = struct.Struct("<4sIQQ16s")  # mark, number of the record, bytes packed, bytes unpacked, digest
_LEVEL = 1  # the person's next click waits for no disk, but the battery does
_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the disk is full",
    errno.EROFS: "its disk is read-only",
}


class Journal:
    """One file that records are added to. Not for two threads at once.

    Attributes:
        path: of the file; nobody but its owner may read it.
    """

    def __init__(self, path: Path, lock: BaseFileLock, contents: Contents) -> None:
        """For `create` and `go_on`."""
        self.path = path
        self._key, self._end, self._count = contents.key, contents.end, len(contents.payloads)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        self._release = weakref.finalize(self, _let_go, self._file, lock)

    @classmethod
    def create(cls, path: Path) -> Journal:
        """A new journal without records; its folder is made where there is none, for its owner only.

        Raises:
            WriteError: the folder or the file cannot be made.
        """
        key = uuid4().bytes
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.parent.chmod(0o700)  # it may have been there
            journal = cls(path, lock_on(path), Contents(key, (), 0, 0, 0))
            journal._write(_MAGIC + key)
            _sync_folder(path.parent)
        except OSError as error:
            raise _not_written(error) from error
        return journal

    @classmethod
    def go_on(cls, path: Path) -> tuple[Journal, Contents]:
        """A journal that this program or another one left, and what is in it. What is torn off its end is cut off.

        Of a file with whole records behind a damaged one, a copy stays beside it, called ``.damaged``.

        Raises:
            UnreadableInputError: it is gone or damaged from its start, or its work is open elsewhere.
            WriteError: it cannot be cut.
        """
        try:
            lock = lock_on(path)
        except Timeout as error:
            raise UnreadableInputError("That work is open in another window; go on there, or close it.") from error
        except OSError as error:
            raise _not_read(error) from error
        try:
            contents = read(path)
            if contents.beyond:
                _copy(path, path.with_suffix(".damaged"))
            journal = cls(path, lock, contents)
            os.ftruncate(journal._file, contents.end)
        except UnreadableInputError:
            lock.release()
            raise
        except OSError as error:
            lock.release()
            raise _not_written(error) from error
        return journal, contents

    def frame(self, chunks: Iterable[bytes | memoryview]) -> bytes:
        """The next record as the file has it; ``chunks`` is what `Contents.payload` will give, in pieces."""
        pack, parts, size = zlib.compressobj(_LEVEL), [], 0
        for chunk in chunks:
            parts.append(pack.compress(chunk))
            size += len(chunk)
        parts.append(pack.flush())
        body = b"".join(parts)
        return _FRAME.pack(_MARK, self._count, len(body), size, _digest(self._key, self._count, size, body)) + body

    def add(self, record: bytes) -> None:
        """Write what `frame` made behind the last record; `sync` makes it durable.

        Raises:
            WriteError: it is not in the file, which is what it was; the same record may be tried again.
        """
        try:
            self._write(record)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._end)
            raise _not_written(error) from error
        self._count += 1

    def sync(self) -> None:
        """All that was added survives a crash of the machine when this returns.

        Raises:
            WriteError: the disk does not say so.
        """
        try:
            os.fsync(self._file)
        except OSError as error:
            raise _not_written(error) from error

    def close(self) -> None:
        """Give the file and the lock back; closing twice is no harm."""
        self._release()

    def _write(self, data: bytes) -> None:
        os.lseek(self._file, self._end, os.SEEK_SET)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        self._end += len(data)


@dataclass(frozen=True)
class Contents:
    """What is in a journal's file.

    Attributes:
        key: made for this file, so that records of no other one pass for its own.
        payloads: of its records, still packed, each with its size when it is not.
        end: where the next record goes.
        torn: bytes behind that which are no record: of a write that was cut short, or damaged.
        beyond: whole records behind a damaged one; without that, they cannot be followed.
    """

    key: bytes
    payloads: tuple[tuple[memoryview, int], ...]
    end: int
    torn: int
    beyond: int

    def payload(self, number: int) -> bytes:
        """One record, unpacked.

        Raises:
            UnreadableInputError: it is what was written, and yet cannot be unpacked.
        """
        body, size = self.payloads[number]
        try:
            return zlib.decompressobj().decompress(body, size)
        except zlib.error as error:
            raise UnreadableInputError("The journal was written wrong; discard it and save often.") from error


def read(path: Path) -> Contents:
    """What is in a journal's file: all records up to the first that is not whole.

    Raises:
        UnreadableInputError: it cannot be read, or is damaged from its start.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _not_read(error) from error
    key, at = data[len(_MAGIC) : _START], _START
    payloads: list[tuple[memoryview, int]] = []
    while found := _record_at(data, at, key, len(payloads)):
        payloads.append(found)
        at += _FRAME.size + len(found[0])
    if not data.startswith(_MAGIC) or not payloads:
        raise UnreadableInputError("The journal is damaged from its start, so nothing of it comes back; discard it.")
    torn = len(data[at:].rstrip(b"\0"))
    return Contents(key, tuple(payloads), at, torn, _whole_beyond(data, at, key))


def lock_on(path: Path) -> BaseFileLock:
    """The lock of the one who writes a journal; another thread may release it.

    Raises:
        Timeout: somebody else has it.
    """
    lock = FileLock(path.with_suffix(LOCK), timeout=0, mode=0o600, thread_local=False)
    lock.acquire()
    return lock


def _let_go(file: int, lock: BaseFileLock) -> None:
    os.close(file)
    lock.release()


def _digest(key: bytes, number: int, size: int, body: bytes | memoryview) -> bytes:
    digest = blake2b(struct.pack("<IQ", number, size), digest_size=16, key=key)
    digest.update(body)
    return digest.digest()


def _record_at(data: bytes, at: int, key: bytes, number: int | None = None) -> tuple[memoryview, int] | None:
    """The packed body and the unpacked size of the record that starts here; None where no whole one does.

    Args:
        data: of the file.
        at: where in it.
        key: of the file.
        number: which record it has to be, None = any.
    """
    if at + _FRAME.size > len(data):
        return None
    mark, count, length, size, digest = _FRAME.unpack_from(data, at)
    body = memoryview(data)[at + _FRAME.size : at + _FRAME.size + length]
    if mark != _MARK or number not in (count, None) or len(body) != length:
        return None
    return (body, size) if _digest(key, count, size, body) == digest else None


def _whole_beyond(data: bytes, at: int, key: bytes) -> int:
    """How many whole records lie behind a place where none does."""
    found = 0
    while (at := data.find(_MARK, at)) >= 0:
        record = _record_at(data, at, key)
        found += record is not None
        at += 1 if record is None else _FRAME.size + len(record[0])
    return found


def _copy(path: Path, to: Path) -> None:
    to.touch(0o600)
    to.write_bytes(path.read_bytes())


def _sync_folder(folder: Path) -> None:
    """Make a new name in it durable, where the system lets a folder be opened (not on Windows)."""
    with suppress(PermissionError, IsADirectoryError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _not_written(error: OSError) -> WriteError:
    why = _REASONS.get(error.errno or 0, (error.strerror or "the system refused").lower())
    return WriteError(f"The journal could not be written ({why}): work goes on, but a crash would lose it; save often.")


def _not_read(error: OSError) -> UnreadableInputError:
    why = (error.strerror or "the system refused").lower()
    return UnreadableInputError(f"The journal could not be read ({why}); check its folder, or go on without it.")
