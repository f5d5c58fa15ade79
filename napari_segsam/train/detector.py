"""Training our own small detector on a person's own pictures; some hundred suffice for things that look alike.

That so few suffice for a detector whose boxes prompt SAM: Pandey et al. 2023 (arXiv 2310.12995). Ours begins with the
backbone of ``nano``, which has seen medical pictures, and learns on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import box_iou, generalized_box_iou_loss

from napari_segsam.core.prompts import Box
from napari_segsam.engine import zoom
from napari_segsam.engine.zoo.box_proposals import channels
from napari_segsam.model.boxes import BINS, STRIDES, Cells
from napari_segsam.model.detector import Detector
from napari_segsam.model.zoo.family import Tensors

T = TypeVar("T")

_BATCH = 8
_RATE, _BACKBONE_RATE = 2e-3, 2e-4
_WARM_UP = 0.05
_REACH = 1.5
"""A cell answers for a box if its middle is within so many cells of the box's."""
_FINEST = 8
"""A box belongs to the first map on which its longer side has less cells than this, or to the coarsest."""
_BOX_WEIGHT, _BINS_WEIGHT = 2.0, 0.5
_ZOOM, _SHIFT, _GAMMA, _LEAST = 0.2, 0.1, 0.3, 0.4
"""Augmentation: shares, and how much of a box must be left on the picture; no mirroring, as left differs from right."""


class Watch(Protocol):
    """Shows how far something is."""

    def __call__(self, items: Iterable[T], total: int, what: str) -> Iterator[T]:
        """Pass ``items`` on, of which there are ``total``."""


