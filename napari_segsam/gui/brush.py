"""Brush strokes on the layer `labels`, from napari's edit events into voxel indices for the session's history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import LabelMap

Stroke = tuple[NDArray[np.int64], NDArray[np.uint16]]
_DRAWING = ("paint", "erase", "fill", "polygon")


class Strokes:
    """Tells of each change that a person makes to a Labels layer, and from when until when one goes on.

    napari writes a brush stroke while the mouse is down, and tells of it when the mouse is let go; of a polygon and of
    a fill it tells before it writes them.

    Args:
        viewer: napari's.
        told: gets each stroke once it is made.
        going_on: told True where one begins, and False after ``told`` has got it, or where there was none.
    """

    def __init__(self, viewer: Any, told: Callable[[Stroke], None], going_on: Callable[[bool], None]) -> None:
        self._viewer, self._told, self._tell_going_on = viewer, told, going_on
        self._layer: Any = None
        self._going_on: set[object] = set()
        self._press: object = None
        # The viewer hears of a press before its layers, and of a release even if another layer is active by then.
        viewer.mouse_drag_callbacks.insert(0, self._pressed)

    def hear(self, layer: Any, labels: LabelMap) -> None:
        """Listen to a layer that shows the voxels of ``labels`` in display order, instead of one that is gone."""

        def painted(event: Any) -> None:
            stroke = stroke_of(event.value, labels.grid)
            if np.array_equal(labels.voxels.reshape(-1)[stroke[0]], stroke[1]):
                written = self._begin()
                QTimer.singleShot(0, lambda: self._tell_late(stroke, written))
            else:
                self._told(stroke)

        self._layer = layer
        layer.events.paint.connect(painted)

    def let_go(self) -> None:
        """Wait for the end of none that goes on, nor for another."""
        self._viewer.mouse_drag_callbacks.remove(self._pressed)
        self._end(*self._going_on)

    def _pressed(self, _viewer: Any, event: Any) -> Iterator[None]:
        active = self._viewer.layers.selection.active
        if active is None or active is not self._layer or str(active.mode) not in _DRAWING:
            return
        self._going_on.discard(self._press)  # another button in the middle of a stroke: napari begins this one anew
        self._press = press = self._begin()
        yield
        while event.type == "mouse_move":
            yield
        QTimer.singleShot(0, lambda: self._end(press))  # the layer hears of the release after us

    def _tell_late(self, stroke: Stroke, written: object) -> None:
        try:
            self._told(stroke)
        finally:
            self._end(written)

    def _begin(self) -> object:
        """What :meth:`_end` has to be given."""
        begun = object()
        self._going_on.add(begun)
        self._tell_going_on(True)
        return begun

    def _end(self, *begun: object) -> None:
        was_going_on = bool(self._going_on)
        self._going_on -= set(begun)
        if was_going_on and not self._going_on:
            self._tell_going_on(False)


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
