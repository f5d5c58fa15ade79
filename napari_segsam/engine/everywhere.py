"""Everywhere: the model is clicked all over the visible slice, for the prior maps of what it finds there."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Window
from napari_segsam.engine.conversation import Conversation
from napari_segsam.engine.objects import place_of
from napari_segsam.engine.protocols import Embedding, Predictor

if TYPE_CHECKING:
    from napari_segsam.engine.acting import Acting

_KEY = "everywhere"


class Maps(Protocol):
    """What is found; see :class:`napari_segsam.engine.zoo.prior_maps.PriorMaps`."""

    @property
    def stability(self) -> NDArray[np.float32]:
        """(rows, cols) sum of the stabilities of the masks that cover a pixel."""

    @property
    def boundary(self) -> NDArray[np.float32]:
        """(rows, cols) 1 on the boundary of any mask, else 0."""


ClickEverywhere = Callable[[Predictor, Embedding], Generator[float, None, Maps]]
"""Clicks a slice everywhere in short parts, each of which gives the share that is done; called on the executor."""


@dataclass(frozen=True, eq=False)
class FoundMaps:
    """The prior maps of one slice, and which model made them."""

    view: SliceView
    maps: Maps
    by: str


@dataclass(eq=False)
class _Search:
    """What the answer depends on, and how far it is; ``parts`` belongs to the executor."""

    view: SliceView
    window: Window | None
    predictor: Predictor | None
    click: ClickEverywhere
    embed: Callable[[], tuple[Predictor, Embedding]]
    parts: Generator[float, None, Maps] | None = None
    by: str = ""

    def advance(self) -> float | Maps:
        """Do the next part, on the executor; the share of the clicks that is done, in the end the maps."""
        if self.parts is None:
            predictor, embedding = self.embed()
            self.parts, self.by = self.click(predictor, embedding), predictor.name
            return 0.0
        try:
            return next(self.parts)
        except StopIteration as end:
            maps: Maps = end.value
            return maps


class Everywhere:
    """One search at a time, in parts so short that whatever the person does meanwhile goes first.

    It ends where its answer would be late: another slice, scan, model or window, or it is asked for again.

    Signals:
        progress_changed(float | None): share of the clicks that is done; None: nothing goes on.
        found(FoundMaps): the maps of the visible slice.
    """

    progress_changed = Signal(object)
    found = Signal(FoundMaps)

    def __init__(self, controller: Acting, conversation: Conversation) -> None:
        """A part of ``controller``."""
        self._controller, self._conversation = controller, conversation
        self._search: _Search | None = None
        self._answers: list[tuple[_Search, float | Maps]] = []
        self._is_going_on = False
        controller.prompts_changed.connect(self._check)
        controller.predictor_changed.connect(self._check)
        controller.opened.connect(self._check)

    @property
    def goes_on(self) -> bool:
        """Whether a search does."""
        return self._search is not None

    def look(self, click: ClickEverywhere) -> None:
        """ClickEverywhere the visible slice everywhere; a search that goes on ends."""
        talk = self._conversation
        self.cancel()
        try:
            embed = talk.embedding()
        except SegsamError as error:
            self._controller.failed.emit(str(error))
            return
        session = talk.session
        self._search = _Search(session.view, session.window, talk.predictor, click, embed)
        self._use(self._search, 0.0)

    def cancel(self) -> None:
        """Look no further; maps that are shown stay."""
        if self._search is not None:
            self._search = None
            self.progress_changed.emit(None)

    # -- how a search goes on
    def _check(self, _what: object = None) -> None:
        if self._search is not None and not self._is_wanted(self._search):
            self.cancel()

    def _is_wanted(self, search: _Search) -> bool:
        talk, session = self._conversation, self._conversation.session
        here = session.volume is search.view.volume and session.place == place_of(search.view)
        return here and session.window == search.window and talk.predictor is search.predictor

    def _use(self, search: _Search, answer: float | Maps) -> None:
        """Tell what a part gave and have the next one done; where that is answered at once, in a loop."""
        self._answers.append((search, answer))
        if self._is_going_on:
            return
        self._is_going_on = True
        try:
            while self._answers:
                self._step(*self._answers.pop())
        finally:
            self._is_going_on = False
            self._answers.clear()

    def _step(self, search: _Search, answer: float | Maps) -> None:
        if search is not self._search:
            return
        if not self._is_wanted(search):
            self.cancel()
        elif isinstance(answer, float):
            self.progress_changed.emit(answer)
            self._conversation.work(
                partial(self._unless_over, search), partial(self._go_on, search), partial(self._lose, search), _KEY
            )
        else:
            self.cancel()
            self.found.emit(FoundMaps(search.view, answer, search.by))

    def _unless_over(self, search: _Search) -> float | Maps | None:
        """Runs on the executor."""
        return search.advance() if search is self._search else None

    def _go_on(self, search: _Search, answer: float | Maps | None) -> None:
        if answer is not None:
            self._use(search, answer)

    def _lose(self, search: _Search, why: str) -> None:
        if search is self._search:
            self.cancel()
            self._controller.failed.emit(why)
