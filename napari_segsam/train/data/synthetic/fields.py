"""Number fields over a picture: smooth noise, blur, and where each pixel lies on a bent template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional as F

Field: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]


def resized(field: Field, height: int, width: int, mode: str = "bicubic") -> Field:
    """(h, w) field -> (height, width) by torch's interpolation ``mode``; corners stay corners when it is smooth."""
    planes = torch.from_numpy(np.ascontiguousarray(field, dtype=np.float32))[None, None]
    corners = True if mode in ("bicubic", "bilinear") else None
    out: Field = F.interpolate(planes, (height, width), mode=mode, align_corners=corners)[0, 0].numpy()
    return out


def _spline(side: int, cells: float) -> Field:
    """(side, cells + 4) weights of a uniform cubic B-spline: each row of pixels takes from four knots."""
    at = np.arange(side) * (cells / side)
    first = at.astype(np.int64)
    t = at - first
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], 1) / 6
    out = np.zeros((side, int(first[-1]) + 4), dtype=np.float32)
    np.put_along_axis(out, first[:, None] + np.arange(4), weights.astype(np.float32), 1)
    return out


def smooth_noise(rng: np.random.Generator, side: int, cells: float, across: float | None = None) -> Field:
    """(side, side) noise of mean 0 and variance 1, about ``cells`` bumps down and ``across`` (or as many) to the right.

    A cubic B-spline with random knots, as a product of three matrices: several times as fast as a bicubic resize.
    """
    down = _spline(side, min(cells, side))
    right = down if across is None else _spline(side, min(across, side))
    fine = down @ rng.standard_normal((down.shape[1], right.shape[1]), dtype=np.float32) @ right.T
    fine -= fine.mean()
    fine /= fine.std() + np.float32(1e-6)
    return np.asarray(fine, dtype=np.float32)


def rough_noise(rng: np.random.Generator, side: int, cells: float, octaves: int = 3) -> Field:
    """(side, side) sum of smooth noises, each twice as fine and 0.6 as strong as the one before; variance about 1."""
    total = np.zeros((side, side), dtype=np.float32)
    for i in range(octaves):
        total += np.float32(0.6**i) * smooth_noise(rng, side, cells * 2**i)
    return total / np.float32(np.sqrt(sum(0.36**i for i in range(octaves))))


def white_noise(rng: np.random.Generator, side: int) -> Field:
    """(side, side) independent normal numbers."""
    return rng.standard_normal((side, side), dtype=np.float32)


def blurred(field: Field, sigma: float | Sequence[float]) -> Field:
    """The field under a Gaussian of ``sigma`` pixels (one, or one per axis), cut off at three sigma."""
    return np.asarray(ndimage.gaussian_filter(field, sigma, truncate=3), dtype=np.float32)


def level(rng: np.random.Generator, low: float, high: float) -> np.float32:
    """A uniform number as float32, so that fields stay float32."""
    return np.float32(rng.uniform(low, high))


def log_level(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between two positive ones whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


@dataclass(frozen=True, eq=False)
class Frame:
    """Where each pixel lies on the thing that is drawn: its middle is (0, 0) and its rim about 1 away.

    Shapes written in these coordinates come out turned, stretched and bent together, so neighbours stay neighbours.

    Attributes:
        v: (side, side), downwards.
        u: (side, side), to the right.
        unit: pixels per 1 of v and u, on average.
    """

    v: Field
    u: Field
    unit: float

    @property
    def side(self) -> int:
        """Pixels along each edge."""
        return int(self.v.shape[0])

    @classmethod
    def drawn(
        cls,
        rng: np.random.Generator,
        side: int,
        size: tuple[float, float] = (0.75, 1.05),
        turn: float = 0.12,
        bend: float = 0.05,
        shift: float = 0.08,
    ) -> Frame:
        """A random frame.

        Args:
            rng: source of chance.
            side: pixels along each edge.
            size: half the thing's extent over half the picture's, from and to.
            turn: standard deviation of the angle, radians.
            bend: standard deviation of the bending, in v and u.
            shift: standard deviation of the middle's place, in half pictures.
        """
        half = side / 2
        scale = half * rng.uniform(*size)
        angle = rng.normal(0, turn)
        stretch = np.exp(rng.normal(0, 0.08))
        rows = (np.arange(side, dtype=np.float32)[:, None] - half * (1 + rng.normal(0, shift))) / scale
        cols = (np.arange(side, dtype=np.float32)[None] - half * (1 + rng.normal(0, shift))) / scale
        sin, cos = np.sin(angle), np.cos(angle)
        v = (rows * cos + cols * sin) * stretch + bend * smooth_noise(rng, side, 2.5)
        u = (cols * cos - rows * sin) / stretch + bend * smooth_noise(rng, side, 2.5)
        return cls(v.astype(np.float32), u.astype(np.float32), float(scale))
