"""What is computed from an object's own voxels alone: the slices between those that have it, and tidier masks."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.objects import Drawn
from napari_segsam.engine.session import Session
from napari_segsam.engine.through.interpolate import interpolate
from napari_segsam.engine.through.run import Job, Run, Way, slices

Mask = NDArray[np.bool_]
T = TypeVar("T")
Work = Generator[None, None, T]
"""Pauses where a click may go first."""
Tidy = Callable[[Mask, tuple[float, ...]], Work[Mask]]
"""Makes a mask of two or three axes tidier; also gets the millimetres between voxels along each."""

_PIECE_VOXELS = 50_000
"""The window must not stand still while an object of many slices is drawn."""


@dataclass(frozen=True, eq=False)
class Change:
    """What an object shall get and give up.

    Attributes:
        added: (n,) flat indices of voxels that it shall get.
        removed: (m,) of those that it shall give up.
        beneath: (m,) values that come back there.
    """

    added: NDArray[np.int64]
    removed: NDArray[np.int64]
    beneath: NDArray[np.uint16]

    def applicable(self, voxels: NDArray[np.uint16], value: int) -> Change:
        """The part that takes nothing from others and gives up only what the object still has."""
        flat = voxels.reshape(-1)
        still = flat[self.removed] == value
        return Change(self.added[flat[self.added] == 0], self.removed[still], self.beneath[still])


def fill_between(run: Run, drawn: Callable[[SliceView], None]) -> Way:
    """Fill the slices that have nothing of the object and lie between those that do; one entry, drawn in pieces.

    Args:
        run: to draw with.
        drawn: called with each slice that was drawn.
    """
    found: list[Drawn] = yield from _settled(run, partial(_between, run.session.labels.voxels, run.view, run.value))
    run.planned = len(found)
    for piece in _pieces(found):
        free = [one for one in piece if not run.taken(one.view)]
        if free:
            run.draw(free)
        for one in free:
            drawn(one.view)
        yield _nothing  # what the person does meanwhile goes first
    return f"{slices(run.done)} filled." if found else f"{run.name} is on every slice between its first and its last."


def tidy(run: Run, change: Tidy, use: Callable[[Change], None], *, whole: bool) -> Way:
    """Make the object tidier on the visible slice, or as a whole; nothing is taken from other objects."""
    view = None if whole else run.view
    found: Change = yield from _settled(run, partial(_tidied, run.session, view, run.value, change))
    found = found.applicable(run.session.labels.voxels, run.value)
    if not (len(found.added) or len(found.removed)):
        return "There was nothing to change."
    use(found)
    return f"{len(found.added)} voxels came, {len(found.removed)} went."


def _settled(run: Run, begin: Callable[[], Work[Any]]) -> Generator[Job, Any, Any]:
    """What is made of the labels, where these did not change meanwhile; else it is done again."""
    while True:
        revision, work, found = run.session.revision, begin(), None
        while found is None and run.session.revision == revision:
            found = yield partial(_next, work)
        if run.session.revision == revision:
            return found


def _next(work: Work[Any]) -> Any:
    """Work until the next pause; what came of it, None where it is not done yet."""
    try:
        next(work)
    except StopIteration as end:
        return end.value
    return None


def at_once(change: Callable[[Mask], Mask], mask: Mask) -> Work[Mask]:
    """What needs no pause."""
    yield from ()
    return change(mask)


def _nothing() -> None: ...


def _pieces(found: list[Drawn]) -> Iterator[list[Drawn]]:
    """Slices in the order given, few enough at a time to be drawn at once."""
    piece: list[Drawn] = []
    for one in found:
        piece.append(one)
        if sum(int(d.mask.sum()) for d in piece) >= _PIECE_VOXELS:
            yield piece
            piece = []
    if piece:
        yield piece


def _between(voxels: NDArray[np.uint16], view: SliceView, value: int) -> Work[list[Drawn]]:
    """Masks for the slices across the view's axis that lie between those with the value, and have none of it."""
    yield from ()
    others = tuple(axis for axis in range(3) if axis != view.axis)
    there = [int(i) for i in np.flatnonzero((voxels == value).any(others))]
    if len(there) < 2:
        raise BadPromptsError("There is nothing to interpolate between; draw the object on two slices at least.")
    views = {index: replace(view, index=index) for index in range(there[0], there[-1] + 1)}
    masks = interpolate({i: np.asarray(views[i].of(voxels) == value) for i in there}, view.spacing_mm)
    return [Drawn(views[i], mask) for i, mask in masks.items() if i not in there and mask.any()]


def _tidied(session: Session, view: SliceView | None, value: int, change: Tidy) -> Work[Change]:
    """What changes on a slice, or of the whole object where there is none."""
    voxels, spacing_mm = session.labels.voxels, session.volume.grid.spacing_mm
    if view is not None:
        mask = np.asarray(view.of(voxels) == value)
        made = yield from change(mask, view.spacing_mm)
        added, removed = view.flat_indices(made & ~mask), view.flat_indices(mask & ~made)
    else:
        axes = [axis for axis in range(3) if voxels.shape[axis] > 1] or [0, 1, 2]
        mask = (voxels == value).reshape([voxels.shape[axis] for axis in axes])  # a picture has two axes
        made = yield from change(mask, tuple(spacing_mm[axis] for axis in axes))
        added, removed = np.flatnonzero(made & ~mask), np.flatnonzero(mask & ~made)
    return Change(added, removed, session.beneath(value, removed))
