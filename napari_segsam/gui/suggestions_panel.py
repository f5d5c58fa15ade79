"""The group "Suggested here": what the model names by itself on the visible slice."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QSpinBox, QVBoxLayout, QWidget

from napari_segsam.core.prediction import Suggestion
from napari_segsam.engine.controller import Controller
from napari_segsam.gui.detector_panel import DetectorPanel
from napari_segsam.gui.keys import printed
from napari_segsam.gui.marks import note, plain_button, row_of
from napari_segsam.gui.suggestion_list import SuggestionList
from napari_segsam.gui.workbench import Workbench

_NONE = "Nothing suggested on this slice yet: click an organ, or press Suggest."
_SURE_PERCENT = 80


class SuggestionsPanel(QWidget):
    """Shows suggestions and forwards what the person thinks of them."""

    def __init__(self, workbench: Workbench, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workbench = workbench
        self.suggestions = SuggestionList()
        self.no_suggestions = note(_NONE)
        self.suggest = plain_button("Suggest", "Ask what the model names by itself on this slice")
        enter, back = printed("accept"), printed("remove")
        self.accept = plain_button(f"Accept  {enter}", f"Refine the chosen suggestion and commit it ({enter})")
        self.reject = plain_button(f"Reject  {back}", f"Take the chosen suggestion off this slice ({back})")
        self.accept_all = plain_button("Accept all from", "Refine and commit every suggestion with at least this score")
        self.at_least = QSpinBox()
        self.at_least.setRange(1, 100)
        self.at_least.setValue(_SURE_PERCENT)
        self.at_least.setSuffix(" %")
        self.at_least.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.detector = DetectorPanel(workbench)
        self._lay_out()
        self._connect()
        self._show(())

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.suggestions)
        layout.addWidget(self.no_suggestions)
        layout.addLayout(row_of(self.suggest, self.accept, self.reject))
        self._all = QWidget()
        line = QHBoxLayout(self._all)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.accept_all, 1)
        line.addWidget(self.at_least)
        layout.addWidget(self._all)
        layout.addWidget(self.detector)

    def _connect(self) -> None:
        bench = self._workbench
        self.suggestions.accepted.connect(lambda s: bench.do(lambda c: c.accept(s)))
        self.suggestions.rejected.connect(lambda s: bench.do(lambda c: c.reject(s)))
        self.suggest.clicked.connect(lambda: bench.do(Controller.suggest))
        self.accept.clicked.connect(self.suggestions.accept)
        self.reject.clicked.connect(self.suggestions.reject)
        self.accept_all.clicked.connect(self._accept_all)
        bench.started.connect(lambda controller: controller.suggestions_changed.connect(self._show))
        bench.choice.changed.connect(self._show_choice)

    def _show_choice(self) -> None:
        """What is chosen on the canvas is chosen here."""
        self.suggestions.choose(self._workbench.choice.suggestion)

    def _accept_all(self) -> None:
        least = self.at_least.value() / 100
        self._workbench.do(lambda controller: controller.accept_all(least))

    def _show(self, suggestions: tuple[Suggestion, ...]) -> None:
        self.suggestions.show_suggestions(suggestions)
        self.suggestions.setVisible(bool(suggestions))
        self.no_suggestions.setVisible(not suggestions)
        self._all.setVisible(len(suggestions) > 1)
        self.accept.setEnabled(bool(suggestions))
        self.reject.setEnabled(bool(suggestions))
