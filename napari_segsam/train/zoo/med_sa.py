"""Med-SA's adapters on a person's own objects: from annotated slices to a file with nothing but adapters."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segsam.model.image_encoder import ViTSizes
from napari_segsam.model.prompt_tokens import PAD, POSITIVE, PromptBatch
from napari_segsam.model.zoo.accounts import load_exactly
from napari_segsam.model.zoo.family import Tensors
from napari_segsam.model.zoo.med_sa import MedSa, at_side
from napari_segsam.model.zoo.sam import shapes_of, vit_sizes
from napari_segsam.train.zoo.fitting import Pace, Slices, Watch, fit, only, shrunk

PACE = Pace(steps=1000, rate=1e-4)
"""The rate is as published (cfg.py of Medical-SAM-Adapter)."""
_INSIDE = 2.0
"""How much more a pixel of the object weighs than one beside it."""


def fine_tune(
    base: Tensors,
    slices: Slices,
    pace: Pace = PACE,
    *,
    seed: int = 0,
    sizes: ViTSizes | None = None,
    device: str = "cpu",
    watch: Watch | None = None,
) -> MedSa:
    """A SAM with adapters that know the slices' objects; its :meth:`~MedSa.adapters` are the file.

    A click at random in an object asks for it. Only the adapters learn: the authors train SAM's decoder as well and do
    not publish it, so that their files answer otherwise than they did; ours answer as they did here.

    Args:
        base: a SAM's tensors.
        slices: prepared as Med-SA has it; whatever values their labels have.
        pace: how fast and how long.
        seed: of what begins at random and of the order.
        sizes: of the encoder, None for the published ones.
        device: where to learn.
        watch: shows progress.

    Raises:
        ModelFileError: ``base`` is no SAM of these sizes.
        TrainingError: the loss is not finite.
    """
    torch.manual_seed(seed)
    sizes, side = vit_sizes(shapes_of(base)) if sizes is None else sizes, slices.pictures.shape[-1]
    model = MedSa(sizes, side=side)
    load_exactly(model, at_side(base, sizes, side), may_miss=list(model.adapters()))
    model.to(device).train()
    rng = np.random.default_rng(seed)

    def loss() -> Tensor:
        picture, labels = slices.drawn(rng)
        mask, click = _asked(labels, rng)
        logits = model.answer(model.encode(picture.to(device)), click.to(torch.device(device))).logits[0, 0]
        target = shrunk(mask, logits.shape).float().to(device)
        return F.binary_cross_entropy_with_logits(logits, target, pos_weight=target.new_tensor(_INSIDE))

    fit(only(model, list(model.adapters())), loss, pace, watch)
    return model.cpu().eval()


def _asked(labels: Tensor, rng: np.random.Generator) -> tuple[Tensor, PromptBatch]:
    """One class of (S, S) labels as a mask, and a click on one of its pixels; SAM's "no box" stands beside it."""
    there = [int(value) for value in np.unique(labels.numpy()) if value]
    mask = labels == there[int(rng.integers(len(there)))]
    pixels = mask.nonzero()
    row, col = pixels[int(rng.integers(len(pixels)))].tolist()
    points = torch.tensor([[[col, row], [0, 0]]], dtype=torch.float32)
    return mask, PromptBatch(points, torch.tensor([[POSITIVE, PAD]]))
