"""Outlines of a mask: simple polygons along the edges of its voxels, each hole joined to its surrounding by a keyhole.

Edges lie half-way between voxel centres, less a thousandth of a voxel towards the mask. So no centre is near an
outline, whatever rule fills it; a reader that rounds vertices to voxels finds the outermost ones of the mask; and no
two polygons of a mask touch, so it is the same whether they are united or combined by exclusive or.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

INSET = 1e-3
"""In voxels."""


def outlines(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Polygons around the voxels of a slice; voxels that touch at a corner only are in polygons of their own.

    Args:
        mask: (ni, nj).

    Returns:
        (n, 2) indices i, j of each polygon's vertices; the last joins the first, no two that follow each other are
        equal, and edges run along i and j in turn.
    """
    corners = _Corners(mask)
    loops = _loops(corners.after, range(len(corners.after)))
    firsts = np.array([loop[0] for loop in loops], np.intp)
    holes = ~corners.on_higher_side(firsts)
    if holes.any():
        loops = _loops(corners.joined(firsts[holes]), firsts[~holes].tolist())
    return [_inset(corners.points[loop]) - 0.5 for loop in loops]


class _Corners:
    """Where outlines turn, in ascending order of (i, j); where two voxels touch at a corner only, two of them turn.

    Along a line of voxel edges corners follow each other in pairs, the two ends of a straight piece. As they are
    ordered by i, the pieces along j are 0-1, 2-3, ...; those along i are found by sorting.

    Attributes:
        points: (n, 2) integers; a voxel (i, j) has the corners (i, j) to (i + 1, j + 1).
        after: the corner that follows each one, with the mask on the side of +i of a piece that runs towards +j.
    """

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        padded = np.pad(mask, 1)
        # Of the four voxels about a corner: lower or higher i, lower or higher j.
        ll, hl, lh, hh = padded[:-1, :-1], padded[1:, :-1], padded[:-1, 1:], padded[1:, 1:]
        touching = ((ll == hh) & (hl == lh) & (ll != hl)).ravel()
        turning = (ll ^ hl ^ lh ^ hh).ravel()
        flat = np.flatnonzero(turning | touching)
        self._amid, self._higher = ll & hl & lh & hh, hh.ravel()
        self._keys = np.repeat(flat, 1 + touching[flat])
        self.points = np.stack(np.divmod(self._keys, self._amid.shape[1]), axis=1)
        after = self._partners_along_i(touching[self._keys])
        lower = np.arange(0, len(after), 2)
        tails = lower + ~self.on_higher_side(lower)  # at which pieces along j begin
        after[tails] = tails ^ 1
        self.after: list[int] = after.tolist()

    def on_higher_side(self, corners: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether the voxel of higher i and higher j at each corner is in the mask."""
        return self._higher[self._keys[corners]]

    def _partners_along_i(self, touching: NDArray[np.bool_]) -> NDArray[np.intp]:
        """The other end of each corner's piece along i."""
        i, j = self.points.T
        second = self._keys == np.append(-1, self._keys)[:-1]
        # About two touching voxels of rising i and j, the turn that is first along j is first along i; else second.
        second ^= touching & ~self._higher[self._keys]
        order = np.argsort((j * len(self._amid) + i) * 2 + second)
        partners = np.empty_like(order)
        partners[order[0::2]], partners[order[1::2]] = order[1::2], order[0::2]
        return partners

    def joined(self, holes: NDArray[np.intp]) -> list[int]:
        """``after`` with each hole entered and left through a channel, whose ends are added to ``points``.

        A channel runs from the hole's first corner towards lower i, between voxels of the mask, to the next outline.

        Args:
            holes: the first corner of each hole's outline.
        """
        i, j = self.points[holes].T
        end = self._next_outline(i, j)
        last = np.searchsorted(self._keys, end * self._amid.shape[1] + j, side="right") - 1
        tail = last & ~1  # of the piece along j that the channel ends at; with the mask towards +i, it runs towards +j
        order = np.lexsort((j, tail))
        holes, tail, i, j, end = holes[order], tail[order], i[order], j[order], end[order]
        self.points = np.concatenate([self.points, np.stack([end, j, i, j, end, j], axis=1).reshape(-1, 2)])
        enter = len(self.after) + 3 * np.arange(len(holes))
        again, leave = enter + 1, enter + 2  # the hole's first corner, which thus comes first and last; the way back
        old = np.array(self.after)
        after = np.append(old, np.empty(3 * len(holes), old.dtype))
        after[enter], after[again], after[holes] = again, old[holes], leave
        same = tail[1:] == tail[:-1]
        after[leave] = np.append(np.where(same, enter[1:], old[tail[:-1]]), old[tail[-1]])
        first = np.append(True, ~same)
        after[tail[first]] = enter[first]
        return after.tolist()

    def _next_outline(self, i: NDArray[np.intp], j: NDArray[np.intp]) -> NDArray[np.intp]:
        """The highest index below ``i`` on the line ``j`` that is not amid the mask."""
        lines = np.arange(len(self._amid))[:, None]
        return np.maximum.accumulate(np.where(self._amid, -1, lines), axis=0)[i - 1, j]


def _loops(after: list[int], starts: Iterable[int]) -> list[list[int]]:
    """The closed ways through ``after`` that ``starts`` lie on, each from the first of them."""
    seen = bytearray(len(after))
    loops = []
    for start in starts:
        if seen[start]:
            continue
        loop, at = [], start
        while not seen[at]:
            seen[at] = 1
            loop.append(at)
            at = after[at]
        loops.append(loop)
    return loops


def _inset(points: NDArray[np.intp]) -> NDArray[np.float64]:
    """Only the vertices at which the polygon turns, moved into the mask."""
    points = points[(points != np.roll(points, 1, axis=0)).any(axis=1)]
    ways = np.sign(np.roll(points, -1, axis=0) - points)
    before = np.roll(ways, 1, axis=0)
    turns = (ways != before).any(axis=1)
    along = (ways + before)[turns]
    aside = np.stack([along[:, 1], -along[:, 0]], axis=1)
    return np.asarray(points[turns] + INSET * aside)
