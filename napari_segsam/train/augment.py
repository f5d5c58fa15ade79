"""Changes to a picture that leave its objects what they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

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


@dataclass(frozen=True, eq=False)
class Bend:
    """A small rotation, stretch and shear about the picture's middle, as patients lie and scanners differ.

    Attributes:
        inverse: (2, 2) from (row, column) offsets on the bent picture to offsets on the picture.
    """

    inverse: NDArray[np.float32]

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Bend:
        """Up to about 20 degrees, 20 % in each direction, and a slight shear."""
        angle, shear = rng.normal(0, 0.17), rng.normal(0, 0.06)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        stretch = np.diag(np.exp(rng.normal(0, 0.1, 2)))
        return cls((turn @ stretch @ np.array([[1, shear], [0, 1]])).astype(np.float32))

    def __call__(self, planes: Tensor, within: tuple[int, int] | None = None) -> Tensor:
        """(C, H, W) planes -> the same, bent, bilinear, zero where the picture does not reach.

        Args:
            planes: pictures or masks.
            within: rows and columns of ``planes`` that the picture covers, from the first on; None for all.
        """
        height, width = within or (planes.shape[1], planes.shape[2])
        rows = torch.arange(planes.shape[1]) - (height - 1) / 2
        cols = torch.arange(planes.shape[2]) - (width - 1) / 2
        m = self.inverse
        from_rows = m[0, 0] * rows.reshape(-1, 1) + m[0, 1] * cols + (height - 1) / 2
        from_cols = m[1, 0] * rows.reshape(-1, 1) + m[1, 1] * cols + (width - 1) / 2
        grid = torch.stack([(2 * from_cols + 1) / planes.shape[2] - 1, (2 * from_rows + 1) / planes.shape[1] - 1], -1)
        bent = F.grid_sample(planes.unsqueeze(0), grid.float().unsqueeze(0), align_corners=False)[0]
        return bent


def bend(
    picture: NDArray[np.float32], masks: list[NDArray[np.bool_]], how: Bend
) -> tuple[NDArray[np.float32], list[NDArray[np.bool_]]]:
    """The (H, W, C) picture and its (H, W) masks, bent alike."""
    channels = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
    planes = torch.cat([channels, *(torch.from_numpy(m[None].astype(np.float32)) for m in masks)])
    bent = how(planes).numpy()
    n = picture.shape[2]
    return np.ascontiguousarray(bent[:n].transpose(1, 2, 0)), [np.asarray(m > 0.5) for m in bent[n:]]


def recolour(picture: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Gamma, gain, blur and noise on a (H, W, C) picture of 0..1; each now and then."""
    if rng.random() < 0.5:
        # Resampling may leave a hair less than nothing, of which there is no power.
        picture = np.maximum(picture, np.float32(0)) ** np.float32(np.exp(rng.uniform(-0.45, 0.45)))
    if rng.random() < 0.3:
        picture = picture * rng.uniform(0.7, 1.3, picture.shape[-1] if rng.random() < 0.5 else 1).astype(np.float32)
    if rng.random() < 0.2:
        sigma = float(rng.uniform(0.3, 1.2))
        picture = ndimage.gaussian_filter(picture, (sigma, sigma, 0))
    if rng.random() < 0.3:
        noise = rng.standard_normal((*picture.shape[:2], 1), dtype=np.float32)
        picture = picture + np.float32(rng.uniform(0.01, 0.06)) * noise
    return picture
