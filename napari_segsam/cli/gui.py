"""``segsam gui``: napari, in a process of its own, with the dock open."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from napari_segsam.cli.console import say
from napari_segsam.core.errors import SegsamError, UnreadableInputError

MODEL_VARIABLE = "SEGSAM_MODEL"
"""The dock loads the model that this environment variable names; without it, the default one."""

_BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")


def gui(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="[PATH]...", help="Scans to open.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="A name of `segsam models`, or a file, as in `segsam predict`.")
    ] = None,
) -> None:
    """Open napari with the dock on PATH."""
    if (missing := why_no_window()) is not None:
        raise SegsamError(missing)
    scans = paths or []
    for path in scans:
        refuse_unreadable(path, alone=len(scans) == 1)
    if model is not None:
        from napari_segsam.io.registry import resolve

        resolve(model)  # refuse here, in one sentence, rather than later in the window
    raise typer.Exit(run_window(window_command(scans), model))


def refuse_unreadable(path: Path, *, alone: bool) -> None:
    """Refuse here, in one sentence, what the window could not show; only headers are read.

    Args:
        path: what it would open.
        alone: no other path is given, so contours have no scan.

    Raises:
        SegsamError: there is nothing of that name, or no scan and no label map.
    """
    from napari_segsam.io.labels.holding import CONTOURS_ALONE, holds_contours, holds_labels
    from napari_segsam.io.sandbox import list_series
    from napari_segsam.io.series_info import why_none

    if not path.exists():
        raise UnreadableInputError(f"{path}: there is no such file or folder; check its name.")
    if alone and holds_contours(path):
        raise UnreadableInputError(CONTOURS_ALONE.format(file=path.name))
    if not holds_labels(path):  # whose reader says in the dock what is wrong with them
        found = list_series(path)
        if all(series.refused is not None and series.evened is None for series in found):
            raise UnreadableInputError(why_none(path.name, found))


def window_command(paths: list[Path]) -> list[str]:
    """What opens napari with the dock on PATHS, in this Python."""
    return [sys.executable, "-m", "napari_segsam.gui.window", *(str(path.resolve()) for path in paths)]


def run_window(command: list[str], model: str | None = None) -> int:
    """Run a program with a window until it is closed; its exit code, 128 + n where signal n ended it."""
    chosen = {} if model is None else {MODEL_VARIABLE: model}
    code = subprocess.run(command, env=os.environ | chosen, check=False).returncode
    if code < 0:
        ended = signal.Signals(-code).name
        say(f"segsam: the window was ended by {ended}; if it did that by itself, run segsam doctor.")
    return code if code >= 0 else 128 - code


def why_no_window() -> str | None:
    """Why no window can open here, with the remedy; None where one can."""
    if find_spec("napari") is None or not any(map(find_spec, _BINDINGS)):
        return 'napari or its Qt is not installed; run: pip install "napari-segsam[gui]"'
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "There is no display: DISPLAY and WAYLAND_DISPLAY are not set; use segsam predict, or a desktop."
    return None
