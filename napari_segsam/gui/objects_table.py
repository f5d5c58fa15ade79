"""ObjectsTable: every object of the scan, in the order that a review wants them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]  # qtpy's own gap
from qtpy.QtGui import QColor, QKeyEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from napari_segsam.core.colours import colour_of
from napari_segsam.core.terminology import spoken
from napari_segsam.engine.standing import Standing
from napari_segsam.gui.marks import mark_colour, swatch

_HEADER_PX, _TALLEST_PX = 30, 190
_MOVING = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End)
_STATUS_MARKS = {
    "draft": ("–", ""),
    "done": ("✓", "#2ea36a"),
    "flagged": ("⚑", "#d99a1c"),
    "approved": ("★", "#3b82c4"),
}
"""A sign and its colour: five columns with the words would not leave names any room."""
_AT_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_IN_MIDDLE = Qt.AlignmentFlag.AlignCenter
_NOT_SAID = 2.0  # above every score: of what nothing is said, nothing need be looked at first


@dataclass(frozen=True)
class ObjectRow:
    """What the table says of an object.

    Attributes:
        span: first and last slice k, None where it has no voxel.
        size: its volume for a person, e.g. ``"12.3 ml"``, and as a number to sort by.
        agreement: of the decoders on its worst slice, None where no model drew it, or one without two decoders.
    """

    value: int
    name: str
    span: tuple[int, int] | None
    size: tuple[str, float]
    agreement: float | None
    standing: Standing
    is_current: bool
    is_hidden: bool


_COLUMNS: dict[str, Callable[[ObjectRow], object]] = {
    "Object": lambda row: (row.name, row.value),
    "Slices": lambda row: row.span or (-1, -1),
    "Size": lambda row: row.size[1],
    "Sure": lambda row: _NOT_SAID if row.agreement is None else row.agreement,
    "⚑": lambda row: (row.standing.status, row.name),
}
"""Header -> what its column is sorted by."""
_HEADER_TIPS = {
    "Sure": "How far both decoders agree on the object's worst slice: below 0.85 look twice",
    "⚑": "Status: – draft, ✓ done, ⚑ flagged, ★ approved",
}


class ObjectsTable(QTableWidget):
    """One line an object. A click on a header sorts by it, a second click turns the order round.

    Signals:
        opened(int): the value of an object that shall be worked on: double click or Enter.
        deleted(int): Delete was pressed on it.
        chosen_changed(): another line is selected.
    """

    opened = Signal(int)
    deleted = Signal(int)
    chosen_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_COLUMNS), parent)
        self.setHorizontalHeaderLabels(list(_COLUMNS))
        self._rows: list[ObjectRow] = []
        self._sort_by, self._descending = "Object", False
        across, down = self.horizontalHeader(), self.verticalHeader()
        if across is not None and down is not None:  # PyQt's types say that there might be none
            down.hide()
            across.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            across.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
            across.setMinimumSectionSize(24)
            across.sectionClicked.connect(self._sort_clicked)
        for column, text in _HEADER_TIPS.items():
            header = self.horizontalHeaderItem(list(_COLUMNS).index(column))
            if header is not None:
                header.setToolTip(text)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setWordWrap(False)
        self.itemDoubleClicked.connect(lambda item: self.opened.emit(self._rows[item.row()].value))
        self.itemSelectionChanged.connect(self.chosen_changed)

    @property
    def chosen(self) -> ObjectRow | None:
        """The selected line, None where there is none."""
        row = self.currentRow() if self.selectedItems() else -1
        return self._rows[row] if 0 <= row < len(self._rows) else None

    def show_rows(self, rows: Sequence[ObjectRow]) -> None:
        """Replace all lines; the same object stays selected."""
        chosen = self.chosen
        self._rows = sorted(rows, key=_COLUMNS[self._sort_by], reverse=self._descending)  # type: ignore[arg-type]
        self.blockSignals(True)
        try:
            self.setRowCount(len(rows))
            for at, row in enumerate(self._rows):
                self._show_row(at, row)
            self.clearSelection()
            values = [row.value for row in self._rows]
            if chosen is not None and chosen.value in values:
                self.selectRow(values.index(chosen.value))
        finally:
            self.blockSignals(False)
        height = sum(self.rowHeight(row) for row in range(len(rows)))
        self.setFixedHeight(min(height + _HEADER_PX, _TALLEST_PX))
        self.chosen_changed.emit()

    def _sort_clicked(self, column: int) -> None:
        name = list(_COLUMNS)[column]
        self._descending = name == self._sort_by and not self._descending
        self._sort_by = name
        self.show_rows(self._rows)

    def _show_row(self, at: int, row: ObjectRow) -> None:
        standing = row.standing
        marks = [word for word, so in (("hidden", row.is_hidden), ("locked", standing.locked)) if so]
        name = spoken(row.name) + (f" ({', '.join(marks)})" if marks else "")
        span = "–" if row.span is None else f"{row.span[0]}–{row.span[1]}"
        sure = "–" if row.agreement is None else f"{row.agreement:.2f}"
        mark, colour = _STATUS_MARKS[standing.status]
        items = [QTableWidgetItem(text) for text in (name, span, row.size[0], sure, mark)]
        for column, item in enumerate(items):
            item.setToolTip(item.text())
            if column:
                item.setTextAlignment(_IN_MIDDLE if column == len(items) - 1 else _AT_RIGHT)
            self.setItem(at, column, item)
        font = items[0].font()
        font.setBold(row.is_current)
        font.setItalic(row.is_hidden)  # seen also where the column is too narrow for the word
        items[0].setFont(font)
        items[0].setIcon(swatch(colour_of(row.name)))
        items[0].setToolTip(f"{name}, value {row.value}")
        if row.agreement is not None:
            items[3].setForeground(QColor(mark_colour(row.agreement)))
        items[4].setToolTip(standing.status)
        if colour:
            items[4].setForeground(QColor(colour))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Enter, Delete and moving; letters are the canvas's, not Qt's search in the table."""
        if event is None:
            return
        key, chosen = Qt.Key(event.key()), self.chosen
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and chosen is not None:
            self.opened.emit(chosen.value)
        elif key == Qt.Key.Key_Delete and chosen is not None:
            self.deleted.emit(chosen.value)
        elif key in _MOVING:
            super().keyPressEvent(event)
        else:
            event.ignore()
