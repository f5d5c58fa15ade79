"""``python -m napari_segsam.gui.window [PATH...]``: napari with the dock, which opens the paths or says why not."""

from __future__ import annotations

import sys
from pathlib import Path

import napari
from qtpy.QtCore import QTimer

from napari_segsam.gui.dock import Dock


def run(paths: list[Path]) -> None:
    """Open the window; return when it was closed."""
    open_window(paths)
    napari.run(gui_exceptions=True)


def open_window(paths: list[Path]) -> tuple[napari.Viewer, Dock]:
    """A viewer with the dock, which opens the paths one after the other as soon as events are handled."""
    # napari's own "napari PATH" ends in a traceback and without a window where a reader refuses the path.
    viewer = napari.Viewer(show_welcome_screen=not paths)
    dock: Dock = viewer.window.add_plugin_dock_widget("napari-segsam", "SEG-SAM")[1]
    QTimer.singleShot(0, lambda: _open(dock, paths))
    return viewer, dock


def _open(dock: Dock, paths: list[Path]) -> None:
    for path in paths:
        dock.workbench.open_path(path)


if __name__ == "__main__":
    run([Path(argument) for argument in sys.argv[1:]])
