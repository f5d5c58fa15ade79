"""Conversation: what the open session needs is asked of the model, and what the model says is put into the session."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.prediction import Prediction, Suggestion
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import spoken
from napari_segsam.core.volume import Window
from napari_segsam.engine.cache import EmbeddingCache
from napari_segsam.engine.holding import Holding
from napari_segsam.engine.inference import EMBED, LOAD, PREDICT, PROPOSE, SUGGEST, Inference
from napari_segsam.engine.jobs import WORK
from napari_segsam.engine.objects import Drawn, Place, Quality, named, place_of
from napari_segsam.engine.preparation import Preparation, Progress
from napari_segsam.engine.proposals import Filled, check_fills
from napari_segsam.engine.protocols import BoxDetector, Embedding, Executor, Predictor
from napari_segsam.engine.session import Session
from napari_segsam.engine.suggest import Settled
from napari_segsam.engine.through.propagate import Ask

T = TypeVar("T")


@dataclass(frozen=True)
class Listener:
    """Who hears of it, on the thread that asks.

    Attributes:
        answered: the visible slice's prompts have an answer.
        suggested: the model was asked what it names on the visible slice.
        proposed: this detector was asked what it finds there; so many of its boxes were left out.
        say, failed: a sentence for the person.
        busy: whether an answer that the person waits for is outstanding.
        proposing: whether that is, or is among them, what a detector finds.
        prepared: how far the volume's preparation is, None where it stopped.
    """

    answered: Callable[[Prediction], None]
    suggested: Callable[[], None]
    proposed: Callable[[BoxDetector, int], None]
    say: Callable[[str], None]
    failed: Callable[[str], None]
    busy: Callable[[bool], None]
    proposing: Callable[[bool], None]
    prepared: Callable[[Progress | None], None]


class Conversation:
    """Keeps the visible slice answered. Changes nothing of the session but what the model said.

    Attributes:
        session: what is worked on; may be replaced.
        seen_through: the window of the current object's last answer, so that the next slices are embedded with it.
    """

    def __init__(
        self, session: Session, executor: Executor, cache: EmbeddingCache, neighbours: tuple[int, ...], to: Listener
    ) -> None:
        """``neighbours``: slices to embed in advance, relative to the visible one in the scroll direction."""
        self.session = session
        self.seen_through: Window | None = None
        self._neighbours = neighbours
        self._to = to
        self._inference = Inference(
            executor, cache, lambda: (self.session.view, self.session.window), to.busy, to.proposing, to.failed
        )
        self._preparation = Preparation(self._inference, cache, to.prepared)
        self._prepares = False
        self._collects = False

    @property
    def predictor(self) -> Predictor | None:
        """The model in use."""
        return self._inference.predictor

    @property
    def busy(self) -> bool:
        """Whether an answer that the person waits for is outstanding."""
        return self._inference.busy

    @property
    def is_predicting(self) -> bool:
        """Whether the visible slice's prompts are being answered."""
        return self._inference.is_predicting

    # -- the model
    def adopt(self, predictor: Predictor) -> None:
        """Use this model; the session forgets what another one said."""
        self._inference.adopt(predictor)
        self.seen_through = None
        self.session.use_vocabulary(predictor.vocabulary)

    def load(
        self, load: Callable[[], Predictor], use: Callable[[Predictor], None], refused: Callable[[], None]
    ) -> None:
        """Have another model made; ``refused`` is called where that fails, after the person was told why."""
        self._inference.load(load, use, refused)

    def work_on(self, session: Session) -> None:
        """Another session, or another volume in the same one."""
        self.session, self.seen_through = session, None
        if self.predictor is not None and session.vocabulary is not self.predictor.vocabulary:
            session.use_vocabulary(self.predictor.vocabulary)

    # -- the visible slice
    def look_elsewhere(self) -> None:
        """Another slice will be visible: what was asked for this one is no longer wanted."""
        self._inference.cancel(PREDICT, SUGGEST, PROPOSE, EMBED)

    def see(self, direction: int = 1) -> None:
        """Answer the visible slice's prompts, or at least embed it; then embed its neighbours."""
        self.answer_prompts()
        if self.predictor is None:
            return
        if not (self.is_predicting or self.session.answered):
            self._say_embedding()
            self._inference.prepare(self.session.view, self._window_to_try(), self._say_ready)
        self._inference.prepare_unseen(self._slices_beside(direction), self._window_to_try())
        if self._prepares:
            self._preparation.around(self.session.view, self.session.window, direction)

    def prepare_volume(self, prepares: bool) -> None:
        """Embed the rest of the visible axis' slices whenever there is nothing else to do, or no longer."""
        self._prepares = prepares
        if not prepares:
            self._preparation.stop()
        elif self.predictor is not None:
            self._preparation.around(self.session.view, self.session.window)

    def answer_prompts(self) -> None:
        """Ask for what the visible slice's prompts need, unless it is there or on its way."""
        session = self.session
        if session.answered or not session.uncommitted_here:
            self._inference.cancel(PREDICT)
        elif self.predictor is None:
            if self._inference.load_failure:
                self._to.failed(self._inference.load_failure)
        elif self._inference.is_asked(session.prompts):
            return
        elif self._collects:
            self._inference.cancel(PREDICT)  # an answer to older prompts would be taken for one to these
        else:
            self._say_embedding()
            self._inference.predict(session.view, session.prompts, session.window, self._use_prediction)

    def collect(self, collects: bool) -> None:
        """Leave prompts unanswered, until this is called with False: then ask once for the visible slice's."""
        self._collects = collects
        if not collects:
            self.answer_prompts()

    def suggest(self) -> None:
        """Ask what the model names by itself on the visible slice.

        Raises:
            SegsamError: there is no model yet.
        """
        self._inference.model()
        self._say_embedding()
        self._inference.suggest(self.session.view, self.session.window, self._use_suggestions)

    def propose(self, detector: BoxDetector, at_least: float) -> None:
        """Ask a detector what it finds on the visible slice, and the model to fill its boxes.

        Raises:
            SegsamError: there is no model yet, or it takes no boxes.
        """
        check_fills(self._inference.model())
        self._say_embedding()
        use = partial(self._use_proposals, detector)
        self._inference.propose(self.session.view, self.session.window, detector, at_least, use, self._to.say)

    def drop_proposals(self) -> bool:
        """What a detector is being asked for is no longer wanted; whether there was any."""
        return self._inference.stop(PROPOSE)

    # -- many slices
    def asking(self, view: SliceView, prompts: Prompts) -> Callable[[], Ask]:
        """How to put prompts on any slice to the model, which sees each as it would this one; called in a job.

        Raises:
            SegsamError: there is no model yet.
        """
        return self._inference.asking(view, prompts, self.session.window)

    def embedding(self) -> Callable[[], tuple[Predictor, Embedding]]:
        """How to have the visible slice's embedding, beside the model that made it; called in a job.

        Raises:
            SegsamError: there is no model yet.
        """
        return self._inference.embedding(self.session.view, self.session.window)

    def work(
        self, job: Callable[[], T], use: Callable[[T], None], lost: Callable[[str], None], key: Hashable = WORK
    ) -> None:
        """Run a part of what takes long; see :meth:`Inference.work`."""
        self._inference.work(job, use, lost, key)

    @property
    def holding(self) -> Holding:
        """What would change the labels waits there while a person draws; see :meth:`Controller.hold_back`."""
        return self._inference.holding

    # -- suggestions on their way to be objects; they belong to their own slice, wherever the person looks
    def refine(self, suggestion: Suggestion, use: Callable[[Drawn], None], refuse: Callable[[str], None]) -> None:
        """Have an open suggestion of the visible slice refined; see :func:`refinement_prompts`.

        Args:
            suggestion: which one.
            use: gets its mask on its slice; it shall be committed now.
            refuse: told why there is none, or why it is no longer to be committed.

        Raises:
            BadPromptsError: it is not open there.
            SegsamError: there is no model yet.
        """
        self._check_open(suggestion)
        view = self.session.view
        # What was made of a box is made of it again; the region below the box chose the window then, too.
        seen = self.session.suggestions_window if suggestion.proposed is None else None
        window = self.session.window or seen
        refined = partial(self._use_refined, view, suggestion, use, refuse)
        self._inference.refine(view, suggestion, window, refined, refuse)

    def forget(self, suggestion: Suggestion) -> None:
        """An open suggestion of the visible slice shall not be committed, if it was accepted.

        Raises:
            BadPromptsError: it is not open there.
        """
        self._check_open(suggestion)
        self._inference.cancel(Settled.of(suggestion, self.session.place))

    def forget_last_refined(self) -> str | None:
        """The suggestion that was accepted last and is still being refined shall not be committed; its name."""
        if not self._inference.accepting:
            return None
        pending = self._inference.accepting[-1]
        self._inference.cancel(pending)
        return pending.name

    def stop(self, loading: bool = False) -> None:
        """No answer about an image is wanted any more; nor is a model that is ``loading``."""
        self._preparation.stop()
        if loading:
            self._inference.cancel(LOAD)
        for lost in self._inference.cancel_all():
            name = spoken(lost.name)
            self._to.failed(f"{name} was not accepted: image, window or model changed first. Accept it again.")

    # -- using what it says
    def _use_prediction(self, prediction: Prediction) -> None:
        self.session.receive(prediction)
        self.seen_through = prediction.window
        self._to.answered(prediction)

    def _use_suggestions(self, suggestions: tuple[Suggestion, ...], window: Window | None) -> None:
        self.session.receive_suggestions(suggestions, window)
        self._to.suggested()

    def _use_proposals(self, detector: BoxDetector, found: Filled) -> None:
        self.session.receive_proposals(found.suggestions)
        self._to.proposed(detector, found.left_out)

    def _use_refined(
        self,
        view: SliceView,
        suggestion: Suggestion,
        use: Callable[[Drawn], None],
        refuse: Callable[[str], None],
        refined: Prediction,
    ) -> None:
        """Another one may have been accepted in its place meanwhile: of a detector, where this is the model's own."""
        if self.session.is_open_yet(view, suggestion):
            mask = refined.mask if refined.mask.any() else suggestion.mask
            use(Drawn(view, mask, Quality.of(refined)))
        else:
            refuse(_not_open(suggestion, place_of(view)))

    # -- slices and windows
    def _check_open(self, suggestion: Suggestion) -> None:
        here = self.session.place  # they are made anew each time they are listed
        if (suggestion.score, Settled.of(suggestion, here)) not in [
            (s.score, Settled.of(s, here)) for s in self.session.suggestions
        ]:
            raise BadPromptsError(_not_open(suggestion, here))

    def _slices_beside(self, direction: int) -> list[SliceView]:
        here = self.session.view
        indices = (here.index + direction * offset for offset in self._neighbours)
        return [SliceView(here.volume, here.axis, i) for i in indices if 0 <= i < here.volume.grid.shape[here.axis]]

    def _window_to_try(self) -> Window | None:
        """For a slice without prompts: what was asked for, else what the current object was last seen through."""
        return self.session.window or self.seen_through

    def _say_embedding(self) -> None:
        """Say so where the next answer has to wait for the image encoder."""
        if self._inference.must_embed(self.session.view):
            self._to.say(f"Embedding {named(self.session.place)} ...")

    def _say_ready(self, _: Embedding) -> None:
        self._to.say(f"{named(self.session.place).capitalize()} is ready.")


def _not_open(suggestion: Suggestion, place: Place) -> str:
    return f"{spoken(suggestion.name)} is no longer suggested on {named(place)}."
