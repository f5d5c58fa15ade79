"""The square round a prompt: where it lies, its pixels, and the maps that tell the model what was prompted.

Everything is in (row, col) of the picture, integer = pixel centre, so that a click lands within half a pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

PRIOR_LIMIT = 3.0
"""Largest absolute logit that a prompt's own prior may claim."""
LARGE = 1.25
"""A square with a side of so many crops and more hides thin parts from a first look."""
OUTSIDE = -20.0
"""Logit of what a square does not reach."""
_PIECES = 5
"""Pieces along a square's side, at most."""
_PERCENTILES = (0.005, 0.995)
_DISK = 0.03
"""Standard deviation of a click's disk, as a fraction of the crop's side."""


@dataclass(frozen=True)
class Square:
    """Pixels ``row0 .. row0 + side - 1`` by ``col0 .. col0 + side - 1``; may reach outside the picture."""

    row0: int
    col0: int
    side: int

    @classmethod
    def centred(cls, row: float, col: float, side: float, least: int) -> Square:
        """The square of about ``side`` pixels, at least ``least``, with its centre nearest to (row, col)."""
        n = max(round(side), least)
        return cls(round(row - (n - 1) / 2), round(col - (n - 1) / 2), n)

    def to_crop(self, rc: Tensor, crop: int) -> Tensor:
        """(..., 2) picture (row, col) -> (..., 2) crop (row, col), pixel centres to pixel centres."""
        origin = torch.tensor([self.row0, self.col0], dtype=rc.dtype)
        return (rc - origin + 0.5) * (crop / self.side) - 0.5


@dataclass(frozen=True)
class PromptGeometry:
    """One object's prompts in a crop's (row, col).

    Attributes:
        clicks: (n, 2).
        positive: (n,) bool.
        box: (4,) row_min, col_min, row_max, col_max of the corner pixels, or None.
        last: (1, crop, crop) last mask as -1 (outside) .. 1 (inside), or None.
    """

    clicks: Tensor
    positive: Tensor
    box: Tensor | None = None
    last: Tensor | None = None


def widest(shape: tuple[int, int]) -> float:
    """Side of the widest square worth looking at: it shows the whole (rows, cols) picture from any click on it."""
    return 2.0 * max(shape)


def piece_side(side: int, crop: int) -> float:
    """Side of the pieces in which a square of ``side`` pixels is looked at again, near the picture's own resolution."""
    return max(float(crop), 1.25 * side / _PIECES)


def pieces(square: Square, mask: Tensor, crop: int) -> list[Square]:
    """Overlapping pieces of ``square`` that cover the (H, W) bool ``mask``; see :func:`piece_side`."""
    side = round(piece_side(square.side, crop))
    n = math.ceil(max(square.side - side, 0) / (0.8 * side)) + 1
    steps = [round(i * (square.side - side) / max(n - 1, 1)) for i in range(n)]
    grid = [Square(square.row0 + r, square.col0 + c, side) for r in steps for c in steps]
    return [p for p in grid if bool(_under(mask, p).any())]


def _under(mask: Tensor, square: Square) -> Tensor:
    rows, cols = (slice(max(at, 0), max(at + square.side, 0)) for at in (square.row0, square.col0))
    return mask[rows, cols]


def window(crop: int) -> Tensor:
    """(1, crop, crop) how much a piece counts: most in its middle, least at its rim, where it sees one side only."""
    near = 1 - (torch.arange(crop) - (crop - 1) / 2).abs() / (crop / 2)
    return torch.minimum(near.reshape(1, -1, 1), near.reshape(1, 1, -1)).clamp(min=0.02)


def cut(picture: Tensor, square: Square, crop: int, mode: str = "bilinear") -> Tensor:
    """(C, H, W) picture -> (C, crop, crop) the square's pixels, resampled; what lies outside is zero."""
    _, height, width = picture.shape
    top, left = max(square.row0, 0), max(square.col0, 0)
    bottom, right = min(square.row0 + square.side, height), min(square.col0 + square.side, width)
    if bottom <= top or right <= left:
        return picture.new_zeros(len(picture), crop, crop)
    inside = picture[:, top:bottom, left:right]
    pad = (left - square.col0, square.col0 + square.side - right, top - square.row0)
    padded = F.pad(inside, (*pad, square.side - pad[2] - inside.shape[1]))
    resized = F.interpolate(
        padded.unsqueeze(0), (crop, crop), mode=mode, align_corners=False, antialias=square.side > crop
    )
    return resized.squeeze(0)


def paste(logits: Tensor, square: Square, shape: tuple[int, int], outside: float = OUTSIDE) -> Tensor:
    """(M, crop, crop) logits -> (M, H, W) on the picture; ``outside`` where the square does not reach."""
    height, width = shape
    full = logits.new_full((len(logits), height, width), outside)
    resized = F.interpolate(logits.unsqueeze(0), (square.side, square.side), mode="bilinear", align_corners=False)[0]
    top, left = max(square.row0, 0), max(square.col0, 0)
    bottom, right = min(square.row0 + square.side, height), min(square.col0 + square.side, width)
    if bottom > top and right > left:
        window = resized[:, top - square.row0 : bottom - square.row0, left - square.col0 : right - square.col0]
        full[:, top:bottom, left:right] = window
    return full


