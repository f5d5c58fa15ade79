"""What the dock's model chooser says of each model of the registry. No widget; ``here`` may take a moment at first."""

from __future__ import annotations

from napari_segsam.io.model_entry import ModelEntry
from napari_segsam.io.registry import registry, where

NOT_HERE = "not here"


def here() -> frozenset[str]:
    """Names of the models whose files are on this machine; touches no network."""
    return frozenset(name for name, entry in registry().items() if is_here(entry))


def is_here(entry: ModelEntry) -> bool:
    """Whether the model's file is on this machine; its base may still be missing."""
    path = where(entry)
    return path is not None and path.is_file()


def missing(name: str) -> ModelEntry | None:
    """What has to be fetched before this model can be used, its base first; None where nothing has."""
    entry = registry().get(name)
    if entry is None:
        return None
    below = [registry()[entry.base]] if entry.base else []
    return next((e for e in (*below, entry) if not is_here(e)), None)


def megabytes(entry: ModelEntry) -> float | None:
    """Of the file, None where nobody says it."""
    return entry.megabytes if entry.size is None else entry.size / 1e6


def size(entry: ModelEntry) -> str:
    """Of the file, for a person; empty where nobody says it."""
    known = megabytes(entry)
    return "" if known is None else f"{known:.0f} MB"


def facts(entry: ModelEntry, is_here: bool) -> str:
    """A tooltip: what it is, what it takes and what it cannot do, where it comes from."""
    side = "" if entry.side is None else f"{entry.side} px"
    first = ", ".join(filter(None, (entry.title or entry.name, side, size(entry), "" if is_here else NOT_HERE)))
    needs = f"Needs {entry.base}." if entry.base else ""
    lines = (first, f"Takes {entry.input}.", entry.limits, needs, f"Licence: {entry.licence}.", f"From {entry.source}.")
    return "\n".join(filter(None, lines))
