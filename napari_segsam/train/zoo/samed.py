"""SAMed on a person's own classes: from annotated slices to a file of its published format."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segsam.model.zoo.accounts import load_exactly
from napari_segsam.model.zoo.family import Tensors
from napari_segsam.model.zoo.samed import Samed, encoder_of, name_here
from napari_segsam.train.zoo.fitting import AnnotatedSlices, Course, Pace, fine_tuned, shrunk

PACE = Pace(steps=1000, rate=0.005, warm_up=250, decay=0.1)
"""As published (trainer.py of hitachinsk/SAMed), but for the steps."""
_OF_DICE = 0.8
_ANEW = (".mask_tokens.", ".output_hypernetworks_mlps.", ".iou_prediction_head.")
"""Parts of SAM's decoder that begin anew: there is one mask for each class, instead of three."""


def fine_tune(
    base: Tensors, slices: AnnotatedSlices, classes: int, course: Course, *, rank: int = 4, small: bool = False
) -> Samed:
    """A SAMed of the slices' classes; its :meth:`~Samed.published` is the file.

    Args:
        base: a SAM's tensors.
        slices: prepared as SAMed has it; labels 1 to C.
        classes: C.
        course: see there.
        rank: of the updates.
        small: SAMed_s, whose decoder learns low-rank updates, too.

    Raises:
        ModelFileError: ``base`` is no SAM of these sizes.
        TrainingError: the loss is not finite.
    """
    torch.manual_seed(course.seed)
    sizes, side = course.sizes_of(base), slices.pictures.shape[-1]
    model = Samed(sizes, classes, rank, small, side)
    begin(model, dict(base) | encoder_of(base, sizes, side), (".lora_",))

    def wrong(picture: Tensor, labels: Tensor, _: np.random.Generator) -> Tensor:
        logits = model(picture)
        return samed_loss(logits, shrunk(labels, logits.shape[2:]).unsqueeze(0).to(logits.device))

    return fine_tuned(model, [name_here(name) for name in model.names()], wrong, slices, course)


def begin(model: nn.Module, base: Tensors, added: Sequence[str]) -> None:
    """SAM's tensors into ``model``; what is ``added``, by parts of names, and a decoder's heads begin at random."""
    anew = (*added, *_ANEW)
    fresh = [k for k in model.state_dict() if any(part in k for part in anew)]
    load_exactly(model, {k: t for k, t in base.items() if not any(part in k for part in anew)}, may_miss=fresh)


def samed_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """0.2 of the cross-entropy and 0.8 of the Dice loss, as SAMed weighs them.

    Args:
        logits: (B, C + 1, h, w).
        labels: (B, h, w) integers.
    """
    there = F.one_hot(labels, logits.shape[1]).permute(0, 3, 1, 2).float()
    p = logits.softmax(1)
    overlap, total = (p * there).sum((0, 2, 3)), (p * p + there).sum((0, 2, 3))
    dice = (2 * overlap + 1e-5) / (total + 1e-5)
    return (1 - _OF_DICE) * F.cross_entropy(logits, labels) + _OF_DICE * (1 - dice).mean()
