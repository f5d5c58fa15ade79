"""Voxels per label value, kept up with patches so that no change costs a pass over the volume."""

from __future__ import annotations

import numpy as np

from napari_segsam.core.labels import LabelMap, Patch

_VALUES = np.iinfo(np.uint16).max + 1


class VoxelCounts:
    """How many voxels each value of a label map has.

    Args:
        labels: counted once, slab by slab; a map without labels is known to be empty.
    """

    def __init__(self, labels: LabelMap) -> None:
        self._counts = np.zeros(_VALUES, np.int64)
        for slab in labels.voxels if labels.labels else ():
            self._counts += np.bincount(slab.ravel(), minlength=_VALUES)

    def follow(self, patch: Patch) -> None:
        """A patch was applied."""
        self._counts += np.bincount(patch.after, minlength=_VALUES)
        self._counts -= np.bincount(patch.before, minlength=_VALUES)

    def of(self, value: int) -> int:
        """Voxels with this value."""
        return int(self._counts[value])
