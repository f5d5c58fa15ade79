"""Closing the window while labels are not in a file: the person is asked first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import QChildEvent, QEvent, QObject
from qtpy.QtWidgets import QDialog, QLabel, QMessageBox, QVBoxLayout, QWidget

from napari_segsam.gui.main_window import main_window_of

KEPT = "Nothing is lost: the journal keeps the work on this computer, and it is offered again when the scan is opened."
LOST = "The journal could not be written either, so this work will be lost."
_NAPARIS_QUESTION = "ConfirmCloseDialog"
_SHOWN = 3


class ClosingGuard(QObject):
    """Asks before a person closes the window by its frame, and adds to the question that napari's own menu asks.

    A script that closes the window is not asked.

    Args:
        dock: a widget in the window, with which the guard ends.
        unsaved: names of the scans whose labels are not saved.
        keeps: whether the journal has all of it.
        can_save: whether the open scan's are among them.
        save: opens the dialog that saves the open scan's.
    """

    def __init__(
        self,
        dock: QWidget,
        unsaved: Callable[[], Sequence[str]],
        keeps: Callable[[], bool],
        can_save: Callable[[], bool],
        save: Callable[[], None],
    ) -> None:
        super().__init__(dock)
        self._unsaved, self._keeps, self._can_save, self._save = unsaved, keeps, can_save, save
        self._box: QMessageBox | None = None
        self._window.installEventFilter(self)

    @property
    def _window(self) -> QWidget:
        """Looked up each time: a reference from here would keep the window, and so the dock and all of its, alive."""
        dock = self.parent()
        window = (main_window_of(dock) or dock.window()) if isinstance(dock, QWidget) else None
        if window is None:
            raise RuntimeError("the guard has outlived its dock")
        return window

    def eventFilter(self, _watched: QObject | None, event: QEvent | None) -> bool:
        """Hold back a close that a person asked for, where something is unsaved."""
        if isinstance(event, QChildEvent) and event.type() == QEvent.Type.ChildPolished:
            self._add_to(event.child())
        is_a_person_s = event is not None and event.type() == QEvent.Type.Close and event.spontaneous()
        unsaved = self._unsaved() if is_a_person_s else ()
        if event is None or not unsaved:
            return False
        event.ignore()
        if self._box is None:
            self._ask(unsaved)
        return True

    def _add_to(self, child: QObject | None) -> None:
        """Say in napari's own question, which comes for File > Close and Exit, what is unsaved."""
        layout = child.layout() if isinstance(child, QDialog) and type(child).__name__ == _NAPARIS_QUESTION else None
        unsaved = self._unsaved() if isinstance(layout, QVBoxLayout) else ()
        if unsaved and isinstance(layout, QVBoxLayout):
            text = QLabel(f"{in_words(unsaved)} {self._what_becomes}")
            text.setWordWrap(True)
            layout.insertWidget(0, text)

    @property
    def _what_becomes(self) -> str:
        return KEPT if self._keeps() else LOST

    def _ask(self, unsaved: Sequence[str]) -> None:
        self._box = box = QMessageBox(self._window)
        box.setWindowTitle("Close without saving?")
        box.setText(in_words(unsaved))
        box.setInformativeText(self._what_becomes)
        buttons = QMessageBox.StandardButton
        saves = [buttons.Save] if self._can_save() else []
        safest, *_ = [box.addButton(button) for button in (*saves, buttons.Cancel, buttons.Close)]
        box.setDefaultButton(safest)
        box.setEscapeButton(buttons.Cancel)
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
