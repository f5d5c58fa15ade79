"""Boxes of a detector, each filled by the model as if a person had drawn it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NamedTuple

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.prediction import Prediction, Proposal, Suggestion
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.engine.protocols import BoxDetector, Predictor

AT_LEAST = 0.25
"""The score from which a box is proposed unless a person says otherwise; YOLO's own choice."""
LOWEST = 0.05
"""A person may say no less: what a detector believes less is nearly every box that it could draw."""
MOST = 50
"""Boxes of a slice that are filled: the best ones. Nobody looks through more, and each takes the model a while."""


class Filled(NamedTuple):
    """What became of a detector's boxes on a slice: what the model drew in them, and how many were beyond `MOST`."""

    suggestions: tuple[Suggestion, ...]
    left_out: int


def check_fills(predictor: Predictor) -> None:
    """Before a detector is asked for a model.

    Raises:
        BadPromptsError: the model takes no boxes; what it would give is not what lies in them.
    """
    if "boxes" not in predictor.takes:
        raise BadPromptsError(
            f"{predictor.name} takes no boxes, so it cannot fill a detector's; choose a model that does, such as nano."
        )


def fill(
    propose: Callable[[], tuple[Proposal, ...]],
    detector: BoxDetector,
    ask: Callable[[Prompts], Prediction],
    vocabulary: Vocabulary,
) -> Generator[str, None, Filled]:
    """What a detector proposes, and what the model draws in the best boxes; before each it says which one.

    Args:
        propose: gives the boxes on a slice, best first.
        detector: whose they are.
        ask: the model, about that slice.
        vocabulary: the model's.
    """
    boxes, found = propose(), list[Suggestion]()
    for n, box in enumerate(boxes[:MOST], 1):
        yield f"Filling box {n} of {min(len(boxes), MOST)} ..."
        drawn = filled(box, detector, ask, vocabulary)
        found += [] if drawn is None else [drawn]
    return Filled(tuple(found), max(len(boxes) - MOST, 0))


def filled(
    proposal: Proposal, detector: BoxDetector, ask: Callable[[Prompts], Prediction], vocabulary: Vocabulary
) -> Suggestion | None:
    """What the model draws in a box; None where that is nothing.

    Args:
        proposal: on a slice.
        detector: whose it is.
        ask: the model, about that slice.
        vocabulary: the model's.
    """
    mask = ask(Prompts((), proposal.box)).mask
    name = called(proposal.name, vocabulary)
    return Suggestion(name, proposal.score, mask, proposal.box, source_of(detector)) if mask.any() else None


def called(name: str, vocabulary: Vocabulary) -> str:
    """The model's own name for a detector's class where it has one, else the detector's."""
    return vocabulary.canonical(name) or name


def source_of(detector: BoxDetector) -> str:
    """What the history and the audit trail call it: the name of a person's own file may be a patient's."""
    return f"detector {detector.sha256[:12]}"


def beyond(left_out: int) -> str:
    """How many boxes were not filled, in a sentence."""
    boxes = "1 box with a lower score was" if left_out == 1 else f"{left_out} boxes with lower scores were"
    return f"Beyond the best {MOST}, {boxes} left out."
