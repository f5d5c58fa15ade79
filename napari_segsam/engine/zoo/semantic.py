"""What a published model with classes names on a slice, and which of it a prompt points at."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from napari_segsam.core.prediction import ClassScore, Prediction, Suggestion
from napari_segsam.core.prompts import Prompts
from napari_segsam.engine.preprocess import PictureFrame


def named(logits: Tensor, names: tuple[str, ...], frame: PictureFrame) -> tuple[Suggestion, ...]:
    """(C + 1, H, W) logits on the slice's part of the square, background first -> each class that is there, best first.

    Its mask is where it is the likeliest, its score its mean probability there.
    """
    chances = frame.back(logits.float().softmax(0))
    best = chances.argmax(0)
    found = [(name, best == k, chances[k]) for k, name in enumerate(names, 1)]
    there = [Suggestion(n, float(chance[where].mean()), where.numpy()) for n, where, chance in found if where.any()]
    return tuple(sorted(there, key=lambda s: -s.score))


def picked(prompts: Prompts, found: tuple[Suggestion, ...], shape: tuple[int, int]) -> Prediction:
    """The class that most of the positive points lie in, or that has most of the box; an empty mask where none has any.

    So a model that takes no prompts and labels the whole slice answers them with what it labelled.

    Args:
        prompts: on the slice.
        found: of :func:`named`.
        shape: (rows, cols) of the slice.
    """
    pointed = np.zeros(shape, bool)
    for click in (c for c in prompts.clicks if c.positive):
        pointed[min(round(max(click.row, 0)), shape[0] - 1), min(round(max(click.col, 0)), shape[1] - 1)] = True
    if not pointed.any() and prompts.box is not None:
        b = prompts.box
        pointed[round(b.row_min) : round(b.row_max) + 1, round(b.col_min) : round(b.col_max) + 1] = True
    best = max(found, key=lambda s: int((s.mask & pointed).sum()), default=None)
    if best is None or not (best.mask & pointed).any():
        return Prediction(np.zeros(shape, bool), suggestions=found)
    others = tuple(s for s in found if s is not best)
    return Prediction(best.mask, classes=(ClassScore(best.name, best.score),), suggestions=others)
