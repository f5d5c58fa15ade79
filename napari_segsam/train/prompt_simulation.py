"""What a person would prompt: SAM-Med2D's boxes, clicks and corrections, drawn from the truth.

Source of the scheme: OpenGVLab/SAM-Med2D (box or one point first, then points from the error region with the previous
mask); a box here is tight around the whole object and each side moves on its own, as a hand's would.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.prompts import Box, Click


@dataclass(frozen=True)
class PromptNoise:
    """How careless the simulated hand is: each box side moves by a normal share of the box's length."""

    box: float = 0.04


def box_of(mask: NDArray[np.bool_], rng: np.random.Generator, noise: PromptNoise) -> Box:
    """The tight box of a (rows, cols) mask, each side moved; never thinner than a pixel."""
    tight = Box.around(mask)
    height, width = tight.row_max - tight.row_min + 1, tight.col_max - tight.col_min + 1
    r0, r1 = rng.normal(0, noise.box * height, 2)
    c0, c1 = rng.normal(0, noise.box * width, 2)
    rows = np.clip([tight.row_min + r0, tight.row_max + r1], 0, mask.shape[0] - 1)
    cols = np.clip([tight.col_min + c0, tight.col_max + c1], 0, mask.shape[1] - 1)
    return Box(float(min(rows)), float(min(cols)), float(max(rows)), float(max(cols)))


def click_on(mask: NDArray[np.bool_], rng: np.random.Generator) -> Click:
    """A uniformly drawn pixel of the mask."""
    at = np.flatnonzero(mask)
    row, col = np.unravel_index(int(at[rng.integers(len(at))]), mask.shape)
    return Click(float(row), float(col))


def corrections(
    predicted: NDArray[np.bool_], truth: NDArray[np.bool_], rng: np.random.Generator, n: int
) -> list[Click]:
    """``n`` clicks drawn from where the two masks differ, positive on missed pixels; none if they agree."""
    wrong = np.flatnonzero(predicted != truth)
    if not len(wrong):
        return []
    picked = wrong[rng.integers(len(wrong), size=n)]
    rows, cols = np.unravel_index(picked, truth.shape)
    flat = truth.reshape(-1)
    return [Click(float(r), float(c), bool(flat[p])) for r, c, p in zip(rows, cols, picked, strict=True)]
