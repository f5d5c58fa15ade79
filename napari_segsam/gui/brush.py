"""Brush strokes on the layer `labels`, from napari's edit events into voxel indices for the session's history."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import LabelMap

Stroke = tuple[NDArray[np.int64], NDArray[np.uint16]]


def hear_strokes(layer: Any, labels: LabelMap, told: Callable[[Stroke], None]) -> None:
    """Call ``told`` with each change that a person makes to a Labels layer, once it is made.

    napari tells of a brush stroke after it wrote the voxels, but of a polygon and of a fill before.

    Args:
        layer: shows the voxels of ``labels`` in display order.
        labels: not changed here.
        told: gets the stroke.
    """

    def painted(event: Any) -> None:
        stroke = stroke_of(event.value, labels.grid)
        if np.array_equal(labels.voxels.reshape(-1)[stroke[0]], stroke[1]):
            QTimer.singleShot(0, lambda: told(stroke))
        else:
            told(stroke)

    layer.events.paint.connect(painted)


def stroke_of(atoms: Iterable[Any], grid: Grid) -> Stroke:
    """What one ``Labels.events.paint`` changed.

    Args:
        atoms: the event's value, oldest first: napari's masked boxes, or (indices, before, after) tuples.
        grid: of the voxels that the layer shows in display order.

    Returns:
        (n,) flat C-order voxel indices, oldest first, which may repeat; (n,) values before each change.
    """
    parts = [_display_change(atom) for atom in atoms]
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.uint16)
    places = np.concatenate([place for place, _ in parts])
    ijk = grid.display.voxel_index(places, grid.shape)
    indices = np.ravel_multi_index(tuple(ijk.T), grid.shape).astype(np.int64)
    return indices, np.concatenate([before for _, before in parts])


def _display_change(atom: Any) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    """(n, 3) display indices that an atom changed, and (n,) the values before."""
    if not hasattr(atom, "slice_key"):
        indices, before, _after = atom
        places = np.stack([np.asarray(i, np.int64).ravel() for i in indices], axis=1)
        return places, np.asarray(before, np.uint16).ravel()
    starts = np.array([s.start for s in atom.slice_key])
    sizes = [s.stop - s.start for s in atom.slice_key]
    mask = np.ones(sizes, bool) if atom.mask is None else np.asarray(atom.mask)
    return np.argwhere(mask) + starts, np.asarray(atom.old_values, np.uint16).ravel()
