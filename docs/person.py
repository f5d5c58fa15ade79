"""A person at the window: mouse and keyboard as Qt gets them from the system, counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractItemView, QApplication, QDialog, QFileDialog, QLineEdit, QMenu, QWidget

_LEFT = Qt.MouseButton.LeftButton
_PATIENCE_S = 180.0


class Person:
    """Looks at one viewer.

    Attributes:
        clicks: of the mouse, so far.
        keys: pressed so far; a path that is pasted into a dialog counts as one.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        self.viewer = viewer
        self.clicks = self.keys = 0
        canvas: Any = viewer.window._qt_viewer.canvas  # noqa: SLF001 - napari has no public way to it
        self._canvas = canvas.native

    def wait(self, until: Callable[[], object], what: str) -> None:
        """Watch until something is so."""
        end = time.monotonic() + _PATIENCE_S
        while not until():
            if time.monotonic() > end:
                raise SystemExit(f"This did not happen in {_PATIENCE_S:g} s: {what}. Try again on a quieter machine.")
            QTest.qWait(20)

    def click_at(self, scan: Any, ijk: tuple[int, int, int]) -> None:
        """Click the canvas where the visible slice shows a voxel of the scan."""
        grid = scan.metadata["segsam_volume"].grid
        world = np.asarray(scan.data_to_world(grid.display.display_index(np.asarray(ijk), grid.shape)))
        camera = self.viewer.scene.camera
        row, col = (world[list(self.viewer.dims.displayed)] - np.asarray(camera.center)[-2:]) * camera.zoom
        place = QPoint(round(self._canvas.width() / 2 + col), round(self._canvas.height() / 2 + row))
        self.clicks += 1
        QTest.mouseClick(self._canvas, _LEFT, pos=place)

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
