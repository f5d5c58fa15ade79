"""Unfinished work: what an earlier program left in its journals, as a person is told of it before it is restored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.engine.journal.folder import orphans, retire
from napari_segsam.engine.journal.journal import read
from napari_segsam.engine.journal.packing import BadParcelError, head_of


@dataclass(frozen=True)
class Unfinished:
    """Work on one scan that nobody has open.

    Attributes:
        journal: its file.
        time: of the last change.
        objects: how many are in its label map; None where the journal is damaged from its start.
        scan, series: what the scan was read from, where that is known.
        resampled: whether its uneven slices had been made even.
    """

    journal: Path
    time: datetime
    objects: int | None = None
    scan: Path | None = None
    series: str | None = None
    resampled: bool = False


def unfinished(folder: Path, fingerprint: str = "") -> list[Unfinished]:
    """What there is of one scan, or of all, newest first; journals in which nothing was done yet are put aside."""
    return [found for path in orphans(folder, fingerprint) if (found := _look_into(path)) is not None]


def _look_into(path: Path) -> Unfinished | None:
    try:
        contents = read(path)
        header, last = head_of(contents.payload(0)), head_of(contents.payload(len(contents.payloads) - 1))
        if len(contents.payloads) == 1:
            retire(path)
            return None
        scan = None if header["path"] is None else Path(header["path"])
        when, objects = datetime.fromisoformat(last["time"]), int(last["objects"])
        return Unfinished(path, when, objects, scan, header["series"], header["resampled"])
    except (UnreadableInputError, BadParcelError, KeyError, TypeError, ValueError):
        return _damaged(path)


def _damaged(path: Path) -> Unfinished | None:
    try:
        return Unfinished(path, datetime.fromtimestamp(path.stat().st_mtime, UTC))
    except OSError:  # gone meanwhile, or not ours to read
        return None
