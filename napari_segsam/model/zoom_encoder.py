"""The image encoder of ``nano``: one small backbone looks at the whole slice and, closely, round each prompt."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segsam.model.branches import ResNetBeside
from napari_segsam.model.config import SegSamConfig, ZoomConfig
from napari_segsam.model.mobilenet import CHANNELS, MobileNetV2

PROMPT_MAPS = 6
"""Prompt maps beside a crop: box, ellipse prior / 3, positive disks, negative disks, last mask, slice's own extent."""


@dataclass
class SliceFeatures:
    """B slices, embedded once.

    Attributes:
        tokens: (B, C, h, w) f_v.
        detail: (B, C/8, S/4, S/4) fine features: with a zoom for the masks of unprompted objects, otherwise for all
            masks, and then at S/4 or S/2; None for SAM's ViT alone.
        local: (B, L, S/8, S/8) features from which a click's object size is read; None for SAM's encoders.
    """

    tokens: Tensor
    detail: Tensor | None = None
    local: Tensor | None = None

    def of(self, owner: Tensor) -> SliceFeatures:
        """The features of the slices that ``owner`` (P,) names, one row for each prompt."""
        pick = [None if t is None else t[owner] for t in (self.tokens, self.detail, self.local)]
        assert pick[0] is not None  # tokens always are
        return SliceFeatures(pick[0], pick[1], pick[2])


class _Merge(nn.Module):
    """Upsample by two, add a projected skip, one residual block."""

    def __init__(self, inputs: int, skip: int, width: int) -> None:
        super().__init__()
        self.up = nn.Conv2d(inputs, width, 1)
        self.skip = nn.Conv2d(skip, width, 1)
        self.block = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(4, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        merged = F.interpolate(self.up(x), scale_factor=2.0, mode="bilinear", align_corners=False) + self.skip(skip)
        return F.relu(merged + self.block(merged))


class _Neck(nn.Module):
    """Strides 16 and 32 -> C channels at stride 16."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fine, self.coarse = nn.Conv2d(CHANNELS[3], dim, 1), nn.Conv2d(CHANNELS[4], dim, 1)
        self.norm = nn.GroupNorm(1, dim)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        up = F.interpolate(self.coarse(coarse), fine.shape[-2:], mode="bilinear", align_corners=False)
        normed: Tensor = self.norm(self.fine(fine) + up)
        return normed


class ZoomEncoder(nn.Module):
    """Two views through one MobileNetV2.

    The crop is told where the prompt is by extra maps that enter beside the pretrained stem through
    zero-initialised convolutions, so that training starts from the pretrained features.
    """

    def __init__(self, config: SegSamConfig, zoom: ZoomConfig) -> None:
        super().__init__()
        self.backbone = MobileNetV2()
        layers = {"resnet34": 34, "resnet50": 50}.get(config.branch)
        self.branch = None if layers is None else ResNetBeside(layers, CHANNELS[1:])
        self.slice_neck, self.crop_neck = _Neck(config.dim), _Neck(config.dim)
        self.maps_stem = nn.Conv2d(PROMPT_MAPS, 32, 3, stride=2, padding=1)
        self.maps_stride4 = nn.Conv2d(PROMPT_MAPS, 24, 3, stride=2, padding=1)
        for conv in (self.maps_stem, self.maps_stride4):
            nn.init.zeros_(conv.weight)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        a, b, c = zoom.widths
        self.crop_path = nn.ModuleList(
            [
                _Merge(config.dim, CHANNELS[2], a),
                _Merge(a, CHANNELS[1], b),
                _Merge(b, CHANNELS[0] + 4 * (3 + PROMPT_MAPS), c),
            ]
        )
        self.crop_detail = nn.Conv2d(c, 4 * (config.dim // 8), 3, padding=1)
        self.slice_path = nn.ModuleList([_Merge(config.dim, CHANNELS[2], a), _Merge(a, CHANNELS[1], b)])
        self.slice_detail = nn.Conv2d(b, config.dim // 8, 3, padding=1)

    def forward(self, images: Tensor, train_backbone: bool = True) -> SliceFeatures:
        """(B, 3, S, S) in [-1, 1] -> the slice's features; the backbone learns from the crops where told so."""
        with torch.set_grad_enabled(train_backbone and torch.is_grad_enabled()):
            taps = self.backbone(images)
        tokens = self.slice_neck(taps[3], taps[4])
        mid = self.slice_path[0](tokens, taps[2])
        return SliceFeatures(tokens, self.slice_detail(self.slice_path[1](mid, taps[1])), mid)

    def look(self, crops: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
        """(P, 3, s, s) crops in [-1, 1], (P, 6, s, s) prompt maps -> (P, C, s/16, s/16), (P, C/8, s, s)."""
        half = F.avg_pool2d(maps, 2)
        taps = self.backbone(crops, self.maps_stem(maps), self.maps_stride4(half))
        if self.branch is not None:
            taps = self.branch(crops, taps)
        tokens = self.crop_neck(taps[3], taps[4])
        raw = F.pixel_unshuffle(torch.cat([crops, maps], 1), 2)
        x = tokens
        for merge, skip in zip(self.crop_path, (taps[2], taps[1], torch.cat([taps[0], raw], 1)), strict=True):
            x = merge(x, skip)
        return tokens, F.pixel_shuffle(self.crop_detail(x), 2)


class SizeHead(nn.Module):
    """How large is the object under a lone click? Logits over bins of log(longer side / slice side), 1/64 to 1."""

    def __init__(self, inputs: int, dim: int, bins: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(inputs + dim, dim), nn.ReLU(), nn.Linear(dim, bins))

    def forward(self, features: SliceFeatures, points: Tensor) -> Tensor:
        """(P, 2) clicks as (x, y) in [-1, 1] of P rows of features -> (P, bins) logits."""
        assert features.local is not None  # only ZoomEncoder's features come here
        grid = points.reshape(-1, 1, 1, 2)
        seen = [
            F.grid_sample(f, grid, mode="bilinear", padding_mode="border", align_corners=False).flatten(1)
            for f in (features.local, features.tokens)
        ]
        logits: Tensor = self.mlp(torch.cat(seen, 1))
        return logits
