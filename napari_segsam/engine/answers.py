"""From the model's logits to a Prediction in the slice's pixels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_segsam.core.prediction import ClassScore, Suggestion
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.model.semantic_decoder import Unprompted

_RANKED = 9
"""Classes offered for a prompted object, as many as there are number keys."""
_LEAST_CELLS = 3
"""A suggestion's mask covers at least this many cells of the coarse slice map."""


def rule_out(logits: Tensor, possible: Tensor) -> Tensor:
    """(..., K) or (..., K + 1) logits -> the same with the classes that (K,) ``possible`` denies ruled out.

    Where every class is denied, none is: the modality may be wrong, and an answer is wanted.
    """
    denied = torch.zeros(logits.shape[-1], dtype=torch.bool)
    denied[: len(possible)] = ~possible & possible.any()
    return logits.float().masked_fill(denied, float("-inf"))


def rank_classes(logits: Tensor, vocabulary: Vocabulary, temperature: float) -> tuple[ClassScore, ...]:
    """(K,) logits -> the best of the classes that are not ruled out, with calibrated probabilities."""
    scores = (logits.float() / temperature).softmax(-1)
    best = scores.topk(min(_RANKED, int((scores > 0).sum())))
    return tuple(ClassScore(vocabulary.names[int(i)], float(s)) for s, i in zip(best.values, best.indices, strict=True))


def to_bool(logits: Tensor) -> NDArray[np.bool_]:
    """(rows, cols) logits -> mask."""
    return (logits > 0).numpy(force=True)


def suggestions(
    output: Unprompted,
    vocabulary: Vocabulary,
    frame: PictureFrame,
    share: tuple[float, float],
    at: float,
    temperature: float = 1.0,
    prompted: NDArray[np.bool_] | None = None,
) -> tuple[Suggestion, ...]:
    """Unprompted objects of row 0 of ``output``, one for each class, best first.

    Args:
        output: class and mask logits of t_co.
        vocabulary: names.
        frame: the slice's.
        share: height and width of the slice in the padded square, 0..1.
        at: score from which an object is suggested.
        temperature: divides class logits.
        prompted: (rows, cols) mask of the prompted object; a suggestion of the same thing is dropped.
    """
    if output.co_mask_logits is None:
        return ()
    scores, classes = (output.co_class_logits[0].float() / temperature).softmax(-1)[:, :-1].max(-1)
    found: dict[int, Suggestion] = {}
    for n in scores.argsort(descending=True).tolist():
        k = int(classes[n])
        if float(scores[n]) < at or k in found:
            continue
        mask = _on_slice(output.co_mask_logits[0, n].float(), frame, share)
        if mask is not None and (prompted is None or not _same(mask, prompted)):
            found[k] = Suggestion(vocabulary.names[k], float(scores[n]), mask)
    return tuple(found.values())


def _on_slice(logits: Tensor, frame: PictureFrame, share: tuple[float, float]) -> NDArray[np.bool_] | None:
    """(h', w') logits on the padded square -> (rows, cols) mask, None where there is next to nothing."""
    h, w = (max(round(n * s), 1) for n, s in zip(logits.shape, share, strict=True))
    seen = logits[:h, :w]
    if int((seen > 0).sum()) < _LEAST_CELLS:
        return None
    full = F.interpolate(seen[None, None], (frame.rows, frame.cols), mode="bilinear", align_corners=False)[0, 0]
    mask = to_bool(full)
    return mask if mask.any() else None


def _same(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> bool:
    overlap = int((a & b).sum())
    return overlap > 0.5 * min(int(a.sum()), int(b.sum()))
