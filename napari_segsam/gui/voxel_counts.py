"""Voxels per object and slice, kept up with patches so that no change costs a pass over the volume."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.labels import LabelMap, Patch


class VoxelCounts:
    """How many voxels each value of a label map has on each slice across the voxel axis k.

    Counting a large map takes too long for the thread that draws the window, so it goes on in pieces; patches may come
    in between.

    Args:
        labels: a map without labels is known to be empty.
    """

    def __init__(self, labels: LabelMap) -> None:
        self._voxels = labels.voxels
        self._slices = labels.grid.shape[2]
        self._counts: dict[int, NDArray[np.int64]] = {}
        self._counted = 0 if labels.labels else len(self._voxels)

    @property
    def complete(self) -> bool:
        """Whether all of the map was counted."""
        return self._counted == len(self._voxels)

    def count(self, seconds: float) -> None:
        """Go on for about so long, by one slab at least."""
        end = time.perf_counter() + seconds
        while not self.complete:
            slab = self._voxels[self._counted].reshape(-1)
            flat = np.flatnonzero(slab)
            self._add(slab[flat], flat % self._slices, 1)
            self._counted += 1
            if time.perf_counter() > end:
                break

    def follow(self, patch: Patch) -> None:
        """A patch was applied; one that comes before the end starts the counting over.

        A brush writes before it tells, so that a slab that was counted meanwhile may hold some of it already.
        """
        if not self.complete:
            self._counts, self._counted = {}, 0
            return
        k = patch.indices % self._slices  # the last axis of a C-ordered array
        self._add(patch.after, k, 1)
        self._add(patch.before, k, -1)

    def of(self, value: int) -> int:
        """Voxels with this value."""
        return int(self._on_slices(value).sum())

    def span(self, value: int) -> tuple[int, int] | None:
        """The first and the last slice k with this value, None where there is none."""
        (found,) = np.nonzero(self._on_slices(value))
        return (int(found[0]), int(found[-1])) if len(found) else None

    def fullest(self, value: int) -> int | None:
        """The slice k with most of this value, None where there is none."""
        counts = self._on_slices(value)
        return int(counts.argmax()) if counts.any() else None

    def _on_slices(self, value: int) -> NDArray[np.int64]:
        return self._counts.get(value, np.zeros(self._slices, np.int64))

    def _add(self, values: NDArray[np.uint16], k: NDArray[np.int64], sign: int) -> None:
        for value in (int(v) for v in np.unique(values) if v):
            counts = self._counts.setdefault(value, np.zeros(self._slices, np.int64))
            counts += sign * np.bincount(k[values == value], minlength=self._slices)
