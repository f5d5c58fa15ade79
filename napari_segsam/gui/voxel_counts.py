"""Voxels per object and slice, kept up with patches so that no change costs a pass over the volume."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.labels import LabelMap, Patch


class VoxelCounts:
    """How many voxels each value of a label map has on each slice across the voxel axis k.

    Args:
        labels: counted once, slab by slab; a map without labels is known to be empty.
    """

    def __init__(self, labels: LabelMap) -> None:
        self._slices = labels.grid.shape[2]
        self._counts: dict[int, NDArray[np.int64]] = {}
        for slab in labels.voxels if labels.labels else ():
            flat = np.flatnonzero(slab)
            self._add(slab.reshape(-1)[flat], flat % self._slices, 1)

    def follow(self, patch: Patch) -> None:
        """A patch was applied."""
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
