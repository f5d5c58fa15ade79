"""What SAM finds when it is clicked everywhere: a click on each point of a grid, the good masks kept, each thing once.

Source of the scheme and its figures: Kirillov et al. 2023, ``SamAutomaticMaskGenerator``; without its crops.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from torchvision.ops import masks_to_boxes, nms

from napari_segsam.model.prompt_tokens import PAD, POSITIVE, PromptBatch
from napari_segsam.model.zoo.family import Masks

T = TypeVar("T")
Parts = Generator[float, None, T]
"""Work in short parts: each gives the share of the clicks that is done, the end what was made."""
Answer = Callable[[PromptBatch], Masks]
"""What a model that takes points says to some prompts on one picture."""

_AT_ONCE = 4
"""Clicks that a decoder answers at a time; on a CPU the next click of a person waits for as many."""
_OFFSET = 1.0
"""A mask's stability is the IoU of what it is at this much above and below its threshold."""


@dataclass(frozen=True)
class PointGrid:
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


SAMAUG = PointGrid(least_iou=0.5, overlap=0.5)
"""As SAMAug asks for its masks."""
SEGSAM = PointGrid(least_iou=0.5, least_stability=0.8, overlap=0.5)
"""For a SEG-SAM, whose masks have softer edges: nano's first one has 0.8 at the median, none reached 0.95."""


class _Good(NamedTuple):
    """M masks worth keeping, without their pixels: those of thousands would take gigabytes.

    Attributes:
        click: (M,) number of the click that each answers.
        mask: (M,) which of its answers.
        box: (M, 4) x and y of its corners on the decoder's grid.
        rank: (M,) the higher the better.
        stability: (M,) 0 to 1.
    """

    click: Tensor
    mask: Tensor
    box: Tensor
    rank: Tensor
    stability: Tensor


@torch.inference_mode()
def finding(
    answer: Answer,
    side: int,
    inside: tuple[float, float],
    draw: Callable[[Tensor, float], None],
    grid: PointGrid = SAMAUG,
) -> Parts[None]:
    """Click everywhere on a picture, a few clicks at a time; then once more where the answer is worth keeping.

    Args:
        answer: see there.
        side: of the square, in pixels.
        inside: (height, width) in pixels of what the picture covers of the square; the rest is padding.
        draw: told of each mask that is kept, one at a time: its (h, w) logits over the whole square, and its stability.
        grid: which clicks, and which masks are kept.
    """
    clicks, found = _clicks(side, inside, grid.points), []
    for first in range(0, len(clicks), _AT_ONCE):
        some = clicks[first : first + _AT_ONCE]
        found.append(_good(_asked(answer, some), first, grid))
        yield (first + len(some)) / len(clicks)
    good = _Good(*map(torch.cat, zip(*found, strict=True)))
    good = _Good(*(part[nms(good.box, good.rank, grid.overlap)] for part in good))
    again = sorted({*good.click.tolist()})
    for first in range(0, len(again), _AT_ONCE):
        numbers = again[first : first + _AT_ONCE]
        logits = _asked(answer, clicks[numbers]).logits.float().cpu()
        for row, click in enumerate(numbers):
            for n in (good.click == click).nonzero().flatten():
                draw(logits[row, good.mask[n]], float(good.stability[n]))
        yield 1.0


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


def _clicks(side: int, inside: tuple[float, float], points: int) -> Tensor:
    """(points x points, 2) x and y in pixels of the square: the middle of each of so many parts of the picture."""
    middles = (torch.arange(points) + 0.5) / points
    y, x = torch.meshgrid(middles * inside[0] - 0.5, middles * inside[1] - 0.5, indexing="ij")
    return torch.stack([x.reshape(-1), y.reshape(-1)], 1).clamp(0, side - 1)


def _asked(answer: Answer, clicks: Tensor) -> Masks:
    """What is said to (P, 2) lone clicks."""
    xy = torch.stack([clicks, torch.zeros_like(clicks)], 1)  # SAM's "not a point" stands where there is no box
    return answer(PromptBatch(xy, torch.tensor([[POSITIVE, PAD]]).expand(len(clicks), -1)))


def _good(said: Masks, first: int, grid: PointGrid) -> _Good:
    """What is worth keeping of the answers to some clicks, of which ``first`` is the number of the first one."""
    clicks, masks = said.logits.shape[:2]
    start = min(1, masks - 1)  # a lone click is ambiguous: SAM's masks 1 to 3
    logits = said.logits[:, start:].flatten(0, 1).float().cpu()
    stability = stability_of(logits)
    rank, good = stability, (stability >= grid.least_stability) & (logits > 0).any(-1).any(-1)
    if said.iou is not None:
        rank = said.iou[:, start:].flatten().float().cpu()
        good &= rank > grid.least_iou
    click, mask = torch.meshgrid(torch.arange(clicks) + first, torch.arange(start, masks), indexing="ij")
    box = masks_to_boxes(logits[good] > 0) + _pixel
    return _Good(click.flatten()[good], mask.flatten()[good], box, rank[good], stability[good])


def stability_of(logits: Tensor) -> Tensor:
    """(..., h, w) -> (...) IoU of each mask at one logit above and one below its threshold; 0 where it is empty."""
    high, low = (logits > _OFFSET).sum((-2, -1)), (logits > -_OFFSET).sum((-2, -1))
    return high / low.clamp(min=1)
