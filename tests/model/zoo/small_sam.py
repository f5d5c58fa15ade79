"""A SAM that is small enough for a test: the same names, random weights."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_segsam.model.image_encoder import ImageEncoder, ViTSizes
from napari_segsam.model.zoo.sam import Sam

SMALL = ViTSizes(width=32, depth=2, heads=2, global_blocks=(1,))


def small_sam(side: int = 64, seed: int = 0, sizes: ViTSizes = SMALL) -> dict[str, Tensor]:
    """Its tensors under SAM's names, position tables included."""
    torch.manual_seed(seed)
    tensors = Sam(ImageEncoder(sizes, side), side).state_dict()
    tables = [k for k in tensors if k.endswith(("pos_embed", "rel_pos_h", "rel_pos_w"))]
    return tensors | {k: 0.1 * torch.randn_like(tensors[k]) for k in tables}
