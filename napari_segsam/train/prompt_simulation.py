"""What a person would prompt: SAM-Med2D's boxes, clicks and corrections, drawn from the truth.

Source of the scheme: OpenGVLab/SAM-Med2D (box or one point first, then points from the error region with the previous
mask); a box here is tight around the whole object and each side moves on its own, as a hand's would.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_segsam.core.prompts import Box, Click
from napari_segsam.train.components import components


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


def med2d_box(mask: NDArray[np.bool_], rng: np.random.Generator) -> Box:
    """SAM-Med2D's box: tight around the largest component, both corners shifted alike by up to 5 pixels.

    Source: OpenGVLab/SAM-Med2D; per axis one integer offset in [-m, m), m = min(5, int(0.5 min(width, height))).
    """
    tight = Box.around(components(mask, 1)[0])
    shorter = min(tight.row_max - tight.row_min, tight.col_max - tight.col_min) + 1
    m = min(5, int(0.5 * shorter))
    by_row, by_col = rng.integers(-m, m, 2) if m else (0, 0)
    rows = np.clip([tight.row_min + by_row, tight.row_max + by_row], 0, mask.shape[0] - 1)
    cols = np.clip([tight.col_min + by_col, tight.col_max + by_col], 0, mask.shape[1] - 1)
    return Box(float(rows[0]), float(cols[0]), float(rows[1]), float(cols[1]))


def med2d_rounds(iterations: int, rng: np.random.Generator) -> list[int]:
    """How many corrective clicks each of SAM-Med2D's iterations adds; 0 asks with the last mask alone, without clicks.

    That happens in one round drawn from the first to the last but one, and in the last.
    """
    rounds = [int(n) for n in rng.choice([1, 3, 5, 9], size=iterations)]
    if iterations > 2:
        rounds[int(rng.integers(1, iterations - 1))] = 0
    if rounds:
        rounds[-1] = 0
    return rounds


def coarse(share: Tensor, rng: np.random.Generator) -> Tensor:
    """(s, s) share of the object in each pixel -> (s, s) bool, as a model may see it from too far away.

    Thin parts are lost or swollen here and there: the threshold is drawn, and moves over the picture.
    """
    cells = torch.from_numpy(rng.normal(0, 0.12, (1, 1, 9, 9)).astype(np.float32))
    uneven = F.interpolate(cells, share.shape, mode="bilinear", align_corners=True)[0, 0]
    return share + uneven > float(rng.uniform(0.15, 0.5))


def click_on(mask: NDArray[np.bool_], rng: np.random.Generator) -> Click:
    """A uniformly drawn pixel of the mask."""
    at = np.flatnonzero(mask)
    row, col = np.unravel_index(int(at[rng.integers(len(at))]), mask.shape)
    return Click(float(row), float(col))


def hands_clicks(rng: np.random.Generator) -> int:
    """How many clicks a hand adds before it looks again; none: it asks for the last mask to be drawn better."""
    return int(rng.choice([0, 1, 1, 2, 3]))


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
