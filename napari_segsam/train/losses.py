"""The losses of SEG-SAM: binary, semantic, class, set prediction, cross-mask alignment, text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F


def dice_loss(logits: Tensor, target: Tensor, smooth: float = 1.0) -> Tensor:
    """(..., H, W) logits and 0..1 targets -> (...) 1 - soft Dice of each mask."""
    p = logits.sigmoid()
    overlap, total = (p * target).sum((-2, -1)), p.sum((-2, -1)) + target.sum((-2, -1))
    return 1 - (2 * overlap + smooth) / (total + smooth)


def pixel_loss(logits: Tensor, target: Tensor, kind: str = "bce") -> Tensor:
    """(..., H, W) -> (...) mean cross-entropy, or 20 x focal (alpha .25, gamma 2) as SAM-Med2D weighs it."""
    bce = F.binary_cross_entropy_with_logits(logits, target.expand_as(logits), reduction="none")
    if kind == "focal":
        p = logits.sigmoid()
        miss = p + target - 2 * p * target
        bce = 20 * bce * miss.square() * (0.25 * target + 0.75 * (1 - target))
    return bce.mean((-2, -1))


def mask_loss(logits: Tensor, target: Tensor, kind: str = "bce") -> Tensor:
    """(..., H, W) -> (...) pixel loss + Dice loss of each mask."""
    return pixel_loss(logits, target, kind) + dice_loss(logits, target.expand_as(logits))


def iou_of(logits: Tensor, target: Tensor, beyond: Tensor | float = 0.0) -> Tensor:
    """(..., H, W) -> (...) IoU of logits > 0 with target > 0.5; no gradient.

    ``beyond`` (broadcast to (...)) is how many pixels of the object lie outside the frame: a crop that shows only a part
    of an object can find that part at most, and its predicted IoU has to say so.
    """
    with torch.no_grad():
        a, b = logits > 0, target.expand_as(logits) > 0.5
        union = (a | b).sum((-2, -1)) + beyond
        return (a & b).sum((-2, -1)) / union.clamp(min=1)


def binary_loss(
    masks: Tensor, iou: Tensor, target: Tensor, ambiguous: Tensor, kind: str = "bce", beyond: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """SAM's loss: mask 0 for clear prompts, the best of masks 1 to 3 for ambiguous ones, and all predicted IoUs.

    Args:
        masks: (P, 4, H, W) logits.
        iou: (P, 4) predicted.
        target: (P, 1, H, W).
        ambiguous: (P,) bool, lone clicks.
        kind: pixel loss.
        beyond: (P,) pixels of each object that its crop does not show, None for none.

    Returns:
        Scalar loss, and (P,) which mask was trained.
    """
    each = mask_loss(masks, target, kind)  # (P, 4)
    best = 1 + each[:, 1:].argmin(1)
    chosen = torch.where(ambiguous, best, torch.zeros_like(best))
    rows = torch.arange(len(masks))
    found = iou_of(masks, target, 0.0 if beyond is None else beyond.unsqueeze(1))
    return each[rows, chosen].mean() + F.mse_loss(iou, found), chosen


def alignment_loss(binary: Tensor, semantic: Tensor, kind: str = "dice", stop_gradient: bool = False) -> Tensor:
    """Cross-mask spatial alignment: greater overlap of the two decoders' (P, H, W) logits, without truth."""

    def overlap(p: Tensor, q: Tensor) -> Tensor:
        product = (p * q).sum((-2, -1))
        if kind == "dice":
            return (2 * product + 1) / (p.sum((-2, -1)) + q.sum((-2, -1)) + 1)
        if kind == "iou":
            return (product + 1) / ((p + q - p * q).sum((-2, -1)) + 1)
        if kind == "sqdice":
            return (2 * product + 1) / (p.square().sum((-2, -1)) + q.square().sum((-2, -1)) + 1)
        return 1 - (p - q).square().mean((-2, -1))

    p, q = binary.sigmoid(), semantic.sigmoid()
    if stop_gradient:
        return 1 - 0.5 * (overlap(p, q.detach()) + overlap(p.detach(), q)).mean()
    return 1 - overlap(p, q).mean()


@dataclass
class SetTargets:
    """What stands unprompted on one slice: one entry for each class, its instances together.

    Attributes:
        classes: (T,) class index (0-based).
        masks: (T, h, w) their share of each cell, 0..1.
        told_absent: (K,) bool, classes that an unmatched query may be told are not there.
    """

    classes: Tensor
    masks: Tensor
    told_absent: Tensor


@torch.no_grad()
def match(class_logits: Tensor, mask_logits: Tensor | None, targets: SetTargets) -> tuple[Tensor, Tensor]:
    """Hungarian matching of (N, K + 1) logits (and (N, h, w) masks) to T targets -> query and target indices.

    Costs are Mask2Former's: class 2, mask 5, Dice 5.
    """
    cost = -2 * class_logits.softmax(-1)[:, targets.classes]
    if mask_logits is not None:
        logits, truth = mask_logits.flatten(1), targets.masks.flatten(1)
        on, off = F.softplus(-logits), F.softplus(logits)
        cost = cost + 5 * (on @ truth.T + off @ (1 - truth).T) / logits.shape[1]
        p = logits.sigmoid()
        cost = cost + 5 * (1 - (2 * p @ truth.T + 1) / (p.sum(1, keepdim=True) + truth.sum(1) + 1))
    rows, cols = linear_sum_assignment(np.nan_to_num(cost.numpy(force=True), nan=1e6))
    return torch.as_tensor(rows), torch.as_tensor(cols)


def no_object_weight(n_queries: int, mean_objects: float) -> float:
    """So that all unmatched queries together weigh as much as the matched ones: U / (N - U), within 0.05 .. 1."""
    return float(np.clip(mean_objects / max(n_queries - mean_objects, 1e-6), 0.05, 1.0))


def set_loss(
    class_logits: Tensor, mask_logits: Tensor | None, targets: list[SetTargets], w0: float
) -> tuple[Tensor, Tensor]:
    """Set prediction over S slices or prompts.

    Args:
        class_logits: (S, N, K + 1), the last index for no object.
        mask_logits: (S, N, h, w) or None.
        targets: S of them.
        w0: weight of "no object".

    Returns:
        Class loss and mask loss, both scalars.
    """
    class_terms, weights, mask_terms = [], [], []
    for i, target in enumerate(targets):
        rows, cols = match(class_logits[i], None if mask_logits is None else mask_logits[i], target)
        matched = torch.zeros(class_logits.shape[1], dtype=torch.bool)
        matched[rows] = True
        class_terms.append(F.cross_entropy(class_logits[i][rows], target.classes[cols], reduction="sum"))
        allowed = torch.cat([target.told_absent, torch.ones(1, dtype=torch.bool)])
        rest = class_logits[i][~matched].masked_fill(~allowed, float("-inf"))
        class_terms.append(-w0 * rest.log_softmax(-1)[:, -1].sum())
        weights.append(len(rows) + w0 * int((~matched).sum()))
        if mask_logits is not None and len(rows):
            mask_terms.append(mask_loss(mask_logits[i][rows], target.masks[cols]))
    zero = class_logits.sum() * 0
    if not class_terms:
        return zero, zero
    class_loss = torch.stack(class_terms).sum() / max(sum(weights), 1e-6)
    return class_loss, torch.cat(mask_terms).mean() if mask_terms else zero
