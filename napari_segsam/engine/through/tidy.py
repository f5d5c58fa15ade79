"""Tidying a mask that a model or a hand drew: smooth it, close its holes, take its islands away.

Each function makes a new mask from one of two axes (on a slice) or three (a whole object); ``spacing_mm`` has a number
for each axis. Voxels that touch at a corner belong together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]

_REACH = 2.0
"""Standard deviations from its edge within which smoothing may change a mask: none moves an edge further."""
_HALO = 8.0
"""Standard deviations that a part has to see of its neighbours: no value within reach of an edge depends on more."""
_PART_VOXELS = 2_000_000


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
    work = smoothing(mask, spacing_mm, sigma_mm)
    while True:
        try:
            next(work)
        except StopIteration as end:
            return np.asarray(end.value)


def smoothing(
    mask: Mask, spacing_mm: tuple[float, ...], sigma_mm: float, part_voxels: int = _PART_VOXELS
) -> Generator[None, None, Mask]:
    """:func:`smooth` with a pause after every part of about so many voxels, for a thread that others wait for."""
    box = ndimage.find_objects(mask.view(np.uint8), 1)[0]
    if sigma_mm <= 0 or box is None:
        return mask.copy()
    margin = tuple(math.ceil(2 * _REACH * sigma_mm / mm) for mm in spacing_mm)
    near = tuple(slice(max(s.start - m, 0), s.stop + m) for s, m in zip(box, margin, strict=True))
    cut, result = mask[near], mask.copy()
    soft: list[NDArray[np.float64]] = []
    for part, seen in _parts_along_first(cut.shape, math.ceil(_HALO * sigma_mm / spacing_mm[0]), part_voxels):
        soft.append(_softened(cut[seen], spacing_mm, sigma_mm)[part.start - seen.start : part.stop - seen.start])
        yield
    result[near] = _cut_off(cut, np.concatenate(soft))
    return result


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


def _parts_along_first(shape: tuple[int, ...], halo: int, part_voxels: int) -> Iterator[tuple[slice, slice]]:
    """Ranges along the first axis, and what has to be seen for each."""
    length = max(part_voxels // math.prod(shape[1:]), 2 * halo, 1)
    for start in range(0, shape[0], length):
        stop = min(start + length, shape[0])
        yield slice(start, stop), slice(max(start - halo, 0), min(stop + halo, shape[0]))


def _softened(mask: Mask, spacing_mm: tuple[float, ...], sigma_mm: float) -> NDArray[np.float64]:
    """Signed distances after a Gaussian; infinite, with the sign of inside, where smoothing must change nothing."""
    if mask.all() or not mask.any():
        return np.full(mask.shape, np.inf if mask.all() else -np.inf)
    distance = signed_distance(mask, spacing_mm)
    sigma = [sigma_mm / mm for mm in spacing_mm]
    soft = np.asarray(ndimage.gaussian_filter(distance, sigma, mode="nearest", truncate=_REACH))
    soft[distance > _REACH * sigma_mm], soft[distance < -_REACH * sigma_mm] = np.inf, -np.inf
    return soft


def _cut_off(mask: Mask, soft: NDArray[np.float64]) -> Mask:
    """The highest values, as many as the mask has voxels among those that may change."""
    band = np.isfinite(soft)
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
