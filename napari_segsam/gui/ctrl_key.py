"""The moment when a held Ctrl is let go, wherever in the program the keyboard is."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QApplication

_LEFT_THE_PROGRAM = (QEvent.Type.ApplicationDeactivate, QEvent.Type.WindowDeactivate)


class CtrlKey(QObject):
    """Watches the program's events, but only while Ctrl is held.

    Args:
        released: called once when Ctrl is let go, or the window loses the keyboard, after which nobody would hear it.

    Attributes:
        held: whether it is, since `hold`.
    """

    def __init__(self, released: Callable[[], None]) -> None:
        super().__init__()
        self._released = released
        self.held = False

    def hold(self) -> None:
        """Something was done with Ctrl held."""
        application = QApplication.instance()
        if not self.held and application is not None:
            self.held = True
            application.installEventFilter(self)

    def let_go(self) -> None:
        """It is held no longer."""
        application = QApplication.instance()
        if self.held and application is not None:
            self.held = False
            application.removeEventFilter(self)
            self._released()

    def eventFilter(self, _watched: QObject | None, event: QEvent | None) -> bool:
        """Takes nothing from anybody."""
        if event is not None and (event.type() in _LEFT_THE_PROGRAM or _is_release(event)):
            self.let_go()
        return False


def _is_release(event: QEvent) -> bool:
    return (
        isinstance(event, QKeyEvent)
        and event.type() == QEvent.Type.KeyRelease
        and event.key() == Qt.Key.Key_Control
        and not event.isAutoRepeat()
    )
