"""SAM's ViT with its published names: the same numbers as segment_anything's, in less time and memory.

Source: Kirillov et al. 2023 (Segment Anything) after Li et al. 2022 (ViTDet): windowed and global attention with
decomposed relative positions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from segment_anything.modeling.common import LayerNorm2d
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segsam.model.relative_attention import attend

PATCH = 16


@dataclass(frozen=True)
class ViTSizes:
    """What tells SAM's encoders apart.

    Attributes:
        width: C, channels of a token.
        depth: number of blocks.
        heads: of each block's attention; they share the width.
        global_blocks: numbers of the blocks that look at the whole picture; the others look at windows.
    """

    width: int
    depth: int
    heads: int
    global_blocks: tuple[int, ...]


VIT_SIZES = {
    "vit_b": ViTSizes(768, 12, 12, (2, 5, 8, 11)),
    "vit_l": ViTSizes(1024, 24, 16, (5, 11, 17, 23)),
    "vit_h": ViTSizes(1280, 32, 16, (7, 15, 23, 31)),
}
"""SAM's published encoders."""


class Attention(nn.Module):
    """Attention with decomposed relative positions, in windows or over the whole picture.

    What fills an incomplete window has the same key and the same value everywhere. On the CPU it therefore is one key,
    whose logit is the logarithm of all its places' sum: the same numbers, and no work for what is not in the picture.
    A GPU would rather have all windows alike.

    Attributes:
        window: side of a window in tokens, 0 for none.
    """

    def __init__(self, width: int, heads: int, window: int, side: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        reach, per_head = 2 * (window or side) - 1, width // heads
        self.rel_pos_h, self.rel_pos_w = (nn.Parameter(torch.zeros(reach, per_head)) for _ in range(2))

    def forward(self, x: Tensor, pad: Tensor | None = None) -> Tensor:
        """(B, h, w, C) normalised tokens -> the same; zeros, or (C,) ``pad``, fill incomplete windows."""
        qkv = self.qkv(x)  # (B, h, w, 3C)
        if self.window:
            filler = self.qkv(x.new_zeros(x.shape[-1]) if pad is None else pad)
            seen = (self._in_parts if x.device.type == "cpu" else self._filled)(qkv, filler)
        else:
            seen = self._attend(qkv)
        out: Tensor = self.proj(seen)
        return out

    def resampled(self, x: Tensor) -> Tensor:
        """(n, h, w, C) normalised tokens -> the same, no windows; the tables of positions are resampled to h and w."""
        n, h, w, _ = x.shape
        q, k, v = self._split(self.qkv(x))
        at = q.reshape(n, self.heads, h, w, -1)
        down = torch.einsum("nmhwc,hkc->nmhwk", at, _relative(_resampled(self.rel_pos_h, h), h, h))
        across = torch.einsum("nmhwc,wkc->nmhwk", at, _relative(_resampled(self.rel_pos_w, w), w, w))
        out: Tensor = self.proj(attend(q, k, v, down, across, None).reshape(n, h, w, -1))
        return out

    def _in_parts(self, qkv: Tensor, filler: Tensor) -> Tensor:
        """(B, h, w, 3C), (3C,) -> (B, h, w, C): whole windows, those cut at the right, at the bottom, and at both."""
        h, w = qkv.shape[1:3]
        strips = []
        for rows in _parts(h, self.window):
            strip = [self._windows(qkv[:, rows, cols], filler) for cols in _parts(w, self.window)]
            strips.append(torch.cat(strip, 2) if len(strip) > 1 else strip[0])
        return torch.cat(strips, 1) if len(strips) > 1 else strips[0]

    def _filled(self, qkv: Tensor, filler: Tensor) -> Tensor:
        """(B, h, w, 3C), (3C,) -> (B, h, w, C), all windows whole."""
        (batch, h, w, width), side = qkv.shape, self.window
        if h % side or w % side:
            whole = filler.expand(batch, h + -h % side, w + -w % side, width).clone()
            whole[:, :h, :w] = qkv
            return self._windows(whole, filler)[:, :h, :w]
        return self._windows(qkv, filler)

    def _windows(self, qkv: Tensor, filler: Tensor) -> Tensor:
        """(B, h, w, 3C) of windows that are alike -> (B, h, w, C)."""
        batch, h, w, width = qkv.shape
        tall, wide = min(h, self.window), min(w, self.window)
        cut = qkv.reshape(batch, h // tall, tall, w // wide, wide, width).transpose(2, 3)
        seen = self._attend(cut.reshape(-1, tall, wide, width), filler)
        return seen.reshape(batch, h // tall, w // wide, tall, wide, -1).transpose(2, 3).reshape(batch, h, w, -1)

    def _attend(self, qkv: Tensor, filler: Tensor | None = None) -> Tensor:
        """(n, h, w, 3C) -> (n, h, w, C), each of n by itself; ``filler`` (3C,) is what lies beyond h and w."""
        n, h, w, _ = qkv.shape
        whole_h, whole_w = (self.window, self.window) if self.window else (h, w)
        q, k, v = self._split(qkv)
        at = q.reshape(n, self.heads, h, w, -1)
        down = torch.einsum("nmhwc,hkc->nmhwk", at, _relative(self.rel_pos_h, h, whole_h))
        across = torch.einsum("nmhwc,wkc->nmhwk", at, _relative(self.rel_pos_w, w, whole_w))
        beyond = None
        if filler is not None and (h, w) != (whole_h, whole_w):
            _, key, value = self._split(filler.expand(n, 1, 1, -1))
            k, v = torch.cat([k, key], 2), torch.cat([v, value], 2)
            beyond = _beyond(down.float(), across.float()).flatten(2)
            down, across = down[..., :h], across[..., :w]
        return attend(q, k, v, down, across, beyond).reshape(n, h, w, -1)

    def _split(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n, h, w, 3C) -> three of (n, heads, h w, c)."""
        n, h, w, _ = qkv.shape
        q, k, v = qkv.reshape(n, h * w, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        return q, k, v


def _parts(length: int, window: int) -> list[slice]:
    """The whole windows, and the incomplete one, where there are any."""
    whole = length // window * window
    return [part for part in (slice(0, whole), slice(whole, length)) if part.stop > part.start]


def _relative(table: Tensor, queries: int, keys: int) -> Tensor:
    """(2 s - 1, c) -> (queries, keys, c) the table's row for each query and key."""
    query, key = (torch.arange(n, device=table.device) for n in (queries, keys))
    return table[query.unsqueeze(1) - key.unsqueeze(0) + len(table) // 2]


def _resampled(table: Tensor, length: int) -> Tensor:
    """(2 s - 1, c) -> (2 length - 1, c), linearly."""
    return F.interpolate(table.T.unsqueeze(0), 2 * length - 1, mode="linear", align_corners=False)[0].T


def _beyond(down: Tensor, across: Tensor) -> Tensor:
    """(n, heads, h, w, s) twice: what a key's row, and its column, add to its logit, for all s of a whole window.

    Returns:
        (n, heads, h, w) what the position adds for all that fills the window, taken together as one key.
    """
    h, w = down.shape[2:4]
    right = across[..., w:].logsumexp(-1) + down.logsumexp(-1)  # empty where no column is missing: -inf
    bottom = down[..., h:].logsumexp(-1) + across[..., :w].logsumexp(-1)
    return torch.logaddexp(right, bottom)


class Mlp(nn.Module):
    """A block's two layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lin1, self.lin2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> the same."""
        out: Tensor = self.lin2(F.gelu(self.lin1(x)))
        return out


class Block(nn.Module):
    """Attention and an MLP, each beside what came in."""

    def __init__(self, width: int, heads: int, window: int, side: int) -> None:
        super().__init__()
        self.window = window
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=1e-6) for _ in range(2))
        self.attn, self.mlp = Attention(width, heads, window, side), Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) -> the same."""
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class PatchEmbed(nn.Module):
    """Squares of 16 x 16 pixels -> tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, PATCH)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, S/16, S/16, C)."""
        embedded: Tensor = self.proj(images)
        return embedded.permute(0, 2, 3, 1)


class ImageEncoder(nn.Module):
    """The whole encoder.

    Args:
        sizes: one of :data:`VIT_SIZES`.
        side: of the picture in pixels, a multiple of 16.
        out: channels of the embedding.
        window: side of a window in tokens.
        block: what makes a block of (width, heads, window, side in tokens).
    """

    def __init__(
        self,
        sizes: ViTSizes,
        side: int,
        *,
        out: int = 256,
        window: int = 14,
        block: Callable[[int, int, int, int], Block] = Block,
    ) -> None:
        super().__init__()
        self.global_blocks = sizes.global_blocks
        cells, width = side // PATCH, sizes.width
        self.patch_embed = PatchEmbed(width)
        self.pos_embed = nn.Parameter(torch.zeros(1, cells, cells, width))
        windows = [0 if i in sizes.global_blocks else window for i in range(sizes.depth)]
        self.blocks = nn.ModuleList(block(width, sizes.heads, each, cells) for each in windows)
        self.neck = nn.Sequential(
            nn.Conv2d(width, out, 1, bias=False),
            LayerNorm2d(out),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            LayerNorm2d(out),
        )

    def tokens(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) normalised pictures -> (B, h, w, C) patches with their positions."""
        embedded: Tensor = self.patch_embed(images) + self.pos_embed
        return embedded

    def neck_of(self, x: Tensor) -> Tensor:
        """(B, h, w, C) what the last block gives -> (B, out, h, w) embedding."""
        embedding: Tensor = self.neck(x.permute(0, 3, 1, 2))
        return embedding

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) normalised pictures -> (B, out, S/16, S/16) embedding."""
        x = self.tokens(images)
        for block in self.blocks:
            x = block(x)
        return self.neck_of(x)
