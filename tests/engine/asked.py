"""What tests of predictors ask, how, and what holds of every answer."""

import numpy as np
import pytest

from napari_segsam.core.prediction import dice
from napari_segsam.core.prompts import Box, Click, Prompts
from tests.tiny import NAMES

BOX = Prompts(box=Box(10, 14, 29, 43))
CLICK = Prompts((Click(20, 30),))
KINDS = {"box": BOX, "click": CLICK, "clicks": Prompts((Click(20, 30), Click(24, 33), Click(5, 5, False)))}


def noise(shape=(48, 64), dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


def ask(predictor, view, prompts, window=None):
    return predictor.predict(predictor.embed(view, window), prompts)


def same(a, b):
    assert np.array_equal(a.mask, b.mask)
    assert np.array_equal(a.semantic_mask, b.semantic_mask)
    assert [(c.name, c.score) for c in a.classes] == [(c.name, c.score) for c in b.classes]
    assert a.iou_predicted == b.iou_predicted


def check(answer, shape):
    """What holds of every answer."""
    masks = [answer.mask, answer.semantic_mask, *(c.mask for c in answer.candidates)]
    assert all(m.shape == shape and m.dtype == bool for m in masks)
    assert np.array_equal(answer.candidates[0].mask, answer.mask)
    numbers = [answer.iou_predicted, answer.decoder_agreement, *(c.iou_predicted for c in answer.candidates)]
    numbers += [c.score for c in answer.classes] + [s.score for s in answer.suggestions]
    assert all(0 <= n <= 1 for n in numbers)  # and so none is NaN
    assert {c.name for c in answer.classes} == set(NAMES)
    assert sum(c.score for c in answer.classes) == pytest.approx(1, abs=1e-5)
    assert answer.decoder_agreement == dice(answer.mask, answer.semantic_mask)
    assert all(s.mask.shape == shape and s.mask.any() for s in answer.suggestions)
