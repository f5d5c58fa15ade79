"""What lies below the cursor: millimetres in the patient, the voxel, and its intensity as it is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_segsam.core.volume import Volume
from napari_segsam.gui.placement import Placement

_MINUS = str.maketrans("-", "−")


@dataclass(frozen=True, eq=False)
class Reading:
    """A voxel of a scan.

    Attributes:
        volume: that it belongs to.
        ijk: index order of the file's own affine.
        mm: LPS millimetres of the cursor itself, not of the voxel's centre.
    """

    volume: Volume
    ijk: tuple[int, int, int]
    mm: tuple[float, float, float]

    @property
    def position_text(self) -> str:
        """Millimetres, with the name of their frame."""
        if not self.volume.placed:
            return "The file does not say where in the patient."
        return f"LPS {', '.join(f'{x:.1f}' for x in self.mm)} mm".translate(_MINUS)

    @property
    def voxel_text(self) -> str:
        """The voxel and its intensity; Hounsfield units in CT."""
        found = self.volume.voxels[self.ijk]
        unit = " HU" if self.volume.modality == "ct" else ""
        value = ", ".join(str(v) for v in found) if self.volume.is_rgb else f"{_number(found)}{unit}"
        return f"voxel {', '.join(map(str, self.ijk))}: {value}".translate(_MINUS)


def reading_at(scans: Iterable[Placement], position: Sequence[float]) -> Reading | None:
    """The voxel of the first scan that has one at this napari world position."""
    for placement in scans:
        grid = placement.volume.grid
        display = placement.display(position)
        ijk = grid.display.voxel_index(display, grid.shape)
        nearest = np.rint(ijk).astype(int)
        if all(0 <= at < size for at, size in zip(nearest, grid.shape, strict=True)):
            i, j, k = (int(at) for at in nearest)
            x, y, z = (float(mm) for mm in grid.to_mm(ijk))
            return Reading(placement.volume, (i, j, k), (x, y, z))
    return None


class CursorReadout:
    """Tells a Reading whenever the cursor is over another place of the visible slice; None where it is over no scan.

    Args:
        viewer: napari's.
        scans: those that can be seen, topmost first.
        tell: whom to tell.
    """

    def __init__(
        self, viewer: Any, scans: Callable[[], Iterable[Placement]], tell: Callable[[Reading | None], None]
    ) -> None:
        self._viewer, self._scans, self._tell = viewer, scans, tell
        for emitter in self._emitters():
            emitter.connect(self._moved)

    def close(self) -> None:
        """Listen no longer."""
        for emitter in self._emitters():
            emitter.disconnect(self._moved)

    def _emitters(self) -> list[Any]:
        viewer, dims = self._viewer, self._viewer.dims.events
        mouse = [viewer.cursor.events.position, viewer.events.mouse_over_canvas]
        return [*mouse, dims.point, dims.order, dims.ndisplay]

    def _moved(self, _event: object = None) -> None:
        position = self._position()
        self._tell(None if position is None else reading_at(self._scans(), position))

    def _position(self) -> tuple[float, ...] | None:
        """Where the cursor is on the visible slice, in napari's world; in 3D it is on none."""
        dims, cursor = self._viewer.dims, self._viewer.cursor.position
        if dims.ndisplay != 2 or not self._viewer.mouse_over_canvas or len(cursor) != dims.ndim:
            return None
        # napari moves the cursor with the mouse only: scrolled since, it is on the slice that is visible now.
        return tuple(float(cursor[a] if a in dims.displayed else dims.point[a]) for a in range(dims.ndim))


def _number(value: Any) -> str:
    return str(value) if np.issubdtype(type(value), np.integer) else f"{float(value):.5g}"
