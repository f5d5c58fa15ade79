"""Which way is up: signed permutations between voxel axes and the axes that a person looks at."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

_POSITIVE, _NEGATIVE = "LPS", "RAI"
# A radiologist's picture: superior or anterior at the top, the patient's right on the left.
_DISPLAY = (("S", True), ("P", False), ("L", False))


def nearest_patient_axes(affine: NDArray[np.float64]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The patient axis (0=L, 1=P, 2=S) and sign (+1/-1) that each voxel axis runs along most closely.

    Args:
        affine: (4, 4) voxel index -> LPS millimetres; may be oblique or sheared.
    """
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    best = max(permutations(range(3)), key=lambda p: sum(abs(directions[p[v], v]) for v in range(3)))
    return best, tuple(1 if directions[best[v], v] >= 0 else -1 for v in range(3))


def axis_codes(affine: NDArray[np.float64]) -> str:
    """Letters that the voxel axes point to, e.g. ``"LPS"``; the nearest ones where the grid is oblique."""
    axes, signs = nearest_patient_axes(affine)
    return "".join((_POSITIVE if s > 0 else _NEGATIVE)[a] for a, s in zip(axes, signs, strict=True))


@dataclass(frozen=True)
class DisplayFrame:
    """Array axes as displayed, (inferior, posterior, left), each a voxel axis, possibly reversed.

    ``axes[d]`` is the voxel axis that display axis ``d`` shows; ``flips[d]`` is true where the display
    index counts against the voxel index. No resampling: only transposes and reversals.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    @classmethod
    def of(cls, affine: NDArray[np.float64]) -> DisplayFrame:
        """The frame in which a volume with this (4, 4) LPS affine looks radiological."""
        patient, signs = nearest_patient_axes(affine)
        axes, flips = [], []
        for letter, against in _DISPLAY:
            voxel_axis = patient.index(_POSITIVE.index(letter))
            axes.append(voxel_axis)
            flips.append((signs[voxel_axis] < 0) != against)
        return cls((axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2]))

    def to_display(self, array: NDArray) -> NDArray:  # type: ignore[type-arg]
        """(ni, nj, nk, ...) voxels -> a view of them in display order; writing to it writes the voxels."""
        rest = tuple(range(3, array.ndim))
        return array.transpose(*self.axes, *rest)[tuple(slice(None, None, -1 if f else 1) for f in self.flips)]

    def from_display(self, array: NDArray) -> NDArray:  # type: ignore[type-arg]
        """The inverse of :meth:`to_display`, also a view."""
        flipped = array[tuple(slice(None, None, -1 if f else 1) for f in self.flips)]
        inverse = tuple(int(a) for a in np.argsort(self.axes))
        return flipped.transpose(*inverse, *range(3, array.ndim))

    def display_index(self, ijk: NDArray, shape: tuple[int, int, int]) -> NDArray:  # type: ignore[type-arg]
        """(..., 3) voxel indices -> (..., 3) display indices, for voxels of ``shape``."""
        picked = np.asarray(ijk)[..., list(self.axes)]
        return np.where(self.flips, np.asarray(shape)[list(self.axes)] - 1 - picked, picked)

    def voxel_index(self, display: NDArray, shape: tuple[int, int, int]) -> NDArray:  # type: ignore[type-arg]
        """(..., 3) display indices -> (..., 3) voxel indices, for voxels of ``shape``."""
        seen = np.asarray(display)
        unflipped = np.where(self.flips, np.asarray(shape)[list(self.axes)] - 1 - seen, seen)
        out = np.empty_like(unflipped)
        out[..., list(self.axes)] = unflipped
        return out