def unwatched(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """A :class:`Watch` that shows nothing."""
    return iter(items)


@dataclass(frozen=True, eq=False)
class Example:
    """One picture to learn from, fitted to the detector's square.

    Attributes:
        picture: (3, S, S) in -1..1.
        corners: (N, 4) boxes in pixels of the square, edges.
        classes: (N,) int64.
    """

    picture: Tensor
    corners: Tensor
    classes: Tensor

    @classmethod
    def of(cls, picture: NDArray[np.uint8], boxes: Sequence[Box], classes: Sequence[int], side: int) -> Example:
        """From a (rows, cols) or (rows, cols, 3) picture and the boxes round its objects."""
        square, scale = zoom.fit_slice(channels(picture), side)
        edges = [(b.col_min, b.row_min, b.col_max + 1, b.row_max + 1) for b in boxes]
        corners = torch.tensor(edges, dtype=torch.float32).reshape(-1, 4) * scale
        return cls(square, corners, torch.tensor(list(classes), dtype=torch.int64))


def train_detector(
    examples: Sequence[Example],
    n_classes: int,
    *,
    steps: int,
    backbone: Tensors | None = None,
    seed: int = 0,
    watch: Watch = unwatched,
) -> Detector:
    """A detector taught for so many steps of eight pictures.

    Args:
        examples: each as likely as another; one without a box teaches what is none.
        n_classes: K.
        steps: how many; the learning rate falls to zero at the last one.
        backbone: ``image_encoder.backbone`` of a ``nano``; random weights learn far more slowly.
        seed: of weights, draws and augmentation.
        watch: shows how many steps are done.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = Detector(n_classes)
    if backbone is not None:
        model.start_from(backbone)
    own = [p for name, p in model.named_parameters() if not name.startswith("backbone.")]
    begun = [p for p in model.backbone.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW([{"params": own}, {"params": begun}], weight_decay=1e-2)
    for step in watch(range(steps), steps, "training"):
        share = min((step + 1) / (_WARM_UP * steps), 1.0) * (1 + math.cos(math.pi * step / steps)) / 2
        for group, rate in zip(optimiser.param_groups, (_RATE, _BACKBONE_RATE), strict=True):
            group["lr"] = rate * share
        drawn = [_moved(examples[int(i)], rng) for i in rng.integers(len(examples), size=_BATCH)]
        loss = detector_loss(model, drawn)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_([*own, *begun], 5.0)
        optimiser.step()
    return model.eval()


def _moved(example: Example, rng: np.random.Generator) -> Example:
    """The same, a little larger or smaller, moved and lighter or darker."""
    side = example.picture.shape[-1]
    larger = float(np.exp(rng.uniform(-_ZOOM, _ZOOM)))
    dx, dy = rng.uniform(-_SHIFT, _SHIFT, 2) * side
    # Where a pixel of the new picture comes from, in affine_grid's -1..1.
    at = torch.tensor([[[1 / larger, 0, -2 * dx / side / larger], [0, 1 / larger, -2 * dy / side / larger]]])
    grid = F.affine_grid(at.float(), [1, 3, side, side], align_corners=False)
    picture = F.grid_sample(example.picture[None], grid, align_corners=False)[0]
    brighter = ((picture + 1) / 2).clamp(0, 1) ** float(np.exp(rng.uniform(-_GAMMA, _GAMMA)))
    shift = torch.tensor([dx, dy, dx, dy], dtype=torch.float32)
    corners = (example.corners - side / 2) * larger + side / 2 + shift
    seen = corners.clamp(0, side)
    left = _area(seen) >= _LEAST * _area(corners)
    return Example(brighter * 2 - 1, seen[left], example.classes[left])


def _area(corners: Tensor) -> Tensor:
    return (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])


def answering(cells: Cells, corners: Tensor) -> tuple[Tensor, Tensor]:
    """Which cells answer for which boxes -> (M,) cells, (M,) boxes; each cell for one, the smallest of several.

    Args:
        cells: of the square.
        corners: (N, 4).
    """
    longer = (corners[:, 2:] - corners[:, :2]).amax(1)
    level = torch.full_like(longer, float(STRIDES[-1]))
    for stride in STRIDES[-2::-1]:
        level[longer < _FINEST * stride] = stride
    middle = (corners[:, :2] + corners[:, 2:]) / 2
    far = (cells.centres[:, None] - middle).abs().amax(2)  # (A, N)
    x, y = cells.centres.unbind(1)
    inside = (
        (x[:, None] > corners[:, 0])
        & (x[:, None] < corners[:, 2])
        & (y[:, None] > corners[:, 1])
        & (y[:, None] < corners[:, 3])
    )
    nearest = far.masked_fill(cells.stride[:, None] != level, math.inf).argmin(0)
    chosen = (cells.stride[:, None] == level) & (far < _REACH * cells.stride[:, None]) & inside
    chosen[nearest, torch.arange(len(corners))] = True  # a speck between the cells is somebody's too
    best = torch.where(chosen, _area(corners), math.inf).min(1)
    answer = best.values.isfinite()
    return answer.nonzero()[:, 0], best.indices[answer]


def detector_loss(model: Detector, examples: Sequence[Example]) -> Tensor:
    """Scores against the IoU of the cell's own box (quality focal loss), boxes by GIoU and by their bins -> ()."""
    bins, scores = model(torch.stack([e.picture for e in examples]))
    cells = Cells.of(*examples[0].picture.shape[-2:])
    truth, total, answered = torch.zeros_like(scores), scores.new_zeros(()), 0
    for i, example in enumerate(examples):
        if not len(example.corners):
            continue
        at, which = answering(cells, example.corners)
        mine = Cells(cells.centres[at], cells.stride[at])
        found, wanted = mine.boxes(bins[i, at]), example.corners[which]
        overlap = box_iou(found.detach(), wanted).diagonal()
        truth[i, at, example.classes[which]] = overlap
        total = total + _BOX_WEIGHT * generalized_box_iou_loss(found, wanted, reduction="sum")
        total = total + _BINS_WEIGHT * _bins_loss(bins[i, at], mine, wanted)
        answered += len(at)
    wrong = F.binary_cross_entropy_with_logits(scores, truth, reduction="none")
    total = total + (wrong * (scores.sigmoid().detach() - truth).square()).sum()
    loss: Tensor = total / max(answered, 1)
    return loss


def _bins_loss(bins: Tensor, cells: Cells, wanted: Tensor) -> Tensor:
    """Cross-entropy of (M, 4, BINS) logits with the two bins beside each distance, mean over the sides, summed."""
    far = torch.cat([cells.centres - wanted[:, :2], wanted[:, 2:] - cells.centres], 1) / cells.stride[:, None]
    far = far.clamp(0, BINS - 1.01)
    lower, share = far.long(), far.frac()
    logs = bins.log_softmax(-1)
    below, above = (logs.gather(-1, k.unsqueeze(-1))[..., 0] for k in (lower, lower + 1))
    loss: Tensor = -(below * (1 - share) + above * share).mean(1).sum()
    return loss
