"""Masks for the slices between those that a person drew: shape-based interpolation.

Sources: Raya and Udupa, IEEE TMI 9(1), 1990 (interpolate the distance to the edge, not the mask); Herman, Zheng and
Bucholtz, IEEE CG&A 12(3), 1992 (line the shapes up first).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segsam.core.errors import BadPromptsError, GridMismatchError
from napari_segsam.core.prediction import dice
from napari_segsam.engine.through.tidy import signed_distance

Mask = NDArray[np.bool_]

_TOUCHING = np.zeros((3, 3, 3), bool)
_TOUCHING[1], _TOUCHING[:, 1, 1] = True, True
"""Pixels of one slice touch at sides and corners; those of two slices, where one lies over the other."""


def interpolate(drawn: Mapping[int, Mask], spacing_mm: tuple[float, float]) -> dict[int, Mask]:
    """One object's mask on every slice from the first to the last that a person drew.

    Parts that lie over each other on two drawn slices change into each other, one into several too; each of the others
    goes with the nearest one that the other slice has left. A pair is moved onto the line between its two centres first
    where it overlaps better so; else nothing would stand between parts that lie apart. A part that has no partner
    shrinks towards its deepest pixel, which it reaches on the other drawn slice.

    Args:
        drawn: by slice index, (rows, cols) each; an empty one says that the object is not there.
        spacing_mm: between rows and between columns.

    Returns:
        By slice index; on the slices that were drawn, exactly what was drawn.

    Raises:
        BadPromptsError: fewer than two slices.
        GridMismatchError: masks of different shapes.
    """
    if len(drawn) < 2:
        raise BadPromptsError("There is nothing to interpolate between; draw the object on two slices at least.")
    if len({mask.shape for mask in drawn.values()}) > 1:
        raise GridMismatchError("The drawn slices differ in size; interpolate along one axis of one image at a time.")
    found = {index: mask.copy() for index, mask in sorted(drawn.items())}
    for below, above in pairwise(tuple(found)):
        fractions = [n / (above - below) for n in range(1, above - below)]
        between = _between(found[below], found[above], fractions, spacing_mm)
        found.update(zip(range(below + 1, above), between, strict=True))
    return dict(sorted(found.items()))


def _between(a: Mask, b: Mask, fractions: list[float], spacing_mm: tuple[float, float]) -> list[Mask]:
    """What stands at each of ``fractions`` of the way from ``a`` to ``b``."""
    found = [np.zeros_like(a) for _ in fractions]
    box = ndimage.find_objects((a | b).view(np.uint8), 1)[0]
    if not fractions or box is None:
        return found
    near = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in box)  # wide enough to have an outside
    for one, other in _partners(a[near], b[near], spacing_mm):
        path = _Path.between(one, other, spacing_mm)
        for mask, fraction in zip(found, fractions, strict=True):
            mask[near] |= path.at(fraction)
    return found


def _partners(a: Mask, b: Mask, spacing_mm: tuple[float, float]) -> Iterator[tuple[Mask, Mask]]:
    """Parts of ``a`` and of ``b`` that change into each other; an empty one where a part has no partner."""
    numbered, n = ndimage.label(np.stack([a, b]), _TOUCHING)
    groups = [(numbered[0] == g, numbered[1] == g) for g in range(1, n + 1)]
    yield from (pair for pair in groups if pair[0].any() and pair[1].any())
    ends = [one for one, other in groups if not other.any()]
    begins = [other for one, other in groups if not one.any()]
    while ends and begins:
        apart = [[np.hypot(*((_centre(e) - _centre(b)) * spacing_mm)) for b in begins] for e in ends]
        at = np.unravel_index(int(np.argmin(apart)), (len(ends), len(begins)))
        yield ends.pop(int(at[0])), begins.pop(int(at[1]))
    nothing = np.zeros_like(a)
    yield from ((end, nothing) for end in ends)
    yield from ((nothing, begin) for begin in begins)


@dataclass(frozen=True, eq=False)
class _Path:
    """How one part changes into another.

    Attributes:
        near, far: (rows, cols) signed distances in millimetres to the edges of the two; an empty one is taken for the
            last pixel to which its partner would shrink.
        moves: (row, col) pixels from the centre of the first to that of the second; 0 where both stay in place.
    """

    near: NDArray[np.float64]
    far: NDArray[np.float64]
    moves: NDArray[np.float64]

    @classmethod
    def between(cls, a: Mask, b: Mask, spacing_mm: tuple[float, float]) -> _Path:
        """From ``a`` to ``b``, of which one may be empty."""
        if not b.any():
            near = signed_distance(a, spacing_mm)
            return cls(near, near - near.max(), np.zeros(2))
        if not a.any():
            far = signed_distance(b, spacing_mm)
            return cls(far - far.max(), far, np.zeros(2))
        near, far = signed_distance(a, spacing_mm), signed_distance(b, spacing_mm)
        moves = _centre(b) - _centre(a)
        moved = _shifted(near, moves) > 0
        return cls(near, far, moves if dice(moved, b) > dice(a, b) else np.zeros(2))

    def at(self, fraction: float) -> Mask:
        """The mask at 0..1 of the way."""
        near, far = _shifted(self.near, fraction * self.moves), _shifted(self.far, (fraction - 1) * self.moves)
        return np.asarray((1 - fraction) * near + fraction * far > 0)


def _shifted(distance: NDArray[np.float64], moves: NDArray[np.float64]) -> NDArray[np.float64]:
    if not moves.any():
        return distance
    return np.asarray(ndimage.shift(distance, moves, order=1, mode="nearest"))


def _centre(mask: Mask) -> NDArray[np.float64]:
    """(row, col) of the centre of mass."""
    return np.asarray(np.argwhere(mask).mean(0))
