"""AuxOL's auxiliary network: a U-Net that is trained while a person works, and the loss that it is trained with.

Source: AuxOL (IEEE TMI 2025, arXiv 2406.00956); names are the published ones. Its instance
normalisation has no parameters and keeps no statistics, so that one picture never changes another's answer and there is
no difference between learning and answering.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BASE = 64
"""Channels of the published network at full size (17.3 million parameters); 16 make 1.1 million."""
_EDGE = 31
"""Side of the square whose mean tells how close a pixel is to the mask's edge."""


class DoubleConv(nn.Module):
    """Twice: convolution, instance normalisation, ReLU."""

    def __init__(self, inputs: int, middle: int, outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, o in ((inputs, middle), (middle, outputs)):
            layers += [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.InstanceNorm2d(o), nn.ReLU(inplace=True)]
        self.double_conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h, w)."""
        out: Tensor = self.double_conv(x)
        return out


class Down(nn.Module):
    """To half the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(inputs, outputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h / 2, w / 2)."""
        out: Tensor = self.maxpool_conv(x)
        return out


class Up(nn.Module):
    """To twice the size, beside what was there on the way down."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = DoubleConv(inputs, inputs // 2, outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(B, inputs / 2, h, w) and (B, inputs / 2, 2h, 2w) -> (B, outputs, 2h, 2w)."""
        larger = F.interpolate(x, skip.shape[-2:], mode="bilinear", align_corners=True)
        out: Tensor = self.conv(torch.cat([skip, larger], 1))
        return out


class OutConv(nn.Module):
    """The last 1x1 convolution, under its published name."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, 1, h, w)."""
        out: Tensor = self.conv(x)
        return out


class AuxUNet(nn.Module):
    """(B, channels, S, S) in 0..1, S a multiple of 16 and at least 32 -> (B, 1, S, S) logits."""

    def __init__(self, channels: int = 4, base: int = BASE) -> None:
        super().__init__()
        b = base
        self.inc = DoubleConv(channels, b, b)
        self.down1, self.down2 = Down(b, 2 * b), Down(2 * b, 4 * b)
        self.down3, self.down4 = Down(4 * b, 8 * b), Down(8 * b, 8 * b)
        self.up1, self.up2 = Up(16 * b, 4 * b), Up(8 * b, 2 * b)
        self.up3, self.up4 = Up(4 * b, b), Up(2 * b, b)
        self.outc = OutConv(b)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x4 = self.down3(x3)
        up = self.up2(self.up1(self.down4(x4), x4), x3)
        logits: Tensor = self.outc(self.up4(self.up3(up, x2), x1))
        return logits


def structure_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy and an IoU loss in which pixels near the mask's edge weigh up to six times as much -> ().

    This is what the published training computes. Its authors meant to weigh the cross-entropy too, but what they
    weigh is already a mean, so that the weights cancel; we keep to what was published.

    Args:
        logits: (B, 1, S, S).
        mask: (B, 1, S, S) zeros and ones.
    """
    weights = 1 + 5 * (F.avg_pool2d(mask, _EDGE, stride=1, padding=_EDGE // 2) - mask).abs()
    p = logits.sigmoid()
    both, all_ = (p * mask * weights).sum((2, 3)), ((p + mask) * weights).sum((2, 3))
    return F.binary_cross_entropy_with_logits(logits, mask) + (1 - (both + 1) / (all_ - both + 1)).mean()
