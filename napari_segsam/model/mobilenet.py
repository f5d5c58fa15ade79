"""MobileNetV2 (Sandler et al., 2018) with batch normalisation folded away: the backbone of ``nano``."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

# expansion, width, repeats, first stride
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
TAPS = (0, 2, 5, 12, 16)
"""Blocks whose outputs are the features at strides 2, 4, 8, 16 and 32."""
CHANNELS = (16, 24, 32, 96, 320)


class _SameConv(nn.Conv2d):
    """A 3x3 or 1x1 convolution padded as TensorFlow's "same", which the pretrained weights expect."""

    def forward(self, x: Tensor) -> Tensor:
        if self.kernel_size[0] == 1:
            return super().forward(x)
        pad = (0, 1, 0, 1) if self.stride[0] == 2 else (1, 1, 1, 1)
        return super().forward(F.pad(x, pad))


class _Block(nn.Module):
    """Inverted residual: expand, depthwise, project."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.expand = nn.Conv2d(inputs, width, 1) if expansion > 1 else None
        self.depthwise = _SameConv(width, width, 3, stride, groups=width)
        self.project = nn.Conv2d(width, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """RGB in [-1, 1] -> features at strides 2, 4, 8, 16, 32; more can be added to the first two on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _SameConv(3, 32, 3, 2)
        blocks, inputs = [], 32
        for expansion, width, repeats, stride in _STAGES:
            for i in range(repeats):
                blocks.append(_Block(inputs, width, expansion, stride if i == 0 else 1))
                inputs = width
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, at_stem: Tensor | None = None, at_stride4: Tensor | None = None) -> list[Tensor]:
        """(B, 3, S, S) -> five maps of CHANNELS; (B, 32, S/2, S/2) and (B, 24, S/4, S/4) are added where given."""
        x = self.stem(x)
        x = F.relu6(x if at_stem is None else x + at_stem)
        taps = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i == TAPS[1] and at_stride4 is not None:
                x = x + at_stride4
            if i in TAPS:
                taps.append(x)
        return taps
