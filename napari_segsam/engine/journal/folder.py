"""Where journals lie, which of them hold unfinished work, and when finished ones go."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from filelock import Timeout
from platformdirs import user_state_path

from napari_segsam.engine.journal.journal import LOCK, lock_on

LIVE, CLOSED = ".journal", ".closed"
"""Suffixes of work that goes on or was cut off, and of finished work."""
KEPT_DAYS, KEPT_BYTES = 90, 500 * 2**20
"""How long, and how much of, finished work is kept for its audit trail; unfinished work stays until it is discarded."""


def journal_folder() -> Path:
    """In SEGSAM_STATE, or in the user's folder for such things of this system."""
    chosen = os.environ.get("SEGSAM_STATE")
    return (Path(chosen) if chosen else user_state_path("napari-segsam", appauthor=False)) / "journals"


def new_path(folder: Path, fingerprint: str) -> Path:
    """For another journal of a scan; every viewer has its own."""
    return folder / f"{_prefix(fingerprint)}{uuid4().hex}{LIVE}"


def orphans(folder: Path, fingerprint: str = "") -> list[Path]:
    """Journals of unfinished work that nobody has open, newest first: of one scan, or of all."""
    found = [p for p in folder.glob(f"{_prefix(fingerprint) if fingerprint else ''}*{LIVE}") if not _is_open(p)]
    return sorted(found, key=_age_s)


def retire(path: Path) -> None:
    """The work is finished: it is offered no more, and removed in time."""
    with suppress(OSError):
        path.replace(path.with_suffix(CLOSED))
        path.with_suffix(LOCK).unlink(missing_ok=True)


def discard(path: Path) -> None:
    """Unfinished work is not wanted; what somebody took up meanwhile stays."""
    if not _is_open(path):
        retire(path)


def remove_old(folder: Path) -> None:
    """Remove what is older or more than is kept."""
    total = 0
    for path in sorted((p for p in folder.glob("*.*") if p.suffix in (CLOSED, ".damaged")), key=_age_s):
        with suppress(OSError):
            total += path.stat().st_size
            if total > KEPT_BYTES or _age_s(path) > KEPT_DAYS * 86400:
                path.unlink()


def _is_open(path: Path) -> bool:
    """Whether somebody writes it; where that cannot be found out, it is left alone."""
    try:
        lock_on(path).release()
    except (Timeout, OSError):
        return True
    return False


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:  # gone meanwhile
        return 0.0


def _prefix(fingerprint: str) -> str:
    """Says which scan to who has it, and nothing to anybody else."""
    return f"{fingerprint[:24]}-"
