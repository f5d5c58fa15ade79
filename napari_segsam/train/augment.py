"""Changes to a picture that leave its objects what they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

ANATOMICAL = ("ct", "mr", "pet", "xray", "x")
"""Modalities in which left and right mean something: a turned picture of these says nothing about classes.

SA-Med2D's own prefix of radiographs is ``x_ray``, of which the modality is ``x``."""


def turn(
    picture: NDArray[np.float32], masks: list[NDArray[np.bool_]], rng: np.random.Generator
) -> tuple[NDArray[np.float32], list[NDArray[np.bool_]]]:
    """One of the eight flips and quarter turns, the same for the (H, W, C) picture and its (H, W) masks."""
    quarter, mirror = int(rng.integers(4)), bool(rng.integers(2))

    def move(a: NDArray) -> NDArray:  # type: ignore[type-arg]
        turned = np.rot90(a, quarter)
        return np.ascontiguousarray(turned[:, ::-1] if mirror else turned)

    return move(picture), [move(m) for m in masks]


def recolour(picture: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Gamma, gain, blur and noise on a (H, W, C) picture of 0..1; each now and then."""
    if rng.random() < 0.5:
        picture = picture ** np.float32(np.exp(rng.uniform(-0.45, 0.45)))
    if rng.random() < 0.3:
        picture = picture * rng.uniform(0.7, 1.3, picture.shape[-1] if rng.random() < 0.5 else 1).astype(np.float32)
    if rng.random() < 0.2:
        sigma = float(rng.uniform(0.3, 1.2))
        picture = ndimage.gaussian_filter(picture, (sigma, sigma, 0))
    if rng.random() < 0.3:
        noise = rng.standard_normal((*picture.shape[:2], 1), dtype=np.float32)
        picture = picture + np.float32(rng.uniform(0.01, 0.06)) * noise
    return picture
