"""Choice: the ring of the model's other outlines and its suggestions, through which Tab and Shift+Tab go."""

from __future__ import annotations

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]  # qtpy's own gap

from napari_segsam.core.prediction import Suggestion
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.objects import Place


class Choice(QObject):
    """Which suggestion of the visible slice Enter and Backspace on the canvas mean, if any.

    Signals:
        changed(): ask `suggestion`.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._controller: Controller | None = None
        self._row: int | None = None  # among the open suggestions
        self._place: Place | None = None  # the slice on which it was chosen

    @property
    def suggestion(self) -> Suggestion | None:
        """The chosen one, None where the current object is looked at."""
        found = self._suggestions
        return None if self._row is None or self._row >= len(found) else found[self._row]

    def follow(self, controller: Controller) -> None:
        """Its suggestions come and go."""
        self._controller = controller
        controller.suggestions_changed.connect(self._suggestions_changed)
        controller.prompts_changed.connect(self._prompts_changed)

    def choose(self, row: int | None) -> None:
        """The suggestion in this row, None for none."""
        self._row = row
        self._place = None if self._controller is None or row is None else self._controller.session.place
        self.changed.emit()

    def step(self, by: int) -> None:
        """Go on by so many places in the ring: the outlines of the current object, then the suggestions."""
        if self._controller is None:
            return
        session = self._controller.session
        outlines = 0 if session.prediction is None else len(session.prediction.candidates)
        count = outlines + len(self._suggestions)
        if not count:
            self._controller.choose_candidate(0)  # says what to do first
            return
        if self._row is not None:
            here = outlines + self._row
        elif outlines:
            here = session.candidate
        else:
            here = -1 if by > 0 else 0
        self._go_to((here + by) % count, outlines)

    def _go_to(self, place: int, outlines: int) -> None:
        if place >= outlines:
            self.choose(place - outlines)
            return
        if self._row is not None:
            self.choose(None)
        if self._controller is not None and place != self._controller.session.candidate:
            self._controller.choose_candidate(place)

    def accept(self) -> bool:
        """Accept the chosen suggestion; whether there is one."""
        chosen = self.suggestion
        if chosen is not None and self._controller is not None:
            self._controller.accept(chosen)
        return chosen is not None

    def reject(self) -> bool:
        """Reject the chosen suggestion; whether there is one."""
        chosen = self.suggestion
        if chosen is not None and self._controller is not None:
            self._controller.reject(chosen)
        return chosen is not None

    @property
    def _suggestions(self) -> tuple[Suggestion, ...]:
        return () if self._controller is None else self._controller.session.suggestions

    def _suggestions_changed(self, _suggestions: object) -> None:
        """The next one takes the place of one that went, so that Enter, Enter, Enter works through them."""
        if self._row is None or self._controller is None:
            return
        count, stays = len(self._suggestions), self._place == self._controller.session.place
        self.choose(min(self._row, count - 1) if stays and count else None)

    def _prompts_changed(self, _what: object) -> None:
        """Another prompt, or another slice: the current object is what counts."""
        if self._row is not None:
            self.choose(None)
