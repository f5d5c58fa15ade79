"""SidePlane: a second canvas that shows the main canvas's images and labels in another plane. Voxels are shared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.qt import QtViewer
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QObject, Qt, Signal  # type: ignore[attr-defined]  # qtpy's own gap
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_segsam.core.volume import Volume
from napari_segsam.gui.orientation import OrientationLetters
from napari_segsam.gui.orthogonal_crosshair import Crosshair
from napari_segsam.gui.placement import Placement

_LOOKS = (
    *("visible", "opacity", "blending", "colormap", "contrast_limits", "gamma", "interpolation2d"),
    *("contour", "selected_label", "show_selected_label"),
)
_PLACE = ("scale", "translate", "rotate", "shear", "affine")
_STEPS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
_STILL_PX = 4
"""A press that moves less than this many canvas pixels before its release is a click, else a drag."""


class LayerCopy:
    """A layer for another canvas, since a napari layer shows one slice at a time.

    Its voxels are the original's own. What the original looks like and where it lies is followed, not the other way
    round.
    """

    def __init__(self, original: Layer) -> None:
        self._original = original
        self.layer = Layer.create(*original.as_layer_data_tuple())
        for name in (n for n in _LOOKS if hasattr(original, n)):  # not all are in the tuple
            setattr(self.layer, name, getattr(original, name))
        for emitter in self._emitters():
            emitter.connect(self._follow)
        for emitter in self._repainted():
            emitter.connect(self.repaint)

    def let_go(self) -> None:
        """Follow the original no longer."""
        for emitter in self._emitters():
            emitter.disconnect(self._follow)
        for emitter in self._repainted():
            emitter.disconnect(self.repaint)

    def repaint(self, _event: object = None) -> None:
        """Voxels changed: cut the visible slice again, and nothing else."""
        self.layer.refresh(thumbnail=False, highlight=False, extent=False)

    def _emitters(self) -> list[Any]:
        events = self._original.events
        return [getattr(events, name) for name in (*_LOOKS, *_PLACE, "data") if hasattr(events, name)]

    def _repainted(self) -> list[Any]:
        """By napari's brush, or by us."""
        events = self._original.events
        return [getattr(events, name) for name in ("labels_update", "repainted") if hasattr(events, name)]

    def _follow(self, event: Any) -> None:
        setattr(self.layer, event.type, getattr(self._original, event.type))


