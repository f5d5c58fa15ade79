"""Tidying a mask that a model or a hand drew: smooth it, close its holes, take its islands away.

Each function makes a new mask from one of two axes (on a slice) or three (a whole object); ``spacing_mm`` has a number
for each axis. Voxels that touch at a corner belong together.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]

_REACH = 2.0
"""Standard deviations from its edge within which smoothing may change a mask: none moves an edge further."""


def signed_distance(mask: Mask, spacing_mm: tuple[float, ...]) -> NDArray[np.float64]:
    """Millimetres to the nearest voxel of the other kind: above 0 inside the mask, below 0 outside.

    Args:
        mask: not empty. The array's border is an edge only of a mask that fills the array.
        spacing_mm: between voxels along each axis.
    """
    if mask.all():
        within = (slice(1, -1),) * mask.ndim
        return np.asarray(ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing_mm)[within])
    inside, outside = (ndimage.distance_transform_edt(m, sampling=spacing_mm) for m in (mask, ~mask))
    return np.asarray(inside - outside)


def parts(mask: Mask, most: int) -> list[Mask]:
    """The ``most`` largest connected parts, the largest first."""
    numbered, sizes = _numbered(mask)
    return [numbered == number + 1 for number in np.argsort(-sizes, kind="stable")[:most]]


def smooth(mask: Mask, spacing_mm: tuple[float, ...], sigma_mm: float) -> Mask:
    """Round off what is finer than about ``sigma_mm``, without shrinking.

    A Gaussian of the signed distance, cut not at 0, where every round object would lose some of its rim, but where it
    leaves as many voxels as there were.

    Args:
        mask: two axes or three. An object that the array's border cuts off keeps its width there.
        spacing_mm: between voxels along each axis.
        sigma_mm: standard deviation of the Gaussian; 0 changes nothing.

    Returns:
        A mask that differs from ``mask`` only within ``2 sigma_mm`` of its edge.
    """
    if sigma_mm <= 0:
        return mask.copy()
    margin = tuple(math.ceil(2 * _REACH * sigma_mm / mm) for mm in spacing_mm)
    return _in_its_box(mask, margin, lambda cut: _smoothed(cut, spacing_mm, sigma_mm))


def fill_holes(mask: Mask) -> Mask:
    """Close every hole that the mask encloses; one that reaches the array's border is open and stays."""
    return _in_its_box(mask, (1,) * mask.ndim, ndimage.binary_fill_holes)


def largest_part(mask: Mask) -> Mask:
    """The largest connected part alone."""
    return without_islands(mask, (1.0,) * mask.ndim, math.inf)


def without_islands(mask: Mask, spacing_mm: tuple[float, ...], below: float) -> Mask:
    """Without connected parts smaller than ``below`` mm² (slice) or mm³ (volume); the largest always stays."""

    def kept(cut: Mask) -> Mask:
        numbered, sizes = _numbered(cut)
        stays = sizes * math.prod(spacing_mm) >= below
        stays[sizes.argmax()] = True
        return np.asarray(np.concatenate(([False], stays))[numbered])

    return _in_its_box(mask, (0,) * mask.ndim, kept)


def _smoothed(mask: Mask, spacing_mm: tuple[float, ...], sigma_mm: float) -> Mask:
    distance = signed_distance(mask, spacing_mm)
    sigma = [sigma_mm / mm for mm in spacing_mm]
    soft = ndimage.gaussian_filter(distance, sigma, mode="nearest", truncate=_REACH)
    band = np.abs(distance) <= _REACH * sigma_mm
    wanted = int((mask & band).sum())
    result = mask.copy()
    if wanted:
        result[band] = soft[band] >= np.partition(soft[band], -wanted)[-wanted]
    return result


def _numbered(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Each voxel's part, 1..n (0 outside), and the n parts' sizes in voxels."""
    numbered, n = ndimage.label(mask, np.ones((3,) * mask.ndim, bool))
    return numbered, np.bincount(numbered.reshape(-1), minlength=n + 1)[1:]


def _in_its_box(mask: Mask, margin: tuple[int, ...], change: Callable[[Mask], Mask]) -> Mask:
    """``change`` what lies in the mask's box and ``margin`` voxels round it: an object is small in its volume."""
    box = ndimage.find_objects(mask.view(np.uint8), 1)[0]
    if box is None:
        return mask.copy()
    wide = tuple(slice(max(s.start - m, 0), s.stop + m) for s, m in zip(box, margin, strict=True))
    result = np.zeros_like(mask)
    result[wide] = change(mask[wide])
    return result
