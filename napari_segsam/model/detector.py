"""Our own small detector: ``nano``'s backbone, three maps and one head that all of them share."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segsam.model.boxes import BINS, STRIDES, Boxes, Cells, best_boxes
from napari_segsam.model.mobilenet import CHANNELS, MobileNetV2
from napari_segsam.model.zoo.accounts import ModelFileError, load_exactly
from napari_segsam.model.zoo.family import Tensors

FORMAT = "segsam-detector-1"
_WIDTH, _GROUPS = 64, 8
_RARE = 0.01
"""At first every cell says that it is an object with this probability."""
_NEAR = 0.35
"""At first each bin is e to this times less likely than the nearer one: sides are expected 2.3 cells away."""
_FROZEN = 7
"""So many first blocks of the backbone, up to stride 8, keep the weights that they start with."""


def _conv(inputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, _WIDTH, kernel, padding=kernel // 2, bias=False), nn.GroupNorm(_GROUPS, _WIDTH), nn.ReLU()
    )


class Detector(nn.Module):
    """(B, 3, S, S) pictures in -1..1 -> what each cell says; S is a multiple of 32."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.backbone = MobileNetV2()
        self.lateral = nn.ModuleList(_conv(c, 1) for c in CHANNELS[2:])
        self.blend = nn.ModuleList(_conv(_WIDTH, 3) for _ in STRIDES)
        self.where, self.what = (nn.Sequential(_conv(_WIDTH, 3), _conv(_WIDTH, 3)) for _ in range(2))
        self.bins, self.scores = nn.Conv2d(_WIDTH, 4 * BINS, 1), nn.Conv2d(_WIDTH, n_classes, 1)
        nn.init.normal_(self.scores.weight, std=0.01)
        nn.init.constant_(self.scores.bias, -math.log(1 / _RARE - 1))  # type: ignore[arg-type]  # it has a bias
        with torch.no_grad():
            self.bins.bias.copy_((-_NEAR * torch.arange(BINS)).repeat(4))  # type: ignore[union-attr]  # so has this

    def start_from(self, backbone: Tensors) -> None:
        """Take a trained backbone's weights; its first blocks then stay as they are.

        Raises:
            ModelFileError: they are not MobileNetV2's.
        """
        load_exactly(self.backbone, backbone)
        self.backbone.stem.requires_grad_(False)
        self.backbone.blocks[:_FROZEN].requires_grad_(False)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(B, A, 4, BINS) logits of the distances to the sides, (B, A, K) logits of the classes; A as in ``Cells``."""
        taps = self.backbone(pictures)[2:]
        maps = [lateral(tap) for lateral, tap in zip(self.lateral, taps, strict=True)]
        for fine in (1, 0):
            maps[fine] = maps[fine] + F.interpolate(maps[fine + 1], maps[fine].shape[-2:], mode="nearest")
        bins, scores = [], []
        for blend, features in zip(self.blend, maps, strict=True):
            blended = blend(features)
            bins.append(self.bins(self.where(blended)).flatten(2))
            scores.append(self.scores(self.what(blended)).flatten(2))
        sides = torch.cat(bins, 2).transpose(1, 2)  # (B, A, 4 BINS)
        return sides.reshape(*sides.shape[:2], 4, BINS), torch.cat(scores, 2).transpose(1, 2)

    @torch.inference_mode()
    def find(self, picture: Tensor, at: float = 0.25) -> Boxes:
        """(3, S, S) picture in -1..1 -> its boxes with a score of ``at`` or more."""
        bins, scores = self(picture[None])
        corners = Cells.of(*picture.shape[-2:]).boxes(bins[0])
        return best_boxes(corners, scores[0].sigmoid(), at=at, overlap=0.5)


@dataclass(frozen=True)
class DetectorHeader:
    """What a detector's file says of itself.

    Attributes:
        names: of the classes, in the order of the scores.
        side: of the square that it was trained on, in pixels.
    """

    names: tuple[str, ...]
    side: int


def save_detector(path: Path, model: Detector, header: DetectorHeader) -> None:
    """Write one safetensors file."""
    tensors = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    said = json.dumps({"names": header.names, "side": header.side})
    save_file(tensors, path, {"format": FORMAT, "detector": said})


def load_detector(path: Path) -> tuple[Detector, DetectorHeader]:
    """Read what :func:`save_detector` wrote.

    Raises:
        ModelFileError: damaged, of another format, or with tensors missing or left over.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            header = _header(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelFileError(f"it is damaged or no safetensors file ({error})") from error
    model = Detector(len(header.names))
    load_exactly(model, tensors)
    return model.eval(), header


def _header(metadata: dict[str, str]) -> DetectorHeader:
    if metadata.get("format") != FORMAT:
        raise ModelFileError(f"it is no detector of this program (no '{FORMAT}' in its header)")
    try:
        said = json.loads(metadata["detector"])
        header = DetectorHeader(tuple(str(name) for name in said["names"]), int(said["side"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"its header cannot be read ({error})") from error
    if not header.names or header.side <= 0 or header.side % STRIDES[-1]:
        raise ModelFileError(f"its header names {len(header.names)} classes on a square of {header.side} pixels")
    return header
