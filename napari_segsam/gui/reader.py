"""npe2's readers: napari's Open, drag and drop, and the sample."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari

from napari_segsam.gui.dock import Dock
from napari_segsam.gui.layer_data import LayerData, layer_of
from napari_segsam.gui.opening import layers_at
from napari_segsam.gui.waiting import CancelledError
from napari_segsam.gui.workbench import Workbench
from napari_segsam.io.labels.holding import holds_labels
from napari_segsam.io.phantom.sample import torso_phantom

NOTHING: list[Any] = [(None,)]
"""How a reader tells napari that it has done its work, and that there is no layer to add."""


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """npe2's question "can you read this?"; the manifest's patterns have said yes, so whatever exists is tried."""
    paths = path if isinstance(path, list) else [path]
    return read_layers if all(Path(p).exists() for p in paths) else None


def read_layers(path: str | list[str]) -> list[LayerData]:
    """Layers of each path, see :func:`layers_at`; labels of the scan that is open in the dock go to the dock instead.

    Raises:
        UnreadableInputError: what could not be read and what to do.
    """
    paths = [Path(p) for p in (path if isinstance(path, list) else [path])]
    try:
        return [layer for p in paths if not _taken_up(p) for layer in layers_at(p)] or NOTHING
    except CancelledError:
        return NOTHING


def open_sample() -> list[LayerData]:
    """The built-in torso CT phantom."""
    return [layer_of(torso_phantom())]


def _taken_up(path: Path) -> bool:
    """Whether this is a label map for the scan that is worked on, which the dock reads then."""
    workbench = _workbench() if holds_labels(path) else None
    if workbench is not None:
        workbench.open_labels(path)
    return workbench is not None


def _workbench() -> Workbench | None:
    """That of the dock in the window that is used, where a scan is open in it."""
    viewer = napari.current_viewer()
    docks = [] if viewer is None else [d for d in viewer.window.dock_widgets.values() if isinstance(d, Dock)]
    return next((d.workbench for d in docks if d.workbench.scan is not None), None)
