"""SeriesPicker: which series to open. What cannot be opened is listed too, in grey, with the reason."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtGui import QBrush, QShowEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QTableWidgetSelectionRange,
    QVBoxLayout,
    QWidget,
)

from napari_segsam.gui.notes import PLANES
from napari_segsam.gui.waiting import CancelledError, window_in_front
from napari_segsam.io.series_info import SeriesInfo

_COLUMNS = ("Kind", "Description", "Size", "Slices", "Spacing in mm", "Plane", "To know")
_DESCRIPTION, _NOTE = 1, 6
_SIZE = (940, 380)
_HINT = "Enter or a double click opens; Ctrl or Shift chooses several. Grey ones cannot be opened."
_HINT_UNEVEN = "Those with uneven slices can, once these are made even."
_EVEN = "Make uneven slices even (resamples)"
_ABOUT_EVEN = (
    "Interpolates slices between those that were scanned, so that all have one distance. What is new was not measured: "
    "the dock says what was done, and every file of labels records it. Other series stay as they are."
)


def pick_series(found: Sequence[SeriesInfo]) -> list[SeriesInfo]:
    """Ask which series to open; refused ones among them are to be opened resampled.

    Raises:
        CancelledError: none.
    """
    dialog = SeriesPicker(found, window_in_front())
    accepted = dialog.exec()
    chosen = dialog.chosen
    dialog.deleteLater()
    if not accepted or not chosen:
        raise CancelledError
    return chosen


class SeriesPicker(QDialog):
    """A table of series, those that can be opened first; the largest one is chosen at first.

    It shows what the files say of the pictures and of nobody. Uneven series are grey until the box below is ticked, and
    then shown as they will be opened.
    """

    def __init__(self, found: Sequence[SeriesInfo], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._series = sorted(found, key=lambda s: s.refused is not None)
        self.setWindowTitle("Which series?")
        self.resize(*_SIZE)
        self.table = _table(len(self._series))
        self.even = QCheckBox(_EVEN, self)
        self.even.setToolTip(f"<p>{_ABOUT_EVEN}</p>")
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel, parent=self
        )
        layout = QVBoxLayout(self)
        uneven = any(s.evened for s in self._series)
        self.even.setVisible(uneven)
        hint = QLabel(" ".join([f"{len(self._series)} series. {_HINT}", *([_HINT_UNEVEN] if uneven else [])]))
        hint.setWordWrap(True)
        for widget in (hint, self.table, self.even, self.buttons):
            layout.addWidget(widget)
        self._connect()
        self._fill()
        (self.table if self.chosen else self.even).setFocus()

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
        self.even.toggled.connect(self._fill)

    @property
    def _shown(self) -> list[SeriesInfo]:
        return [s.if_resampled if self.even.isChecked() else s for s in self._series]

    def _fill(self) -> None:
        """Show each series as it would be opened now; where none is chosen that can be, choose the largest."""
        for row, series in enumerate(self._shown):
            for column, text in enumerate(_cells(series)):
                self.table.setItem(row, column, _item(text, series.refused))
            if series.refused is not None:
                self.table.setRangeSelected(QTableWidgetSelectionRange(row, 0, row, _NOTE), False)
        self.table.resizeRowsToContents()
        if not self.chosen:
            self._choose_largest()
        self._selection_changed()

    def _selection_changed(self) -> None:
        button = self.buttons.button(QDialogButtonBox.StandardButton.Open)
        if isinstance(button, QPushButton):
            button.setEnabled(bool(self.chosen))

    def _open_one(self, row: int, _column: int) -> None:
        if self._shown[row].refused is None:
            self.table.selectRow(row)
            self.accept()

    def _choose_largest(self) -> None:
        shapes = {row: series.shape for row, series in enumerate(self._shown) if series.refused is None}
        if shapes:
            self.table.selectRow(max(shapes, key=lambda row: math.prod(shapes[row])))


def _table(rows: int) -> QTableWidget:
    table = QTableWidget(rows, len(_COLUMNS))
    table.setHorizontalHeaderLabels(_COLUMNS)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setTabKeyNavigation(False)  # Tab goes on to the buttons
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
        _description(series),
        f"{columns or '?'} × {rows or '?'}",
        str(slices or "?"),
        spacing,
        _plane(series.orientation),
        note,
    )


def _description(series: SeriesInfo) -> str:
    """With the number of a part, by which reasons and --series name it."""
    part = "".join(series.uid.partition("#")[1:])
    return series.description if part in series.description else f"{series.description} {part}".strip()


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
