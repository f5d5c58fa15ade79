"""An encoder of two branches: SAM's ViT, and a pyramid of convolutions that it meets after each quarter of its blocks.

After DB-SAM (Qin et al., MICCAI 2024), whose published code does not run and which has no weights. What is here is
ours, with its three ideas: several scales beside the ViT, deformable attention between them, and a softmax that says
which of them counts where. All that joins the ViT does so through projections that start at zero.
"""

from __future__ import annotations

import torch
from segment_anything.modeling.common import LayerNorm2d
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segsam.model.deformable import DeformableAttention
from napari_segsam.model.image_encoder import PATCH, ImageEncoder

SCALES = (2, 4, 8, 16)
"""How much smaller than the picture each level of the pyramid sees it."""


def quarters(depth: int) -> tuple[int, ...]:
    """After which of ``depth`` blocks each quarter of them ends: 2, 5, 8 and 11 of 12."""
    return tuple(-(-depth * (i + 1) // 4) - 1 for i in range(4))


class Pyramid(nn.Module):
    """The picture at four scales, each brought by convolutions to the ViT's cells."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(self._level(PATCH // scale, dim) for scale in SCALES)
        self.level_embed = nn.Parameter(0.02 * torch.randn(len(SCALES), dim))

    def _level(self, shrinks: int, dim: int) -> nn.Sequential:
        """Convolutions that make a map ``shrinks`` times smaller, in steps of two, wider on the way."""
        layers: list[nn.Module] = []
        inputs, halvings = 3, shrinks.bit_length() - 1
        for i in range(halvings + 1):
            out = dim >> (halvings - i)
            layers += [nn.Conv2d(inputs, out, 3, 2 if i < halvings else 1, 1), nn.GroupNorm(1, out), nn.ReLU()]
            inputs = out
        return nn.Sequential(*layers, nn.Conv2d(dim, dim, 1), LayerNorm2d(dim))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, 4, S/16, S/16, C)."""
        maps = [level(F.avg_pool2d(images, scale)) for level, scale in zip(self.levels, SCALES, strict=True)]
        return torch.stack(maps, 1).permute(0, 1, 3, 4, 2) + self.level_embed.reshape(1, len(SCALES), 1, 1, -1)


class MixedMlp(nn.Module):
    """A transformer's MLP that also looks at the eight cells round each."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.wide, self.narrow = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.mix = nn.Conv2d(4 * dim, 4 * dim, 3, padding=1, groups=4 * dim)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, L, h, w, C) -> the same."""
        wide = self.wide(maps).flatten(0, 1).permute(0, 3, 1, 2)
        mixed: Tensor = self.narrow(F.gelu(self.mix(wide)).permute(0, 2, 3, 1))
        return mixed.reshape(maps.shape)


class Meeting(nn.Module):
    """ViT and pyramid look at each other; the ViT's tokens take over nothing at first."""

    def __init__(self, width: int, dim: int, heads: int) -> None:
        super().__init__()
        self.read, self.write = nn.Linear(width, dim), _silent(dim, width)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention, self.mlp = DeformableAttention(dim, heads, 1 + len(SCALES)), MixedMlp(dim)

    def forward(self, tokens: Tensor, pyramid: Tensor) -> tuple[Tensor, Tensor]:
        """(B, h, w, width), (B, 4, h, w, C) -> the same two."""
        maps = torch.cat([self.read(tokens).unsqueeze(1), pyramid], 1)
        maps = maps + self.attention(self.norm1(maps))
        maps = maps + self.mlp(self.norm2(maps))
        return tokens + self.write(maps[:, 0]), maps[:, 1:]


class Fusion(nn.Module):
    """The five branches' weighted mean: in each cell and channel a softmax over the branches."""

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.read, self.write = nn.Linear(width, dim), _silent(dim, width)
        narrow = max(dim // 4, 1)
        self.judges = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, narrow), nn.LayerNorm(narrow), nn.GELU(), nn.Linear(narrow, dim))
            for _ in range(1 + len(SCALES))
        )
        self.mlp = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, dim), nn.GELU())

    def weights(self, branches: Tensor) -> Tensor:
        """(B, 5, h, w, C) -> how much each counts, the same shape; over the branches they sum to 1."""
        judged = [judge(branches[:, i]) for i, judge in enumerate(self.judges)]
        return torch.stack(judged, 1).softmax(1)

    def forward(self, tokens: Tensor, pyramid: Tensor) -> Tensor:
        """(B, h, w, width), (B, 4, h, w, C) -> (B, h, w, width)."""
        branches = torch.cat([self.read(tokens).unsqueeze(1), pyramid], 1)
        fused: Tensor = self.write(self.mlp((self.weights(branches) * branches).sum(1)))
        return tokens + fused


def _silent(inputs: int, outputs: int) -> nn.Linear:
    """A layer that says nothing before it has learned."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class DualBranchEncoder(nn.Module):
    """The ViT and the pyramid, which at first give exactly the ViT's own embedding."""

    def __init__(self, vit: ImageEncoder, dim: int, heads: int) -> None:
        """``dim`` and ``heads`` are the pyramid's."""
        super().__init__()
        self.sam_img_encoder = vit
        width = vit.pos_embed.shape[3]
        self.pyramid = Pyramid(dim)
        self.places = sorted(set(quarters(len(vit.blocks))))
        self.meetings = nn.ModuleList(Meeting(width, dim, heads) for _ in self.places)
        self.fusion = Fusion(width, dim)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, C, S/16, S/16)."""
        vit, pyramid = self.sam_img_encoder, self.pyramid(images)
        x = vit.tokens(images)
        for i, block in enumerate(vit.blocks):
            x = block(x)
            if i in self.places:
                x, pyramid = self.meetings[self.places.index(i)](x, pyramid)
        return vit.neck_of(self.fusion(x, pyramid))
