"""Which detector a person chose last, so that the next window has it again."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_state_path

from napari_segsam.io.atomic import replacing

_FILE = "detector.txt"


def last_detector() -> Path | None:
    """Its file, None where none was chosen.

    Whether that is still there shows when it is read: asking may take long where it lies on a network.
    """
    try:
        kept = _place().read_text(encoding="utf-8")
    except (OSError, ValueError):  # never written, or written by something else
        return None
    return Path(kept) if kept and "\0" not in kept else None


def remember_detector(path: Path) -> None:
    """Keep the place of a detector's file.

    Raises:
        WriteError: the folder for program state cannot be written to.
    """
    place = _place()
    with replacing(place) as (beside,):
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(str(path.absolute()), encoding="utf-8")


def _place() -> Path:
    """In SEGSAM_STATE, or in the user's folder for such things of this system."""
    chosen = os.environ.get("SEGSAM_STATE")
    return (Path(chosen) if chosen else user_state_path("napari-segsam", appauthor=False)) / _FILE
