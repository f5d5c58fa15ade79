"""Crosshair: where the shared point of the three planes lies on one canvas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QObject, QRect, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QWidget

COLOUR = QColor(255, 210, 0)
_GAP_PX = 9
"""What is left free around the point itself, so that the lines do not cover what they point at."""


class Crosshair(QWidget):
    """Four lines on top of a 2D canvas. They are no layer, so nobody can save, delete or draw on them.

    Nothing is drawn in 3D and in napari's grid of several pictures, where one place of the canvas is no place of the
    scan.

    Args:
        canvas: the widget that napari draws on.
        viewer: the viewer model that it shows.
    """

    def __init__(self, canvas: QWidget, viewer: Any) -> None:
        super().__init__(canvas)
        self._viewer = viewer
        self._point: tuple[float, ...] | None = None
        self._lines: list[QRect] = []
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.resize(canvas.size())
        canvas.installEventFilter(self)
        for emitter in self._emitters():
            emitter.connect(self._place)
        self.show()

    def show_at(self, point: Sequence[float]) -> None:
        """Point at a place, in napari's world coordinates; as many as the viewer has axes."""
        self._point = tuple(point)
        self._place()

    def let_go(self) -> None:
        """Follow the viewer no longer."""
        for emitter in self._emitters():
            emitter.disconnect(self._place)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """As large as the canvas."""
        if event is not None and event.type() == QEvent.Type.Resize and isinstance(watched, QWidget):
            self.resize(watched.size())
            self._place()
        return False

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        """Draw the lines; Qt clips to what changed."""
        painter = QPainter(self)
        for line in self._lines:
            painter.fillRect(line, COLOUR)

    def _emitters(self) -> list[Any]:
        """Whatever moves the picture below."""
        viewer = self._viewer
        camera, dims = viewer.scene.camera.events, viewer.dims.events
        moved = [camera.center, camera.zoom, camera.orientation, dims.order, dims.ndisplay]
        return [*moved, viewer.canvas.grid.events.enabled]

    def _place(self, _event: object = None) -> None:
        before, self._lines = self._lines, self._lines_now()
        if before != self._lines:
            for line in (*before, *self._lines):
                self.update(line)

    def _lines_now(self) -> list[QRect]:
        viewer, point = self._viewer, self._point
        if point is None or viewer.dims.ndisplay != 2 or viewer.canvas.grid.enabled or len(point) != viewer.dims.ndim:
            return []
        camera = viewer.scene.camera
        vertical, horizontal = (str(o) for o in camera.orientation2d)
        towards = np.array((1.0 if vertical == "down" else -1.0, 1.0 if horizontal == "right" else -1.0))
        from_centre = np.asarray(point)[list(viewer.dims.displayed)] - np.asarray(camera.center)[-2:]
        width, height = self.width(), self.height()
        row, col = np.rint(np.array((height, width)) / 2 + towards * from_centre * camera.zoom).astype(int)
        return _cross(int(col), int(row), width, height)


def _cross(x: int, y: int, width: int, height: int) -> list[QRect]:
    """Lines to the four edges of a canvas from around a pixel, which may lie outside."""
    whole = QRect(0, 0, width, height)
    lines = (
        QRect(0, y, x - _GAP_PX, 1),
        QRect(x + _GAP_PX, y, width - x - _GAP_PX, 1),
        QRect(x, 0, 1, y - _GAP_PX),
        QRect(x, y + _GAP_PX, 1, height - y - _GAP_PX),
    )
    return [line & whole for line in lines if line.isValid() and whole.intersects(line)]