class SidePlane(QObject):
    """A canvas without sliders. Nothing can be changed in it; keys pressed there are the main canvas's.

    Signals:
        pointed((float, float, float)): a person moved the shared point, in napari's world coordinates.
        chosen((int, int, int)): a person wants the plane of this `order` in the main canvas.

    Args:
        viewer: napari's, whose layers are shown.
        main: the main canvas.

    Attributes:
        model: what the canvas shows.
        widget: the canvas.
    """

    pointed = Signal(object)
    chosen = Signal(object)

    def __init__(self, viewer: Any, main: QWidget) -> None:
        super().__init__()
        self._viewer, self._main = viewer, main
        self._axis, self._point = 0, (0.0, 0.0, 0.0)
        self._led = False  # whatever moves now is moved by us, not by a person
        self._copies: dict[Layer, LayerCopy] = {}
        self._letters: OrientationLetters | None = None
        self._scan: Image | None = None
        self.model = ViewerModel(title="plane")
        self.widget = QtViewer(self.model)
        self.widget.setAcceptDrops(False)  # a file dropped here would be opened here
        self.widget.dims.hide()
        self.crosshair = Crosshair(self.widget.canvas.native, self.model)
        self.widget.canvas.native.installEventFilter(self)
        self.model.dims.events.point.connect(self._scrolled)
        self.model.canvas.events.size.connect(self._fit)
        self.model.mouse_drag_callbacks.append(self._pressed)
        self.model.mouse_move_callbacks.append(self._hovered)
        self.model.mouse_double_click_callbacks[:] = [self._double_clicked]

    @property
    def order(self) -> tuple[int, int, int]:
        """The display axes: across the plane, along its rows, along its columns; upright, whatever the main one is."""
        row, col = (a for a in range(3) if a != self._axis)
        return self._axis, row, col

    def show_layers(self, scan: Image, volume: Volume) -> None:
        """Show the main canvas's images and labels in its order, and the letters of the scan."""
        wanted = [la for la in self._viewer.layers if isinstance(la, (Image, Labels)) and la.ndim == 3]
        with self._leading():
            for layer in [la for la in self._copies if la not in wanted]:
                self._remove(layer)
            for at, layer in enumerate(wanted):
                self._put(layer, at)
            self._turn()
        self._show_letters(scan, volume)

    def cut_across(self, axis: int) -> None:
        """Show the plane that lies across a display axis."""
        self._axis = axis
        with self._leading():
            self._turn()

    def look_at(self, point: Sequence[float]) -> None:
        """Show the slice through a point, in napari's world coordinates, and point at it."""
        self._point = (float(point[0]), float(point[1]), float(point[2]))
        with self._leading():
            self._scroll()
        self.crosshair.show_at(self._point)

    def repaint(self, voxels: NDArray[Any]) -> None:
        """Labels were changed in place: draw what shows these voxels, and nothing else."""
        for original, copy in self._copies.items():
            if isinstance(original, Labels) and np.may_share_memory(original.data, voxels):
                copy.repaint()

    def let_go(self) -> None:
        """Follow the viewer and its layers no longer; the canvas is not used again."""
        self.crosshair.let_go()
        for copy in self._copies.values():
            copy.let_go()
        self._copies.clear()

    def eventFilter(self, _watched: QObject | None, event: QEvent | None) -> bool:
        """Left and Right scroll here, as in any napari; every other key is meant for the scan that is worked on."""
        if not isinstance(event, QKeyEvent) or event.type() == QEvent.Type.ShortcutOverride:
            return False
        step = _STEPS.get(Qt.Key(event.key()))
        if step is None or event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            QApplication.sendEvent(self._main, event)
        elif event.type() == QEvent.Type.KeyPress:
            self.model.dims.set_current_step(self._axis, self.model.dims.current_step[self._axis] + step)
        return True

    # -- what is shown

    @contextmanager
    def _leading(self) -> Iterator[None]:
        before, self._led = self._led, True
        try:
            yield
        finally:
            self._led = before

    def _put(self, layer: Layer, at: int) -> None:
        layers = self.model.layers
        if layer not in self._copies:
            self._copies[layer] = LayerCopy(layer)
            layers.append(self._copies[layer].layer)
        found = layers.index(self._copies[layer].layer)
        if found != at:
            layers.move(found, at)

    def _remove(self, layer: Layer) -> None:
        copy = self._copies.pop(layer)
        copy.let_go()
        self.model.layers.remove(copy.layer)

    def _show_letters(self, scan: Image, volume: Volume) -> None:
        if self._letters is not None:
            self._letters.close()
            self._letters = None
        if scan in self._copies:
            self._letters = OrientationLetters(self.model, Placement(volume, self._copies[scan].layer))
        if scan is not self._scan:
            self._scan = scan
            self._fit()

    def _turn(self) -> None:
        if self.model.dims.ndim == 3:  # an empty model has two axes
            self.model.dims.order = self.order
            self._scroll()

    def _scroll(self) -> None:
        if self.model.dims.ndim == 3:
            self.model.dims.set_point(self._axis, self._point[self._axis])

    def _fit(self, _event: object = None) -> None:
        self.model.fit_to_view()

    # -- what a person does

    def _scrolled(self, _event: object = None) -> None:
        if not self._led:
            point = list(self._point)
            point[self._axis] = self.model.dims.point[self._axis]
            self.pointed.emit(tuple(point))

    def _pressed(self, _model: Any, event: Any) -> Iterator[None]:
        """A left click; a drag pans, as everywhere in napari."""
        start, moved = np.array(event.pos), 0.0
        yield
        while event.type == "mouse_move":
            moved = max(moved, float(np.linalg.norm(np.array(event.pos) - start)))
            yield
        if event.button == 1 and moved < _STILL_PX:
            self._point_at(event)

    def _hovered(self, _model: Any, event: Any) -> None:
        if is_pointing(event):
            self._point_at(event)

    def _double_clicked(self, _model: Any, event: Any) -> None:
        self.chosen.emit(self.order)

    def _point_at(self, event: Any) -> None:
        if len(event.position) == 3:
            self.pointed.emit(tuple(float(x) for x in event.position))


def is_pointing(event: Any) -> bool:
    """Whether a mouse event is Shift and a move, with no button held."""
    return len(event.modifiers) == 1 and "Shift" in event.modifiers and not event.is_dragging
