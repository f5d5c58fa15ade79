"""Learning while it is evaluated: each mask is asked for first and learnt from then, as AuxOL was measured.

Whoever works through such data and corrects every answer to the true mask would see these answers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_segsam.core.errors import UnknownNameError
from napari_segsam.core.prediction import Prediction, dice
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.protocols import Embedding, Predictor
from napari_segsam.train.evaluation import bootstrap, figures
from napari_segsam.train.evaluation.asking import Attempt, Mask, OneMask, asking

if TYPE_CHECKING:
    from napari_segsam.train.learning import LearningPredictor

ONLINE = "online:"
_FIRST_PROMPTS = ("box", "point")
"""What is learnt is the answer to a first prompt, and to one a mask."""


def is_online(kind: str) -> bool:
    """Whether this kind of prompt learns from one mask after another."""
    return kind.startswith(ONLINE)


def check_online(kind: str) -> None:
    """Refuse what cannot be learnt from.

    Raises:
        UnknownNameError: names what can.
    """
    if kind.removeprefix(ONLINE) not in _FIRST_PROMPTS:
        raise UnknownNameError("kind of prompt", kind, tuple(ONLINE + first for first in _FIRST_PROMPTS))


@dataclass(eq=False)
class Stream:
    """One kind of prompt and its own learner, over all pictures of an evaluation.

    Attributes:
        kind: "online:" and a kind that asks once.
        alone, fused: Dice of the model's answers and of those that were given, by data set.
        alphas: the model's share in each of them.
    """

    kind: str
    alone: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    fused: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    alphas: list[float] = field(default_factory=list)
    _learning: LearningPredictor | None = None

    def attempts(
        self,
        predictor: Predictor,
        embedding: Embedding,
        view: SliceView,
        ask: OneMask,
        truth: Mask,
        rng: np.random.Generator,
        dataset: str = "",
    ) -> Iterator[Attempt]:
        """Answer, then learn.

        Args:
            predictor: the model; the same one for all masks.
            embedding: of the picture.
            view: the picture.
            ask: puts prompts for this mask to the model; what it takes to fuse the answer counts with it.
            truth: (rows, cols) what a person would have corrected the answer to.
            rng: of random prompts.
            dataset: that the mask is of.
        """
        learning = self._begun(predictor)
        learning.note(embedding, view)

        def fused(prompts: Prompts) -> Prediction:
            said = ask(prompts)
            self.alone[dataset].append(dice(said.mask, truth))
            return ask.timed(lambda: learning.fused(embedding, prompts, said))

        for attempt in asking(self.kind.removeprefix(ONLINE))(fused, truth, rng):
            self.fused[dataset].append(dice(attempt.mask, truth))
            self.alphas.append(learning.alpha)
            yield attempt
            for _ in learning.lesson(view, attempt.prompts[-1], truth):
                pass

    def summary(self) -> dict[str, object]:
        """What learning was worth, mask by mask, with its 95 % interval; the model's share, the mean and the last."""
        gains = [np.subtract(self.fused[d], self.alone[d]) for d in self.alone]
        alone = np.concatenate([np.array(d) for d in self.alone.values()] or [np.empty(0)])
        return {
            "alone_dice_mean": figures.mean(alone),
            "gain_mean": figures.mean(np.concatenate(gains or [np.empty(0)])),
            "gain_mean_ci": figures.rounded(bootstrap.of_mean(gains, within=(-1, 1))),
            "alpha_mean": figures.mean(np.array(self.alphas)),
            "alpha_last": figures.mean(np.array(self.alphas[-1:])),
        }

    def _begun(self, predictor: Predictor) -> LearningPredictor:
        from napari_segsam.train.learning import LearningPredictor  # torch, which a baseline does without

        if self._learning is None:
            self._learning = LearningPredictor(predictor)
            self._learning.learns = True
        return self._learning
