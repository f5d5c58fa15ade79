"""The task-specific peer: a small U-Net for one modality that names every pixel and takes no prompt.

Architecture after Ronneberger et al., "U-Net" (2015), with group normalisation; loss: cross-entropy and soft Dice, as
nnU-Net (Isensee et al. 2021) adds them. Classes that a data set does not annotate take no part in the softmax of its
pictures, neither in training nor in prediction, so that an organ nobody drew is not taught as background.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segsam.train.data.dataset import LoadedSample

SIDE = 160
"""Pixels of the square that a picture is scaled into, keeping its proportions."""
_WIDTHS = (16, 32, 64, 96, 128)
_GROUPS = 8
_BATCH = 8
_RATE = 2e-3
_WARM_UP = 0.05
_TURN, _ZOOM, _SHIFT, _GAMMA = 15.0, 0.2, 0.1, 0.3
"""Augmentation: degrees, and shares; no mirroring, since left and right are different classes."""


class UNet(nn.Module):
    """(B, 3, S, S) pictures in 0..1 -> (B, 1 + K, S, S) logits; class 0 is the background."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(_convs(i, o) for i, o in zip((3, *_WIDTHS), _WIDTHS, strict=False))
        pairs = list(zip(_WIDTHS[:0:-1], _WIDTHS[-2::-1], strict=True))
        self.up = nn.ModuleList(_convs(deep + fine, fine) for deep, fine in pairs)
        self.head = nn.Conv2d(_WIDTHS[0], n_classes + 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        skips = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else F.max_pool2d(x, 2))
            skips.append(x)  # (B, w, S / 2^level, S / 2^level)
        for block, skip in zip(self.up, skips[-2::-1], strict=True):
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), skip], 1))
        logits: Tensor = self.head(x)
        return logits


def _convs(inputs: int, outputs: int) -> nn.Sequential:
    def one(i: int) -> list[nn.Module]:
        return [nn.Conv2d(i, outputs, 3, padding=1, bias=False), nn.GroupNorm(_GROUPS, outputs), nn.ReLU()]

    return nn.Sequential(*one(inputs), *one(outputs))


@dataclass(frozen=True, eq=False)
class Lesson:
    """One picture to learn from.

    Attributes:
        picture: (3, S, S) uint8.
        labels: (S, S) int16, 0 = background, else class id; smaller objects lie over larger ones.
        allowed: (1 + K,) which classes its data set annotates; the background is one of them.
    """

    picture: NDArray[np.uint8]
    labels: NDArray[np.int16]
    allowed: NDArray[np.bool_]

    @classmethod
    def of(cls, sample: LoadedSample, allowed: NDArray[np.bool_]) -> Lesson:
        """Scale a sample to the network's square."""
        picture = fitted(torch.from_numpy(_channels(sample.picture)), "bilinear")
        labels = np.zeros((SIDE, SIDE), np.int16)
        masks = {k: sample.class_mask(k) for k in sample.known}
        for k in sorted(masks, key=lambda k: -int(masks[k].sum())):
            mask = fitted(torch.from_numpy(masks[k][None].astype(np.float32)), "bilinear")[0] > 0.5
            labels[mask.numpy()] = k
        return cls(picture.round().to(torch.uint8).numpy(), labels, allowed)


