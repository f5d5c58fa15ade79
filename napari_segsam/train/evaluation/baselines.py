"""What a box is worth without a model: the three baselines that every figure is quoted beside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import SegsamError, UnknownNameError
from napari_segsam.core.prompts import Box

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Baseline = Callable[[Pixels, Box], Mask]

_GRABCUT_ROUNDS = 5
_WALKER_STIFFNESS = 130.0
_WALKER_CORE = 0.5  # the ellipse's inner part that is taken for certain
_WALKER_MARGIN = 8  # pixels of certain background kept around the box


def ellipse(pixels: Pixels, box: Box) -> Mask:
    """The ellipse inscribed in the box, looking at no pixel.

    Args:
        pixels: (rows, cols) or (rows, cols, 3) uint8; only its size is used.
        box: corner pixels belong to it.
    """
    return _ellipse(pixels.shape[:2], box, 1.0)


def grabcut(pixels: Pixels, box: Box) -> Mask:
    """GrabCut (Rother et al. 2004) initialised with the box; certain background outside."""
    cv2 = _opencv()
    state = np.full(pixels.shape[:2], cv2.GC_BGD, np.uint8)
    state[_inside(box)] = cv2.GC_PR_FGD
    if (state != cv2.GC_BGD).all():  # nothing left to learn the background from
        return np.asarray(state != cv2.GC_BGD)
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(_bgr(pixels), state, None, *models, _GRABCUT_ROUNDS, cv2.GC_INIT_WITH_MASK)
    return np.isin(state, (cv2.GC_FGD, cv2.GC_PR_FGD))


def random_walker(pixels: Pixels, box: Box) -> Mask:
    """Random walker (Grady 2006): seeds are the core of the inscribed ellipse and everything outside the box."""
    from skimage.segmentation import random_walker as walk

    crop = _inside(box, _WALKER_MARGIN, pixels.shape[:2])
    seeds = np.full(pixels.shape[:2], 2, np.int32)
    seeds[_inside(box)] = 0
    seeds[_ellipse(pixels.shape[:2], box, _WALKER_CORE)] = 1
    seeds[int(box.row_min + box.row_max) // 2, int(box.col_min + box.col_max) // 2] = 1  # of a box without a core
    mask = np.zeros(pixels.shape[:2], bool)
    if not (seeds[crop] == 0).any() or not (seeds[crop] == 2).any():
        mask[crop] = seeds[crop] != 2
        return mask
    grey = pixels.astype(np.float64).mean(axis=2) if pixels.ndim == 3 else pixels.astype(np.float64)
    mask[crop] = walk(grey[crop] / 255.0, seeds[crop], beta=_WALKER_STIFFNESS, mode="bf") == 1
    return mask


BASELINES: dict[str, Baseline] = {"ellipse": ellipse, "grabcut": grabcut, "randomwalker": random_walker}


def baseline(name: str) -> Baseline:
    """A baseline by name.

    Raises:
        UnknownNameError: names the ones there are.
    """
    if name not in BASELINES:
        raise UnknownNameError("baseline", name, BASELINES)
    return BASELINES[name]


def _ellipse(shape: tuple[int, ...], box: Box, scale: float) -> Mask:
    """(rows, cols) pixels whose centres lie in the inscribed ellipse, shrunk by ``scale``."""
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    centre = (box.row_min + box.row_max) / 2, (box.col_min + box.col_max) / 2
    # The box reaches half a pixel beyond the centres of its corner pixels.
    radius = (box.row_max - box.row_min + 1) / 2 * scale, (box.col_max - box.col_min + 1) / 2 * scale
    inside: Mask = ((rows - centre[0]) / radius[0]) ** 2 + ((cols - centre[1]) / radius[1]) ** 2 <= 1
    return inside


def _inside(box: Box, margin: int = 0, shape: tuple[int, ...] | None = None) -> tuple[slice, slice]:
    """The box's rows and columns, ``margin`` pixels further on each side but not beyond ``shape``."""
    stop = shape or (int(box.row_max) + 1, int(box.col_max) + 1)
    rows = slice(max(0, int(box.row_min) - margin), min(stop[0], int(box.row_max) + 1 + margin))
    cols = slice(max(0, int(box.col_min) - margin), min(stop[1], int(box.col_max) + 1 + margin))
    return rows, cols


def _bgr(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[..., ::-1] if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2))


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise SegsamError("baseline:grabcut needs OpenCV; run: pip install opencv-python-headless") from error
    return cv2
