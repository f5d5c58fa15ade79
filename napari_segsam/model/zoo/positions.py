"""Tables of positions at another picture size than the one that they were trained at, as the published systems do it.

SAM-Med2D, SAM-UNet, SAMed, MA-SAM and MAS-SAM build the model at the small size and resize SAM's tables once
(:func:`resized`). Med-SA keeps the table at 64 x 64 and resizes it at every pass (:func:`bicubic`).
"""

from __future__ import annotations

from collections.abc import Collection

from torch import Tensor
from torch.nn import functional as F

from napari_segsam.model.zoo.family import Tensors

PATCH = 16


def resized(
    tensors: Tensors, side: int, global_blocks: Collection[int], prefix: str = "image_encoder."
) -> dict[str, Tensor]:
    """SAM's tensors for pictures of ``side`` pixels.

    The absolute table (1, h, w, C) is resampled bilinearly to (side / 16)^2 tokens, the relative ones (2 t - 1, c) of
    the global blocks linearly to as many tokens. Windows do not depend on the picture, so other blocks keep theirs.

    Args:
        tensors: under SAM's names; those already of this size are left as they are.
        side: multiple of 16.
        global_blocks: numbers of the blocks that look at the whole picture.
        prefix: of the encoder's names.
    """
    tokens = side // PATCH
    fitted = dict(tensors)
    absolute = prefix + "pos_embed"
    if absolute in fitted:
        fitted[absolute] = _table(fitted[absolute], tokens, "bilinear")
    relative = [f"{prefix}blocks.{block}.attn.rel_pos_{axis}" for block in global_blocks for axis in "hw"]
    for name in (name for name in relative if name in fitted):
        fitted[name] = _line(fitted[name], 2 * tokens - 1)
    return fitted


def bicubic(table: Tensor, tokens: int) -> Tensor:
    """(1, h, w, C) table -> (1, tokens, tokens, C), as Med-SA resizes it in its forward pass."""
    return _table(table, tokens, "bicubic")


def _table(table: Tensor, tokens: int, mode: str) -> Tensor:
    if table.shape[1:3] == (tokens, tokens):
        return table
    planes = F.interpolate(table.permute(0, 3, 1, 2), (tokens, tokens), mode=mode, align_corners=False)
    return planes.permute(0, 2, 3, 1)


def _line(table: Tensor, length: int) -> Tensor:
    """(n, c) -> (length, c); bilinear in the published code, and linear because c stays."""
    if len(table) == length:
        return table
    return F.interpolate(table.T.unsqueeze(0), length, mode="linear", align_corners=False)[0].T.contiguous()
