"""Carrying an object from slice to slice for as long as its mask can be believed.

Each slice is prompted with a box alone: the last mask's, moved on by the trend of the last two. The answer's own box
then asks again, so that a carried mask hangs on nothing but the box that stands on its slice, and a person can move
that. ``benchmarks/accuracy/propagation.py`` compares this with other ways of prompting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.prediction import Prediction
from napari_segsam.core.prompts import Box, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Window
from napari_segsam.engine.cache import EmbeddingCache
from napari_segsam.engine.objects import named, place_of
from napari_segsam.engine.protocols import Predictor, bare
from napari_segsam.engine.through.doubt import Limits, Memory

Mask = NDArray[np.bool_]
Ask = Callable[[SliceView, Prompts], Prediction]
"""Puts prompts on a slice to the model, which sees every slice through the same window."""

_TREND = 0.5
"""How far a box moves on, as a part of how far it moved between the last two slices; more overshoots at turns."""
_MARGIN = 0.04
"""Share of its sides by which the first box is wider, so that an object that grows is not cut off."""


@dataclass(frozen=True, eq=False)
class Carried:
    """The object on one slice.

    Attributes:
        view: the slice.
        mask: (rows, cols), not empty.
        prompts: the box that gave it.
        prediction: the answer to that box. Where the object begins, the mask is the person's, whatever the answer.
        before: (rows, cols) the mask on the slice before; None where the object begins.
    """

    view: SliceView
    mask: Mask
    prompts: Prompts
    prediction: Prediction
    before: Mask | None = None


@dataclass(frozen=True)
class Stopped:
    """Why the object was carried no further: a sentence for the person."""

    reason: str


@dataclass(frozen=True, eq=False)
class Propagation:
    """One object on its way through the slices.

    Attributes:
        ask: the model.
        start: where the object begins.
        memory: what it is like there.
        direction: +1 or -1 along the voxel axis; ``dataclasses.replace`` turns it round without asking again.
        limits: where it stops.
    """

    ask: Ask
    start: Carried
    memory: Memory
    direction: int
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def begin(cls, ask: Ask, view: SliceView, mask: Mask, direction: int, name: str | None = None) -> Propagation:
        """Ask the model about the start slice, with which the others will be compared.

        Args:
            ask: see :func:`asking`.
            view: the start slice.
            mask: (rows, cols) the object there.
            direction: +1 or -1 along the voxel axis.
            name: the object's class; None takes the model's word for it.

        Raises:
            BadPromptsError: the mask is empty.
        """
        prompts, drawn = _drawn(ask, view, Box.around(mask))
        return cls(ask, Carried(view, mask, prompts, drawn), Memory.of(view, mask, drawn, name), direction)

    def next(self, last: Carried) -> Carried | Stopped:
        """The object on the slice after ``last``, which is ``start`` or what this method gave; one job."""
        if last is self.start and (misdrawn := self.memory.misdrawn(self.limits)):
            return Stopped(misdrawn)
        index = last.view.index + self.direction
        if not 0 <= index < last.view.volume.grid.shape[last.view.axis]:
            return Stopped(f"Stopped at {named(place_of(last.view))}: the image ends there.")
        view = replace(last.view, index=index)
        prompts, prediction = _drawn(self.ask, view, expected_box(last))
        doubt = self.memory.doubt(last.mask, view, prediction, self.limits)
        if doubt:
            return Stopped(f"Stopped at {named(place_of(view))}: {doubt}.")
        return Carried(view, prediction.mask, prompts, prediction, before=last.mask)

    def run(self) -> Iterator[Carried | Stopped]:
        """Every slice that the object is carried to, and last why it stopped."""
        step = self.next(self.start)
        while isinstance(step, Carried):
            yield step
            step = self.next(step)
        yield step


def asking(predictor: Predictor, window: Window | None, cache: EmbeddingCache) -> Ask:
    """Put prompts on any slice to the model itself: where that is less sure, an object is carried no further.

    Args:
        predictor: the model.
        window: what it sees on every slice: what ``predictor.window_for`` chose on the start slice.
        cache: of embeddings; each slice is asked about twice.
    """
    return lambda view, prompts: bare(predictor).predict(cache.embedding(predictor, view, window), prompts)


def _drawn(ask: Ask, view: SliceView, box: Box) -> tuple[Prompts, Prediction]:
    """What the model draws in the own box of what it draws in ``box``; and the prompts that gave it."""
    prompts = Prompts(box=_wider(box, view.shape))
    prediction = ask(view, prompts)
    if prediction.mask.any():
        prompts = Prompts(box=Box.around(prediction.mask))
        prediction = ask(view, prompts)
    return prompts, prediction


def expected_box(last: Carried) -> Box:
    """Where the object is expected on the next slice."""
    now = Box.around(last.mask)
    if last.before is None:
        return now
    moved = [b + _TREND * (b - a) for a, b in zip(_sides(Box.around(last.before)), _sides(now), strict=True)]
    return Box(*moved) if moved[0] <= moved[2] and moved[1] <= moved[3] else now


def _wider(box: Box, shape: tuple[int, int]) -> Box:
    """``box`` and its margin, within the slice."""
    rows, cols = _MARGIN * (box.row_max - box.row_min + 1), _MARGIN * (box.col_max - box.col_min + 1)
    wide = box.row_min - rows, box.col_min - cols, box.row_max + rows, box.col_max + cols
    return Box(*(min(max(side, 0.0), n - 1.0) for side, n in zip(wide, (*shape, *shape), strict=True)))


def _sides(box: Box) -> tuple[float, float, float, float]:
    return box.row_min, box.col_min, box.row_max, box.col_max
