"""A hand on each of the three canvases, and what is read off them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_segsam.gui.orthogonal_crosshair import COLOUR
from tests.gui.conftest import Hand

SHIFT = Qt.KeyboardModifier.ShiftModifier
CTRL = Qt.KeyboardModifier.ControlModifier
NONE = Qt.KeyboardModifier.NoModifier


@dataclass
class CanvasHand(Hand):
    """A hand on any canvas."""

    on: Any = None

    @property
    def canvas(self):
        return self.on

    def shift_move(self, world):
        """A little to and fro, as napari takes no more than one move in 5 ms."""
        place = QPointF(self.pixel(world))
        for step in (QPointF(3, 3), QPointF(0, 0)):
            where = place + step
            event = QMouseEvent(
                QEvent.Type.MouseMove,
                where,
                self.canvas.mapToGlobal(where),
                Qt.MouseButton.NoButton,
                Qt.MouseButton.NoButton,
                SHIFT,
            )
            QApplication.sendEvent(self.canvas, event)
            self.qtbot.wait(20)

    def scroll(self, steps):
        place = QPointF(self.canvas.width() / 2, self.canvas.height() / 2)
        for _ in range(abs(steps)):
            turned = QPoint(0, -120 if steps > 0 else 120)
            event = QWheelEvent(
                place,
                self.canvas.mapToGlobal(place),
                QPoint(),
                turned,
                Qt.MouseButton.NoButton,
                CTRL,
                Qt.ScrollPhase.NoScrollPhase,
                False,
            )
            QApplication.sendEvent(self.canvas, event)
        QApplication.processEvents()

    def double_click(self, world):
        place = self.pixel(world)
        QTest.mouseClick(self.canvas, Qt.MouseButton.LeftButton, pos=place)
        QTest.mouseDClick(self.canvas, Qt.MouseButton.LeftButton, pos=place)
        QApplication.processEvents()


@dataclass
class Three:
    """The three canvases, and what is shown on them; it holds none of them, so that they can go with their window."""

    hand: Hand

    @property
    def views(self):
        return self.hand.dock.scan_panel.views

    @property
    def main(self):
        return CanvasHand(self.hand.viewer, self.hand.qtbot, self.hand.dock, on=self.hand.canvas)

    @property
    def sides(self):
        qtbot, dock = self.hand.qtbot, self.hand.dock
        return [CanvasHand(p.model, qtbot, dock, on=p.widget.canvas.native) for p in self.views.planes]

    @property
    def viewer(self):
        return self.hand.viewer

    @property
    def point(self):
        return np.array(self.views.point)


def switch(hand, on=True):
    """Tick the box as a person does."""
    box = hand.dock.scan_panel.three_planes.native
    assert box.isEnabled() and box.isChecked() is not on
    box.click()
    hand.qtbot.wait(30)  # until the window is laid out


def three_of(hand):
    switch(hand)
    return Three(hand)


def cross_of(side):
    """The pixel (x, y) where the lines on a canvas would meet, read off the picture of it."""
    picture = side.canvas.grab().toImage()
    step = picture.devicePixelRatio()
    wide, high = picture.width(), picture.height()

    def is_line(x, y):
        return picture.pixelColor(x, y).rgb() == COLOUR.rgb()

    columns = [x for x in range(wide) if is_line(x, 0)]
    rows = [y for y in range(high) if is_line(0, y)]
    assert len(columns) <= 1 and len(rows) <= 1
    return (columns[0] / step, rows[0] / step) if columns and rows else None


def pixel_of(side, world):
    place = side.pixel(world)
    return place.x(), place.y()


def letters_on(model):
    overlays = model.canvas.overlays
    found = {e: overlays.get(f"segsam_{e}") for e in ("top", "left", "right", "bottom")}
    return {e: o.text for e, o in found.items() if o is not None and o.visible}
