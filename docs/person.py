"""A person at the window: mouse and keyboard as Qt gets them from the system, counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractItemView, QApplication, QDialog, QFileDialog, QLineEdit, QMenu, QWidget

_LEFT = Qt.MouseButton.LeftButton

Ijk = tuple[int, int, int]
"""A voxel of a scan."""


class Person:
    """Looks at one viewer.

    Args:
        viewer: napari's.
        patience_s: how long it waits for anything.

    Attributes:
        clicks: of the mouse, so far.
        keys: pressed so far; a path that is pasted into a dialog counts as one.
    """

    def __init__(self, viewer: napari.Viewer, patience_s: float = 180.0) -> None:
        self.viewer, self._patience_s = viewer, patience_s
        self.clicks = self.keys = 0
        canvas: Any = viewer.window._qt_viewer.canvas  # noqa: SLF001 - napari has no public way to it
        self._canvas = canvas.native

    def wait(self, until: Callable[[], object], what: str) -> None:
        """Watch until something is so."""
        end = time.monotonic() + self._patience_s
        while not until():
            if time.monotonic() > end:
                raise SystemExit(
                    f"This did not happen in {self._patience_s:g} s: {what}. Try again on a quieter machine."
                )
            QTest.qWait(20)

    def click_at(self, scan: Any, ijk: Ijk) -> None:
        """Click the canvas where the visible slice shows a voxel of the scan."""
        self.clicks += 1
        QTest.mouseClick(self._canvas, _LEFT, pos=self.place_of(scan, ijk))

    def drag_at(self, scan: Any, start: Ijk, end: Ijk) -> None:
        """Press the mouse where the visible slice shows one voxel, and let it go where it shows another."""
        self.clicks += 1
        first, last = (self.place_of(scan, ijk) for ijk in (start, end))
        way = [first + (last - first) * t for t in np.linspace(0, 1, 6)]
        self._mouse(QEvent.Type.MouseButtonPress, way[0], _LEFT, _LEFT)
        for place in way[1:]:
            QTest.qWait(12)  # vispy drops moves that follow each other in less than 10 ms
            self._mouse(QEvent.Type.MouseMove, place, Qt.MouseButton.NoButton, _LEFT)
        self._mouse(QEvent.Type.MouseButtonRelease, way[-1], _LEFT, Qt.MouseButton.NoButton)

    def place_of(self, scan: Any, ijk: Ijk) -> QPoint:
        """The canvas's pixel that shows a voxel of the visible slice."""
        grid = scan.metadata["segsam_volume"].grid
        world = np.asarray(scan.data_to_world(grid.display.display_index(np.asarray(ijk), grid.shape)))
        camera = self.viewer.scene.camera
        row, col = (world[list(self.viewer.dims.displayed)[-2:]] - np.asarray(camera.center)[-2:]) * camera.zoom
        return QPoint(round(self._canvas.width() / 2 + col), round(self._canvas.height() / 2 + row))

    def _mouse(self, kind: QEvent.Type, place: QPoint, button: Qt.MouseButton, held: Qt.MouseButton) -> None:
        """QTest's own moves carry no button."""
        where = QPointF(place)
        none = Qt.KeyboardModifier.NoModifier
        QApplication.sendEvent(
            self._canvas, QMouseEvent(kind, where, self._canvas.mapToGlobal(where), button, held, none)
        )

    def key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        """Press a key with the keyboard on the canvas."""
        self.keys += 1
        QTest.keyClick(self._canvas, key, modifiers)

    def press(self, widget: QWidget) -> None:
        """Click a button, after scrolling it into sight."""
        self._show(widget)
        self.clicks += 1
        QTest.mouseClick(widget, _LEFT)

    def press_row(self, table: QAbstractItemView, row: int, *, twice: bool = False) -> None:
        """Click a row of a list or a table, or double-click it."""
        self._show(table)
        model = table.model()
        if model is None:
            raise SystemExit("The table is empty.")
        where = table.visualRect(model.index(row, 0)).center()
        self.clicks += 1 + twice
        QTest.mouseClick(table.viewport(), _LEFT, pos=where)
        if twice:
            QTest.mouseDClick(table.viewport(), _LEFT, pos=where)

    def key_in(self, widget: QWidget, key: Qt.Key) -> None:
        """Press a key with the keyboard on a widget."""
        self.keys += 1
        QTest.keyClick(widget, key)

    def type_in(self, widget: QWidget, text: str) -> None:
        """Replace what a field holds."""
        self._show(widget)
        self.clicks += 2  # a double click selects what is there
        field = widget if isinstance(widget, QLineEdit) else widget.findChild(QLineEdit)
        if field is None:
            raise SystemExit("There is nothing to type in.")
        field.selectAll()
        self.keys += len(text)
        QTest.keyClicks(field, text)

    def choose_in_menu(self, button: Any, row: int) -> None:
        """Open a button's menu and click a line of it; what that opens may block, so it comes a moment later."""
        menu: QMenu = button.menu()
        self._show(button)
        self.clicks += 2
        QTimer.singleShot(0, menu.actions()[row].trigger)
        QTest.qWait(0)

    def choose_path(self, path: Path) -> None:
        """Paste a path into the file dialog that comes next, and press Enter."""

        def answer() -> None:
            dialog = QApplication.activeModalWidget()
            if not isinstance(dialog, QFileDialog):
                QTimer.singleShot(50, answer)
                return
            name = dialog.findChild(QLineEdit, "fileNameEdit")
            if name is None:
                raise SystemExit("This file dialog has no field for a name.")
            name.setText(str(path))
            self.keys += 2
            QTest.keyClick(name, Qt.Key.Key_Return)

        QTimer.singleShot(50, answer)

    def in_dialog(self, kind: type[QDialog], do: Callable[[Any], None]) -> None:
        """Have the next dialog of this kind answered."""

        def answer() -> None:
            dialog = QApplication.activeModalWidget()
            if isinstance(dialog, kind):
                do(dialog)
            else:
                QTimer.singleShot(50, answer)

        QTimer.singleShot(50, answer)

    def _show(self, widget: QWidget) -> None:
        """The dock scrolls as with the wheel."""
        parent = widget.parentWidget()
        while parent is not None:
            if hasattr(parent, "ensureWidgetVisible"):
                parent.ensureWidgetVisible(widget)
            parent = parent.parentWidget()
        QApplication.processEvents()
        if not widget.isVisible() or not widget.isEnabled():
            raise SystemExit(f"A person cannot use this {type(widget).__name__}: {widget.toolTip()}")
