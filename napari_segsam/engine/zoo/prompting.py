"""A person's prompts -> what a published model's prompt encoder reads; what its family does not take is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch.nn import functional as F

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.prompts import Prompts
from napari_segsam.engine.look import PicturePrompts
from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.engine.prompting import prompt_batch
from napari_segsam.engine.zoom import Square
from napari_segsam.model.prompt_tokens import PromptBatch
from napari_segsam.model.zoo.family import Family

_SURE = math.log(0.999 / 0.001)
"""Logit of a last mask's pixels. SAM was trained with the logits of its own last answer; a mask has none."""


def prompts_for(family: Family, prompts: Prompts, frame: PictureFrame) -> PicturePrompts:
    """Prompts on the slice -> on the part of the square that it covers; a last mask only where the family takes it.

    Raises:
        OutsideImageError: a prompt outside the slice.
        BadPromptsError: no box and no positive click, or a prompt that the family does not take: what to do instead.
    """
    takes = family.abilities
    on_picture = PicturePrompts.of(prompts, frame)
    if prompts.clicks and not takes.points:
        raise BadPromptsError(f"{family.title} takes boxes only: remove the points and draw a box round the object.")
    if prompts.box is not None and not takes.boxes:
        raise BadPromptsError(f"{family.title} takes points only: remove the box and click on the object.")
    return replace(on_picture, last=None) if takes.mask_prompt == "none" else on_picture


def batch_for(family: Family, prompts: PicturePrompts, side: int, mask_side: int) -> PromptBatch:
    """One object's prompts as the prompt encoder reads them.

    Args:
        family: says how it takes the last mask.
        prompts: of :func:`prompts_for`.
        side: of the square, in pixels.
        mask_side: of the mask that the prompt encoder reads, in pixels.
    """
    geometry = prompts.in_square(Square(0, 0, side), side)
    batch = prompt_batch([replace(geometry, last=None)], mask_side)
    if geometry.last is None:
        return batch
    inside = F.adaptive_avg_pool2d((geometry.last + 1) / 2, mask_side)
    told = inside if family.abilities.mask_prompt == "sigmoid" else (inside * 2 - 1) * _SURE
    return replace(batch, mask_logits=told.unsqueeze(0), has_mask=torch.ones(1, dtype=torch.bool))
