"""Inference: asks the model on an Executor, and hands on only the answers that are still wanted."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import TypeVar

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.prediction import Prediction, Suggestion
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Window
from napari_segsam.engine.cache import EmbeddingCache, ViewKey
from napari_segsam.engine.holding import Holding
from napari_segsam.engine.jobs import NEIGHBOUR, REST, VISIBLE, WORK, Jobs
from napari_segsam.engine.objects import place_of
from napari_segsam.engine.proposals import Filled, fill
from napari_segsam.engine.protocols import BoxDetector, Embedding, Executor, Predictor
from napari_segsam.engine.suggest import Settled, refinement_prompts
from napari_segsam.engine.through.propagate import Ask, asking

PREDICT, SUGGEST, PROPOSE, EMBED, LOAD = "predict", "suggest", "propose", "embed", "load"

T = TypeVar("T")


class Inference:
    """One model, its cache and its executor.

    Args:
        executor: runs the jobs.
        cache: of embeddings.
        looking_at: the visible slice and the window that was asked for, now.
        busy_changed: called when the first request begins and when the last one ends.
        proposing_changed: called when a detector's boxes begin to be filled and when that ends.
        failed: called with a sentence for the person when what they wait for failed.
    """

    def __init__(
        self,
        executor: Executor,
        cache: EmbeddingCache,
        looking_at: Callable[[], tuple[SliceView, Window | None]],
        busy_changed: Callable[[bool], None],
        proposing_changed: Callable[[bool], None],
        failed: Callable[[str], None],
    ) -> None:
        self.predictor: Predictor | None = None
        self._device = ""  # where it ran when the person last heard of it
        self._cache = cache
        self._looking_at = looking_at
        self._busy_changed, self._proposing_changed = busy_changed, proposing_changed
        self._failed = failed
        self._jobs = Jobs(executor, self._scene, self._tell_busy, self._tell_troubles, failed)
        self._was_busy = self._was_proposing = False
        self.load_failure = ""  # why there is no model, while there is none
        self._asked: Prompts | None = None

    @property
    def busy(self) -> bool:
        """Whether an answer is outstanding."""
        return bool(self._jobs.requests)

    @property
    def holding(self) -> Holding:
        """See :class:`Jobs`."""
        return self._jobs.holding

    @property
    def accepting(self) -> tuple[Settled, ...]:
        """Accepted suggestions that are being refined, oldest first."""
        return tuple(k for k in self._jobs.requests.kinds if isinstance(k, Settled))

    def model(self) -> Predictor:
        """The predictor.

        Raises:
            SegsamError: there is none yet.
        """
        if self.predictor is None:
            raise SegsamError(self.load_failure or "There is no model yet; wait until it is loaded, or choose one.")
        return self.predictor

    def adopt(self, predictor: Predictor) -> None:
        """Ask this model from now on; where its device is full, embeddings give way."""
        self.predictor, self._device = predictor, predictor.device
        predictor.when_full(self._cache.clear)

    def must_embed(self, view: SliceView) -> bool:
        """Whether an answer on this slice has to wait for the image encoder."""
        return self.predictor is not None and not self._cache.holds(view, self.predictor.sha256)

    def is_asked(self, prompts: Prompts) -> bool:
        """Whether the answer to exactly these prompts is on its way."""
        return PREDICT in self._jobs.requests and self._asked is prompts

    @property
    def is_predicting(self) -> bool:
        """Whether a prediction is on its way."""
        return PREDICT in self._jobs.requests

    # -- requests
    def predict(
        self, view: SliceView, prompts: Prompts, window: Window | None, use: Callable[[Prediction], None]
    ) -> None:
        """Answer prompts on the visible slice; also embeds it, so that needs no request of its own any more."""
        self._asked = prompts
        self._jobs.requests.cancel(EMBED)
        self._jobs.ask(PREDICT, view, partial(self._predict, self.model(), view, prompts, window), use)

    def suggest(
        self, view: SliceView, window: Window | None, use: Callable[[tuple[Suggestion, ...], Window | None], None]
    ) -> None:
        """What the model names by itself on the visible slice; ``use`` also gets the window that it saw."""
        predictor = self.model()

        def look() -> tuple[tuple[Suggestion, ...], Window | None]:
            embedding = self._embed(predictor, view, None, window)
            return predictor.suggest(embedding), embedding.window

        self._jobs.ask(SUGGEST, view, look, lambda found: use(*found))

    def propose(
        self,
        view: SliceView,
        window: Window | None,
        detector: BoxDetector,
        at_least: float,
        use: Callable[[Filled], None],
        say: Callable[[str], None],
    ) -> None:
        """What a detector finds on the visible slice, box by box filled as if a person had drawn it.

        What the person does meanwhile goes first; ``say`` is told how far it is.
        """
        predictor = self.model()
        ask = partial(self._predict, predictor, view, asked=window)
        parts = fill(lambda: detector.propose(view, window, at_least), detector, ask, predictor.vocabulary)
        self._jobs.ask_in_parts(PROPOSE, view, parts, use, say)

    def refine(
        self,
        view: SliceView,
        suggestion: Suggestion,
        window: Window | None,
        use: Callable[[Prediction], None],
        refuse: Callable[[str], None],
    ) -> None:
        """Prompt with what a person would prompt it with; the answer is used even if another slice is visible then."""
        prompts = refinement_prompts(suggestion, view.spacing_mm)
        job = partial(self._predict, self.model(), view, prompts, window)
        self._jobs.ask(Settled.of(suggestion, place_of(view)), view, job, use, tell=refuse)

    def prepare(self, view: SliceView, window: Window | None, use: Callable[[Embedding], None]) -> None:
        """Embed the visible slice before it is clicked."""
        self._jobs.ask(EMBED, view, partial(self._embed, self.model(), view, None, window), use, VISIBLE)

    def prepare_unseen(self, views: list[SliceView], window: Window | None) -> None:
        """Embed slices that nobody waits for, in this order, when there is nothing else to do."""
        for rank, view in enumerate(views):
            job = partial(self._embed, self.model(), view, None, window)
            self._jobs.run_quietly(job, ("unseen", rank), NEIGHBOUR + rank)

    def prepare_idly(
        self,
        view: SliceView,
        window: Window | None,
        is_wanted: Callable[[], bool],
        use: Callable[[Embedding], None],
        lost: Callable[[], None],
    ) -> None:
        """Embed a slice after all else; nothing is done for it if it ``is_wanted`` no more when its turn comes."""
        predictor = self.model()

        def job() -> Embedding | None:
            return self._embed(predictor, view, None, window) if is_wanted() else None

        self._jobs.run_quietly(job, "idly", REST, lambda e: None if e is None else use(e), lost)

    def asking(self, view: SliceView, prompts: Prompts, window: Window | None) -> Callable[[], Ask]:
        """How to put prompts on any slice to this model, which sees each as it would this one; called in a job.

        Raises:
            SegsamError: there is no model yet.
        """
        predictor, cache = self.model(), self._cache
        return lambda: asking(predictor, predictor.window_for(view, prompts, window), cache)

    def embedding(self, view: SliceView, window: Window | None) -> Callable[[], tuple[Predictor, Embedding]]:
        """How to have a slice's embedding, beside the model that made it; called in a job.

        Raises:
            SegsamError: there is no model yet.
        """
        predictor = self.model()
        return lambda: (predictor, self._embed(predictor, view, None, window))

    def work(
        self, job: Callable[[], T], use: Callable[[T], None], lost: Callable[[str], None], key: Hashable = WORK
    ) -> None:
        """See :meth:`Jobs.work`."""
        self._jobs.work(job, use, lost, key)

    def load(
        self, load: Callable[[], Predictor], use: Callable[[Predictor], None], refused: Callable[[], None]
    ) -> None:
        """Have another predictor made; ``refused`` is called where that fails, after ``failed``."""
        self.load_failure = ""

        def lost(text: str) -> None:
            self.load_failure = f"There is no model: {text}"
            self._failed(text)
            refused()

        self._jobs.ask(LOAD, None, load, use, tell=lost)

    def cancel(self, *kinds: Hashable) -> None:
        """Answers of these kinds are no longer wanted."""
        self._jobs.cancel(*kinds)

    def stop(self, kind: Hashable) -> bool:
        """As :meth:`cancel`; whether there was one."""
        was_asked = kind in self._jobs.requests
        self.cancel(kind)
        return was_asked

    def cancel_all(self) -> tuple[Settled, ...]:
        """No answer about an image is wanted any more; a model may go on loading. Returns the accepts that end here."""
        lost = self.accepting
        self.cancel(*(k for k in self._jobs.requests.kinds if k != LOAD))
        return lost

    # -- how one is answered
    def _predict(self, predictor: Predictor, view: SliceView, prompts: Prompts, asked: Window | None) -> Prediction:
        return predictor.predict(self._embed(predictor, view, prompts, asked), prompts)

    def _embed(self, predictor: Predictor, view: SliceView, prompts: Prompts | None, asked: Window | None) -> Embedding:
        """The slice's embedding, made once for each window; runs on the executor."""
        return self._cache.embedding(predictor, view, predictor.window_for(view, prompts, asked))

    def _tell_troubles(self) -> None:
        """What a job did not fail of but the person should know; said once."""
        if self.predictor is not None and self.predictor.device != self._device:
            self._failed(
                f"{self._device} failed or its memory was full, so {self.predictor.name} answers on "
                f"{self.predictor.device} from here on, which takes longer; to go back, choose the device again."
            )
            self._device = self.predictor.device
        if trouble := self._cache.take_trouble():
            self._failed(trouble)

    def _scene(self, kind: Hashable, view: SliceView | None) -> ViewKey | None:
        """What an answer of this kind depends on, as it is now; loading a model depends on nothing."""
        if view is None or self.predictor is None:
            return None
        visible, asked = self._looking_at()
        place = place_of(view if isinstance(kind, Settled) else visible)
        return ViewKey(visible.volume.id, *place, asked, self.predictor.sha256)

    def _tell_busy(self) -> None:
        if self.busy != self._was_busy:
            self._was_busy = self.busy
            self._busy_changed(self.busy)
        if (PROPOSE in self._jobs.requests) != self._was_proposing:
            self._was_proposing = not self._was_proposing
            self._proposing_changed(self._was_proposing)
