"""The group "All objects": what the model suggests on this slice, what is committed, and its files."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_segsam.core.labels import Label, Patch
from napari_segsam.core.prediction import Suggestion
from napari_segsam.core.terminology import colour_of
from napari_segsam.engine.controller import Controller
from napari_segsam.gui.file_buttons import LabelFileButtons
from napari_segsam.gui.marks import spoken, swatch
from napari_segsam.gui.suggestion_list import SuggestionList
from napari_segsam.gui.voxel_counts import VoxelCounts
from napari_segsam.gui.workbench import Workbench

_NO_SUGGESTIONS = "Nothing suggested on this slice yet: click an organ, or press Suggest."
_NO_OBJECTS = "Nothing committed yet: click an organ, then press C."
_COLUMNS = ("Object", "Value", "Volume")
_HEADER_PX, _TALLEST_PX = 30, 170


class ObjectsPanel(QWidget):
    """Shows and forwards suggestions and committed objects."""

    def __init__(self, workbench: Workbench, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workbench = workbench
        self._counts: VoxelCounts | None = None
        self.suggestions = SuggestionList()
        self.no_suggestions = _note(_NO_SUGGESTIONS)
        self.suggest = _button("Suggest", "Ask what the model names by itself on this slice")
        self.accept = _button("Accept  ⏎", "Refine the chosen suggestion and commit it (Enter in the list)")
        self.reject = _button("Reject  ⌫", "Take the chosen suggestion off this slice (Backspace in the list)")
        self.objects = _table()
        self.no_objects = _note(_NO_OBJECTS)
        self.files = LabelFileButtons(workbench)
        self._lay_out()
        self._connect()
        self._show_suggestions(())
        self._show_objects({})

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.suggestions)
        layout.addWidget(self.no_suggestions)
        layout.addLayout(_row(self.suggest, self.accept, self.reject))
        for widget in (self.objects, self.no_objects, self.files):
            layout.addWidget(widget)

    def _connect(self) -> None:
        bench = self._workbench
        self.suggestions.accepted.connect(lambda s: bench.do(lambda c: c.accept(s)))
        self.suggestions.rejected.connect(lambda s: bench.do(lambda c: c.reject(s)))
        self.suggest.clicked.connect(lambda: bench.do(Controller.suggest))
        self.accept.clicked.connect(self.suggestions.accept)
        self.reject.clicked.connect(self.suggestions.reject)
        bench.started.connect(self._follow)
        bench.scan_changed.connect(self._recount)

    def _follow(self, controller: Controller) -> None:
        controller.suggestions_changed.connect(self._show_suggestions)
        controller.labels_changed.connect(self._labels_changed)

    # -- what the session says

    def _show_suggestions(self, suggestions: tuple[Suggestion, ...]) -> None:
        self.suggestions.show_suggestions(suggestions)
        self.suggestions.setVisible(bool(suggestions))
        self.no_suggestions.setVisible(not suggestions)
        self.accept.setEnabled(bool(suggestions))
        self.reject.setEnabled(bool(suggestions))

    def _recount(self) -> None:
        controller = self._workbench.controller
        if controller is not None:
            self._counts = VoxelCounts(controller.session.labels)
            self._show_objects(controller.session.labels.labels)

    def _labels_changed(self, patch: Patch) -> None:
        controller = self._workbench.controller
        if controller is not None and self._counts is not None:
            self._counts.follow(patch)
            self._show_objects(controller.session.labels.labels)

    def _show_objects(self, labels: dict[int, Label]) -> None:
        self.objects.setRowCount(len(labels))
        for row, label in enumerate(labels[value] for value in sorted(labels)):
            self._show_object(row, label)
        self.objects.setVisible(bool(labels))
        self.no_objects.setVisible(not labels)
        rows = sum(self.objects.rowHeight(row) for row in range(len(labels)))
        self.objects.setFixedHeight(min(rows + _HEADER_PX, _TALLEST_PX))

    def _show_object(self, row: int, label: Label) -> None:
        cells = (spoken(label.name), str(label.value), self._volume_text(label.value))
        for column, text in enumerate(cells):
            item = QTableWidgetItem(text)
            if column:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            else:
                item.setIcon(swatch(colour_of(label.name)))
            self.objects.setItem(row, column, item)

    def _volume_text(self, value: int) -> str:
        controller = self._workbench.controller
        if controller is None or self._counts is None:
            return ""
        if controller.session.volume.is_rgb:
            return f"{self._counts.of(value)} px"  # a picture has no millimetres
        return f"{self._counts.of(value) * controller.session.labels.grid.voxel_mm3 / 1000:.1f} ml"


def _table() -> QTableWidget:
    """The empty table of objects, which shows and takes no keys."""
    table = QTableWidget(0, len(_COLUMNS))
    table.setHorizontalHeaderLabels(_COLUMNS)
    across, down = table.horizontalHeader(), table.verticalHeader()
    if across is not None and down is not None:  # PyQt's types say that there might be none
        down.hide()
        across.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        across.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return table


def _note(text: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    label.setEnabled(False)
    return label


def _button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(4)
    for widget in widgets:
        row.addWidget(widget, 1)
    return row
