"""ClassBar: at the foot of the dock, the card of the class at the cursor, and a legend of the visible slice."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from html import escape

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QTextBrowser, QVBoxLayout, QWidget

from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import spoken
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.present import class_at, classes_on_slice, values_in
from napari_segsam.gui.class_book import ClassBook
from napari_segsam.gui.class_card import card_text, square
from napari_segsam.gui.marks import plain_button
from napari_segsam.gui.readout import Reading
from napari_segsam.gui.workbench import Workbench

_LOG = logging.getLogger(__name__)
_REST_MS = 150
"""How long the cursor, or the picture, stays before anything is looked up: moving and scrolling cost nothing."""
_NOTHING = "No object at the cursor"
_WHAT_TO_DO = "Rest the cursor on an object that is committed or suggested, and its class is described here."
_NOTHING_HERE = "Nothing is committed or suggested on this slice."
_CARD_PX, _LEGEND_PX = 112, 84
_HOW = {"committed": "Committed", "prompted": "Not committed", "suggested": "Suggested"}


class ClassBar(QWidget):
    """Shows; changes nothing. Beside the canvas, so that it covers no voxel.

    Args:
        workbench: whose cursor and slice it follows.
        book: of cards.
    """

    def __init__(self, workbench: Workbench, book: ClassBook, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workbench, self._book = workbench, book
        self._reading: Reading | None = None
        self._name: str | None = None
        self.title = QLabel()
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.card, self.legend = _pane(_CARD_PX), _pane(_LEGEND_PX)
        self.show_card = _toggle("Card", "What the class at the cursor looks like", self.card)
        self.show_legend = _toggle("Legend", "The classes on this slice, and their colours", self.legend)
        self._cursor_rests, self._slice_rests = (_after_rest(self, look) for look in (self._look, self._list))
        self._lay_out()
        self._connect()
        self._show_card()
        self._scan_changed()

    def _lay_out(self) -> None:
        line = QHBoxLayout()
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.title, 1)
        line.addWidget(self.show_card)
        line.addWidget(self.show_legend)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 2, 4, 2)
        layout.setSpacing(2)
        layout.addLayout(line)
        layout.addWidget(self.card)
        layout.addWidget(self.legend)

    def _connect(self) -> None:
        self.show_legend.toggled.connect(self._slice_rests.start)
        self._workbench.pointed.connect(self._pointed)
        self._workbench.started.connect(self._follow)
        self._workbench.scan_changed.connect(self._scan_changed)
        self._book.changed.connect(self._show_card)

    def _follow(self, controller: Controller) -> None:
        for changed in (controller.semantic_changed, controller.labels_changed, controller.prediction_changed):
            changed.connect(self._scene_changed)

    def _scan_changed(self) -> None:
        self.setVisible(self._workbench.scan is not None)
        self._reading = None
        self._scene_changed()

    # -- the cursor

    def _pointed(self, reading: Reading | None) -> None:
        """A cursor that has left the canvas, perhaps to scroll the card, leaves it as it is."""
        if reading is not None:
            self._reading = reading
            self._cursor_rests.start()

    def _scene_changed(self, _what: object = None) -> None:
        self._cursor_rests.start()
        if self.legend.isVisible():
            self._slice_rests.start()

    def _look(self) -> None:
        controller, reading, name = self._workbench.controller, self._reading, None
        if controller is not None and reading is not None and reading.volume is controller.session.volume:
            name = class_at(controller.session, reading.ijk)
        if name != self._name:
            self._name = name
            self._show_card()

    def _show_card(self) -> None:
        name = self._name
        self.title.setText(_NOTHING if name is None else f"{square(name)} <b>{escape(spoken(name))}</b>")
        self.card.setHtml(_WHAT_TO_DO if name is None else card_text(self._book.card(name)))

    # -- the slice

    def _list(self) -> None:
        """Have the slice looked through, off the GUI thread."""
        controller = self._workbench.controller
        if controller is not None and self.show_legend.isChecked():
            session = controller.session
            look, view = partial(values_in, session.view.of(session.labels.voxels)), session.view
            show = partial(self._show_legend, view)
            self._workbench.executor.submit(look, show, _not_looked_through, key="legend", priority=1)

    def _show_legend(self, view: SliceView, values: list[int]) -> None:
        controller = self._workbench.controller
        if controller is None or controller.session.view is not view:
            return
        here = classes_on_slice(controller.session, values)
        told = [(title, [_entry(one.name) for one in here if one.how == how]) for how, title in _HOW.items()]
        lines = [f"<b>{title}</b> {' &nbsp;'.join(entries)}" for title, entries in told if entries]
        self.legend.setHtml("<br>".join(lines) or _NOTHING_HERE)


def _not_looked_through(error: BaseException) -> None:
    _LOG.error("The legend's slice was not looked through", exc_info=error)


def _entry(name: str) -> str:
    """Colour and name, which are not broken over two lines."""
    return f"{square(name)}&nbsp;{escape(spoken(name)).replace(' ', '&nbsp;')}"


def _pane(height: int) -> QTextBrowser:
    pane = QTextBrowser()
    pane.setFixedHeight(height)
    pane.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    pane.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    pane.setOpenLinks(False)
    pane.setStyleSheet("background: transparent")  # else black or white, whatever the theme
    pane.hide()
    return pane


def _toggle(text: str, tooltip: str, shows: QWidget) -> QPushButton:
    button = plain_button(text, tooltip)
    button.setCheckable(True)
    button.toggled.connect(shows.setVisible)
    return button


def _after_rest(parent: QWidget, look: Callable[[], None]) -> QTimer:
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(_REST_MS)
    timer.timeout.connect(look)
    return timer
