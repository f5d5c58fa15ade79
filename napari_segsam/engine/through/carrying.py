"""Carrying an object through the slices of an open session: what is asked, what is drawn, and where it stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.objects import Drawn, Quality, named, place_of
from napari_segsam.engine.through.propagate import Carried, Propagation, Stopped
from napari_segsam.engine.through.run import Run, Way, slices


def slices_beyond(view: SliceView, direction: int) -> int:
    """How many slices lie beyond this one, in one direction along its axis."""
    return view.volume.grid.shape[view.axis] - 1 - view.index if direction > 0 else view.index


def carry(
    run: Run,
    begin: Callable[[], Propagation],
    directions: tuple[int, ...],
    at_most: int | None,
    drawn: Callable[[SliceView], None],
) -> Way:
    """Carry an object on, one slice a job.

    Args:
        run: to draw with.
        begin: the first job.
        directions: +1 and -1, one after the other.
        at_most: slices in each direction; None where only doubt ends it.
        drawn: called with each slice that was drawn.
    """
    way: Propagation = yield begin
    reasons: list[str] = []
    for direction in directions:
        reason = yield from _one_way(run, replace(way, direction=direction), at_most, drawn)
        reasons += [] if reason in reasons else [reason]
    return f"{slices(run.done)} drawn. {' '.join(reasons)}"


def _one_way(run: Run, way: Propagation, at_most: int | None, drawn: Callable[[SliceView], None]) -> Way:
    last = way.start
    for _ in range(slices_beyond(last.view, way.direction) + 1 if at_most is None else at_most):
        if slices_beyond(last.view, way.direction):
            ahead = replace(last.view, index=last.view.index + way.direction)
            if taken := run.taken(ahead):
                return _stopped(ahead, taken)
        step: Carried | Stopped = yield partial(way.next, last)
        if isinstance(step, Stopped):
            return step.reason
        if taken := run.taken(step.view):
            return _stopped(step.view, taken)
        try:
            run.draw([Drawn(step.view, step.mask, Quality.of(step.prediction))])
        except BadPromptsError as error:
            return _stopped(step.view, str(error).removesuffix("."))
        run.seen_through(step.prediction)
        drawn(step.view)
        last = step
    return f"Stopped at {named(place_of(last.view))}, as far as was asked."


def _stopped(view: SliceView, why: str) -> str:
    return f"Stopped at {named(place_of(view))}: {why}."
