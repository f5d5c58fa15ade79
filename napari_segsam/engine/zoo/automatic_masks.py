"""What SAM finds when it is clicked everywhere: a click on each point of a grid, the good masks kept, each thing once.

Source of the scheme and its figures: Kirillov et al. 2023, ``SamAutomaticMaskGenerator``; without its crops.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torchvision.ops import masks_to_boxes, nms

from napari_segsam.model.prompt_tokens import PAD, POSITIVE, PromptBatch
from napari_segsam.model.zoo.family import Masks

T = TypeVar("T")
Parts = Generator[float, None, T]
"""Work in short parts: each gives the share of the clicks that is done, the end what was made."""

_AT_ONCE = 4
"""Clicks that a decoder answers at a time; on a CPU the next click of a person waits for as many."""
_OFFSET = 1.0
"""A mask's stability is the IoU of what it is at this much above and below its threshold."""


@dataclass(frozen=True)
class Grid:
    """Which clicks, and which masks are kept.

    Attributes:
        points: along each side of the square.
        least_iou: predicted, where a family predicts one.
        least_stability: 0 to 1.
        overlap: IoU of two masks' boxes from which the worse one is left out.
    """

    points: int = 32
    least_iou: float = 0.88
    least_stability: float = 0.95
    overlap: float = 0.7


SAMAUG = Grid(least_iou=0.5, overlap=0.5)
"""As SAMAug asks for its masks."""
SEGSAM = Grid(least_iou=0.5, least_stability=0.8, overlap=0.5)
"""For a SEG-SAM, whose masks have softer edges: nano's first one has 0.8 at the median, none reached 0.95."""


@dataclass(frozen=True)
class AutomaticMasks:
    """M masks, best first, on the decoder's own grid over the whole square.

    Attributes:
        logits: (M, h, w) float16: before the best are known there may be thousands.
        stability: (M,) 0 to 1.
    """

    logits: Tensor
    stability: Tensor


@torch.inference_mode()
def finding(
    answer: Callable[[PromptBatch], Masks], side: int, inside: tuple[float, float], grid: Grid = SAMAUG
) -> Parts[AutomaticMasks]:
    """Click everywhere on a picture, a few clicks at a time.

    Args:
        answer: what a model that takes points says to some prompts on the picture.
        side: of the square, in pixels.
        inside: (height, width) in pixels of what the picture covers of the square; the rest is padding.
        grid: which clicks, and which masks are kept.
    """
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    done = 0
    for clicks in _clicks(side, inside, grid.points):
        found.append(_good(answer(clicks), grid))
        done += len(clicks)
        yield done / grid.points**2
    logits, rank, stability = (torch.cat(parts) for parts in zip(*found, strict=True))
    if not len(logits):
        return AutomaticMasks(logits, stability)
    kept = nms(masks_to_boxes(logits > 0) + _pixel, rank, grid.overlap)
    return AutomaticMasks(logits[kept], stability[kept])


def automatic_masks(
    answer: Callable[[PromptBatch], Masks], side: int, inside: tuple[float, float], grid: Grid = SAMAUG
) -> AutomaticMasks:
    """All parts of :func:`finding`, one after another."""
    return finished(finding(answer, side, inside, grid))


def finished(parts: Parts[T]) -> T:
    """Do all parts, one after another; what they made."""
    while True:
        try:
            next(parts)
        except StopIteration as end:
            made: T = end.value
            return made


_pixel = torch.tensor([0.0, 0.0, 1.0, 1.0])
"""A box reaches to the end of its last pixel."""


def _clicks(side: int, inside: tuple[float, float], points: int) -> Iterator[PromptBatch]:
    """One click on the middle of each of ``points`` x ``points`` parts of the picture."""
    middles = (torch.arange(points) + 0.5) / points
    y, x = torch.meshgrid(middles * inside[0] - 0.5, middles * inside[1] - 0.5, indexing="ij")
    places = torch.stack([x.reshape(-1), y.reshape(-1)], 1).clamp(0, side - 1)
    for part in torch.split(places, _AT_ONCE):
        xy = torch.stack([part, torch.zeros_like(part)], 1)  # SAM's "not a point" stands where there is no box
        yield PromptBatch(xy, torch.tensor([[POSITIVE, PAD]]).expand(len(part), -1))


def _good(answer: Masks, grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
    """The (M, h, w) logits worth keeping, what they are ranked by, and their stability."""
    first = min(1, answer.logits.shape[1] - 1)  # a lone click is ambiguous: SAM's masks 1 to 3
    logits = answer.logits[:, first:].flatten(0, 1).float().cpu()
    stability = stability_of(logits)
    iou = None if answer.iou is None else answer.iou[:, first:].flatten().float().cpu()
    good = (stability >= grid.least_stability) & (logits > 0).any(-1).any(-1)
    if iou is not None:
        good &= iou > grid.least_iou
    return logits[good].half(), (stability if iou is None else iou)[good], stability[good]


def stability_of(logits: Tensor) -> Tensor:
    """(..., h, w) -> (...) IoU of each mask at one logit above and one below its threshold; 0 where it is empty."""
    high, low = (logits > _OFFSET).sum((-2, -1)), (logits > -_OFFSET).sum((-2, -1))
    return high / low.clamp(min=1)
