"""Attention whose bias is the sum of a row's and a column's, without a table of every query's bias for every key.

Such a table is what SAM's encoder spends most of its time and memory on: 805 MB in each global block of ViT-B at
1024 px. Here the bias exists for a few rows of queries at a time, and so do the probabilities, going back as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

_AT_ONCE = 1 << 22
"""Numbers of the bias that exist at a time for up to four threads: 16 MB, which caches still hold."""
_Piece = tuple[slice, slice, slice]
_Gradients = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None]


def attend(q: Tensor, k: Tensor, v: Tensor, down: Tensor, across: Tensor, beyond: Tensor | None = None) -> Tensor:
    """Softmax attention of h x w queries to as many keys, and to one more where ``beyond`` is given.

    Args:
        q: (n, heads, h w, c) queries.
        k: (n, heads, h w, c) keys, or (n, heads, h w + 1, c).
        v: their values.
        down: (n, heads, h, w, h) what a key's row adds to its logit.
        across: (n, heads, h, w, w) what its column adds.
        beyond: (n, heads, h w) what is added to the last key's logit.

    Returns:
        (n, h w, heads, c).
    """
    way = _InPieces.apply if q.device.type == "cpu" else _at_once
    said: Tensor = way(q, k, v, down, across, beyond)
    return said


def _at_once(q: Tensor, k: Tensor, v: Tensor, down: Tensor, across: Tensor, beyond: Tensor | None) -> Tensor:
    """:func:`attend` with the whole bias: in a GPU's 16 bits it is small, and many small steps would be slow."""
    bias = (down.unsqueeze(-1) + across.unsqueeze(-2)).flatten(4).flatten(2, 3)
    if beyond is not None:
        bias = torch.cat([bias, beyond.unsqueeze(-1)], -1)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype)).transpose(1, 2)


class _InPieces(torch.autograd.Function):
    """:func:`attend` piece by piece; going back, a piece's probabilities are computed again instead of kept."""

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, down: Tensor, across: Tensor, beyond: Tensor | None
    ) -> Tensor:
        n, heads, tokens, channels = q.shape
        out = q.new_empty(n, tokens, heads, channels)
        for at, head, row in _pieces(down, k.shape[2]):
            here = _tokens(row, down)
            bias = _bias(down[at, head, row], across[at, head, row], None if beyond is None else beyond[at, head, here])
            seen = F.scaled_dot_product_attention(
                q[at, head, here], k[at, head], v[at, head], attn_mask=bias.to(q.dtype)
            )
            out[at, here, head] = seen.transpose(1, 2)
        ctx.save_for_backward(q, k, v, down, across, beyond, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> _Gradients:
        q, k, v, down, across, beyond, out = ctx.saved_tensors
        scale = q.shape[-1] ** -0.5
        dq, d_down, d_across = torch.empty_like(q), torch.empty_like(down), torch.empty_like(across)
        dk, dv = torch.zeros_like(k), torch.zeros_like(v)
        d_beyond = None if beyond is None else torch.empty_like(beyond)
        for at, head, row in _pieces(down, k.shape[2]):
            here = _tokens(row, down)
            bias = _bias(down[at, head, row], across[at, head, row], None if beyond is None else beyond[at, head, here])
            scaled, keys, said = q[at, head, here] * scale, k[at, head], grad[at, here, head].transpose(1, 2)
            logits = (scaled @ keys.mT).add_(bias)
            seen = torch.softmax(logits, -1, out=logits)
            dv[at, head] += seen.mT @ said
            own = (said * out[at, here, head].transpose(1, 2)).sum(-1, keepdim=True)
            slope = (said @ v[at, head].mT).sub_(own).mul_(seen)
            dq[at, head, here] = (slope @ keys) * scale
            dk[at, head] += slope.mT @ scaled
            grid = _as_grid(slope, down)
            torch.sum(grid, -1, out=d_down[at, head, row])
            torch.sum(grid, -2, out=d_across[at, head, row])
            if d_beyond is not None:
                d_beyond[at, head, here] = slope[..., -1]
        return dq, dk, dv, d_down, d_across, d_beyond


def _pieces(down: Tensor, keys: int) -> Iterator[_Piece]:
    """Slices of (n, heads, rows) that together are everything, each with a small bias."""
    n, heads, h, w, _ = down.shape
    room = _AT_ONCE * max(1, torch.get_num_threads() // 4)  # so that each thread has a part of a piece
    rows = min(max(room // (w * keys), 1), h)
    of_heads = min(max(room // (rows * w * keys), 1), heads)
    of_n = max(room // (heads * h * w * keys), 1)
    for i in range(0, n, of_n):
        for j in range(0, heads, of_heads):
            for r in range(0, h, rows):
                yield slice(i, i + of_n), slice(j, j + of_heads), slice(r, min(r + rows, h))


def _tokens(rows: slice, down: Tensor) -> slice:
    """The tokens of these rows."""
    w = down.shape[3]
    return slice(rows.start * w, rows.stop * w)


def _bias(down: Tensor, across: Tensor, beyond: Tensor | None) -> Tensor:
    """(n, heads, r, w, h) and (n, heads, r, w, w) -> (n, heads, r w, h w), or one wider with (n, heads, r w)."""
    n, heads, rows, w, h = down.shape
    bias = down.new_empty(n, heads, rows * w, h * w if beyond is None else h * w + 1)
    torch.add(down.unsqueeze(-1), across.unsqueeze(-2), out=_as_grid(bias, down))
    if beyond is not None:
        bias[..., -1] = beyond
    return bias


def _as_grid(logits: Tensor, down: Tensor) -> Tensor:
    """(n, heads, r w, keys) -> its view (n, heads, r, w, h, w), without the key that lies beyond."""
    w, h = down.shape[3:]
    return logits[..., : h * w].view(*logits.shape[:2], -1, w, h, w)
