"""SeriesPicker: which of several series to open. What cannot be opened is listed too, in grey, with the reason."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtGui import QBrush, QShowEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_segsam.gui.notes import PLANES
from napari_segsam.gui.waiting import CancelledError
from napari_segsam.io.series_info import SeriesInfo

_COLUMNS = ("Kind", "Description", "Size", "Slices", "Spacing in mm", "Plane", "To know")
_DESCRIPTION, _NOTE = 1, 6
_SIZE = (940, 380)
_HINT = "Enter or a double click opens; Ctrl or Shift chooses several. Grey ones cannot be opened."


def pick_series(found: Sequence[SeriesInfo]) -> list[SeriesInfo]:
    """Ask which series to open.

    Raises:
        CancelledError: none.
    """
    dialog = SeriesPicker(found, QApplication.activeWindow())
    accepted = dialog.exec()
    chosen = dialog.chosen
    dialog.deleteLater()
    if not accepted or not chosen:
        raise CancelledError
    return chosen


class SeriesPicker(QDialog):
    """A table of series, those that can be opened first; the largest one is chosen at first.

    It shows what the files say of the pictures and of nobody.
    """

    def __init__(self, found: Sequence[SeriesInfo], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._series = sorted(found, key=lambda s: s.refused is not None)
        self.setWindowTitle("Which series?")
        self.resize(*_SIZE)
        self.table = _table(self._series)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel, parent=self
        )
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel(f"{len(self._series)} series. {_HINT}"))
        layout.addWidget(self.table)
        layout.addWidget(self.buttons)
        self._connect()
        self._choose_largest()

    @property
    def chosen(self) -> list[SeriesInfo]:
        """What is selected, in the table's order."""
        selection = self.table.selectionModel()
        rows = sorted(i.row() for i in selection.selectedRows()) if selection is not None else []
        return [self._series[row] for row in rows]

    def showEvent(self, event: QShowEvent | None) -> None:
        """The columns have their widths by now, so that long reasons can be given as many lines as they need."""
        super().showEvent(event)
        self.table.resizeRowsToContents()

    def _connect(self) -> None:
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.table.itemSelectionChanged.connect(self._selection_changed)
        self.table.cellDoubleClicked.connect(self._open_one)

    def _selection_changed(self) -> None:
        button = self.buttons.button(QDialogButtonBox.StandardButton.Open)
        if isinstance(button, QPushButton):
            button.setEnabled(bool(self.chosen))

    def _open_one(self, row: int, _column: int) -> None:
        if self._series[row].refused is None:
            self.table.selectRow(row)
            self.accept()

    def _choose_largest(self) -> None:
        usable = [row for row, series in enumerate(self._series) if series.refused is None]
        if usable:
            self.table.selectRow(max(usable, key=lambda row: math.prod(self._series[row].shape)))
        self.table.setFocus()
        self._selection_changed()


def _table(found: Sequence[SeriesInfo]) -> QTableWidget:
    table = QTableWidget(len(found), len(_COLUMNS))
    table.setHorizontalHeaderLabels(_COLUMNS)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setTabKeyNavigation(False)  # Tab goes on to the buttons
    for row, series in enumerate(found):
        for column, text in enumerate(_cells(series)):
            table.setItem(row, column, _item(text, series.refused))
    across, down = table.horizontalHeader(), table.verticalHeader()
    if across is not None and down is not None:  # PyQt's types say that there might be none
        down.hide()
        across.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        for column in (_DESCRIPTION, _NOTE):
            across.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
    return table


def _cells(series: SeriesInfo) -> tuple[str, ...]:
    columns, rows, slices = series.shape
    spacing = " × ".join(f"{s:.3g}" if s else "?" for s in series.spacing_mm)
    note = series.refused or " ".join(series.warnings)
    return (
        "?" if series.modality == "unknown" else series.modality.upper(),
        series.description,
        f"{columns} × {rows}",
        str(slices),
        spacing,
        _plane(series.orientation),
        note,
    )


def _plane(orientation: str) -> str:
    """What the slices across the last voxel axis are, and the letters that the three axes point to."""
    axis = next(
        (n for n, letters in enumerate(("SI", "PA", "LR")) if orientation[-1:] and orientation[-1] in letters), None
    )
    return orientation if axis is None else f"{PLANES[axis]}, {orientation}"


def _item(text: str, refused: str | None) -> QTableWidgetItem:
    item = QTableWidgetItem(text)
    item.setToolTip(refused or text)
    if refused is not None:
        item.setFlags(Qt.ItemFlag.NoItemFlags)
        item.setForeground(QBrush(Qt.GlobalColor.gray))
    return item
