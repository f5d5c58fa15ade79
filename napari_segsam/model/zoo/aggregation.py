"""MAS-SAM's aggregated multi-level decoder: masks grow step by step from what four depths of the ViT saw.

The four depths together make the hypermap, which joins every step; the deepest depth begins, the shallowest ends.
Source: Yan et al., IJCAI 2024; names are the published ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

_SQUEEZE = 16
"""Channels over channels of the gate's bottleneck."""


class ConvNorm(nn.Module):
    """Convolution without bias, batch normalisation, GELU."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h, w)."""
        return nn.functional.gelu(self.bn(self.conv(x)))


class ChannelGate(nn.Module):
    """Each channel plus its share of itself, which its mean and its maximum over the map decide."""

    def __init__(self, width: int) -> None:
        super().__init__()
        narrow = max(width // _SQUEEZE, 1)
        self.fc = nn.Sequential(nn.Conv2d(width, narrow, 1), nn.ReLU(), nn.Conv2d(narrow, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) -> the same."""
        share = self.fc(x.mean((2, 3), keepdim=True)) + self.fc(x.amax((2, 3), keepdim=True))
        gated: Tensor = x + x * share.sigmoid()
        return gated


class Squeeze(nn.Module):
    """Fewer channels, gated, mixed."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.pw1, self.se, self.pw2 = ConvNorm(inputs, outputs, 1), ChannelGate(outputs), ConvNorm(outputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h, w)."""
        squeezed: Tensor = self.pw2(self.se(self.pw1(x)))
        return squeezed


class Grow(nn.Module):
    """``times`` the side."""

    def __init__(self, inputs: int, outputs: int, times: int = 2) -> None:
        super().__init__()
        self.conv_up, self.conv_fu = nn.ConvTranspose2d(inputs, outputs, times, times), ConvNorm(outputs, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, times h, times w)."""
        grown: Tensor = self.conv_fu(self.conv_up(x))
        return grown


class Aggregation(nn.Module):
    """The steps, without the heads that read masks from them.

    Args:
        width: channels of the ViT's tokens.
        dim: channels of SAM's embedding; the steps have all, a half, a quarter and an eighth of them.
        compat_bug: read the second depth where the first is meant, as the published code does (the first is then never
            used); only for weights that were trained so.
    """

    def __init__(self, width: int, dim: int, compat_bug: bool = False) -> None:
        super().__init__()
        a, b, c, d = dim, dim // 2, dim // 4, dim // 8
        self.compat_bug = compat_bug
        self.de12_, self.de9_, self.de6_, self.de3_ = (Squeeze(width, a) for _ in range(4))
        self.de12, self.de9 = Grow(width, a, times=1), Grow(width, b)
        self.de6 = nn.Sequential(Grow(width, b), Grow(b, c))
        self.de3 = nn.Sequential(Grow(width, b), Grow(b, c), Grow(c, d))
        self.hyper = Squeeze(4 * a, a)
        self.hyper_up1, self.hyper_up2, self.hyper_up3 = Grow(a, b), Grow(b, c), Grow(c, d)
        self.up1, self.up2, self.up3 = Grow(a, a), Grow(b, b), Grow(c, c)
        self.fu1, self.fu2 = Squeeze(3 * a, a), Squeeze(a + 2 * b, b)
        self.fu3, self.fu4 = Squeeze(b + 2 * c, c), Squeeze(c + 2 * d, d)

    def steps(self, source: Tensor, depths: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What masks can be read from, coarse to fine.

        Args:
            source: (B, dim, h, w) SAM's embedding, or what its decoder made of it.
            depths: (B, h, w, width) tokens after each quarter of the ViT's blocks.

        Returns:
            (B, dim, h, w), (B, dim/2, 2h, 2w), (B, dim/4, 4h, 4w) and (B, dim/8, 8h, 8w).
        """
        first, second, third, last = (x.permute(0, 3, 1, 2) for x in depths)
        if self.compat_bug:
            first = second
        hyper = torch.cat([self.de12_(last), self.de9_(third), self.de6_(second), self.de3_(first)], 1)
        hyper = self.hyper(hyper)
        step1: Tensor = self.fu1(torch.cat([source, self.de12(last), hyper], 1))
        hyper = self.hyper_up1(hyper)
        step2: Tensor = self.fu2(torch.cat([self.up1(step1), self.de9(third), hyper], 1))
        hyper = self.hyper_up2(hyper)
        step3: Tensor = self.fu3(torch.cat([self.up2(step2), self.de6(second), hyper], 1))
        step4: Tensor = self.fu4(torch.cat([self.up3(step3), self.de3(first), self.hyper_up3(hyper)], 1))
        return step1, step2, step3, step4
