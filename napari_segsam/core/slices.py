"""SliceView: one slice of a Volume as a person sees it, and the way back to its voxels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segsam.core.errors import OutsideImageError
from napari_segsam.core.volume import Volume

AXES = "ijk"


@dataclass(frozen=True, eq=False)
class SliceView:
    """The slice ``index`` across voxel axis ``axis`` (0, 1, 2 = i, j, k) of ``volume``.

    Its pixels are in the display frame (superior or anterior at the top, patient's right on the left);
    ``rc`` = (row, column) on it, integers at pixel centres.
    """

    volume: Volume
    axis: int
    index: int

    def __post_init__(self) -> None:
        size = self.volume.grid.shape[self.axis]
        if not 0 <= self.index < size:
            raise OutsideImageError(
                f"Slice {self.index} along {AXES[self.axis]} is outside the image; it has 0 to {size - 1}."
            )

    @cached_property
    def _plane(self) -> tuple[int, int]:
        """Display axes shown as rows and columns."""
        row, col = (d for d in range(3) if self.volume.grid.display.axes[d] != self.axis)
        return row, col

    @cached_property
    def depth_axis(self) -> int:
        """The display axis that runs through the slices."""
        return self.volume.grid.display.axes.index(self.axis)

    @property
    def display_depth(self) -> int:
        """This slice's index along :attr:`depth_axis` of the displayed array."""
        flipped = self.volume.grid.display.flips[self.depth_axis]
        return self.volume.grid.shape[self.axis] - 1 - self.index if flipped else self.index

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        frame, shape = self.volume.grid.display, self.volume.grid.shape
        return shape[frame.axes[self._plane[0]]], shape[frame.axes[self._plane[1]]]

    @property
    def spacing_mm(self) -> tuple[float, float]:
        """Millimetres between rows and between columns."""
        frame, spacing = self.volume.grid.display, self.volume.grid.spacing_mm
        return spacing[frame.axes[self._plane[0]]], spacing[frame.axes[self._plane[1]]]

    def of(self, array: NDArray) -> NDArray:  # type: ignore[type-arg]
        """This slice of any (ni, nj, nk, ...) array on the volume's grid: a (rows, cols, ...) view."""
        picked: list[slice | int] = [slice(None)] * 3
        picked[self.depth_axis] = self.display_depth
        return self.volume.grid.display.to_display(array)[tuple(picked)]

    @property
    def pixels(self) -> NDArray:  # type: ignore[type-arg]
        """(rows, cols) intensities or (rows, cols, 3) RGB, a view of the voxels."""
        return self.of(self.volume.voxels)

    def rc_to_ijk(self, rc: ArrayLike) -> NDArray[np.float64]:
        """(..., 2) rows and columns -> (..., 3) voxel indices."""
        points = np.asarray(rc, dtype=np.float64)
        display = np.empty((*points.shape[:-1], 3))
        display[..., list(self._plane)] = points
        display[..., self.depth_axis] = self.display_depth
        return self.volume.grid.display.voxel_index(display, self.volume.grid.shape)

    def ijk_to_rc(self, ijk: ArrayLike) -> NDArray[np.float64]:
        """(..., 3) voxel indices -> (..., 2) rows and columns; the index across the slice is ignored."""
        display = self.volume.grid.display.display_index(np.asarray(ijk, dtype=np.float64), self.volume.grid.shape)
        return np.asarray(display[..., list(self._plane)])

    def flat_indices(self, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """(rows, cols) mask -> (n,) flat C-order indices of its voxels in the (ni, nj, nk) array."""
        ijk = np.rint(self.rc_to_ijk(np.argwhere(mask))).astype(np.int64)
        return np.asarray(np.ravel_multi_index(tuple(ijk.T), self.volume.grid.shape), dtype=np.int64)
