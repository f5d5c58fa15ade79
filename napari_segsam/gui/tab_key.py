"""The Tab key on the canvas. Qt takes Tab for moving the keyboard's focus before napari sees it as a key."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtGui import QShortcut  # type: ignore[attr-defined]  # qtpy's own gap
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QApplication, QWidget


class CanvasTab(QShortcut):  # type: ignore[misc]
    """Tab, while the keyboard is on an OpenGL canvas of this window; anywhere else Tab stays Qt's.

    Args:
        window: the top-level widget that holds the canvas.
        pressed: what Tab does there.
    """

    def __init__(self, window: QWidget, pressed: Callable[[], None]) -> None:
        super().__init__("Tab", window)
        self.activated.connect(pressed)
        self.setEnabled(False)
        application = QApplication.instance()
        if isinstance(application, QApplication):
            application.focusChanged.connect(self._focus_moved)
            self._focus_moved(None, application.focusWidget())

    def _focus_moved(self, _old: QWidget | None, now: QWidget | None) -> None:
        self.setEnabled(isinstance(now, QOpenGLWidget) and now.window() is self.parent())
