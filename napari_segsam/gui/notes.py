"""What to know of a scan before working on it: what its reader says, and what its picture does not show."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume

PLANES = ("axial", "coronal", "sagittal")
"""What slices across each display axis are called."""
_SQUARE_WITHIN_DEGREES = 0.5


def notes_on(volume: Volume) -> str:
    """All that is to be said when a scan is opened; empty where there is nothing."""
    return " ".join([*volume.warnings, *([_sheared(volume.grid)] if _slanted_planes(volume.grid) else [])])


def _sheared(grid: Grid) -> str:
    named = " and ".join(f"{plane} slices ({degrees:.0f}°)" for plane, degrees in _slanted_planes(grid).items())
    return (
        f"Rows and columns of the {named} do not meet at right angles, yet they are shown as rectangles: lengths and "
        "angles in these pictures are not true. Clicks, labels and millimetres are."
    )


def _slanted_planes(grid: Grid) -> dict[str, float]:
    """Which slices of a sheared grid (a tilted gantry) are parallelograms, and the angle of their rows and columns."""
    directions = grid.affine[:3, list(grid.display.axes)] / np.linalg.norm(
        grid.affine[:3, list(grid.display.axes)], axis=0
    )
    slanted = {}
    for row, col in combinations(range(3), 2):
        cosine = abs(float(directions[:, row] @ directions[:, col]))
        degrees = float(np.degrees(np.arccos(min(cosine, 1.0))))
        if 90.0 - degrees > _SQUARE_WITHIN_DEGREES:
            slanted[PLANES[3 - row - col]] = degrees
    return slanted
