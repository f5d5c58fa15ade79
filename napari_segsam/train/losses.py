"""The losses of SEG-SAM: binary, semantic, class, set prediction, cross-mask alignment, text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

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

    ``beyond`` (broadcast to (...)) is how many pixels of the object lie outside the frame: a crop that shows only a
    part of an object can find that part at most, and its predicted IoU has to say so.
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
        (P,) loss of each prompt, and (P,) which mask was trained.
    """
    each = mask_loss(masks, target, kind)  # (P, 4)
    best = 1 + each[:, 1:].argmin(1)
    chosen = torch.where(ambiguous, best, torch.zeros_like(best))
    rows = torch.arange(len(masks), device=masks.device)
    found = iou_of(masks, target, 0.0 if beyond is None else beyond.unsqueeze(1))
    return each[rows, chosen] + (iou - found).square().mean(1), chosen


def alignment_loss(binary: Tensor, semantic: Tensor, kind: str = "dice", stop_gradient: bool = False) -> Tensor:
    """Cross-mask spatial alignment: greater overlap of the two decoders' (P, H, W) logits, without truth -> (P,)."""

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
        return 1 - 0.5 * (overlap(p, q.detach()) + overlap(p.detach(), q))
    return 1 - overlap(p, q)


def class_mask_loss(each: Tensor, target: Tensor, classes: Tensor) -> Tensor:
    """What one mask for each class learns of the class: cross-entropy of each pixel, mean over the object's -> (P,).

    Together with the pixel loss of ``semantic_decoder.any_class`` it is a softmax over the classes and the background.

    Args:
        each: (P, K, h, w) logits.
        target: (P, 1, H, W) 0..1, on a grid as fine or finer.
        classes: (P,) class indices.
    """
    inside = F.adaptive_avg_pool2d(target, (each.shape[-2], each.shape[-1]))[:, 0]
    wrong = F.cross_entropy(each, classes.reshape(-1, 1, 1).expand_as(inside), reduction="none")
    return (wrong * inside).sum((1, 2)) / inside.sum((1, 2)).clamp(min=1e-6)


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

    def to(self, device: torch.device, non_blocking: bool = False) -> SetTargets:
        """The same on another device; ``non_blocking`` as torch has it."""
        return SetTargets(*(t.to(device, non_blocking=non_blocking) for t in vars(self).values()))

    def pin_memory(self) -> SetTargets:
        """The same in memory that a GPU reads by itself."""
        return SetTargets(*(t.pin_memory() for t in vars(self).values()))


class Matching(NamedTuple):
    """Which queries of one slice answer which of its targets; indices, on the logits' device.

    Attributes:
        queries, targets: (M,) pair by pair.
        rest: (N - M,) the other queries.
    """

    queries: Tensor
    targets: Tensor
    rest: Tensor


@torch.no_grad()
def match(class_logits: Tensor, mask_logits: Tensor | None, targets: list[SetTargets]) -> list[Matching]:
    """Hungarian matching of (S, N, K + 1) logits (and (S, N, h, w) masks) to the targets of S slices.

    Costs are Mask2Former's: class 2, mask 5, Dice 5. Those of all slices go to the CPU together and their matching
    comes back together: a GPU has to wait for each way.
    """
    if not targets:
        return []
    masks = [None] * len(targets) if mask_logits is None else mask_logits
    costs = [_cost(*slice_) for slice_ in zip(class_logits, masks, targets, strict=True)]
    ends = np.cumsum([c.shape[1] for c in costs])[:-1]
    known = np.nan_to_num(torch.cat(costs, 1).numpy(force=True), nan=1e6)
    parts = []
    for cost in np.split(known, ends, axis=1):
        queries, chosen = linear_sum_assignment(cost)
        parts += [queries, chosen, np.setdiff1d(np.arange(len(cost)), queries)]
    found = torch.from_numpy(np.concatenate(parts)).to(class_logits.device, non_blocking=True)
    indices = torch.split(found, [len(p) for p in parts])
    return [Matching(*indices[i : i + 3]) for i in range(0, len(indices), 3)]


