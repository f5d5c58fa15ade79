"""Where on the scan is this? Between napari's world and a SliceView's rows and columns, whatever axes are displayed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Volume


@dataclass(frozen=True, eq=False)
class Placement:
    """A volume, and the napari layer that shows it in display order.

    Attributes:
        layer: has ``world_to_data``; its last three data axes are the display axes (or its last two, for a flat image).
    """

    volume: Volume
    layer: Any

    def shown(self, point: Sequence[float], displayed: Sequence[int]) -> SliceView | None:
        """The slice that a 2D canvas shows, or None where it shows none of this volume.

        Args:
            point: the viewer's ``dims.point``, world coordinates.
            displayed: the viewer's ``dims.displayed``; with three of them there is no slice.
        """
        first = len(point) - 3  # napari aligns the axes of unequal layers at the end
        hidden = {0, 1, 2} - {d - first for d in displayed}
        if len(displayed) != 2 or len(hidden) != 1:
            return None
        depth_axis = hidden.pop()
        depth = int(np.round(self.display(point)[depth_axis]))
        axis = self.volume.grid.display.axes[depth_axis]
        if not 0 <= depth < self.volume.grid.shape[axis]:
            return None
        flipped = self.volume.grid.display.flips[depth_axis]
        return SliceView(self.volume, axis, self.volume.grid.shape[axis] - 1 - depth if flipped else depth)

    def is_between(self, point: Sequence[float], view: SliceView) -> bool:
        """Whether a 2D canvas cuts halfway between two slices, where layers differ in which of them they show."""
        depth = float(self.display(point)[view.depth_axis])
        return bool(np.isclose(depth % 1, 0.5, rtol=0, atol=1e-6))

    def rc(self, view: SliceView, position: Sequence[float]) -> tuple[float, float]:
        """(row, col) on ``view`` of a world position; the coordinate across the slice is ignored."""
        row, col = self.display(position)[_plane(view)]
        return float(row), float(col)

    def pixel(self, view: SliceView) -> tuple[float, float]:
        """How many units of napari's world a row and a column of ``view`` are."""
        scale = np.abs(np.asarray(self.layer.scale, np.float64)[-3:])
        row, col = np.concatenate([np.ones(3 - len(scale)), scale])[_plane(view)]
        return float(row), float(col)

    def direction_mm(self, world: NDArray[np.float64]) -> NDArray[np.float64]:
        """(3,) LPS millimetres that a step of ``world``, napari's world coordinates, takes in the patient."""
        grid = self.volume.grid
        ends = np.stack([self.display(np.zeros(len(world))), self.display(world)])
        start_mm, end_mm = grid.to_mm(grid.display.voxel_index(ends, grid.shape))
        return np.asarray(end_mm - start_mm)

    def display_points(self, view: SliceView, rc: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 2) rows and columns -> (..., 3) coordinates in display order, as our layers' data has them."""
        points = np.empty((*rc.shape[:-1], 3))
        points[..., _plane(view)] = rc
        points[..., view.depth_axis] = view.display_depth
        return points

    @property
    def frame(self) -> dict[str, Any]:
        """Where the scan's layer puts its voxels, for layers with three axes."""
        missing = 3 - self.layer.ndim
        return {
            "scale": (1.0,) * missing + tuple(self.layer.scale),
            "translate": (0.0,) * missing + tuple(self.layer.translate),
            "units": ("pixel",) * missing + tuple(self.layer.units),
            "axis_labels": ("slice",) * missing + tuple(self.layer.axis_labels),
        }

    def slab_corner(self, view: SliceView) -> tuple[float, ...]:
        """World position of the first pixel of a layer of one slice."""
        frame = self.frame
        corner = list(frame["translate"])
        corner[view.depth_axis] += view.display_depth * frame["scale"][view.depth_axis]
        return tuple(corner)

    @property
    def moved(self) -> list[Any]:
        """What tells that somebody moved the scan's layer."""
        return [self.layer.events.scale, self.layer.events.translate]

    def display(self, position: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
        """A world position in display coordinates, (3,); a flat layer lies at depth 0."""
        data = np.asarray(self.layer.world_to_data(position), dtype=np.float64)[-3:]
        return np.concatenate([np.zeros(3 - len(data)), data])


def _plane(view: SliceView) -> list[int]:
    """The display axes that are the view's rows and columns."""
    return [d for d in range(3) if d != view.depth_axis]


def is_inside(view: SliceView, rc: tuple[float, float]) -> bool:
    """Whether (row, col) lies on a pixel of the slice."""
    return all(-0.5 <= at < size - 0.5 for at, size in zip(rc, view.shape, strict=True))


def overlaps(view: SliceView, corner_a: tuple[float, float], corner_b: tuple[float, float]) -> bool:
    """Whether a box between two (row, col) has any of the slice in it."""
    between = zip(corner_a, corner_b, view.shape, strict=True)
    return all(max(a, b) >= -0.5 and min(a, b) < size - 0.5 for a, b, size in between)


def clipped(view: SliceView, rc: tuple[float, float]) -> tuple[float, float]:
    """The nearest (row, col) that lies on a pixel centre's range of the slice."""
    row, col = np.clip(rc, 0, np.asarray(view.shape) - 1)
    return float(row), float(col)
