"""How good a detector is: average precision, the figure by which detectors are compared."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from torch import Tensor
from torchvision.ops import box_iou

from napari_segsam.model.detector import Detector
from napari_segsam.train.detector import Example

_HIT = 0.5
"""IoU from which a box has found an object."""


def map50(model: Detector, examples: Iterable[Example], n_classes: int) -> float:
    """Mean over the classes of the average precision at IoU 0.5: the area under precision over recall, from 0 to 1.

    Classes without a box are left out; NaN where all are.
    """
    hits: list[list[tuple[float, bool]]] = [[] for _ in range(n_classes)]
    there = np.zeros(n_classes, int)
    for example in examples:
        found = model.find(example.picture, at=0.01)
        for k in range(n_classes):
            wanted = example.corners[example.classes == k]
            there[k] += len(wanted)
            mine = found.classes == k
            hits[k] += _judged(found.corners[mine], found.scores[mine], wanted)
    each = [_average_precision(h, n) for h, n in zip(hits, there, strict=True) if n]
    return float(np.mean(each)) if each else math.nan


def _judged(found: Tensor, scores: Tensor, wanted: Tensor) -> list[tuple[float, bool]]:
    """Score of each box, best first, and whether it is the first to find an object."""
    overlaps, judged = box_iou(found, wanted), []
    for overlap, score in zip(overlaps, scores.tolist(), strict=True):
        best = int(overlap.argmax()) if len(wanted) else -1
        hit = best >= 0 and float(overlap[best]) >= _HIT
        if hit:
            overlaps[:, best] = 0  # later boxes cannot have it again
        judged.append((score, hit))
    return judged


def _average_precision(hits: list[tuple[float, bool]], there: int) -> float:
    ordered = np.array([hit for _, hit in sorted(hits, key=lambda h: -h[0])], bool)
    right = np.cumsum(ordered)
    precision = right / np.arange(1, len(ordered) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best_from_here[ordered].sum() / there)
