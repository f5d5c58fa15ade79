"""Med-SA's adapters on a person's own objects: from annotated slices to a file with nothing but adapters."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segsam.model.prompt_tokens import PAD, POSITIVE, PromptBatch
from napari_segsam.model.zoo.accounts import load_exactly
from napari_segsam.model.zoo.family import Tensors
from napari_segsam.model.zoo.med_sa import MedSa, at_side
from napari_segsam.train.zoo.fitting import AnnotatedSlices, Course, Pace, fine_tuned, one_of, shrunk

PACE = Pace(steps=1000, rate=1e-4)
"""The rate is as published (cfg.py of Medical-SAM-Adapter)."""
RANK = 4
"""Of low-rank updates, as published."""
_INSIDE = 2.0
"""How much more a pixel of the object weighs than one beside it."""


def fine_tune(base: Tensors, slices: AnnotatedSlices, course: Course, *, rank: int = 0) -> MedSa:
    """A SAM with adapters that know the slices' objects; its :meth:`~MedSa.skill` is the file.

    A click at random in an object asks for it. Only the adapters learn: the authors train SAM's decoder as well and do
    not publish it, so that their files answer otherwise than they did; ours answer as they did here.

    Args:
        base: a SAM's tensors.
        slices: prepared as Med-SA has it; whatever values their labels have.
        course: see there.
        rank: of low-rank updates, which learn instead of adapters; 0 for adapters.

    Raises:
        ModelFileError: ``base`` is no SAM of these sizes.
        TrainingError: the loss is not finite.
    """
    torch.manual_seed(course.seed)
    sizes, side = course.sizes_of(base), slices.pictures.shape[-1]
    model = MedSa(sizes, rank=rank, side=side)
    load_exactly(model, at_side(base, sizes, side), may_miss=model.learned())

    def wrong(picture: Tensor, labels: Tensor, rng: np.random.Generator) -> Tensor:
        mask = one_of(labels, rng)
        click = _click_in(mask, rng).to(picture.device)
        logits = model.answer(model.encode(picture), click).logits[0, 0]
        target = shrunk(mask, logits.shape).to(logits)
        return F.binary_cross_entropy_with_logits(logits, target, pos_weight=target.new_tensor(_INSIDE))

    return fine_tuned(model, model.learned(), wrong, slices, course)


def _click_in(mask: Tensor, rng: np.random.Generator) -> PromptBatch:
    """A click on one of an (S, S) mask's pixels; SAM's "no box" stands beside it."""
    pixels = mask.nonzero()
    row, col = pixels[int(rng.integers(len(pixels)))].tolist()
    points = torch.tensor([[[col, row], [0, 0]]], dtype=torch.float32)
    return PromptBatch(points, torch.tensor([[POSITIVE, PAD]]))
