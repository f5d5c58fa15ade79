"""Whether an image fits into what is free, asked before any memory is."""

from __future__ import annotations

from pathlib import Path

from napari_segsam.core.errors import UnreadableInputError

_MEMINFO = Path("/proc/meminfo")


def check_memory(needed: int, name: str) -> None:
    """Refuse an image that needs more bytes than are free; where the system does not say, everything passes.

    Raises:
        UnreadableInputError: says how much it needs and how much there is.
    """
    free = free_bytes()
    if free is not None and needed > free:
        raise too_large(needed, name, free)


def too_large(needed: int, name: str, free: int | None = None) -> UnreadableInputError:
    """The refusal of an image of ``needed`` bytes; ``free`` where it is known."""
    there = "more than there is" if free is None else f"and {free / 1e9:.1f} GB are free"
    return UnreadableInputError(f"{name} needs {needed / 1e9:.1f} GB of memory, {there}; close programs or crop it.")


def free_bytes() -> int | None:
    """Memory that can be had without swapping (Linux); None elsewhere, where only the allocation itself can tell."""
    try:
        lines = _MEMINFO.read_text("ascii").splitlines()
    except OSError:
        return None
    kibibytes = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return next((int(n) * 1024 for n in kibibytes), None)
