"""``log.csv``: one row a step, the last of which a full disk or a power cut may leave half-written."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from napari_segsam.core.errors import WriteError
from napari_segsam.io.atomic import replacing

LOG = "log.csv"


def append(path: Path, row: dict[str, float]) -> None:
    """Add a row; the names of its values come first in a new log, and what is NaN stays blank.

    Raises:
        WriteError: the disk is full or gone.
    """
    try:
        fresh = not path.exists() or path.stat().st_size == 0
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if fresh:
                writer.writerow(row)
            values = ("" if math.isnan(v) else f"{v:.6g}" for k, v in row.items() if k != "step")
            writer.writerow([row["step"], *values])
    except OSError as error:
        raise WriteError(
            f"{path}: step {row['step']} was not logged ({error.strerror}); free some space or choose another folder, "
            "and go on with --resume if a state was saved."
        ) from error


def keep_rows_before(path: Path, step: int) -> None:
    """Drop the rows of steps that will be run again, and damaged ones.

    Raises:
        WriteError: the disk is full or gone; the log is as it was.
    """
    if not path.exists():
        return
    with replacing(path) as (beside,):
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            rows = list(csv.reader(file))
        kept = [row for row in rows[1:] if len(row) == len(rows[0]) and _step(row) < step]
        with beside.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([rows[0], *kept] if kept else [])


def _step(row: list[str]) -> float:
    """Of which step a row is; infinity where it is damaged."""
    try:
        step, *_ = (float(v or "nan") for v in row)
    except ValueError:
        return math.inf
    return step
