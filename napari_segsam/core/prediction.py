"""Prediction: the model's answer to Prompts on one SliceView."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.prompts import Box
from napari_segsam.core.volume import Window


@dataclass(frozen=True)
class ClassScore:
    """A class name and its calibrated probability."""

    name: str
    score: float


@dataclass(frozen=True, eq=False)
class Candidate:
    """One of SAM's alternative masks, (rows, cols) bool, with its predicted IoU where the model predicts one."""

    mask: NDArray[np.bool_]
    iou_predicted: float | None = None


@dataclass(frozen=True)
class Proposal:
    """A box that a detector proposes.

    Attributes:
        box: on the picture, or on the slice; its corner pixels belong to it.
        score: 0 to 1.
        name: of the class, as the detector was taught it.
    """

    box: Box
    score: float
    name: str


@dataclass(frozen=True, eq=False)
class Suggestion:
    """An object that nobody prompted: its class, score and coarse (rows, cols) mask.

    Attributes:
        proposed: the box that a detector proposed and the model filled; None where the model found it by itself.
        source: what the history calls that detector, empty where there is none.
    """

    name: str
    score: float
    mask: NDArray[np.bool_]
    proposed: Box | None = None
    source: str = ""

    @property
    def box(self) -> Box:
        """What was proposed, else the mask's tight box."""
        return self.proposed or Box.around(self.mask)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What one set of prompts gave, in the SliceView's pixels. What a model does not say is None, or empty.

    Attributes:
        mask: (rows, cols) binary mask of the prompted object, from SAM's own decoder.
        semantic_mask: (rows, cols) mask of the same object from a semantic-aware decoder.
        classes: ranked, best first.
        iou_predicted: SAM's estimate of the mask's IoU, 0..1.
        decoder_agreement: Dice of the two masks, 0..1.
        candidates: SAM's alternative masks, best first; the first one is ``mask``.
        suggestions: unprompted objects on the slice, best first.
        window: the window that the model saw, None where it took percentiles.
    """

    mask: NDArray[np.bool_]
    semantic_mask: NDArray[np.bool_] | None = None
    classes: tuple[ClassScore, ...] = ()
    iou_predicted: float | None = None
    decoder_agreement: float | None = None
    candidates: tuple[Candidate, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    window: Window | None = None


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Dice overlap of two masks; 1 where both are empty."""
    total = int(a.sum()) + int(b.sum())
    return 2.0 * int((a & b).sum()) / total if total else 1.0
