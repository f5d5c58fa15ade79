"""Closing the window while labels are not in a file: the person is asked first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMessageBox, QWidget

KEPT = "Nothing is lost: the journal keeps the work on this computer, and it is offered again when the scan is opened."
_SHOWN = 3


class ClosingGuard(QObject):
    """Asks before a person closes the window, by its frame or the system; a script that closes it is not asked.

    Args:
        dock: a widget in the window, with which the guard ends.
        unsaved: names of the scans whose labels are not saved.
        save: opens the dialog that saves the open scan's.
    """

    def __init__(self, dock: QWidget, unsaved: Callable[[], Sequence[str]], save: Callable[[], None]) -> None:
        super().__init__(dock)
        self._unsaved, self._save = unsaved, save
        self._box: QMessageBox | None = None
        self._window.installEventFilter(self)

    @property
    def _window(self) -> QWidget:
        """Looked up each time: a reference from here would keep the window, and so the dock and all of its, alive."""
        dock = self.parent()
        window = dock.window() if isinstance(dock, QWidget) else None
        if window is None:
            raise RuntimeError("the guard has outlived its dock")
        return window

    def eventFilter(self, _watched: QObject | None, event: QEvent | None) -> bool:
        """Hold back a close that a person asked for, where something is unsaved."""
        if event is None or event.type() != QEvent.Type.Close or not event.spontaneous():
            return False
        unsaved = self._unsaved()
        if not unsaved:
            return False
        event.ignore()
        if self._box is None:
            self._ask(unsaved)
        return True

    def _ask(self, unsaved: Sequence[str]) -> None:
        self._box = box = QMessageBox(self._window)
        box.setWindowTitle("Close without saving?")
        box.setText(in_words(unsaved))
        box.setInformativeText(KEPT)
        box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Save))
        box.addButton(QMessageBox.StandardButton.Close)
        box.setEscapeButton(box.addButton(QMessageBox.StandardButton.Cancel))
        box.finished.connect(self._answered)
        box.open()

    def _answered(self, answer: int) -> None:
        if self._box is not None:
            self._box.deleteLater()
            self._box = None
        if answer == QMessageBox.StandardButton.Save:
            self._save()
        elif answer == QMessageBox.StandardButton.Close:
            self._window.close()  # napari's own question comes only where the frame is clicked


def in_words(names: Sequence[str]) -> str:
    """Which labels are not saved, e.g. "The labels of CT abdomen and of 2 other scans are not saved."."""
    first, others = names[:_SHOWN], len(names) - _SHOWN
    more = [f"{others} other scan{'s' if others > 1 else ''}"] if others > 0 else []
    *most, last = [*first, *more]
    return f"The labels of {', '.join(most)}{' and ' if most else ''}{last} are not saved."
