"""SuggestionList: objects that nobody prompted, best first; Enter accepts one, Backspace rejects it."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]  # qtpy's own gap
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QWidget

from napari_segsam.core.colours import colour_of
from napari_segsam.core.prediction import Suggestion
from napari_segsam.core.terminology import spoken
from napari_segsam.gui.marks import swatch

_ROWS_SHOWN = 6
_MOVING = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End)


class SuggestionList(QListWidget):
    """Names, scores and colours of suggestions.

    Signals:
        accepted(Suggestion), rejected(Suggestion).
    """

    accepted = Signal(object)
    rejected = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: tuple[Suggestion, ...] = ()
        self.itemDoubleClicked.connect(lambda _item: self.accept())

    @property
    def chosen(self) -> Suggestion | None:
        """The selected suggestion."""
        row = self.currentRow()
        return self._shown[row] if 0 <= row < len(self._shown) else None

    def show_suggestions(self, suggestions: tuple[Suggestion, ...]) -> None:
        """Replace the list; the selection stays at its place, so that Enter, Enter, Enter works through it."""
        row = max(0, self.currentRow())
        self._shown = suggestions
        self.clear()
        for suggestion in suggestions:
            title = f"{spoken(suggestion.name)}   {suggestion.score:.0%}"
            self.addItem(QListWidgetItem(swatch(colour_of(suggestion.name)), title))
        self.setCurrentRow(min(row, len(suggestions) - 1))
        rows = min(max(len(suggestions), 1), _ROWS_SHOWN)
        self.setFixedHeight(rows * max(self.sizeHintForRow(0), 16) + 2 * self.frameWidth() + 2)

    def choose(self, suggestion: Suggestion | None) -> None:
        """Select one of those that are shown."""
        for row, shown in enumerate(self._shown):
            if shown is suggestion:
                self.setCurrentRow(row)

    def accept(self) -> None:
        """Accept the selected suggestion."""
        if self.chosen is not None:
            self.accepted.emit(self.chosen)

    def reject(self) -> None:
        """Reject the selected suggestion."""
        if self.chosen is not None:
            self.rejected.emit(self.chosen)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Our two keys and moving; letters are the canvas's, not Qt's search in the list."""
        if event is None:
            return
        key = Qt.Key(event.key())
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.accept()
        elif key == Qt.Key.Key_Backspace:
            self.reject()
        elif key in _MOVING:
            super().keyPressEvent(event)
        else:
            event.ignore()
