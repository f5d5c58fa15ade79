"""Files that are either the old one or the new one, never half of each."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from napari_segsam.core.errors import WriteError

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
    errno.EFBIG: "the file would be larger than the system allows; choose another folder",
    errno.EACCES: "this folder may not be written to; choose another one",
    errno.EPERM: "this folder may not be written to; choose another one",
    errno.EROFS: "this folder is read-only; choose another one",
    errno.ENOENT: "its folder does not exist; make it first",
    errno.ENOTDIR: "its folder is a file; choose another name",
    errno.EISDIR: "a folder of that name is there; choose another name",
    errno.ENAMETOOLONG: "its name is too long; choose a shorter one",
}


@contextmanager
def replacing(*paths: Path) -> Iterator[list[Path]]:
    """Temporary paths beside ``paths``, which take their places together when the block ends well.

    Each keeps its suffix. When anything fails, inside the block or after it, the temporary files are removed and
    what was at ``paths`` is untouched. Both the files and their folder are flushed to the disk before it returns.

    Raises:
        WriteError: the disk is full, read-only, gone, ... (any OSError).
    """
    targets = [Path(os.path.realpath(p)) for p in paths]  # a link keeps pointing to the file that it names
    beside = [t.with_name(f".{uuid4().hex[:12]}{''.join(t.suffixes[-2:])[-40:].lower()}") for t in targets]
    try:
        try:
            yield beside
            for temporary in beside:
                _sync(temporary)
            for temporary, target in zip(beside, targets, strict=True):
                temporary.replace(target)
        finally:
            for temporary in beside:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
        for folder in {t.parent for t in targets}:
            sync_folder(folder)
    except OSError as error:
        raise WriteError(f"{paths[0].name} was not written: {_reason(error)}. What was there is unchanged.") from error


def write_bytes(path: Path, *parts: bytes | memoryview) -> None:
    """Write ``parts`` one after another to a new file."""
    with path.open("wb") as file:
        for part in parts:
            file.write(part)


def _reason(error: OSError) -> str:
    return _REASONS.get(error.errno or 0, f"{(error.strerror or 'the system refused').lower()}; choose another folder")


def _sync(path: Path, access: int = os.O_RDWR) -> None:
    handle = os.open(path, access)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Make a rename in it durable, where the system lets a folder be opened (not on Windows)."""
    with suppress(PermissionError, IsADirectoryError):
        _sync(folder, os.O_RDONLY)
