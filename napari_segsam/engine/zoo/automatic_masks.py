"""What SAM finds when it is clicked everywhere: a click on each point of a grid, the good masks kept, each thing once.

Source of the scheme and its figures: Kirillov et al. 2023, ``SamAutomaticMaskGenerator``; without its crops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import masks_to_boxes, nms

from napari_segsam.model.prompt_tokens import PAD, POSITIVE, PromptBatch
from napari_segsam.model.zoo.family import Masks

_AT_ONCE = 64
"""Clicks that a decoder answers at a time."""
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


@dataclass(frozen=True)
class AutomaticMasks:
    """M masks, best first, on the decoder's own grid over the whole square.

    Attributes:
        logits: (M, h, w) float32.
        stability: (M,) 0 to 1.
    """

    logits: Tensor
    stability: Tensor


@torch.inference_mode()
def automatic_masks(
    answer: Callable[[PromptBatch], Masks], side: int, inside: tuple[float, float], grid: Grid = SAMAUG
) -> AutomaticMasks:
    """Click everywhere on a picture.

    Args:
        answer: what a model that takes points says to some prompts on the picture.
        side: of the square, in pixels.
        inside: (height, width) in pixels of what the picture covers of the square; the rest is padding.
        grid: which clicks, and which masks are kept.
    """
    found = [_good(answer(clicks), grid) for clicks in _clicks(side, inside, grid.points)]
    logits, rank, stability = (torch.cat(parts) for parts in zip(*found, strict=True))
    if not len(logits):
        return AutomaticMasks(logits, stability)
    kept = nms(masks_to_boxes(logits > 0) + _pixel, rank, grid.overlap)
    return AutomaticMasks(logits[kept], stability[kept])


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
    return logits[good], (stability if iou is None else iou)[good], stability[good]


def stability_of(logits: Tensor) -> Tensor:
    """(..., h, w) -> (...) IoU of each mask at one logit above and one below its threshold; 0 where it is empty."""
    high, low = (logits > _OFFSET).sum((-2, -1)), (logits > -_OFFSET).sum((-2, -1))
    return high / low.clamp(min=1)
