"""After training: a temperature that makes class scores probabilities, and the score from which to suggest.

Source of the temperature: Guo et al., "On Calibration of Modern Neural Networks" (2017), one scalar fitted to
validation logits by their likelihood.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segsam.core.prompts import Box, Prompts
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.engine import zoom
from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.engine.zoom_look import PicturePrompts, ZoomLook
from napari_segsam.model import checkpoint
from napari_segsam.model.segsam import SegSam
from napari_segsam.train.dataset import LoadedSample, SAMed2D, load

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


@torch.inference_mode()
def _answers(model: SegSam, samples: list[LoadedSample], limit: int) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Class logits and truth of box prompts, and each picture's logits of t_co by class."""
    zoomed = model.config.zoom
    if zoomed is None:
        raise ValueError("calibration looks through crops: the model needs zoom")
    look = ZoomLook(model, zoomed)
    logits: list[Tensor] = []
    truth: list[int] = []
    tags: list[Tensor] = []
    rng = np.random.default_rng(0)
    for s in samples:
        channels = s.picture.reshape(*s.picture.shape[:2], -1).transpose(2, 0, 1)
        picture = torch.from_numpy(np.ascontiguousarray(channels, dtype=np.float32))
        square, scale = zoom.fit_slice(picture, model.config.img_size)
        features = model.encode(square.expand(3, -1, -1).unsqueeze(0))
        known = [i for i, k in enumerate(s.class_ids) if k]
        rows, cols = s.picture.shape[:2]
        for i in rng.permutation(known)[:_PER_PICTURE]:
            if len(logits) >= limit:
                break
            prompts = PicturePrompts.of(Prompts(box=Box.around(s.mask(int(i)))), PictureFrame(rows, cols, rows, cols))
            logits.append(look.answer(picture, features, scale, prompts).output.semantic.class_logits[0])
            truth.append(s.class_ids[int(i)] - 1)
        tags.append(model.unprompted(features).co_class_logits[0].float())
    return torch.stack(logits), torch.tensor(truth), tags


def _tag_scores(co_logits: Tensor, temperature: float) -> dict[int, float]:
    """(N_co, K + 1) logits -> class id -> its best score."""
    scores, classes = (co_logits / temperature).softmax(-1)[:, :-1].max(-1)
    best: dict[int, float] = {}
    for k, s in zip((classes + 1).tolist(), scores.tolist(), strict=True):
        best[k] = max(best.get(k, 0.0), s)
    return best


def calibrate(path: Path, data: Path, split: str = "val", limit: int = 400) -> checkpoint.Header:
    """Fit temperature and threshold on ``split`` of an SA-Med2D folder and write them into the checkpoint's header."""
    model, header = checkpoint.load(path)
    samples = load(SAMed2D(data, split), Vocabulary(header.names, header.aliases))
    logits, truth, tags = _answers(model, samples, limit)
    temperature = fit_temperature(logits, truth)
    rich = [i for i, s in enumerate(samples) if len({k for k in s.class_ids if k}) >= _TAGGED]
    scores = [_tag_scores(tags[i], temperature) for i in rich]
    threshold = (
        fit_threshold(scores, [{k for k in samples[i].class_ids if k} for i in rich]) if rich else header.suggest_at
    )
    fitted = replace(header, temperature=temperature, suggest_at=threshold)
    log.info(
        "temperature %.2f on %d masks, threshold %.2f on %d pictures", temperature, len(truth), threshold, len(rich)
    )
    checkpoint.save(path, model, fitted)
    return fitted
