"""Run: something that goes on with one object for many slices, and becomes one entry of the history."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.prediction import Prediction
from napari_segsam.core.slices import AXES, SliceView
from napari_segsam.core.terminology import spoken
from napari_segsam.engine.conversation import Conversation
from napari_segsam.engine.history import Step
from napari_segsam.engine.objects import Drawn, place_of

Job = Callable[[], Any]
Way = Generator[Job, Any, str]
"""Yields what shall be computed next, gets what came of it, and returns a sentence on how it ended.

What it yields runs on the executor; the rest of it where the person works.
"""


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        title: what is done, e.g. "propagate liver".
        done: slices that were drawn.
        planned: slices that may be drawn at most; 0 where that is not known yet.
        reason: how it ended, a sentence; empty while it goes on.
    """

    title: str
    done: int
    planned: int
    reason: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return bool(self.reason)

    def __str__(self) -> str:
        return f"{self.done} of at most {slices(self.planned)}" if self.planned else "Computing"


class Run:
    """Draws into one object for as long as everything is still as it was when it began.

    Args:
        conversation: holds the session and the model.
        follow: told of each step.
        verb: e.g. "propagate".
        planned: slices that may be drawn at most; 0 where that is not known yet.
        asks: whether it depends on the model and on what that sees.
    """

    def __init__(
        self, conversation: Conversation, follow: Callable[[Step], None], verb: str, planned: int, *, asks: bool = False
    ) -> None:
        self._conversation, self._follow, self._verb, self._asks = conversation, follow, verb, asks
        self.session = conversation.session
        self.view, self.value = self.session.view, self.session.value
        self._labels, self._name = self.session.labels, spoken(self.session.name_of(self.value))
        self.done, self.planned = 0, planned
        self._window, self._predictor = self.session.window, conversation.predictor
        self._moment, self._is_begun = self.session.moment, False
        self._indices: list[int] = []

    @property
    def name(self) -> str:
        """What its object is called, for a person, or was before it went."""
        if self.value in self._labels.labels:
            self._name = spoken(self._labels.labels[self.value].name)
        return self._name

    @property
    def title(self) -> str:
        """What is done to what."""
        return f"{self._verb} {self.name}"

    def progress(self, reason: str = "") -> Progress:
        """How far it is, and once it ended, how."""
        return Progress(self.title, self.done, self.planned, reason)

    @property
    def hindrance(self) -> str:
        """Why it must not go on, a sentence; empty where it may."""
        now, session = self._conversation, self.session
        here = session.volume is self.view.volume and session.labels is self._labels
        if now.session is not session or not here:
            return "Stopped: another scan was opened."
        if self._asks and (now.predictor is not self._predictor or session.window != self._window):
            return "Stopped: the model was changed, or the window that it sees."
        if not session.keeps(self._moment):
            return "Stopped: it was undone."
        if self.value not in session.labels.labels:
            return "Stopped: the object was taken off the labels."
        return f"Stopped: {self.name} was locked." if session.standing(self.value).locked else ""

    def voxels_on(self, view: SliceView) -> NDArray[np.bool_]:
        """(rows, cols) what the object has on a slice now."""
        return np.asarray(view.of(self.session.labels.voxels) == self.value)

    def taken(self, view: SliceView) -> str:
        """Why the person's own work on a slice keeps this from drawing there; empty where there is none."""
        if self.voxels_on(view).any():
            return f"{self.name} is drawn there already, and stays as it is"
        if self.session.is_open(self.value, place_of(view)):
            return "there are prompts whose mask was not committed yet"
        return ""

    def commit(self) -> Step:
        """Begin with what is shown on the visible slice."""
        step = self.session.commit()
        self._entered([self.view.index])
        self._follow(step)
        return step

    def draw(self, drawn: Sequence[Drawn]) -> None:
        """Draw parallel slices; more of the run's entry, or a new one where something else was done since.

        Raises:
            BadPromptsError: all of it lies on locked objects.
        """
        indices = [one.view.index for one in drawn]
        goes_on = self._is_begun and self.session.moment is self._moment
        covered = [*(self._indices if goes_on else ()), *indices]
        span = f"{AXES[self.view.axis]}={_span(min(covered), max(covered))}"
        step = self.session.draw(self.value, drawn, f"{self.title} {span}", goes_on=goes_on)
        self.done += len(drawn)
        self._entered(covered)
        self._follow(step)

    def seen_through(self, answer: Prediction) -> None:
        """The current object's next slices are embedded with the window of this answer."""
        if self.session.value == self.value:
            self._conversation.seen_through = answer.window

    def _entered(self, indices: list[int]) -> None:
        self._moment, self._is_begun = self.session.moment, True
        self._indices = [min(indices), max(indices)]


def slices(count: int) -> str:
    """A number of slices in words."""
    return "1 slice" if count == 1 else f"{count} slices"


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}..{high}"
