"""PlanesDock: room for two more canvases beside the main one, and the main canvas's own widget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.settings import get_settings
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QDockWidget, QMainWindow, QSplitter, QWidget

from napari_segsam.gui.main_window import canvas_in, main_window_of

NAME = "Other planes"
_SHARE = 0.4
"""Of the main canvas's width, what the planes get at first."""
_LEAST_PX = 160
"""Of the planes together, wide and high: in less nobody finds an organ. A window without so much room grows."""


class PlanesDock:
    """A dock in napari's window, where a person put it last; at first between the canvas and the docks on the right.

    The main canvas goes on showing what it showed, smaller.

    Attributes:
        canvas: the OpenGL widget in the middle of the window.
        emptied: Qt signal, sent when the dock may have been hidden; see :attr:`hidden`.
    """

    def __init__(self, viewer: Any) -> None:
        area = get_settings().application.plugin_widget_positions.get(NAME, "right")
        self._viewer, self._inner = viewer, _Beside(round(_SHARE * min(viewer.canvas.size)))
        self._dock: QDockWidget = viewer.window.add_dock_widget(self._inner, name=NAME, area=area)
        window = self._dock.parent()
        if not isinstance(window, QMainWindow):
            raise LookupError("napari added a dock outside its window.")
        self.canvas = _main_canvas(window)
        self.emptied = self._dock.visibilityChanged
        self._make_room(window)

    @property
    def hidden(self) -> bool:
        """Whether a person took it out of sight; behind another tab it is not."""
        return self._dock.isHidden()

    def add(self, widget: QWidget) -> None:
        """Show one more widget."""
        self._inner.addWidget(widget)

    def close(self) -> None:
        """Take it out of the window. The dock's own button may have done so already."""
        _once_laid_out(self.canvas, self._give_back, self._zooming())
        docked = self._inner.parent() is not None
        self._inner.setParent(self.canvas.window())  # goes with the window, where that is closed first
        self._inner.deleteLater()
        if docked:
            self._viewer.window.remove_dock_widget(self._dock)

    def _make_room(self, window: QMainWindow) -> None:
        width = round(_SHARE * self.canvas.width())
        neighbour = _put_beside(window, self._dock)
        # By name: a dock that is held here would outlive its window, and with it all that hangs on it.
        self._neighbour = "" if neighbour is None else neighbour.objectName()
        self._neighbour_px = 0 if neighbour is None else neighbour.width()

        def widen() -> None:
            """A dock that shares its place gets no room by itself."""
            if self._inner.parent() is not None:
                for beside in self._beside(window):
                    window.resizeDocks([self._dock, beside], [width, self._neighbour_px], Qt.Orientation.Horizontal)

        _once_laid_out(self.canvas, widen, self._zooming())

    def _give_back(self) -> None:
        """The dock beside it has the width again that it had without it."""
        window = main_window_of(self.canvas)
        if window is not None:
            for beside in self._beside(window):
                window.resizeDocks([beside], [self._neighbour_px], Qt.Orientation.Horizontal)

    def _beside(self, window: QMainWindow) -> list[QDockWidget]:
        """The dock that shares its place, where it still is there."""
        docks = [d for d in window.findChildren(QDockWidget) if d.objectName() == self._neighbour and d.isVisible()]
        return [dock for dock in docks if not dock.isFloating()]

    def _zooming(self) -> Callable[[], None]:
        """What, called when the canvas has another size, shows in it what it shows now."""
        canvas, before, camera = self.canvas, self.canvas.size(), self._viewer.scene.camera

        def zoom() -> None:
            camera.zoom *= min(canvas.width() / before.width(), canvas.height() / before.height())

        return zoom


class _Beside(QSplitter):
    """Two widgets beside or below each other, whichever leaves them more square.

    Args:
        side: the width and height to start with, in pixels.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self._side = side
        self.setMinimumSize(_LEAST_PX, _LEAST_PX)

    def sizeHint(self) -> QSize:
        """What napari's window gives a dock at first."""
        return QSize(self._side, self._side)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Lay them out along the longer side."""
        super().resizeEvent(event)
        wide = self.width() >= self.height()
        self.setOrientation(Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical)


def _main_canvas(window: QMainWindow) -> QWidget:
    found = canvas_in(window)
    if found is None:
        raise LookupError("napari's window has no canvas.")
    return found


def _put_beside(window: QMainWindow, dock: QDockWidget) -> QDockWidget | None:
    """Where a dock is on the right, put it between the canvas and another dock there; returns that one."""
    right = Qt.DockWidgetArea.RightDockWidgetArea
    if window.dockWidgetArea(dock) != right:
        return None
    for other in window.findChildren(QDockWidget):
        there = window.dockWidgetArea(other) == right and other.isVisible() and not other.isFloating()
        if there and other is not dock:
            window.splitDockWidget(dock, other, Qt.Orientation.Horizontal)
            return other
    return None


def _once_laid_out(canvas: QWidget, act: Callable[[], None], *then: Callable[[], None]) -> None:
    """Act when Qt has laid the window out, then again for what follows; not where the canvas goes first."""

    def laid_out() -> None:
        timer.deleteLater()
        act()
        if then:
            _once_laid_out(canvas, *then)

    timer = QTimer(canvas)
    timer.setSingleShot(True)
    timer.timeout.connect(laid_out)
    timer.start()
