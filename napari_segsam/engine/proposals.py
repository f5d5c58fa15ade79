"""Boxes of a detector, each filled by the model as if a person had drawn it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from napari_segsam.core.prediction import Prediction, Proposal, Suggestion
from napari_segsam.core.prompts import Prompts


def filled(
    proposals: Iterable[Proposal],
    source: str,
    ask: Callable[[Prompts], Prediction],
    named: Callable[[str], str] = lambda name: name,
) -> tuple[Suggestion, ...]:
    """What the model draws in each box; a box in which it draws nothing is left out.

    Args:
        proposals: on a slice.
        source: name of the detector.
        ask: the model, about that slice.
        named: the detector's name of a class -> what the suggestion is called.
    """
    found = ((p, ask(Prompts((), p.box)).mask) for p in proposals)
    return tuple(Suggestion(named(p.name), p.score, mask, p.box, source) for p, mask in found if mask.any())
