"""ClassRows: a short list of classes to take by a click, each with the key that takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]  # qtpy's own gap
from qtpy.QtGui import QColor, QIcon
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QSizePolicy, QTableWidget, QTableWidgetItem, QWidget

from napari_segsam.core.colours import colour_of
from napari_segsam.core.terminology import spoken
from napari_segsam.gui.marks import UNKNOWN, swatch

_ROW_PX, _SWATCH_PX = 22, 12


@dataclass(frozen=True)
class ClassRow:
    """One line.

    Attributes:
        key: what takes it, e.g. ``Alt+1``.
        text: in the middle.
        note: at the right, e.g. a score.
        name: of the class whose colour it has, None where it is no class.
        about: the tooltip.
    """

    key: str
    text: str
    note: str = ""
    name: str | None = None
    about: str = ""

    @classmethod
    def of(cls, rank: int, name: str, note: str, about: str) -> ClassRow:
        """The class that Alt and the number ``rank`` take."""
        return cls(f"Alt+{rank}", spoken(name), note, name, about)


class ClassRows(QTableWidget):
    """Key, colour and name, note. It never takes the keyboard.

    Signals:
        taken(int): a line was clicked; the first one is 0.
    """

    taken = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 3, parent)
        self._shown: tuple[ClassRow, ...] = ()
        across, down = self.horizontalHeader(), self.verticalHeader()
        if across is not None and down is not None:  # PyQt's types say that there might be none
            across.hide()
            down.hide()
            down.setDefaultSectionSize(_ROW_PX)
            down.setMinimumSectionSize(_ROW_PX)
            across.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            across.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.itemClicked.connect(lambda item: self.taken.emit(item.row()))

    @property
    def shown(self) -> tuple[ClassRow, ...]:
        """The lines."""
        return self._shown

    def show_rows(self, rows: Sequence[ClassRow], marked: int | None = None) -> None:
        """Replace all lines; ``marked`` is the one that stands out."""
        if self._shown != tuple(rows):
            self._shown = tuple(rows)
            self.setRowCount(len(rows))
            for at, row in enumerate(rows):
                self._show_row(at, row)
            self.setFixedHeight(len(rows) * _ROW_PX + 2 * self.frameWidth())
            self.setVisible(bool(rows))
        if marked is None:
            self.clearSelection()
        else:
            self.selectRow(marked)

    def _show_row(self, at: int, row: ClassRow) -> None:
        items = [QTableWidgetItem(text) for text in (row.key, row.text, row.note)]
        for column, item in enumerate(items):
            item.setToolTip(row.about)
            if column != 1:
                item.setForeground(QColor(UNKNOWN))
            self.setItem(at, column, item)
        items[2].setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if row.name is not None:
            colour = swatch(colour_of(row.name))
            colour.addPixmap(colour.pixmap(_SWATCH_PX, _SWATCH_PX), QIcon.Mode.Selected)  # else Qt tints it
            items[1].setIcon(colour)
