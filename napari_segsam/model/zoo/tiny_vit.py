"""TinyViT (Wu et al. 2022) as MobileSAM made an image encoder of it; LiteMedSAM and HQ-SAM's smallest model use it too.

Names are the published ones; batch normalisation is folded into its convolution wherever nothing is trained.
"""

from __future__ import annotations

import torch
from segment_anything.modeling.common import LayerNorm2d
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS, DEPTHS, HEADS, WINDOWS = (64, 128, 160, 320), (2, 2, 6, 2), (2, 4, 5, 10), (7, 7, 14, 7)
"""Of the four stages; the first is convolutions and has no windows."""
EARLY_WIDTH = WIDTHS[2]
"""Channels of what :meth:`TinyViT.early` gives."""
UNUSED = ("image_encoder.norm_head.", "image_encoder.head.")
"""Names of the ImageNet classifier that published files carry along; nothing of SAM reads it."""
_EXPANSION = 4


class ConvNorm(nn.Module):
    """A convolution without bias and a batch normalisation."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h', w')."""
        if self.training:
            normalised: Tensor = self.bn(self.c(x))
            return normalised
        mean, variance = self.bn.running_mean, self.bn.running_var
        assert mean is not None  # tracked by default
        assert variance is not None
        scale = self.bn.weight * (variance + self.bn.eps).rsqrt()
        kernel, bias = self.c.weight * scale.reshape(-1, 1, 1, 1), self.bn.bias - mean * scale
        return F.conv2d(x, kernel, bias, self.c.stride, self.c.padding, groups=self.c.groups)


class PatchEmbed(nn.Module):
    """Pixels -> the first stage's features."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        width = WIDTHS[0]
        self.seq = nn.Sequential(
            ConvNorm(3, width // 2, kernel, stride), nn.GELU(), ConvNorm(width // 2, width, kernel, stride)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, 64, S / stride^2, S / stride^2)."""
        embedded: Tensor = self.seq(x)
        return embedded


class MBConv(nn.Module):
    """Inverted residual of the first stage: expand, depthwise, project."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = width * _EXPANSION
        self.conv1 = ConvNorm(width, hidden)
        self.conv2 = ConvNorm(hidden, hidden, 3, groups=hidden)
        self.conv3 = ConvNorm(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same."""
        return F.gelu(x + self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x))))))


class PatchMerging(nn.Module):
    """From one stage to the next; into the last one at full size, as the published encoders keep 1/16."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(inputs, outputs)
        self.conv2 = ConvNorm(outputs, outputs, 3, 1 if outputs == WIDTHS[3] else 2, groups=outputs)
        self.conv3 = ConvNorm(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h / 2, w / 2) or, into the last stage, (B, outputs, h, w)."""
        merged: Tensor = self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))
        return merged


class Attention(nn.Module):
    """Attention inside a window, with one bias for each head and distance (rows, columns) between two tokens."""

    distance: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)  # q, k and v of head 0, then of head 1, ...
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window**2))
        rows, cols = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
        far = [(at.reshape(-1, 1) - at.reshape(1, -1)).abs() for at in (rows, cols)]
        self.register_buffer("distance", far[0] * window + far[1], persistent=False)  # (w^2, w^2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, window^2, C) -> the same."""
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norm(x)).reshape(batch, tokens, self.heads, 3, width // self.heads)
        q, k, v = qkv.permute(3, 0, 2, 1, 4)  # each (B, heads, window^2, C / heads)
        bias = self.attention_biases[:, self.distance].expand(batch, -1, -1, -1)
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        attended: Tensor = self.proj(seen.transpose(1, 2).reshape(batch, tokens, width))
        return attended


class Mlp(nn.Module):
    """Normalise, expand, contract."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, width * _EXPANSION), nn.Linear(width * _EXPANSION, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> the same."""
        out: Tensor = self.fc2(F.gelu(self.fc1(self.norm(x))))
        return out


class Block(nn.Module):
    """Windowed attention, a depthwise convolution that has no residual, an MLP."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = Attention(width, heads, window)
        self.mlp = Mlp(width)
        self.local_conv = ConvNorm(width, width, 3, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same."""
        tokens = x.permute(0, 2, 3, 1)
        tokens = tokens + self._attended(tokens)
        tokens = self.local_conv(tokens.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        out: Tensor = (tokens + self.mlp(tokens)).permute(0, 3, 1, 2)
        return out

    def _attended(self, x: Tensor) -> Tensor:
        """(B, h, w, C) -> the same; windows at the edge are filled with zeros before their normalisation."""
        (batch, h, w, width), side = x.shape, self.window
        filled = F.pad(x, (0, 0, 0, -w % side, 0, -h % side))
        rows, cols = filled.shape[1] // side, filled.shape[2] // side
        cut = filled.reshape(batch, rows, side, cols, side, width).transpose(2, 3)
        seen = self.attn(cut.reshape(-1, side * side, width)).reshape(batch, rows, cols, side, side, width)
        together: Tensor = seen.transpose(2, 3).reshape(filled.shape)
        return together[:, :h, :w]


class Stage(nn.Module):
    """Blocks of one width and, but for the last stage, the way to the next."""

    def __init__(self, number: int) -> None:
        super().__init__()
        width, window = WIDTHS[number], WINDOWS[number]
        made = [Block(width, HEADS[number], window) if number else MBConv(width) for _ in range(DEPTHS[number])]
        self.blocks = nn.ModuleList(made)
        self.downsample = PatchMerging(width, WIDTHS[number + 1]) if number < 3 else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> what the next stage reads."""
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class TinyViT(nn.Module):
    """The whole encoder: (B, 3, S, S) -> (B, 256, S / n, S / n), n = 16, or 4 where patches are single pixels.

    Args:
        single_pixels: the patch embedding is two 1x1 convolutions, as in LiteMedSAM, and not two 3x3 ones of stride 2.
    """

    def __init__(self, *, single_pixels: bool = False) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(1, 1) if single_pixels else PatchEmbed(3, 2)
        self.layers = nn.ModuleList(Stage(number) for number in range(4))
        self.neck = nn.Sequential(
            nn.Conv2d(WIDTHS[3], 256, 1, bias=False),
            LayerNorm2d(256),
            nn.Conv2d(256, 256, 3, padding=1, bias=False),
            LayerNorm2d(256),
        )

    def early(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, 160, S / n, S / n), what the third stage reads: HQ-SAM's early features."""
        x: Tensor = self.layers[1](self.layers[0](self.patch_embed(images)))
        return x

    def late(self, early: Tensor) -> Tensor:
        """(B, 160, h, w) of :meth:`early` -> (B, 256, h, w) embedding."""
        embedding: Tensor = self.neck(self.layers[3](self.layers[2](early)))
        return embedding

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        return self.late(self.early(images))
