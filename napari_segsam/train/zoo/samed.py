"""SAMed on a person's own classes: from annotated slices to a file of its published format."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segsam.model.image_encoder import ViTSizes
from napari_segsam.model.zoo.accounts import load_exactly
from napari_segsam.model.zoo.family import Tensors
from napari_segsam.model.zoo.sam import shapes_of, vit_sizes
from napari_segsam.model.zoo.samed import Samed, encoder_of, name_here
from napari_segsam.train.zoo.fitting import Pace, Slices, Watch, fit, only, shrunk

PACE = Pace(steps=1000, rate=0.005, warm_up=250, decay=0.1)
"""As published (trainer.py of hitachinsk/SAMed), but for the steps."""
_OF_DICE = 0.8
_ANEW = ("mask_tokens.", "output_hypernetworks_mlps.", "iou_prediction_head.")
"""Parts of SAM's decoder that begin anew: there is one mask for each class, instead of three."""


def fine_tune(
    base: Tensors,
    slices: Slices,
    classes: int,
    pace: Pace = PACE,
    *,
    rank: int = 4,
    small: bool = False,
    seed: int = 0,
    sizes: ViTSizes | None = None,
    device: str = "cpu",
    watch: Watch | None = None,
) -> Samed:
    """A SAMed of the slices' classes; its :meth:`~Samed.published` is the file.

    Args:
        base: a SAM's tensors.
        slices: prepared as SAMed has it; labels 1 to C.
        classes: C.
        pace: how fast and how long.
        rank: of the updates.
        small: SAMed_s, whose decoder learns low-rank updates, too.
        seed: of what begins at random and of the order.
        sizes: of the encoder, None for the published ones.
        device: where to learn.
        watch: shows progress.

    Raises:
        ModelFileError: ``base`` is no SAM of these sizes.
        TrainingError: the loss is not finite.
    """
    torch.manual_seed(seed)
    side = slices.pictures.shape[-1]
    sizes = vit_sizes(shapes_of(base)) if sizes is None else sizes
    model = Samed(sizes, classes, rank, small, side)
    _begin(model, dict(base) | encoder_of(base, sizes, side))
    model.to(device).train()
    rng = np.random.default_rng(seed)

    def loss() -> Tensor:
        picture, labels = slices.drawn(rng)
        logits = model(picture.to(device))
        return samed_loss(logits, shrunk(labels, logits.shape[2:]).unsqueeze(0).to(device))

    fit(only(model, [name_here(name) for name in model.names()]), loss, pace, watch)
    return model.cpu().eval()


def _begin(model: Samed, base: Tensors) -> None:
    """SAM's tensors into ``model``; the updates and what begins anew keep their random start."""
    wanted = model.state_dict()
    fresh = [k for k in wanted if ".lora_" in k or k.removeprefix("mask_decoder.").startswith(_ANEW)]
    rest = {k: t for k, t in base.items() if not k.removeprefix("mask_decoder.").startswith(_ANEW)}
    load_exactly(model, rest, may_miss=fresh)


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
