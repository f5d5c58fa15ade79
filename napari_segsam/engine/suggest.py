"""What the model names by itself: which suggestions are still open, and how one is refined into an object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segsam.core.packed import PackedMask
from napari_segsam.core.prediction import Suggestion
from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.volume import Window
from napari_segsam.engine.objects import Place

_ALIKE = 0.5
"""IoU from which two boxes of a detector are round one object."""


@dataclass(frozen=True)
class Settled:
    """A suggestion that a person accepted or rejected, so that who made it need not repeat it on that slice.

    While an accepted one is being refined, this is what it is asked for as.

    Attributes:
        source: see :class:`Suggestion`.
    """

    place: Place
    name: str
    box: Box
    source: str = ""

    @classmethod
    def of(cls, suggestion: Suggestion, place: Place) -> Settled:
        """A suggestion of this slice."""
        return cls(place, suggestion.name, suggestion.box, suggestion.source)

    def covers(self, place: Place, suggestion: Suggestion) -> bool:
        """Whether ``suggestion`` is the same class, from the same source, on the same slice, with an overlapping box.

        A model names each class once, a detector each of several that lie side by side: its boxes must be nearly alike.
        """
        if (self.place, self.name, self.source) != (place, suggestion.name, suggestion.source):
            return False
        a, b = self.box, suggestion.box
        if suggestion.proposed is not None:
            return box_iou(a, b) >= _ALIKE
        rows = a.row_min <= b.row_max and b.row_min <= a.row_max
        return rows and a.col_min <= b.col_max and b.col_min <= a.col_max


def still_open(suggestions: Iterable[Suggestion], place: Place, settled: tuple[Settled, ...]) -> tuple[Suggestion, ...]:
    """Suggestions of this slice that have pixels and were not settled, in their order."""
    return tuple(s for s in suggestions if s.mask.any() and not any(d.covers(place, s) for d in settled))


def already_named(suggestion: Suggestion, committed: NDArray[np.uint16], names: Mapping[int, str]) -> bool:
    """Whether most of a suggestion is an object of its class, or is most of another object, on its slice.

    A lesion inside a committed organ is neither.

    Args:
        suggestion: on the slice.
        committed: (rows, cols) voxel values.
        names: voxel value -> class name.
    """
    inside = np.bincount(committed[suggestion.mask])
    most = int(suggestion.mask.sum()) / 2
    for value in (int(v) for v in np.flatnonzero(inside > most) if v):
        if names.get(value) == suggestion.name or inside[value] > (committed == value).sum() / 2:
            return True
    return False


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes' areas, corner pixels included."""
    rows = min(a.row_max, b.row_max) - max(a.row_min, b.row_min) + 1
    cols = min(a.col_max, b.col_max) - max(a.col_min, b.col_min) + 1
    shared = max(rows, 0.0) * max(cols, 0.0)
    areas = ((c.row_max - c.row_min + 1) * (c.col_max - c.col_min + 1) for c in (a, b))
    return shared / (sum(areas) - shared)


def centre_of(mask: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> tuple[int, int]:
    """The (row, col) pixel of a mask that lies furthest (in millimetres) from its edge."""
    # The margin makes the picture's border an edge too.
    depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing_mm)[1:-1, 1:-1]
    row, col = np.unravel_index(int(depth.argmax()), mask.shape)
    return int(row), int(col)


def refinement_prompts(suggestion: Suggestion, spacing_mm: tuple[float, float]) -> Prompts:
    """What a person would do to turn this suggestion into an object: its box, and a click at its centre.

    Of a detector's, the box alone: its mask is what the model answers to that.
    """
    if suggestion.proposed is not None:
        return Prompts((), suggestion.proposed)
    row, col = centre_of(suggestion.mask, spacing_mm)
    return Prompts((Click(row, col),), suggestion.box)


@dataclass(frozen=True, eq=False)
class PackedSuggestions:
    """The suggestions of one slice in little memory, so that every slice seen can keep its own."""

    said: tuple[tuple[str, float, PackedMask, Box | None, str], ...]
    window: Window | None

    @classmethod
    def of(cls, suggestions: tuple[Suggestion, ...], window: Window | None) -> PackedSuggestions:
        """Pack what the model saw through ``window``."""
        said = tuple((s.name, s.score, PackedMask.of(s.mask), s.proposed, s.source) for s in suggestions)
        return cls(said, window)

    def unpack(self) -> tuple[Suggestion, ...]:
        """The suggestions again."""
        return tuple(Suggestion(name, score, m.mask, box, source) for name, score, m, box, source in self.said)