def _channels(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(rows, cols) or (rows, cols, 3) -> (3, rows, cols)."""
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    return np.ascontiguousarray(rgb.transpose(2, 0, 1), np.float32)


def _fitted_size(rows: int, cols: int) -> tuple[int, int]:
    scale = SIDE / max(rows, cols)
    return max(round(rows * scale), 1), max(round(cols * scale), 1)


def fitted(image: Tensor, mode: str) -> Tensor:
    """(C, rows, cols) -> (C, S, S), scaled to fit, with zeros below or to the right."""
    size = _fitted_size(image.shape[1], image.shape[2])
    scaled = F.interpolate(image[None], size, mode=mode, antialias=True)[0]
    return F.pad(scaled, (0, SIDE - size[1], 0, SIDE - size[0]))


def train_unet(
    lessons: Sequence[Lesson],
    n_classes: int,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    seed: int = 0,
    done: Callable[[int, float], None] = lambda step, loss: None,
) -> UNet:
    """A network taught for so many steps, or as many as begin within so many minutes.

    Args:
        lessons: pictures, each as likely as another.
        n_classes: K.
        steps: how many; the learning rate falls to zero at the last one.
        minutes: of wall time, where ``steps`` is None.
        seed: of weights, draws and augmentation.
        done: told each step's number and loss.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = UNet(n_classes)
    optimiser = torch.optim.AdamW(net.parameters(), _RATE, weight_decay=1e-2)
    begun, step, progress = time.monotonic(), 0, 0.0
    while progress < 1:
        for group in optimiser.param_groups:
            group["lr"] = _RATE * min(progress / _WARM_UP + 0.05, 1.0) * (1 + math.cos(math.pi * progress)) / 2
        loss = unet_loss(net, *_batch(lessons, rng))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        done(step, loss.item())
        progress = step / steps if steps is not None else (time.monotonic() - begun) / (60 * (minutes or 1.0))
    return net.eval()


def _batch(lessons: Sequence[Lesson], rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """(B, 3, S, S) pictures in 0..1, (B, S, S) labels, (B, 1 + K) allowed classes."""
    chosen = [lessons[int(i)] for i in rng.integers(len(lessons), size=_BATCH)]
    pictures = torch.from_numpy(np.stack([c.picture for c in chosen])).float() / 255
    labels = torch.from_numpy(np.stack([c.labels for c in chosen])).long()
    allowed = torch.from_numpy(np.stack([c.allowed for c in chosen]))
    grid = F.affine_grid(_affine(rng), list(pictures.shape), align_corners=False)
    bent = F.grid_sample(pictures, grid, padding_mode="zeros", align_corners=False).clamp(0, 1)
    moved = F.grid_sample(labels[:, None].float(), grid, "nearest", "zeros", align_corners=False)[:, 0].long()
    gamma = torch.from_numpy(np.exp(rng.uniform(-_GAMMA, _GAMMA, _BATCH)).astype(np.float32))
    return bent ** gamma[:, None, None, None], moved, allowed


def _affine(rng: np.random.Generator) -> Tensor:
    """(B, 2, 3) small turns, zooms and shifts."""
    turn = np.deg2rad(rng.uniform(-_TURN, _TURN, _BATCH))
    zoom = np.exp(rng.uniform(-_ZOOM, _ZOOM, _BATCH))
    shift = rng.uniform(-_SHIFT, _SHIFT, (_BATCH, 2))
    rows = [
        [zoom * np.cos(turn), -zoom * np.sin(turn), shift[:, 0]],
        [zoom * np.sin(turn), zoom * np.cos(turn), shift[:, 1]],
    ]
    return torch.from_numpy(np.array(rows).transpose(2, 0, 1).astype(np.float32))


def unet_loss(net: UNet, pictures: Tensor, labels: Tensor, allowed: Tensor) -> Tensor:
    """Cross-entropy and soft Dice over each picture's allowed classes; shapes as in a batch."""
    logits = _ruled_out(net(pictures), allowed)
    shares = logits.softmax(1)
    truth = F.one_hot(labels, logits.shape[1]).permute(0, 3, 1, 2).float()
    both = (shares * truth).sum((2, 3))  # (B, 1 + K)
    either = (shares + truth).sum((2, 3))
    present = allowed & (truth.sum((2, 3)) > 0)
    overlap = (2 * both + 1) / (either + 1)
    return F.cross_entropy(logits, labels) + 1 - overlap[present].mean()


def _ruled_out(logits: Tensor, allowed: Tensor) -> Tensor:
    """(B, 1 + K, S, S) logits without the classes that (B, 1 + K) ``allowed`` denies."""
    # Not minus infinity: its product with a zero of the one-hot truth would be NaN.
    return logits.masked_fill(~allowed[:, :, None, None], -1e4)


@torch.inference_mode()
def named_masks(net: UNet, pixels: NDArray[np.uint8], allowed: NDArray[np.bool_]) -> Mapping[int, NDArray[np.bool_]]:
    """What the network sees on a picture.

    Args:
        net: of K classes.
        pixels: (rows, cols) or (rows, cols, 3).
        allowed: (1 + K,) classes to choose from, 0 = background.

    Returns:
        Class id -> (rows, cols) mask at the picture's own size, of classes with at least one pixel.
    """
    rows, cols = pixels.shape[:2]
    picture = fitted(torch.from_numpy(_channels(pixels)), "bilinear") / 255
    logits = _ruled_out(net(picture[None]), torch.from_numpy(allowed)[None])
    height, width = _fitted_size(rows, cols)
    full = F.interpolate(logits[:, :, :height, :width], (rows, cols), mode="bilinear", align_corners=False)
    labels = full[0].argmax(0).numpy()
    return {int(k): labels == k for k in np.unique(labels) if k}
