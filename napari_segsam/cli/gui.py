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

PLUGIN, WIDGET = "napari-segsam", "SEG-SAM"
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
    scans = paths or []
    for path in scans:
        if not path.exists():
            raise UnreadableInputError(f"{path}: there is no such file or folder; check its name.")
    if (missing := why_no_window()) is not None:
        raise SegsamError(missing)
    if model is not None:
        from napari_segsam.io.registry import resolve

        resolve(model)  # refuse here, in one sentence, rather than later in the window
    raise typer.Exit(run_window(napari_command(scans), model))


def napari_command(paths: list[Path]) -> list[str]:
    """``napari PATHS -w napari-segsam SEG-SAM`` for this Python; ``-w`` takes all that follows it, so it comes last."""
    # Without a named plugin napari would ask which reader to use where several can read a file.
    scans = ["--plugin", PLUGIN, *(str(p.resolve()) for p in paths)] if paths else []
    return [sys.executable, "-m", "napari", *scans, "-w", PLUGIN, WIDGET]


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
