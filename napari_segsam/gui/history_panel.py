"""The group "History": everything that was done, oldest first; a click goes back, or forward again, to there."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, Qt
from qtpy.QtGui import QColor, QShowEvent
from qtpy.QtWidgets import QListView, QVBoxLayout, QWidget

from napari_segsam.engine.controller import Controller
from napari_segsam.gui.fold import Fold
from napari_segsam.gui.marks import UNKNOWN
from napari_segsam.gui.workbench import Workbench

_BEGINNING = "(as it was opened)"
_TALLEST_PX = 150
_Index = QModelIndex


class HistoryPanel(QWidget):
    """A list that is closed at first; its current row is what was done last, greyed ones below it were undone."""

    def __init__(self, workbench: Workbench, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workbench = workbench
        self.list = _HistoryList()
        self.fold = Fold("History", self.list, is_open=False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fold)
        self.list.clicked.connect(lambda index: self._go_to(index.row()))
        self.fold.toggled.connect(lambda _: self._show())
        workbench.started.connect(lambda controller: controller.history_changed.connect(self._show))

    @property
    def _controller(self) -> Controller | None:
        return self._workbench.controller

    def _show(self) -> None:
        if self.fold.is_open and self._controller is not None:
            session = self._controller.session
            self.list.show_names(session.undo_names[::-1], session.redo_names)

    def _go_to(self, row: int) -> None:
        self._workbench.do(lambda controller: controller.travel(row - len(controller.session.undo_names)))


class _HistoryList(QListView):
    """Keeps what was done last in sight."""

    def __init__(self) -> None:
        super().__init__()
        self._names = _Names()
        self.setModel(self._names)
        self.setUniformItemSizes(True)  # or Qt measures every one of thousands
        self.setFixedHeight(_TALLEST_PX)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def show_names(self, done: tuple[str, ...], undone: tuple[str, ...]) -> None:
        self._names.replace(done, undone)
        self._mark_now()

    def showEvent(self, event: QShowEvent | None) -> None:
        """A list that is not seen does not scroll."""
        super().showEvent(event)
        self._mark_now()

    def _mark_now(self) -> None:
        now = self._names.index(self._names.now)
        self.setCurrentIndex(now)
        self.scrollTo(now)


class _Names(QAbstractListModel):
    """The beginning, what was done, what was undone."""

    def __init__(self) -> None:
        super().__init__()
        self._done: tuple[str, ...] = ()
        self._undone: tuple[str, ...] = ()

    @property
    def now(self) -> int:
        """The row of what was done last."""
        return len(self._done)

    def replace(self, done: tuple[str, ...], undone: tuple[str, ...]) -> None:
        self.beginResetModel()
        self._done, self._undone = done, undone
        self.endResetModel()

    def rowCount(self, parent: _Index = _Index()) -> int:  # noqa: B008 - Qt's own default
        return 0 if parent.isValid() else 1 + len(self._done) + len(self._undone)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = index.row()
        if role == Qt.ItemDataRole.DisplayRole:
            return _BEGINNING if row == 0 else self._name(row - 1)
        if role == Qt.ItemDataRole.ForegroundRole and row > self.now:
            return QColor(UNKNOWN)
        if role == Qt.ItemDataRole.ToolTipRole:
            return "Click to undo what comes after it" if row < self.now else "Click to redo up to here"
        return None

    def _name(self, at: int) -> str:
        return self._done[at] if at < len(self._done) else self._undone[at - len(self._done)]

    def flags(self, index: _Index) -> Qt.ItemFlag:
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
