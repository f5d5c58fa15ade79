"""The group "All objects": the table of objects, what can be done with one, and their files."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication, QComboBox, QSizePolicy, QVBoxLayout, QWidget

from napari_segsam.core.labels import Patch
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.session import Session
from napari_segsam.engine.standing import STATUSES
from napari_segsam.gui.file_buttons import LabelFileButtons
from napari_segsam.gui.marks import note, plain_button, row_of
from napari_segsam.gui.objects_table import ObjectRow, ObjectsTable
from napari_segsam.gui.voxel_counts import VoxelCounts
from napari_segsam.gui.workbench import Workbench

_PIECE_S = 0.004
_UNCOUNTED = ("…", 0.0)
_NO_OBJECTS = "Nothing committed yet: click an organ, then press C."


class ObjectsPanel(QWidget):
    """Shows all objects and forwards what shall happen to the chosen one."""

    def __init__(self, workbench: Workbench, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workbench = workbench
        self._counts: VoxelCounts | None = None
        self._counting = QTimer(self)  # whenever the event loop has nothing else to do
        self.objects = ObjectsTable()
        self.no_objects = note(_NO_OBJECTS)
        self.go_to = plain_button("Go to  ⏎", "Work on this object again, on its largest slice (double click)")
        self.lock = plain_button("Lock", "Let nothing change its voxels")
        self.hide_ = plain_button("Hide", "Do not show it; it is exported all the same")
        self.delete = plain_button("Delete", "Take it off the labels with all its prompts (Delete in the table)")
        self.status = QComboBox()
        self.status.addItems(STATUSES)
        self.status.setToolTip("How far this object is")
        self.status.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.status.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.files = LabelFileButtons(workbench)
        self._actions = QWidget()
        self._lay_out()
        self._connect()
        self._show()

    def _lay_out(self) -> None:
        actions = QVBoxLayout(self._actions)
        actions.setContentsMargins(0, 0, 0, 0)
        actions.addLayout(row_of(self.go_to, self.status))
        actions.addLayout(row_of(self.lock, self.hide_, self.delete))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.objects, self._actions, self.no_objects, self.files):
            layout.addWidget(widget)

    def _connect(self) -> None:
        bench = self._workbench
        self.objects.opened.connect(self._go_to)
        self.objects.deleted.connect(lambda value: bench.do(lambda c: c.delete(value)))
        self.objects.chosen_changed.connect(self._show_actions)
        self.go_to.clicked.connect(lambda: self._on_chosen(lambda row: self._go_to(row.value)))
        self.delete.clicked.connect(lambda: self._on_chosen(lambda row: bench.do(lambda c: c.delete(row.value))))
        self.lock.clicked.connect(
            lambda: self._on_chosen(lambda row: bench.do(lambda c: c.lock(row.value, not row.standing.locked)))
        )
        self.hide_.clicked.connect(lambda: self._on_chosen(self._toggle_hidden))
        self.status.textActivated.connect(
            lambda status: self._on_chosen(lambda row: bench.do(lambda c: c.set_status(row.value, status)))
        )
        self._counting.timeout.connect(self._count)
        bench.started.connect(self._follow)
        bench.scan_changed.connect(self._recount)

    def _follow(self, controller: Controller) -> None:
        controller.labels_changed.connect(self._labels_changed)
        controller.history_changed.connect(self._show)

    # -- what the session says

    @property
    def _session(self) -> Session | None:
        controller = self._workbench.controller
        return None if controller is None else controller.session

    def _recount(self) -> None:
        session = self._session
        if session is not None:
            self._counts = VoxelCounts(session.labels)
            self._counting.start()
            self._show()

    def _count(self) -> None:
        if QApplication.mouseButtons() != Qt.MouseButton.NoButton:
            return  # a brush may be at work, which tells what it did when it is lifted
        if self._counts is not None:
            self._counts.count(_PIECE_S)
        if self._counts is None or self._counts.complete:
            self._counting.stop()
            self._show()

    def _labels_changed(self, patch: Patch) -> None:
        if self._counts is not None:
            self._counts.follow(patch)

    def _show(self) -> None:
        session, counts = self._session, self._counts
        known = [] if session is None or counts is None else [(session, counts, v) for v in session.labels.labels]
        rows = [_row(*one, is_hidden=one[-1] in self._workbench.hidden) for one in known]
        self.objects.show_rows(rows)
        self.objects.setVisible(bool(rows))
        self.no_objects.setVisible(not rows)
        self._show_actions()

    def _show_actions(self) -> None:
        chosen = self.objects.chosen
        self._actions.setVisible(chosen is not None)
        if chosen is not None:
            self.status.setCurrentText(chosen.standing.status)
            self.lock.setText("Unlock" if chosen.standing.locked else "Lock")
            self.delete.setEnabled(not chosen.standing.locked)
            self.hide_.setText("Show" if chosen.is_hidden else "Hide")

    # -- what the person wants

    def _on_chosen(self, act: Callable[[ObjectRow], object]) -> None:
        if self.objects.chosen is not None:
            act(self.objects.chosen)

    def _go_to(self, value: int) -> None:
        self._workbench.go_to(value, self._counts.fullest(value) if self._counts else None)

    def _toggle_hidden(self, row: ObjectRow) -> None:
        self._workbench.hide_object(row.value, not row.is_hidden)
        self._show()


def _row(session: Session, counts: VoxelCounts, value: int, *, is_hidden: bool) -> ObjectRow:
    """What the table says of a committed object."""
    quality = session.quality(value)
    return ObjectRow(
        value,
        session.name_of(value),
        counts.span(value) if counts.complete else None,
        _size(session, counts.of(value)) if counts.complete else _UNCOUNTED,
        None if quality is None else quality.agreement,
        session.standing(value),
        is_current=value == session.value,
        is_hidden=is_hidden,
    )


def _size(session: Session, voxels: int) -> tuple[str, float]:
    """A number of voxels for a person, and to sort by; a picture has no millimetres."""
    ml = voxels * session.labels.grid.voxel_mm3 / 1000
    return (f"{voxels} px", voxels) if session.volume.is_rgb else (f"{ml:.1f} ml", ml)
