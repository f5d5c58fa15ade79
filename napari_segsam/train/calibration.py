"""After training: a temperature that makes class scores probabilities, and the score from which to suggest.

Source of the temperature: Guo et al., "On Calibration of Modern Neural Networks" (2017), one scalar fitted to
validation logits by their likelihood.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.prompts import Box, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.answers import rule_out
from napari_segsam.engine.predictor import SegSamPredictor, load_predictor
from napari_segsam.model import checkpoint
from napari_segsam.train.data.listing import SAMed2D
from napari_segsam.train.data.sample import Sample
from napari_segsam.train.evaluation.targets import read_mask, read_picture

log = logging.getLogger(__name__)
_TEMPERATURES = np.exp(np.linspace(np.log(0.5), np.log(4.0), 61))
_THRESHOLDS = np.linspace(0.2, 0.9, 15)
_PER_PICTURE = 3
"""Masks of one picture that count for the temperature."""
_PICTURES = 1000
"""Pictures that are asked, at most: both numbers are known well enough long before."""
_TAGGED = 2
"""Pictures with at least so many annotated classes count for the threshold, as they do in evaluation."""


def fit_temperature(logits: Tensor, classes: Tensor) -> float:
    """(n, K) logits, (n,) true classes -> the temperature with the highest likelihood."""
    losses = [float(F.cross_entropy(logits / t, classes)) for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def fit_threshold(scores: list[dict[int, float]], truths: list[set[int]]) -> float:
    """Each picture's score per class and its annotated classes -> the threshold with the best micro-averaged F1."""

    def f1(at: float) -> float:
        hits = sum(
            len({k for k, s in found.items() if s >= at} & truth) for found, truth in zip(scores, truths, strict=True)
        )
        said = sum(s >= at for found in scores for s in found.values())
        return 2 * hits / max(said + sum(map(len, truths)), 1)

    values = [f1(float(t)) for t in _THRESHOLDS]
    # Of equally good thresholds the highest: a wrong suggestion costs the annotator more than a missing one.
    return float(_THRESHOLDS[len(values) - 1 - int(np.argmax(values[::-1]))])


@dataclass(frozen=True, eq=False)
class _Answers:
    """What the model said of one picture.

    Attributes:
        logits: (n, K) class logits of box prompts.
        classes: their n true classes.
        tags: (N_co, K + 1) logits of t_co, asked with no prompt.
        truth: class ids annotated on the picture that the model names.
    """

    logits: list[Tensor]
    classes: list[int]
    tags: Tensor
    truth: set[int]


@dataclass
class _Asking:
    """Puts a data set's pictures to the product, in an order of its own: a listing is sorted by modality."""

    predictor: SegSamPredictor
    samples: list[Sample]
    left: int

    def answers(self) -> Iterator[_Answers]:
        """One for each picture that can be used."""
        rng = np.random.default_rng(0)
        for n in rng.permutation(len(self.samples))[:_PICTURES]:
            try:
                yield self._ask(self.samples[n], rng)
            except UnreadableInputError as error:
                log.warning("not asked: %s", error)

    def _ask(self, sample: Sample, rng: np.random.Generator) -> _Answers:
        """A box round some of its objects, and no prompt at all."""
        predictor = self.predictor
        named = {i: k for i, name in enumerate(sample.classes) if (k := predictor.vocabulary.id_or_zero(name))}
        volume, asked = read_picture(sample)
        view = SliceView(volume, 2, 0)
        embedding = predictor.embed(view, predictor.window_for(view, None, asked))
        possible = embedding.possible.clone()
        possible[[k - 1 for k in named.values()]] = True  # the annotation knows better than the class's card
        logits, classes = [], []
        for i in rng.permutation(list(named))[: min(_PER_PICTURE, self.left)].tolist():
            box = Box.around(read_mask(sample.masks[i].path, view.shape))
            logits.append(rule_out(predictor.class_logits(embedding, Prompts(box=box)), possible))
            classes.append(named[i] - 1)
        self.left -= len(logits)
        return _Answers(logits, classes, rule_out(predictor.tag_logits(embedding), possible), set(named.values()))


def _tag_scores(co_logits: Tensor, temperature: float) -> dict[int, float]:
    """(N_co, K + 1) logits -> class id -> its best score."""
    scores, classes = (co_logits / temperature).softmax(-1)[:, :-1].max(-1)
    best: dict[int, float] = {}
    for k, s in zip((classes + 1).tolist(), scores.tolist(), strict=True):
        best[k] = max(best.get(k, 0.0), s)
    return best


def calibrate(
    path: Path, data: Path, split: str = "val", limit: int = 400, exclude: Collection[str] = (), device: str = "cpu"
) -> checkpoint.Header:
    """Fit temperature and threshold on pictures that were not trained on; both go into the checkpoint's header.

    Args:
        path: the checkpoint, which is written again.
        data: a folder in the SA-Med2D layout.
        split: of its ``split.json``.
        limit: masks that count for the temperature.
        exclude: data sets to leave out.
        device: where to ask the model, see ``predictor.choose_device``.

    Raises:
        UnreadableInputError: no such split, or none of its masks has a class that the model names; nothing changed.
        BadCheckpointError: the checkpoint is damaged, or its weights are no numbers.
    """
    predictor = load_predictor(path, device)
    samples = [
        s
        for s in SAMed2D(data, split).samples
        if s.dataset not in exclude and any(map(predictor.vocabulary.id_or_zero, s.classes))
    ]
    log.info("fitting scores to pictures of split '%s', at most %d of %d", split, _PICTURES, len(samples))
    answers = list(_Asking(predictor, samples, limit).answers())
    if not any(a.logits for a in answers):
        raise UnreadableInputError(
            f"{data}: no mask of split '{split}' has a class that {path.name} names, so there is nothing to fit its "
            "scores to; choose another split or data set."
        )
    fitted = _fit(predictor.header, answers)
    checkpoint.save(path, predictor.model.to("cpu"), fitted)
    return fitted


def _fit(header: checkpoint.Header, answers: list[_Answers]) -> checkpoint.Header:
    logits = torch.stack([row for a in answers for row in a.logits])
    classes = torch.tensor([k for a in answers for k in a.classes])
    temperature, threshold = fit_temperature(logits, classes), header.suggest_at
    rich = [a for a in answers if len(a.truth) >= _TAGGED]
    if rich:
        threshold = fit_threshold([_tag_scores(a.tags, temperature) for a in rich], [a.truth for a in rich])
    log.info(
        "calibrated: temperature %.2f on %d masks, threshold %.2f on %d pictures",
        temperature, len(classes), threshold, len(rich),
    )  # fmt: skip
    return replace(header, temperature=temperature, suggest_at=threshold)
