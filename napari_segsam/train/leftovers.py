"""What a save that was killed leaves in a run's folder: files on their way to their place, which nobody will move."""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from pathlib import Path

from napari_segsam.train.trainer import MODEL

log = logging.getLogger(__name__)

_OURS = re.compile(
    r"\.[0-9a-f]{12}\.(safetensors(\.part)?|csv|png)"  # io.atomic.replacing: state, model, text encoder; log; curves
    rf"|{re.escape(MODEL)}\.part"  # model.checkpoint, when a model is calibrated in its place
    r"|\.tmp[0-9A-Za-z]{6}"  # safetensors itself, from 0.8
)


def remove_leftovers(run: Path) -> None:
    """Remove them. Hold the run's lock: what another training is about to move looks the same.

    Nothing else is touched: no other name, no folder and no link.
    """
    found = [p for p in run.iterdir() if _OURS.fullmatch(p.name) and p.is_file() and not p.is_symlink()]
    for path in found:
        with suppress(OSError):  # it takes room, and does no other harm
            path.unlink()
    if found:
        log.info("%s: removed %d files that a killed save had left", run.name, len(found))
