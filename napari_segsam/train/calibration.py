"""After training: a temperature that makes class scores probabilities, and the score from which to suggest.

Source of the temperature: Guo et al., "On Calibration of Modern Neural Networks" (2017), one scalar fitted to
validation logits by their likelihood.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.prompts import Box, Prompts
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.engine import zoom
from napari_segsam.engine.answers import rule_out
from napari_segsam.engine.predictor import look_of
from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.engine.slice_look import SliceLook
from napari_segsam.engine.zoom_look import PicturePrompts, ZoomLook
from napari_segsam.model import checkpoint
from napari_segsam.model.segsam import SegSam
from napari_segsam.train.dataset import LoadedSample, SAMed2D, load, volume_modality

log = logging.getLogger(__name__)
_TEMPERATURES = np.exp(np.linspace(np.log(0.5), np.log(4.0), 61))
_THRESHOLDS = np.linspace(0.2, 0.9, 15)
_PER_PICTURE = 3
"""Masks of one picture that count for the temperature."""
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


def _possible(vocabulary: Vocabulary, sample: LoadedSample) -> Tensor:
    """(K,) which classes the product would consider on this picture, and those that are annotated on it anyway."""
    possible = torch.tensor(vocabulary.possible(volume_modality(sample.sample.modality, sample.picture.ndim == 3)))
    possible[[k - 1 for k in sample.known]] = True
    return possible


@torch.inference_mode()
def _ask(
    model: SegSam, look: ZoomLook | SliceLook, vocabulary: Vocabulary, sample: LoadedSample, masks: list[int]
) -> _Answers:
    """A box round each of ``masks``, and no prompt at all, through the product's own look."""
    channels = sample.picture.reshape(*sample.picture.shape[:2], -1).transpose(2, 0, 1)
    picture = torch.from_numpy(np.ascontiguousarray(channels, dtype=np.float32))
    square, scale = zoom.fit_slice(picture, model.config.img_size)
    features = model.encode(look.normalise(square.expand(3, -1, -1), picture).unsqueeze(0))
    rows, cols = sample.picture.shape[:2]
    frame = PictureFrame(rows, cols, rows, cols)
    boxes = [PicturePrompts.of(Prompts(box=Box.around(sample.mask(i))), frame) for i in masks]
    possible = _possible(vocabulary, sample)
    said = [look.answer(picture, features, scale, b).output.semantic.class_logits[0] for b in boxes]
    logits = [rule_out(s, possible) for s in said]
    tags = rule_out(model.unprompted(features).co_class_logits[0], possible)
    return _Answers(logits, [sample.class_ids[i] - 1 for i in masks], tags, sample.known)


def _draw_masks(samples: list[LoadedSample], limit: int) -> list[list[int]]:
    """For each sample the masks to prompt, at most three; ``limit`` in all, from samples in an even draw."""
    rng = np.random.default_rng(0)
    drawn: list[list[int]] = [[] for _ in samples]
    left = limit
    for n in rng.permutation(len(samples)):  # a listing is sorted by modality: its beginning is not like the rest
        named = [i for i, k in enumerate(samples[n].class_ids) if k]
        drawn[n] = rng.permutation(named)[: min(_PER_PICTURE, left)].tolist()
        left -= len(drawn[n])
    return drawn


def _tag_scores(co_logits: Tensor, temperature: float) -> dict[int, float]:
    """(N_co, K + 1) logits -> class id -> its best score."""
    scores, classes = (co_logits / temperature).softmax(-1)[:, :-1].max(-1)
    best: dict[int, float] = {}
    for k, s in zip((classes + 1).tolist(), scores.tolist(), strict=True):
        best[k] = max(best.get(k, 0.0), s)
    return best


def calibrate(
    path: Path, data: Path, split: str = "val", limit: int = 400, exclude: Collection[str] = ()
) -> checkpoint.Header:
    """Fit temperature and threshold on pictures that were not trained on; both go into the checkpoint's header.

    Args:
        path: the checkpoint, which is written again.
        data: a folder in the SA-Med2D layout.
        split: of its ``split.json``.
        limit: masks that count for the temperature.
        exclude: data sets to leave out.

    Raises:
        UnreadableInputError: no such split, or none of its masks has a class that the model names; nothing changed.
    """
    model, header = checkpoint.load(path)
    look = look_of(model)
    vocabulary = Vocabulary(header.names, header.aliases, header.modalities)
    samples = load(SAMed2D(data, split), vocabulary)
    samples = [s for s in samples if s.known and s.sample.dataset not in exclude]
    if not samples:
        raise UnreadableInputError(
            f"{data}: no mask of split '{split}' has a class that {path.name} names, so there is nothing to fit its "
            "scores to; choose another split or data set."
        )
    log.info("fitting scores to %d pictures of split '%s'", len(samples), split)
    answers = [
        _ask(model, look, vocabulary, s, masks) for s, masks in zip(samples, _draw_masks(samples, limit), strict=True)
    ]
    fitted = _fit(header, answers)
    checkpoint.save(path, model, fitted)
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
