"""napari's window and its canvas, found from any widget of ours; the dock may float in a window of its own."""

from __future__ import annotations

from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QMainWindow, QWidget


def main_window_of(widget: QWidget) -> QMainWindow | None:
    """The window that a widget belongs to, even while its dock floats; None before it is in one."""
    parent: QWidget | None = widget
    while parent is not None and not isinstance(parent, QMainWindow):
        parent = parent.parentWidget()
    return parent


def canvas_in(window: QMainWindow | None) -> QWidget | None:
    """Where the picture is drawn and clicked."""
    middle = None if window is None else window.centralWidget()
    return None if middle is None else middle.findChild(QOpenGLWidget)
