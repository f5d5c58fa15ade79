"""Gestures into prompts: a lasso, a scribble, or a mask that is there already.

A path is (n, 2) rows and columns on the slice, integers at pixel centres, in the order in which it was drawn; what lies
outside the slice counts as drawn along its border.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from skimage.draw import polygon2mask

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.prompts import Click, Prompts
from napari_segsam.engine.suggest import centre_of
from napari_segsam.engine.through.tidy import fill_holes, parts

Mask = NDArray[np.bool_]

LASSO = "lasso"
"""What the history calls a lasso round the object; the mask that comes with it is the person's, not the model's."""

_MOST_PARTS = 3
_LEAST_SHARE = 0.2
"""A part with a smaller share of the largest one's pixels gets no click of its own."""
_MOST_CLICKS = 8
_LEAST_STEP = 2.0
"""Pixels between the clicks of a scribble."""


def lasso(path: ArrayLike, shape: tuple[int, int], spacing_mm: tuple[float, float]) -> Prompts:
    """A path round an object -> its inside as a mask prompt, and a click well inside each part of that.

    There is no box, since clicks and mask do better without one (``benchmarks/accuracy/gestures.py``).

    Args:
        path: its end is joined to its beginning; where it crosses itself, everything that it encloses is inside.
        shape: rows and columns of the slice.
        spacing_mm: between rows and between columns.

    Raises:
        BadPromptsError: there is no path.
    """
    corners = _on_slice(path, shape)
    enclosed = fill_holes(_drawn(np.concatenate([corners, corners[:1]]), shape))
    rim = enclosed & ~ndimage.binary_erosion(enclosed, border_value=1)
    # Of the pixels on the path, those with their centre inside belong to it.
    centred = polygon2mask(shape, corners)  # type: ignore[no-untyped-call]
    inside = enclosed & (centred | ~rim)
    return of_mask(inside if inside.any() else enclosed, spacing_mm)


def scribble(
    path: ArrayLike, shape: tuple[int, int], spacing_mm: tuple[float, float], positive: bool = True
) -> tuple[Click, ...]:
    """A stroke over what belongs to an object, or does not -> up to eight clicks, evenly spaced along it.

    The middle one comes first: where nothing else is prompted, the model looks for the object there. The stroke is no
    mask prompt, since the model would take it for the object's shape (``benchmarks/accuracy/gestures.py``).

    Args:
        path: open.
        shape: rows and columns of the slice.
        spacing_mm: between rows and between columns.
        positive: whether the object is there.

    Raises:
        BadPromptsError: there is no path.
    """
    corners = _on_slice(path, shape)
    steps = np.hypot(*(np.diff(corners, axis=0) * spacing_mm).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])  # millimetres from the beginning
    n = min(1 + math.floor(along[-1] / (_LEAST_STEP * min(spacing_mm))), _MOST_CLICKS)
    at = np.linspace(0, along[-1], n) if n > 1 else along[-1:] / 2
    rows, cols = (np.rint(np.interp(at, along, corners[:, axis])) for axis in (0, 1))
    clicks = list(dict.fromkeys(Click(float(r), float(c), positive) for r, c in zip(rows, cols, strict=True)))
    return (clicks.pop(len(clicks) // 2), *clicks)


def of_mask(mask: Mask, spacing_mm: tuple[float, float]) -> Prompts:
    """A (rows, cols) mask that shall be drawn better -> itself as a mask prompt, and a click well inside each part.

    Raises:
        BadPromptsError: it is empty.
    """
    if not mask.any():
        raise BadPromptsError("The mask is empty; draw a part of the object first.")
    return Prompts(clicks_inside(mask, spacing_mm), mask=mask.copy())


def clicks_inside(mask: Mask, spacing_mm: tuple[float, float]) -> tuple[Click, ...]:
    """The pixel furthest from the edge in each of a (rows, cols) mask's up to three large parts, the largest first."""
    found = parts(mask, _MOST_PARTS)
    large = [part for part in found if part.sum() >= _LEAST_SHARE * found[0].sum()]
    return tuple(Click(float(row), float(col)) for row, col in (centre_of(part, spacing_mm) for part in large))


def _on_slice(path: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
    points = np.asarray(path, dtype=np.float64).reshape(-1, 2)
    if not len(points) or not np.isfinite(points).all():
        raise BadPromptsError("Nothing was drawn; hold the mouse button down while you draw.")
    return np.clip(points, 0, np.subtract(shape, 1))


def _drawn(corners: NDArray[np.float64], shape: tuple[int, int]) -> Mask:
    """The pixels that a path of two points or more passes through, a connected line."""
    mask = np.zeros(shape, bool)
    for a, b in pairwise(corners):
        n = math.ceil(2 * np.abs(b - a).max()) + 1  # two samples a pixel
        rows, cols = np.rint(np.linspace(a, b, n)).astype(np.int64).T
        mask[rows, cols] = True
    return mask
