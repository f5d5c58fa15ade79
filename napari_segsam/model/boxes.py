"""Boxes out of a detection head without anchor boxes, and the best of those that overlap.

Boxes are (x0, y0, x1, y1) in pixels of the square, edges: a box round the first pixel alone is (0, 0, 1, 1). Source of
the scheme: YOLOv8's head (distances to the four sides, each a distribution over bins; Li et al. 2020, "Generalized
Focal Loss").
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import batched_nms

STRIDES = (8, 16, 32)
"""Pixels between two cells of each of a detector's three maps."""
BINS = 16
"""A side is at 0, 1, ... 15 cells from the cell's centre, or between two of them."""


@dataclass(frozen=True)
class Cells:
    """The A cells of all maps of one square, those of the finest map first, row by row.

    Attributes:
        centres: (A, 2) x and y of each cell's middle, in pixels.
        stride: (A,) side of each cell, in pixels.
    """

    centres: Tensor
    stride: Tensor

    @classmethod
    def of(cls, height: int, width: int, strides: tuple[int, ...] = STRIDES) -> Cells:
        """The cells of a picture whose sides are multiples of the largest stride."""
        centres, sides = [], []
        for stride in strides:
            y, x = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride), indexing="ij")
            centres.append((torch.stack([x.reshape(-1), y.reshape(-1)], 1) + 0.5) * stride)
            sides.append(torch.full((len(centres[-1]),), float(stride)))
        return cls(torch.cat(centres), torch.cat(sides))

    def boxes(self, bins: Tensor) -> Tensor:
        """(..., A, 4, BINS) logits of the distances to the left, upper, right and lower side -> (..., A, 4) boxes."""
        steps = torch.arange(bins.shape[-1], dtype=bins.dtype)
        far = (bins.softmax(-1) @ steps) * self.stride.unsqueeze(-1)  # (..., A, 4) pixels
        return torch.cat([self.centres - far[..., :2], self.centres + far[..., 2:]], -1)


@dataclass(frozen=True)
class Boxes:
    """N boxes, best first.

    Attributes:
        corners: (N, 4) x0, y0, x1, y1.
        scores: (N,) 0 to 1.
        classes: (N,) int64.
    """

    corners: Tensor
    scores: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.scores)


def best_boxes(corners: Tensor, scores: Tensor, *, at: float = 0.25, overlap: float = 0.7, most: int = 300) -> Boxes:
    """Each cell's best class, and of boxes of one class that overlap the best one.

    Args:
        corners: (A, 4) boxes.
        scores: (A, K) of each class.
        at: least score.
        overlap: IoU from which two boxes of a class are one.
        most: of the boxes that are kept.
    """
    best, classes = scores.max(1)
    good = best >= at
    corners, best, classes = corners[good], best[good], classes[good]
    kept = batched_nms(corners, best, classes, overlap)[:most]
    return Boxes(corners[kept], best[kept], classes[kept])
