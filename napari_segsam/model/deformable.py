"""Deformable attention over several maps of one size, in plain torch.

Source: Zhu et al. 2021 (Deformable DETR): each cell looks at a few places round itself on every map, which it chooses.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def sampled(values: Tensor, at: Tensor, weights: Tensor) -> Tensor:
    """The weighted sum of what lies at given places, read bilinearly; beyond a map's border lies zero.

    Args:
        values: (B, H, L, d, h, w), of H heads and L maps.
        at: (B, Q, H, L, P, 2) as (x, y), 0..1 from border to border.
        weights: (B, Q, H, L, P).

    Returns:
        (B, Q, H * d).
    """
    b, heads, levels, d = values.shape[:4]
    queries, points = at.shape[1], at.shape[4]
    grid = (2 * at - 1).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)  # (B H L, Q, P, 2)
    found = F.grid_sample(values.flatten(0, 2).to(grid.dtype), grid, "bilinear", "zeros", align_corners=False)
    found = found.reshape(b, heads, levels, d, queries, points)
    return torch.einsum("bhldqp,bqhlp->bqhd", found, weights.to(found.dtype)).flatten(2)


class DeformableAttention(nn.Module):
    """Every cell of L maps looks at ``points`` places of each of them; at first along a ring, all with equal weight."""

    def __init__(self, dim: int, heads: int, levels: int, points: int = 4) -> None:
        super().__init__()
        self.heads, self.levels, self.points = heads, levels, points
        self.offsets = nn.Linear(dim, heads * levels * points * 2)
        self.weights = nn.Linear(dim, heads * levels * points)
        self.value, self.out = nn.Linear(dim, dim), nn.Linear(dim, dim)
        angles = torch.arange(heads) * (2 * math.pi / heads)
        ring = torch.stack([angles.cos(), angles.sin()], -1).reshape(heads, 1, 1, 2)
        steps = torch.arange(1, points + 1).reshape(1, 1, points, 1)
        for layer in (self.offsets, self.weights):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.offsets.bias.copy_((ring * steps).expand(heads, levels, points, 2).flatten())

    def forward(self, maps: Tensor) -> Tensor:
        """(B, L, h, w, C) -> the same."""
        b, levels, h, w, c = maps.shape
        shape = (b, levels * h * w, self.heads, levels, self.points)
        ys, xs = ((torch.arange(n, device=maps.device) + 0.5) / n for n in (h, w))
        centres = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), -1).reshape(1, -1, 1, 1, 1, 2)
        cell = torch.tensor([1 / w, 1 / h], device=maps.device)  # offsets are in cells
        at = centres.repeat(1, levels, 1, 1, 1, 1) + self.offsets(maps).reshape(*shape, 2) * cell
        weights = self.weights(maps).reshape(*shape[:3], -1).softmax(-1).reshape(shape)
        values = self.value(maps).reshape(b, levels, h, w, self.heads, c // self.heads).permute(0, 4, 1, 5, 2, 3)
        out: Tensor = self.out(sampled(values, at, weights))
        return out.reshape(maps.shape)
