"""Slices at uneven distances, made even on request: linear along their line, nothing moves within a slice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segsam.io.dicom.frame import Frame
from napari_segsam.io.dicom.gaps import beside_of, rounding
from napari_segsam.io.dicom.stack import IrregularSlicesError, Pile, Stack, checked
from napari_segsam.io.intensities import Voxels

_MOST_TIMES = 10  # as many slices as there were; a smaller distance than that is no usual one


def even_stack(frames: Sequence[Frame], refused: IrregularSlicesError, name: str) -> Stack:
    """The frames on the regular grid of their smallest usual distance, which begins at the first of them.

    Slices of the grid that lie where a frame does are that frame; any other is the mean of its two neighbours, weighted
    by their distance. What is left behind the grid's last slice is less than one distance.

    Args:
        frames: that are no regular grid.
        refused: why they are not; raised again where two lie at one place, one beside their line, or they are too
            uneven for any usual distance.
        name: what a message calls them.

    Raises:
        IrregularSlicesError: ``refused``, or that of the slice that lies beside.
    """
    if refused.flaw.kind == "doubled":
        raise refused
    pile = Pile.of(frames)
    if flaw := beside_of(pile.positions, pile.along):
        raise IrregularSlicesError(f"{name}: {flaw.told(pile.frames)}", flaw)
    distance, count = _grid(pile.along)
    if count > _MOST_TIMES * len(frames):
        raise refused
    at = _places(pile.along, distance, count)
    step = pile.step((pile.along[-1] - pile.along[0]) / distance)
    said = _told(pile.along, at, distance)
    return checked(pile.frames, pile.affine(step), name, (said,), tuple(float(p) for p in at), said)


def interpolated(voxels: Voxels, at: Sequence[float]) -> Voxels:
    """(ni, nj, n, ...) frames -> (ni, nj, nk, ...) slices at these places, of the same type: whole ones are rounded."""
    out = np.empty((*voxels.shape[:2], len(at), *voxels.shape[3:]), voxels.dtype, order="F")
    for k, place in enumerate(at):
        low, part = int(place), place - int(place)
        if part == 0.0:
            out[:, :, k] = voxels[:, :, low]
        else:
            mean = voxels[:, :, low] * (1.0 - part) + voxels[:, :, low + 1] * part
            out[:, :, k] = np.rint(mean) if voxels.dtype.kind in "iu" else mean
    return out


def _grid(along: NDArray[np.float64]) -> tuple[float, int]:
    """Distance and count of the grid's slices, from the first frame to the last or just before it."""
    distance, extent = _usual(np.diff(along)), float(along[-1] - along[0])
    whole = round(extent / distance)
    if abs(extent - whole * distance) <= rounding(distance):
        return extent / whole, whole + 1
    return distance, int(extent / distance) + 1


def _usual(gaps: NDArray[np.float64]) -> float:
    """The smallest distance that occurs more than once, as the mean of its occurrences; else the smallest."""
    for gap in np.sort(gaps):
        same = gaps[np.abs(gaps - gap) <= rounding(gap)]
        if len(same) > 1:
            return float(same.mean())
    return float(gaps.min())


def _places(along: NDArray[np.float64], distance: float, count: int) -> NDArray[np.float64]:
    """(count,) places among the frames; whole numbers where a frame lies there but for rounding."""
    wanted = along[0] + distance * np.arange(count)
    at = np.interp(wanted, along, np.arange(len(along), dtype=np.float64))
    nearest = np.rint(at)
    return np.asarray(np.where(np.abs(wanted - along[nearest.astype(int)]) <= rounding(distance), nearest, at))


def _told(along: NDArray[np.float64], at: NDArray[np.float64], distance: float) -> str:
    gaps, made = np.diff(along), int((at % 1 > 0).sum())
    return (
        f"Slices were resampled: {len(along)} at distances of {gaps.min():.2f} to {gaps.max():.2f} mm became {len(at)} "
        f"at {distance:.2f} mm, {made} of them interpolated between their neighbours."
    )