def _cost(class_logits: Tensor, mask_logits: Tensor | None, targets: SetTargets) -> Tensor:
    """(N, K + 1) logits and (N, h, w) masks of one slice's queries, its T targets -> (N, T)."""
    cost = -2 * class_logits.softmax(-1)[:, targets.classes]
    if mask_logits is not None:
        logits, truth = mask_logits.flatten(1), targets.masks.flatten(1)
        on, off = F.softplus(-logits), F.softplus(logits)
        cost = cost + 5 * (on @ truth.T + off @ (1 - truth).T) / logits.shape[1]
        p = logits.sigmoid()
        cost = cost + 5 * (1 - (2 * p @ truth.T + 1) / (p.sum(1, keepdim=True) + truth.sum(1) + 1))
    return cost


def no_object_weight(n_queries: int, mean_objects: float) -> float:
    """So that all unmatched queries together weigh as much as the matched ones: U / (N - U), within 0.05 .. 1."""
    return float(np.clip(mean_objects / max(n_queries - mean_objects, 1e-6), 0.05, 1.0))


@dataclass
class SetLoss:
    """Sums over S slices or prompts, and what to divide them by; all scalars, so that processes can add them up.

    Attributes:
        classes, class_weight: class terms; matched queries weigh 1, the others ``w0``.
        masks, mask_weight: mask terms of matched queries.
    """

    classes: Tensor
    class_weight: float
    masks: Tensor
    mask_weight: float


def set_loss(
    class_logits: Tensor, mask_logits: Tensor | None, targets: list[SetTargets], w0: float, tied: bool = False
) -> SetLoss:
    """Set prediction over S slices or prompts.

    Args:
        class_logits: (S, N, K + 1), the last index for no object.
        mask_logits: (S, N, h, w) or None.
        targets: S of them.
        w0: weight of "no object".
        tied: query k stands for class k, as ``semantic_decoder.presence`` says, and nothing is matched.
    """
    zero = class_logits.new_zeros(())
    total = SetLoss(zero, 0.0, zero, 0.0)
    found = [] if tied else match(class_logits, mask_logits, targets)
    for i, target in enumerate(targets):
        if tied:
            term, weight = _presence_loss(class_logits[i], target), 1.0
            queries, truth = target.classes, target.masks
        else:
            term, weight = _matched_loss(class_logits[i], found[i], target, w0)
            queries, truth = found[i].queries, target.masks[found[i].targets]
        total.classes, total.class_weight = total.classes + term, total.class_weight + weight
        if mask_logits is not None and len(queries):
            total.masks = total.masks + mask_loss(mask_logits[i][queries], truth).sum()
            total.mask_weight += len(queries)
    return total


def _matched_loss(logits: Tensor, found: Matching, target: SetTargets, w0: float) -> tuple[Tensor, float]:
    """One slice's (N, K + 1) logits: cross-entropy of the matched queries, and "no object" for the others."""
    allowed = torch.cat([target.told_absent, target.told_absent.new_ones(1)])
    rest = logits[found.rest].masked_fill(~allowed, float("-inf"))
    told = F.cross_entropy(logits[found.queries], target.classes[found.targets], reduction="sum")
    return told - w0 * rest.log_softmax(-1)[:, -1].sum(), len(found.queries) + w0 * len(rest)


def _presence_loss(logits: Tensor, target: SetTargets) -> Tensor:
    """One slice's (K, K + 1) logits as ``presence`` makes them: binary cross-entropy over the classes it is told of."""
    there = torch.zeros(len(logits), device=logits.device).index_fill(0, target.classes, 1)
    told = target.told_absent | (there > 0)
    each = F.binary_cross_entropy_with_logits(logits[:, :-1].diagonal(), there, reduction="none")
    return (each * told).sum() / told.sum().clamp(min=1) * _PRESENCE


_PRESENCE = 20.0
"""Mean over hundreds of classes, nearly all absent: scaled to the size of the set prediction's term."""
