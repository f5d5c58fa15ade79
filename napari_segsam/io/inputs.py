"""Files that are being read, whose place no output may take."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path


def is_read(place: Path, read: Iterable[Path]) -> bool:
    """Whether the file at ``place`` is one of ``read`` or lies in a folder of them, whatever link leads to it."""
    try:
        there = place.stat()
    except OSError:  # nothing yet, or nothing that could be read
        return False
    return any(_is_same(file, there) for path in map(root_of, read) for file in _files(path))


def root_of(path: Path) -> Path:
    """The folder of a DICOMDIR, which lists files below it and has no other name (PS3.10 8.6); else the path itself."""
    return path.parent if path.name.upper() == "DICOMDIR" and path.is_file() else path


def _files(path: Path) -> Iterator[Path]:
    """The file itself, or all below a folder."""
    if not path.is_dir():
        yield path
    for folder, _, names in os.walk(path):
        yield from (Path(folder, name) for name in names)


def _is_same(file: Path, there: os.stat_result) -> bool:
    try:
        return os.path.samestat(file.stat(), there)
    except OSError:
        return False
