"""Procedural pictures: smooth blobs, tubes and shells with random intensities, for what the real cases never show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def smooth_noise(rng: np.random.Generator, side: int, cells: int) -> NDArray[np.float32]:
    """(side, side) noise with about ``cells`` bumps per side, zero mean, unit variance."""
    coarse = rng.standard_normal((cells + 3, cells + 3))
    fine: NDArray[np.float64] = ndimage.zoom(coarse, (side + 8) / (cells + 3) + 1, order=3)[:side, :side]
    return np.asarray((fine - fine.mean()) / (fine.std() + 1e-6), dtype=np.float32)


def _blob(rng: np.random.Generator, side: int) -> NDArray[np.bool_]:
    """An ellipse with a wavy outline; now and then hollow."""
    rows, cols = np.mgrid[:side, :side].astype(np.float32)
    radius = side * np.exp(rng.uniform(np.log(0.03), np.log(0.3)))
    row, col = rng.uniform(0.15 * side, 0.85 * side, 2)
    angle, stretch = rng.uniform(0, np.pi), np.exp(rng.uniform(-0.6, 0.6))
    u = (rows - row) * np.cos(angle) + (cols - col) * np.sin(angle)
    v = (cols - col) * np.cos(angle) - (rows - row) * np.sin(angle)
    distance = np.hypot(u * stretch, v / stretch) / radius
    distance = distance + rng.uniform(0, 0.35) * smooth_noise(rng, side, int(rng.integers(3, 10))) * min(radius / 12, 1)
    inside: NDArray[np.bool_] = distance < 1
    if rng.random() < 0.15:
        inside &= distance > rng.uniform(0.5, 0.75)
    return inside


def _tube(rng: np.random.Generator, side: int) -> NDArray[np.bool_]:
    """A band along a contour line of smooth noise, cut off by a blob."""
    field = smooth_noise(rng, side, int(rng.integers(2, 5)))
    band: NDArray[np.bool_] = np.abs(field - rng.uniform(-0.5, 0.5)) < rng.uniform(0.05, 0.2)
    rows, cols = np.mgrid[:side, :side]
    row, col = rng.uniform(0.25 * side, 0.75 * side, 2)
    labels, n = ndimage.label(band & (np.hypot(rows - row, cols - col) < rng.uniform(0.15, 0.4) * side))
    if n:
        band = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return band


def picture(rng: np.random.Generator, side: int = 256) -> tuple[NDArray[np.uint8], list[NDArray[np.bool_]]]:
    """A (side, side) grey picture and the masks of what is visible of 3 to 10 objects, later ones in front."""
    image = 0.4 * smooth_noise(rng, side, int(rng.integers(2, 6)))
    shapes = [_tube(rng, side) if rng.random() < 0.2 else _blob(rng, side) for _ in range(int(rng.integers(3, 11)))]
    for shape in shapes:
        texture = rng.uniform(0, 0.6) * smooth_noise(rng, side, int(rng.integers(8, 64)))
        image = np.where(shape, rng.normal(0, 1.2) + texture, image)
    image = ndimage.gaussian_filter(image, rng.uniform(0.4, 1.6)) * (1 + 0.2 * smooth_noise(rng, side, 2))
    image = image + rng.uniform(0.02, 0.35) * ndimage.gaussian_filter(
        rng.standard_normal((side, side)), rng.uniform(0, 0.8)
    )
    low, high = np.percentile(image, (0.5, 99.5))
    visible = [shape & ~np.any([*shapes[i + 1 :], np.zeros_like(shape)], axis=0) for i, shape in enumerate(shapes)]
    scaled = np.clip((image - low) / (high - low + 1e-6) * 255, 0, 255).astype(np.uint8)
    return scaled, [m for m in visible if m.sum() >= 20]
