"""What happens to a picture between the scanner and the file: resolution, blur, blocks, gamma, borders, marks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_segsam.train.data.synthetic.fields import Field, Mask, blurred, log_level, resized, white_noise

_GLYPHS = ("100100100100111", "111101111110101")
"""Rough letters, L and R, as five rows of three bits, for what is burnt into pictures."""


def spoilt(image: Field, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(H, W) or (H, W, C) brightness 0 to 1 as bytes, some at lower resolution, blurred, noisy, in blocks, regraded."""
    channels = image[..., None] if image.ndim == 2 else image
    if rng.random() < 0.3:
        channels = _coarser(channels, rng)
    if rng.random() < 0.2:
        sigma = rng.uniform(0.4, 1.3) * image.shape[0] / 256
        channels = np.stack([blurred(channels[..., c], sigma) for c in range(channels.shape[-1])], -1)
    if rng.random() < 0.2:
        channels = channels + np.float32(log_level(rng, 0.005, 0.05)) * white_noise(rng, image.shape[0])[..., None]
    channels = np.clip(channels, 0, 1)
    if rng.random() < 0.4:
        channels = channels ** np.float32(np.exp(rng.normal(0, 0.25)))
    if rng.random() < 0.25:
        strength = log_level(rng, 0.02, 0.25)
        channels = np.stack([_blocks(channels[..., c], strength) for c in range(channels.shape[-1])], -1)
    out = (np.clip(channels, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    return out[..., 0] if image.ndim == 2 else out


def _coarser(channels: Field, rng: np.random.Generator) -> Field:
    """Fewer samples, perhaps along one axis alone, as in thick slices and small matrices; smooth or in squares."""
    side = channels.shape[0]
    both = log_level(rng, 0.3, 0.8)
    shares = [both, both] if rng.random() < 0.6 else [both, 1.0][:: int(rng.choice([1, -1]))]
    height, width = (max(int(side * s), 8) for s in shares)
    mode = ("bilinear", "bicubic", "nearest")[int(rng.choice(3, p=(0.45, 0.4, 0.15)))]
    small = [resized(channels[..., c], height, width, "area") for c in range(channels.shape[-1])]
    return np.stack([resized(channel, side, side, mode) for channel in small], -1)


def _blocks(channel: Field, strength: float) -> Field:
    """Rounded cosine coefficients of 8 x 8 blocks, coarser for higher frequencies, as JPEG leaves them."""
    side = channel.shape[0] // 8 * 8
    blocks = channel[:side, :side].reshape(side // 8, 8, side // 8, 8)
    order = np.arange(8, dtype=np.float32)
    step = (np.float32(strength) * (1 + order[:, None] + order[None]))[:, None]
    coefficients = fft.dctn(blocks, axes=(1, 3), norm="ortho")
    rounded = np.rint(coefficients / step) * step
    out = channel.copy()
    out[:side, :side] = fft.idctn(rounded, axes=(1, 3), norm="ortho").reshape(side, side)
    return out


def bordered(
    image: NDArray[np.uint8], masks: list[Mask], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], list[Mask]]:
    """Now and then an empty border, where nothing of an object is seen, and burnt-in marks beside the objects."""
    side = image.shape[0]
    if rng.random() < 0.12:
        top, bottom, left, right = (int(side * rng.uniform(0, 0.18)) * int(rng.random() < 0.5) for _ in range(4))
        inside = np.zeros((side, side), dtype=bool)
        inside[top : side - bottom, left : side - right] = True
        image = image.copy()
        image[~inside] = 0 if rng.random() < 0.93 else 255
        masks = [m & inside for m in masks]
    if rng.random() < 0.08:
        image = _marked(image, masks, rng)
    return image, masks


def _marked(image: NDArray[np.uint8], masks: list[Mask], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Bright ticks of a ruler and a rough letter, where no object is."""
    side = image.shape[0]
    marks = np.zeros((side, side), dtype=bool)
    column, gap = int(side * rng.choice([0.02, 0.97])), max(side // 20, 2)
    marks[gap::gap, column : column + max(side // 64, 1)] = True
    size = max(side // 60, 1)
    bits = np.array([int(b) for b in _GLYPHS[int(rng.integers(2))]], dtype=bool).reshape(5, 3)
    letter = np.kron(bits, np.ones((size, size), dtype=bool))
    row, col = int(side * rng.uniform(0.02, 0.85)), int(side * rng.choice([0.05, 0.88]))
    marks[row : row + letter.shape[0], col : col + letter.shape[1]] |= letter[: side - row, : side - col]
    free = marks & ~np.any([*masks, np.zeros_like(marks)], axis=0)
    image = image.copy()
    image[free] = 255
    return image


def turned(
    image: NDArray[np.uint8], masks: list[Mask], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], list[Mask]]:
    """Now and then a quarter turn or a mirror image, as slices of volumes are stored."""
    if rng.random() >= 0.2:
        return image, masks
    quarter, mirror = int(rng.integers(4)), bool(rng.integers(2))

    def move(a: NDArray[Any]) -> NDArray[Any]:
        out = np.rot90(a, quarter)
        return np.ascontiguousarray(out[:, ::-1] if mirror else out)

    return move(image), [move(m) for m in masks]


def stands_out(image: NDArray[np.uint8], mask: Mask) -> bool:
    """Whether an edge of the mask can be seen.

    The pixels next to its upper, lower, left and right edges are each compared with those a little beyond. On one side
    or more, the mean change must reach 3 grey levels, a fifth of its deviation, and three times its standard error.
    """
    side = mask.shape[0]
    reach = max(side // 85, 1)
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    part = tuple(slice(max(at[0] - reach, 0), at[-1] + reach + 1) for at in (rows, cols))
    inside, grey = mask[part], image[part].astype(np.float32)
    ends = slice(reach, None), slice(None, -reach)
    for axis in (0, 1):
        for here, beyond in (ends, ends[::-1]):
            a, b = (here, beyond) if axis == 0 else ((slice(None), here), (slice(None), beyond))
            edge = inside[a] & ~inside[b]
            if edge.sum() < 4:
                continue
            change = (grey[a][edge] - grey[b][edge]).reshape(int(edge.sum()), -1)
            if (np.abs(change.mean(0)) > np.maximum(3, max(0.2, 3 / len(change) ** 0.5) * change.std(0))).any():
                return True
    return False
