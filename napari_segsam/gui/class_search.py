"""ClassSearch: the line in which a class is sought, and the way back to the canvas."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]  # qtpy's own gap
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QLineEdit, QWidget

from napari_segsam.gui.main_window import canvas_in, main_window_of

_TAKING = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_MOVING = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}


class ClassSearch(QLineEdit):
    """Letters are typed here; the keys that choose are told.

    Signals:
        moved(int): one line up (-1) or down (1).
        taken(): Enter.
        left(): Escape; the line is empty again.
    """

    moved = Signal(int)
    taken = Signal()
    left = Signal()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Keys that are not handled here go on to napari, which has keys of its own for Enter and the arrows."""
        if event is None:
            return
        key = Qt.Key(event.key())
        if key in _TAKING:
            self.taken.emit()
        elif key in _MOVING:
            self.moved.emit(_MOVING[key])
        elif key == Qt.Key.Key_Escape:
            self.clear()
            self.left.emit()
        elif event.modifiers() & Qt.KeyboardModifier.AltModifier:
            event.ignore()  # Alt and a number choose, they are not typed
        else:
            super().keyPressEvent(event)


def to_canvas(widget: QWidget) -> None:
    """Give the keyboard to the canvas of the window that this widget belongs to, even while its dock floats."""
    canvas = canvas_in(main_window_of(widget))
    if canvas is None:
        widget.clearFocus()
    else:
        canvas.setFocus()
