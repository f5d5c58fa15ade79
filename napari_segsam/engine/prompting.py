"""Prompts in a crop -> the tensors that the model reads."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segsam.engine.zoom import PRIOR_LIMIT, PromptGeometry, prompt_maps
from napari_segsam.model.prompt_tokens import BOX_MAX, BOX_MIN, NEGATIVE, PAD, POSITIVE, PromptBatch
from napari_segsam.model.segsam import Zoomed


def prompt_batch(geometries: list[PromptGeometry], mask_side: int, longest: int = 0) -> PromptBatch:
    """P objects' prompts -> tokens' input; shorter ones are padded with SAM's "not a point".

    Args:
        geometries: in the frame that masks are drawn on.
        mask_side: side of SAM's low-resolution mask prompt.
        longest: pad to so many points at least.
    """
    rows = [_points(g) for g in geometries]
    longest = max(longest, *(len(labels) for _, labels in rows))
    xy, labels = torch.zeros(len(rows), longest, 2), torch.full((len(rows), longest), PAD)
    for i, (points, meaning) in enumerate(rows):
        xy[i, : len(points)], labels[i, : len(meaning)] = points, meaning
    if all(g.last is None for g in geometries):
        return PromptBatch(xy, labels)
    lasts = [torch.zeros(1, mask_side, mask_side) if g.last is None else _shrink(g.last, mask_side) for g in geometries]
    return PromptBatch(xy, labels, torch.stack(lasts), torch.tensor([g.last is not None for g in geometries]))


def zoomed(
    geometries: list[PromptGeometry], crops: list[Tensor], insides: list[Tensor], places: list[list[float]]
) -> Zoomed:
    """P crops and where they lie -> the model's second look; see ``PromptedCrop`` for the shapes."""
    maps, prior = zip(*(prompt_maps(g, inside) for g, inside in zip(geometries, insides, strict=True)), strict=True)
    return Zoomed(torch.stack(crops), torch.stack(maps), torch.stack(prior), torch.tensor(places))


def _shrink(last: Tensor, side: int) -> Tensor:
    return PRIOR_LIMIT * F.adaptive_avg_pool2d(last, side)


def _points(g: PromptGeometry) -> tuple[Tensor, Tensor]:
    """(row, col) prompts -> (n, 2) (x, y) and their meaning; a set of clicks without a box ends with SAM's pad."""
    xy, labels = [g.clicks.flip(-1)], [torch.where(g.positive, POSITIVE, NEGATIVE)]
    if g.box is not None:
        xy.append(g.box.reshape(2, 2).flip(-1))
        labels.append(torch.tensor([BOX_MIN, BOX_MAX]))
    else:
        xy.append(torch.zeros(1, 2))
        labels.append(torch.tensor([PAD]))
    return torch.cat(xy), torch.cat(labels)
