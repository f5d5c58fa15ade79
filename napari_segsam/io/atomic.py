"""Files that are either the old one or the new one, never half of each."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
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

    Each keeps its suffix. When anything fails, before the block, inside it or after it, the temporary files are removed
    and what was at ``paths`` is there. Both the files and their folder are flushed to the disk before it returns.

    Raises:
        WriteError: the disk is full, read-only, gone, ... (any OSError).
    """
    targets = [Path(os.path.realpath(p)) for p in paths]  # a link keeps pointing to the file that it names
    beside = [_beside(target) for target in targets]
    try:
        for target in targets:
            _check(target)
        try:
            yield beside
            for temporary in beside:
                _sync(temporary)
            move_together(list(zip(beside, targets, strict=True)))
        finally:
            _remove(beside)
    except OSError as error:
        what = f"{paths[0].name} was not written: {_which(error, targets[1:])}{_reason(error)}"
        raise WriteError(f"{what}. What was there is unchanged.") from error


def move_together(moves: Sequence[tuple[Path, Path]]) -> None:
    """Give new files their places; if one move fails or is interrupted, those before it are taken back.

    Until all are made and on the disk, what was at a place lies beside it as well, under a name of its own.

    Args:
        moves: new files and their places, each in the same file system.

    Raises:
        OSError: everything is as before.
    """
    kept = [(new, place, _beside(place)) for new, place in moves]
    try:
        for _, place, old in kept:
            _keep(place, old)
        for new, place, _ in kept:
            new.replace(place)
        for folder in {place.parent for _, place, _ in kept}:
            sync_folder(folder)
    except BaseException:
        for move in reversed(kept):
            _take_back(*move)
        _remove([old for _, _, old in kept])
        raise
    _remove([old for _, _, old in kept])


def write_bytes(path: Path, *parts: bytes | memoryview) -> None:
    """Write ``parts`` one after another to a new file."""
    with path.open("wb") as file:
        for part in parts:
            file.write(part)


def sync_folder(folder: Path) -> None:
    """Make a rename in it durable, where the system lets a folder be opened (not on Windows)."""
    with suppress(PermissionError, IsADirectoryError):
        _sync(folder, os.O_RDONLY)


def _beside(path: Path) -> Path:
    """A name in the same folder that nobody has, with the suffix that says the format."""
    return path.with_name(f".{uuid4().hex[:12]}{''.join(path.suffixes[-2:])[-40:].lower()}")


def _check(target: Path) -> None:
    """Let the system refuse a place now, and not when there is something to lose."""
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(target.stat().st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))


def _keep(place: Path, old: Path) -> None:
    """The file at ``place``, if there is one, under another name as well."""
    try:
        os.link(place, old)
    except FileNotFoundError:
        pass
    except OSError:  # no links here
        shutil.copy2(place, old)


def _take_back(new: Path, place: Path, old: Path) -> None:
    """Undo a move, where it was made."""
    if new.exists():
        return
    if old.exists():
        old.replace(place)
    else:
        place.unlink(missing_ok=True)


def _remove(files: Sequence[Path]) -> None:
    for file in files:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def _which(error: OSError, others: Sequence[Path]) -> str:
    """The name of the file beside the first one that the error is about, empty where it is about the first."""
    about = {error.filename, error.filename2}
    return next((f"{path.name}: " for path in others if str(path) in about), "")


def _reason(error: OSError) -> str:
    return _REASONS.get(error.errno or 0, f"{(error.strerror or 'the system refused').lower()}; choose another folder")


def _sync(path: Path, access: int = os.O_RDWR) -> None:
    handle = os.open(path, access)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
