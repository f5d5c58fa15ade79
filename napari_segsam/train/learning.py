"""LearningPredictor: any model, whose first answers are fused with what a person's corrections have taught.

Source: AuxOL, see :mod:`napari_segsam.train.online`. What it leaves open is decided so: only an answer to a first
prompt is fused, as only from those the network learns. An answer that corrects a mask is the model's own, so that no
click is outvoted by what was learnt. So is what is carried through the slices: it stops where the model is less sure.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import replace
from typing import ClassVar, NamedTuple, TypeVar
from weakref import ReferenceType, WeakKeyDictionary, WeakValueDictionary, ref

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.prediction import Candidate, Prediction, Suggestion, dice
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.core.volume import Volume, Window
from napari_segsam.engine.objects import Place, place_of
from napari_segsam.engine.protocols import Embedding, Predictor
from napari_segsam.engine.zoo.preparing import values_of
from napari_segsam.model.zoo.family import Preparation
from napari_segsam.train.online import MEMORY, PUBLISHED, OnlineLearner, OnlineSettings, Pixels, region

R = TypeVar("R")
LOG = logging.getLogger(__name__)
_AS_IT_IS = Preparation(side=0, mean=(0, 0, 0), std=(1, 1, 1))


class _Source(NamedTuple):
    """The slice that an embedding was made of; keeps no scan alive that nobody works on."""

    volume: ReferenceType[Volume]
    place: Place


class LearningPredictor:
    """A predictor over another one. While it does not learn, each answer is the other one's.

    All methods belong to the thread that runs the model; ``learns`` and the properties may be used on any.

    Attributes:
        under: the other one.
        learns: whether answers are fused. Nothing is forgotten while they are not.
    """

    _sources: ClassVar[WeakKeyDictionary[Embedding, _Source]] = WeakKeyDictionary()
    """Of all of them: a cache hands embeddings on to the next one of the same weights."""

    def __init__(self, model: Predictor, settings: OnlineSettings | None = None) -> None:
        """``settings``: of the learner; by default the small one on a CPU, the published one on a GPU."""
        self.learns = False
        self.under, self._settings = model, settings
        self._learner: OnlineLearner | None = None
        self._asked: WeakValueDictionary[tuple[str, Place], Embedding] = WeakValueDictionary()

    @property
    def name(self) -> str:
        """The model's, and how much of an answer was learnt here: the audit trail has it with each deed."""
        share = 1 - self.alpha if self.learns else 0.0
        return f"{self.under.name} + learnt {share:.2f}" if share else self.under.name

    @property
    def alpha(self) -> float:
        """The model's share in the next answer, 0..1; 1 until there were five corrections."""
        return 1.0 if (learner := self._learner) is None else learner.alpha  # another thread may forget it here

    @property
    def lacks(self) -> int:
        """How many more objects it has to learn from before any answer is fused."""
        return MEMORY if (learner := self._learner) is None else learner.lacks

    @property
    def corrections(self) -> int:
        """How many objects it has learnt from."""
        return 0 if (learner := self._learner) is None else learner.corrections

    # -- as a Predictor
    @property
    def sha256(self) -> str:
        """The model's."""
        return self.under.sha256

    @property
    def about(self) -> str:
        """The model's."""
        return self.under.about

    @property
    def options(self) -> tuple[str, ...]:
        """The model's."""
        return self.under.options

    @property
    def takes(self) -> frozenset[str]:
        """The model's."""
        return self.under.takes

    @property
    def device(self) -> str:
        """The model's."""
        return self.under.device

    @property
    def vocabulary(self) -> Vocabulary:
        """The model's."""
        return self.under.vocabulary

    def when_full(self, make_room: Callable[[], object]) -> None:
        """The model's."""
        self.under.when_full(make_room)

    def window_for(self, view: SliceView, prompts: Prompts | None, asked: Window | None = None) -> Window | None:
        """The model's."""
        return self.under.window_for(view, prompts, asked)

    def digest(self, view: SliceView, window: Window | None) -> str:
        """The model's."""
        return self.under.digest(view, window)

    def to_arrays(self, embedding: Embedding) -> Mapping[str, NDArray]:  # type: ignore[type-arg]
        """The model's."""
        return self.under.to_arrays(embedding)

    def logits(self, embedding: Embedding, prompts: Prompts) -> NDArray[np.float32]:
        """The model's."""
        return self.under.logits(embedding, prompts)

    def suggest(self, embedding: Embedding) -> tuple[Suggestion, ...]:
        """The model's."""
        return self.under.suggest(embedding)

    def embed(self, view: SliceView, window: Window | None) -> Embedding:
        """The model's, and note the slice."""
        return self.note(self.under.embed(view, window), view)

    def from_arrays(
        self,
        view: SliceView,
        window: Window | None,
        arrays: Mapping[str, NDArray],  # type: ignore[type-arg]
        seconds: float,
    ) -> Embedding:
        """The model's, and note the slice."""
        return self.note(self.under.from_arrays(view, window, arrays, seconds), view)

    def note(self, embedding: Embedding, view: SliceView) -> Embedding:
        """Which slice the model's embedding was made of; gives it back."""
        self._sources[embedding] = _Source(ref(view.volume), place_of(view))
        return embedding

    def predict(self, embedding: Embedding, prompts: Prompts) -> Prediction:
        """The model's answer, fused with what was learnt where it is a first one."""
        return self.fused(embedding, prompts, self.under.predict(embedding, prompts))

    def fused(self, embedding: Embedding, prompts: Prompts, said: Prediction) -> Prediction:
        """What the model said, fused with what was learnt.

        The fused mask takes the first place, the model's own the last one among the candidates.

        Args:
            embedding: of the slice.
            prompts: what was asked.
            said: the model's own answer.
        """
        view = self._view(embedding)
        if view is not None:
            self._asked[view.volume.id, place_of(view)] = embedding
        if not self.learns or self.alpha == 1 or view is None or not _is_first(prompts):
            return said
        mask = self._tried(lambda learner: self._fused_mask(learner, view, embedding, prompts, said))
        return said if mask is None or np.array_equal(mask, said.mask) else _drawing(mask, said)

    def _fused_mask(
        self, learner: OnlineLearner, view: SliceView, embedding: Embedding, prompts: Prompts, said: Prediction
    ) -> NDArray[np.bool_] | None:
        """(rows, cols); None where the model found nothing that says where to look."""
        try:
            at = region(said.mask.shape, said.mask, prompts.box)
        except BadPromptsError:
            return None
        logits = self.under.logits(embedding, prompts)[at]
        mask = said.mask.copy()
        mask[at] = learner.answer(picture_of(view, embedding.window)[at], logits).logits > 0
        return mask

    # -- learning
    def lesson(
        self, view: SliceView, prompts: Prompts, corrected: NDArray[np.bool_], of: Hashable = None
    ) -> Iterator[None]:
        """Learn, in pieces of a fraction of a second, what the first answer to these prompts should have been.

        Nothing is learnt on a slice whose embedding is gone, or where the first prompt gave nothing.

        Args:
            view: the slice.
            prompts: that led to the mask. The first of them was the box, or else the oldest positive point.
            corrected: (rows, cols) what the object truly is.
            of: whose correction it is, see :meth:`OnlineLearner.lesson`.

        Raises:
            BadPromptsError: the model takes no such prompt.
        """
        embedding = self._asked.get((view.volume.id, place_of(view)))
        if embedding is None:
            return
        first = _first_of(prompts)
        logits = self.under.logits(embedding, first)
        yield
        if first.box is None and not (logits > 0).any():
            return
        at = region(logits.shape, logits > 0, first.box)
        picture = picture_of(view, embedding.window)[at]
        learner = self._learner = self._learner or self._new()
        pieces = learner.lesson(picture, logits[at], corrected[at], of)
        while self._learner is learner and self._tried(lambda _: next(pieces, True)) is None:
            yield

    def forget(self) -> None:
        """Answers are the model's own again."""
        self._learner = None

    def _new(self) -> OnlineLearner:
        is_gpu = self.under.device.startswith("cuda")
        return OnlineLearner(self._settings or (PUBLISHED if is_gpu else OnlineSettings()), self.under.device)

    def _tried(self, work: Callable[[OnlineLearner], R]) -> R | None:
        """Work with the learner; None where its GPU failed, and took with it what was learnt."""
        learner = self._learner
        if learner is None:
            return None
        try:
            return work(learner)
        except (torch.OutOfMemoryError, torch.AcceleratorError) as error:
            LOG.warning("The GPU failed (%s); what was learnt is gone, and the CPU learns anew.", type(error).__name__)
            self._learner = OnlineLearner(self._settings or OnlineSettings())
            return None

    def _view(self, embedding: Embedding) -> SliceView | None:
        source = self._sources.get(embedding)
        volume = None if source is None else source.volume()
        return None if source is None or volume is None else SliceView(volume, *source.place)


def picture_of(view: SliceView, window: Window | None) -> Pixels:
    """(rows, cols) or (rows, cols, 3) in 0..255, through the window that the model saw."""
    values = values_of(view, window, _AS_IT_IS)[0].round().clamp(0, 255).to(torch.uint8)
    picture: Pixels = values.permute(1, 2, 0).squeeze(-1).numpy()
    return picture


def _is_first(prompts: Prompts) -> bool:
    """Whether nothing that was there is corrected."""
    return prompts.packed is None and all(click.positive for click in prompts.clicks)


def _first_of(prompts: Prompts) -> Prompts:
    if prompts.box is not None:
        return Prompts(box=prompts.box)
    return Prompts(tuple(click for click in prompts.clicks if click.positive)[:1])


def _drawing(mask: NDArray[np.bool_], said: Prediction) -> Prediction:
    """The answer with another mask, of which nobody has predicted how good it is."""
    return replace(
        said,
        mask=mask,
        iou_predicted=None,
        decoder_agreement=None if said.semantic_mask is None else dice(mask, said.semantic_mask),
        candidates=(Candidate(mask), *said.candidates[1:], Candidate(said.mask, said.iou_predicted)),
    )
