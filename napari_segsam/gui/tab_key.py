"""Tab and Shift+Tab on the canvas. Qt takes them for moving the keyboard's focus before napari sees them as keys."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtGui import QShortcut  # type: ignore[attr-defined]  # qtpy's own gap
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QApplication, QWidget


class CanvasTab(QShortcut):  # type: ignore[misc]
    """A key, while the keyboard is on an OpenGL canvas of this window; anywhere else it stays Qt's.

    Args:
        window: the top-level widget that holds the canvas.
        key: as Qt spells it.
        pressed: what it does there.
    """

    def __init__(self, window: QWidget, key: str, pressed: Callable[[], object]) -> None:
        super().__init__(key, window)
        self.activated.connect(pressed)
        self.setEnabled(False)
        application = QApplication.instance()
        if isinstance(application, QApplication):
            application.focusChanged.connect(self._focus_moved)
            self._focus_moved(None, application.focusWidget())

    def _focus_moved(self, _old: QWidget | None, now: QWidget | None) -> None:
        self.setEnabled(isinstance(now, QOpenGLWidget) and now.window() is self.parent())