def percentile_limits(values: Tensor) -> tuple[float, float]:
    """Lowest and highest intensity between the 0.5 and the 99.5 percentile; equal ones are spread apart."""
    flat = values.reshape(-1)
    if len(flat) > 40_000:  # a sample is enough for a percentile, and a large slice would cost more than the encoder
        flat = flat[:: len(flat) // 40_000 + 1]
    ordered = flat.sort().values
    low, high = (float(ordered[round(p * (len(ordered) - 1))]) for p in _PERCENTILES)
    return (low, high) if high > low else (low - 1.0, low + 1.0)


def normalise(crop: Tensor, inside: Tensor) -> Tensor:
    """(3, s, s) intensities and (1, s, s) share of the picture in each pixel -> [-1, 1]; outside is -1.

    A grey crop has three equal channels, and all channels share the limits, so that colours keep their hue.
    """
    scanned = inside[0] > 0.5
    seen = crop[:, scanned] if bool(scanned.any()) else crop
    low, high = percentile_limits(seen)
    scaled = ((crop - low) * (2.0 / (high - low)) - 1.0).clamp(-1, 1)
    return torch.where(inside > 0.5, scaled, scaled.new_full((), -1.0))


def _coordinates(crop: int) -> tuple[Tensor, Tensor]:
    axis = torch.arange(crop, dtype=torch.float32)
    return axis.reshape(-1, 1), axis.reshape(1, -1)


def _disks(clicks: Tensor, crop: int, sigma: float) -> Tensor:
    """(n, 2) clicks -> (crop, crop) the highest of their Gaussian disks, 0 without clicks."""
    rows, cols = _coordinates(crop)
    if not len(clicks):
        return torch.zeros(crop, crop)
    row, col = clicks[:, 0].reshape(-1, 1, 1), clicks[:, 1].reshape(-1, 1, 1)
    return torch.exp(-((rows - row) ** 2 + (cols - col) ** 2) / (2 * (sigma * crop) ** 2)).amax(0)


def _box_maps(box: Tensor, crop: int) -> tuple[Tensor, Tensor]:
    """(4,) box -> (crop, crop) filled box, and the logit of the ellipse inscribed in it."""
    rows, cols = _coordinates(crop)
    r0, c0, r1, c1 = (float(v) for v in box)
    filled = ((rows >= r0 - 0.5) & (rows <= r1 + 0.5) & (cols >= c0 - 0.5) & (cols <= c1 + 0.5)).float()
    a, b = max((r1 - r0 + 1) / 2, 0.5), max((c1 - c0 + 1) / 2, 0.5)  # the corner pixels belong to the box
    distance = torch.sqrt(((rows - (r0 + r1) / 2) / a) ** 2 + ((cols - (c0 + c1) / 2) / b) ** 2)
    return filled, ((1 - distance) * 6).clamp(-PRIOR_LIMIT, PRIOR_LIMIT)


def prompt_maps(geometry: PromptGeometry, inside: Tensor) -> tuple[Tensor, Tensor]:
    """What was prompted, as pictures beside the crop.

    Args:
        geometry: prompts in the crop.
        inside: (1, s, s) share of the scan's slice in each pixel.

    Returns:
        (6, s, s) maps as ``zoom_encoder.PROMPT_MAPS`` says, and (1, s, s) logits of the prompt's own prior:
        the last mask, else the ellipse in the box, else a broad disk at the clicks.
    """
    crop = inside.shape[-1]
    good, bad = geometry.clicks[geometry.positive], geometry.clicks[~geometry.positive]
    filled, prior = torch.zeros(crop, crop), 4 * _disks(good, crop, 0.15) - 2
    if geometry.box is not None:
        filled, prior = _box_maps(geometry.box, crop)
    last = torch.zeros(crop, crop)
    if geometry.last is not None:
        last = geometry.last[0]
        prior = PRIOR_LIMIT * last
    maps = [filled, prior / PRIOR_LIMIT, _disks(good, crop, _DISK), _disks(bad, crop, _DISK), last, inside[0]]
    return torch.stack(maps), prior.unsqueeze(0)


def size_to_bin(size: Tensor, bins: int) -> Tensor:
    """Longer side / slice's longer side, 1/64 .. 1 -> fractional bin 0 .. bins - 1 on a log scale."""
    return (torch.log2(size.clamp(1 / 64, 1)) / 6 + 1) * (bins - 1)


def bin_to_size(index: Tensor, bins: int) -> Tensor:
    """The inverse of :func:`size_to_bin`."""
    return torch.pow(2.0, (index.float() / (bins - 1) - 1) * 6)


def place_on_slice(square: Square, scale: float) -> list[float]:
    """x0, y0, x1, y1 of the square's outer edges on the resized slice, in its pixels."""
    x0, y0 = square.col0 * scale, square.row0 * scale
    return [x0, y0, x0 + square.side * scale, y0 + square.side * scale]


def fitted(picture: Tensor, side: int) -> tuple[int, int]:
    """(C, H, W) -> height and width of the picture with its longest side fitted to ``side``."""
    _, height, width = picture.shape
    scale = side / max(height, width)
    return max(math.floor(height * scale + 0.5), 1), max(math.floor(width * scale + 0.5), 1)


def fit_slice(picture: Tensor, side: int) -> tuple[Tensor, float]:
    """(3, H, W) picture -> (3, side, side) in [-1, 1], longest side fitted, zero-padded after it; its scale."""
    (h, w), scale = fitted(picture, side), side / max(picture.shape[1:])
    small = F.interpolate(picture.unsqueeze(0), (h, w), mode="bilinear", align_corners=False, antialias=scale < 1)[0]
    low, high = percentile_limits(small)
    scaled = ((small - low) * (2.0 / (high - low)) - 1.0).clamp(-1, 1)
    return F.pad(scaled, (0, side - w, 0, side - h)), scale
