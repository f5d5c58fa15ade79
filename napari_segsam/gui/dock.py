"""Dock: one column. What is wrong or going on at the top, then scan and model, this object, all objects."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QFrame,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_segsam.engine.controller import Controller
from napari_segsam.gui.class_bar import ClassBar
from napari_segsam.gui.closing import ClosingGuard
from napari_segsam.gui.few_lines import FewLines
from napari_segsam.gui.fold import Fold
from napari_segsam.gui.history_panel import HistoryPanel
from napari_segsam.gui.learning_panel import LearningPanel
from napari_segsam.gui.marks import POOR, UNKNOWN
from napari_segsam.gui.messages import Message, MessageArea, PositionBar
from napari_segsam.gui.object_panel import ObjectPanel
from napari_segsam.gui.objects_panel import ObjectsPanel
from napari_segsam.gui.offer_bar import OfferBar
from napari_segsam.gui.preparation_bar import PreparationBar
from napari_segsam.gui.prior_panel import PriorPanel
from napari_segsam.gui.recovery import Recovery
from napari_segsam.gui.scan_panel import ScanPanel
from napari_segsam.gui.suggestions_panel import SuggestionsPanel
from napari_segsam.gui.tab_key import CanvasTab
from napari_segsam.gui.through_panel import ThroughPanel
from napari_segsam.gui.workbench import Workbench

EMPTY = "No scan is open. Drop a file or a folder of DICOM files on the window, press Open below, or try the sample."
MINIMUM_WIDTH, WIDTH = 320, 340
STATUS_LINES = 3


class Dock(QWidget):
    """Shows a Workbench and forwards to it.

    Args:
        workbench: the viewer's.
        recovery: of its work.
        open_sample: what the button of the empty state does.
    """

    def __init__(self, workbench: Workbench, recovery: Recovery, open_sample: Callable[[], None]) -> None:
        super().__init__()
        self.workbench, self.recovery = workbench, recovery
        self._was_docked = False
        self._tabs: list[CanvasTab] = []
        self._guard: ClosingGuard | None = None
        self.error, self.notice = Message(POOR), Message(UNKNOWN)
        self.empty = _EmptyState(open_sample)
        self.status = FewLines(STATUS_LINES)
        self.status.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.messages = MessageArea(self.error, self.notice, self.status)
        self.offer = OfferBar(recovery)
        self.preparation, self.position = PreparationBar(), PositionBar()
        self.busy = QProgressBar()
        self.scan_panel = ScanPanel(workbench)
        self.object_panel = ObjectPanel(workbench)
        self.class_bar = ClassBar(workbench, self.object_panel.classes.book)
        self.through_panel = ThroughPanel(workbench)
        self.objects_panel = ObjectsPanel(workbench)
        self.suggestions_panel = SuggestionsPanel(workbench)
        self.prior_panel = PriorPanel(workbench)
        self.learning_panel = LearningPanel(workbench)
        self.history_panel = HistoryPanel(workbench)
        self._groups = (
            Fold("This object", self.object_panel),
            Fold("Through the slices", self.through_panel),
            Fold("Suggested on this slice", self.suggestions_panel),
            Fold("Prior maps", self.prior_panel, is_open=False),
            Fold("All objects", self.objects_panel),
            Fold("Learning", self.learning_panel, is_open=False),
            self.history_panel,
        )
        self._lay_out()
        self._connect()
        self._show_scan()

    def _lay_out(self) -> None:
        self.busy.setRange(0, 0)
        self.busy.setTextVisible(False)
        self.busy.setFixedHeight(6)
        _keep_place(self.busy)
        self.busy.hide()
        column = QWidget()
        layout = QVBoxLayout(column)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.empty)
        for group in (Fold("Scan and model", self.scan_panel), *self._groups):
            layout.addWidget(group)
        layout.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        head = QVBoxLayout()  # in sight however far a person has scrolled
        head.setContentsMargins(4, 4, 4, 0)
        for widget in (self.messages, self.busy, self.offer):
            head.addWidget(widget)
        outer.addLayout(head)
        outer.addWidget(_scrolling(column))
        outer.addWidget(self.preparation)
        outer.addWidget(self.class_bar)
        outer.addWidget(self.position)
        self.setMinimumWidth(MINIMUM_WIDTH)

    def _connect(self) -> None:
        self.workbench.started.connect(self._follow)
        self.workbench.scan_changed.connect(self._show_scan)
        self.workbench.told.connect(self._show_notice)
        self.workbench.refused.connect(self.error.say)
        self.workbench.pointed.connect(self.position.show_reading)

    def _follow(self, controller: Controller) -> None:
        controller.failed.connect(self._show_failure)
        self.preparation.follow(controller)
        controller.status_changed.connect(self._show_status)
        controller.busy_changed.connect(self._show_busy)
        controller.went_on.connect(self._went_on)
        controller.slice_changed.connect(self._forget_error)

    def _show_scan(self) -> None:
        open_ = self.workbench.scan is not None
        self.empty.setVisible(not open_)
        if not open_:
            self._show_status("")
        for group in self._groups:
            group.setVisible(open_)
        self.scan_panel.show_scan()

    def _show_failure(self, text: str) -> None:
        self.status.show_text("")  # "Loading ..." would no longer be true
        self.notice.say("")
        self.error.say(text)

    def _show_notice(self, text: str) -> None:
        self.error.say("")
        self.notice.say(text)

    def _show_status(self, text: str) -> None:
        self.status.show_text(text)
        self.status.setToolTip(f"<p>{escape(text)}</p>")

    def _show_busy(self, busy: bool) -> None:
        self.busy.setVisible(busy)

    def _went_on(self) -> None:
        """What there is to know stays until something is done; a late answer or another slice takes it from nobody."""
        self.notice.say("")
        self._forget_error()

    def _forget_error(self, _what: object = None) -> None:
        """An old error would only confuse."""
        self.error.say("")

    def event(self, event: QEvent | None) -> bool:
        """Taken out of its window by the dock's x: everything is given back."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self._was_docked and self.parent() is None:
                self.close_session()
            self._was_docked = self.parent() is not None
        return super().event(event)

    def showEvent(self, event: QShowEvent | None) -> None:
        """In its window for the first time: Tab can be ours there, and closing it can be asked about."""
        super().showEvent(event)
        if not self._tabs:
            window, step = self.window() or self, self.workbench.choice.step
            self._tabs = [CanvasTab(window, "Tab", lambda: step(1)), CanvasTab(window, "Shift+Tab", lambda: step(-1))]
        if self._guard is None:
            bench, save = self.workbench, self.objects_panel.files.choose_where
            self._guard = ClosingGuard(
                self, lambda: bench.unsaved, lambda: self.recovery.keeps, lambda: bench.is_unsaved, save
            )

    def sizeHint(self) -> QSize:
        """Narrow, whatever the labels' full texts would take: a dock wider than this pushes the window off a screen."""
        return QSize(WIDTH, super().sizeHint().height())

    def close_session(self) -> None:
        """Give everything back to napari."""
        self.scan_panel.views.show(False)
        self.workbench.leave()
        for tab in self._tabs:
            tab.setParent(None)
        self._tabs = []
        if self._guard is not None:
            self._guard.deleteLater()
            self._guard = None


class _EmptyState(QWidget):
    """What to do while no scan is open."""

    def __init__(self, open_sample: Callable[[], None]) -> None:
        super().__init__()
        text = QLabel(EMPTY)
        text.setWordWrap(True)
        self.sample = QPushButton("Open the sample")
        self.sample.clicked.connect(lambda: open_sample())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(text)
        layout.addWidget(self.sample)


def _keep_place(widget: QWidget) -> None:
    """Hiding the widget must not move what is below it."""
    policy = widget.sizePolicy()
    policy.setRetainSizeWhenHidden(True)
    widget.setSizePolicy(policy)


def _scrolling(column: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setWidget(column)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area
