"""The composition root: a thread for the model, one for journals, a workbench and a dock per viewer."""

from __future__ import annotations

import os
from typing import Any

from napari_segsam.engine.journal.folder import journal_folder
from napari_segsam.gui.dock import Dock
from napari_segsam.gui.executor import ThreadExecutor
from napari_segsam.gui.loading import load_model
from napari_segsam.gui.recovery import Recovery
from napari_segsam.gui.workbench import Workbench
from napari_segsam.io.registry import DEFAULT_MODEL

MODEL_VARIABLE = "SEGSAM_MODEL"
"""Environment variable that may name the model, or its file."""


class PluginDock(Dock):
    """What the manifest names.

    A class, because napari hands the viewer only to classes, and only where the argument is called ``napari_viewer``.
    """

    def __init__(self, napari_viewer: Any) -> None:
        # napari's proxy gives out other layer objects on each access; we tell layers apart by identity.
        viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        model = os.environ.get(MODEL_VARIABLE) or DEFAULT_MODEL
        workbench = Workbench(viewer, ThreadExecutor(), load_model, model)
        recovery = Recovery(workbench, ThreadExecutor("segsam-journal"), journal_folder())
        super().__init__(workbench, recovery, lambda: open_sample(viewer))
        self.destroyed.connect(workbench.close)
        workbench.open_first()
        recovery.start()


def make_dock(viewer: Any) -> Dock:
    """The dock for a viewer; with a scan in it, ready to click."""
    return PluginDock(viewer)


def open_sample(viewer: Any) -> None:
    """Open the built-in phantom through napari, as File > Open Sample does."""
    viewer.open_sample("napari-segsam", "torso_phantom")
