"""Paint a scene as ultrasound or OCT: speckle along beams, attenuation, shadows, and the probe's field of view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from napari_segsam.train.data.synthetic.fields import Field, Mask, blurred, level, smooth_noise, white_noise
from napari_segsam.train.data.synthetic.grey import Table, brightness, lit
from napari_segsam.train.data.synthetic.scene import Scene

ECHO: Table = {
    "air": (-20, 8), "gas": (-4, 3), "lung": (-4, 3), "fat": (-16, 5), "skin": (-6, 3), "muscle": (-18, 4),
    "organ": (-15, 7), "liver": (-14, 3), "spleen": (-13, 3), "kidney": (-19, 3), "medulla": (-23, 3),
    "blood": (-38, 4), "vein": (-38, 4), "vessel": (-36, 4), "wall": (-8, 3), "fluid": (-42, 4), "contrast": (-6, 4),
    "bone": (-2, 2), "skull": (-3, 2), "marrow": (-30, 5), "disc": (-12, 4), "cartilage": (-30, 5), "cord": (-24, 4),
    "grey": (-17, 3), "white": (-22, 3), "opacity": (-12, 5),
}  # fmt: skip
_STOPS = {"bone": 9.0, "gas": 7.0, "lung": 6.0, "skull": 1.5, "contrast": 4.0, "wall": 0.6}
"""How much of the sound is lost in a depth of 1, above the usual, in nepers; -1 would be enhancement behind fluid."""


@dataclass(frozen=True, eq=False)
class Probe:
    """The rows and columns of the picture that each sample (depth, beam) looks at, and back again.

    Attributes:
        rows: (side, side) picture row of each sample.
        cols: (side, side) picture column of each sample.
        depth: (side, side) depth of each pixel, 0 to 1 inside the field of view.
        beam: (side, side) beam of each pixel, 0 to 1 inside the field of view.
    """

    rows: Field
    cols: Field
    depth: Field
    beam: Field

    @classmethod
    def linear(cls, side: int) -> Probe:
        """Beams straight down."""
        at = np.arange(side, dtype=np.float32)
        rows, cols = np.meshgrid(at, at, indexing="ij")
        return cls(rows, cols, rows / np.float32(side - 1), cols / np.float32(side - 1))

    @classmethod
    def sector(cls, rng: np.random.Generator, side: int) -> Probe:
        """Beams that spread from an apex above the picture's upper edge, or at it."""
        behind = side * rng.uniform(0, 0.5)
        half = rng.uniform(0.45, 0.75) / (1 + behind / side)
        apex = rng.uniform(-0.02, 0.06) * side - behind, side * rng.uniform(0.47, 0.53)
        near = behind + side * rng.uniform(0.01, 0.05)
        far = behind + side * rng.uniform(0.9, 1.02)
        at = np.linspace(0, 1, side, dtype=np.float32)
        radius, angle = near + (far - near) * at[:, None], (2 * at[None] - 1) * np.float32(half)
        pixel = np.arange(side, dtype=np.float32)
        down, right = pixel[:, None] - apex[0], pixel[None] - apex[1]
        return cls(
            (apex[0] + radius * np.cos(angle)).astype(np.float32),
            (apex[1] + radius * np.sin(angle)).astype(np.float32),
            ((np.hypot(down, right) - near) / (far - near)).astype(np.float32),
            (np.arctan2(right, down) / (2 * half) + 0.5).astype(np.float32),
        )

    @property
    def seen(self) -> Mask:
        """(side, side) pixels in the field of view."""
        return np.asarray((self.depth >= 0) & (self.depth <= 1) & (self.beam >= 0) & (self.beam <= 1))

    def back(self, samples: Field) -> Field:
        """(side, side) samples by depth and beam -> the picture; 0 outside the field of view."""
        grid = torch.from_numpy(np.stack([2 * self.beam - 1, 2 * self.depth - 1], -1))[None]
        image: Field = F.grid_sample(torch.from_numpy(samples)[None, None], grid, align_corners=True)[0, 0].numpy()
        return np.where(self.seen, image, np.float32(0))


def ultrasound(scene: Scene, rng: np.random.Generator) -> tuple[Field, Mask]:
    """B-mode brightness 0 to 1, and the pixels in the field of view."""
    side = scene.side
    probe = Probe.linear(side) if rng.random() < 0.4 else Probe.sector(rng, side)
    rows = np.clip(np.rint(probe.rows), 0, side - 1).astype(np.int32)
    cols = np.clip(np.rint(probe.cols), 0, side - 1).astype(np.int32)
    values = brightness(scene, rng, ECHO, rng.uniform(4, 12), 1.0)
    echo = lit(scene, rng, values, rng.uniform(0.5, 2))[rows, cols]
    labels = scene.labels[rows, cols]
    amplitude = np.exp(echo * np.float32(np.log(10) / 20))
    change = np.abs(np.diff(echo, axis=0, prepend=echo[:1])) > 2.5
    amplitude += change * np.abs(smooth_noise(rng, side, rng.uniform(3, 9))) * level(rng, 0.1, 0.8)
    amplitude *= _transmitted(scene, rng, labels.astype(np.int64))
    speckled = _speckle(amplitude, rng)
    span = rng.uniform(38, 62)
    image = 1 + 20 * np.log10(speckled / np.percentile(speckled, 99.7) + np.float32(1e-6)) / np.float32(span)
    image = np.clip(image + level(rng, 0, 0.15) * smooth_noise(rng, side, 3, 1)[:, :1], 0, 1).astype(np.float32)
    seen = probe.seen
    return probe.back(image), seen


def _transmitted(scene: Scene, rng: np.random.Generator, labels: NDArray[np.int64]) -> Field:
    """Amplitude that arrives at each sample: little behind bone, gas and lost contact, more behind fluid."""
    side = scene.side
    clear = {"fluid": -rng.uniform(0, 1.5), "blood": -rng.uniform(0, 0.7)}
    loss = np.array([_STOPS.get(p.kind, clear.get(p.kind, 0.0)) for p in scene.parts])
    loss[[p.kind == "lesion" for p in scene.parts]] = rng.choice([0, 0, 3])
    path: Field = np.cumsum((loss + rng.uniform(0, 1.2)).astype(np.float32)[labels], axis=0) / np.float32(side)
    path = blurred(path, (0.5, 0.012 * side))
    if rng.random() < 0.3:
        contact = np.maximum(smooth_noise(rng, side, 1, rng.uniform(2, 8))[:1] - rng.uniform(0.5, 1.5), 0)
        path = path + contact.astype(np.float32) * level(rng, 0.5, 3)
    return np.asarray(np.exp(-path), dtype=np.float32)


def _speckle(amplitude: Field, rng: np.random.Generator) -> Field:
    """Random scatterers under the pulse, which is short in depth and wide across."""
    scale = amplitude.shape[0] / 256
    pulse = (scale * rng.uniform(0.5, 1.1), scale * rng.uniform(1.0, 2.8))
    parts = [blurred(white_noise(rng, amplitude.shape[0]) * amplitude, pulse) for _ in range(2)]
    speckle = np.hypot(*parts)
    steady = blurred(amplitude, pulse)
    share = level(rng, 0, 0.6)
    mean = np.float32(speckle.mean() / (steady.mean() + 1e-6))
    return np.asarray((1 - share) * speckle + share * mean * steady, dtype=np.float32)


def oct_scan(scene: Scene, rng: np.random.Generator) -> Field:
    """Optical coherence tomography: brightness of layers under fine speckle, dimmer with depth."""
    values = rng.uniform(0.15, 0.9, len(scene.parts)).astype(np.float32)
    values[[p.kind in ("fluid", "air", "gas") for p in scene.parts]] = rng.uniform(0.03, 0.12)
    image = blurred(lit(scene, rng, values, 0.03), rng.uniform(0.5, 1))
    side = scene.side
    shade = np.maximum(smooth_noise(rng, side, 1, rng.uniform(6, 20))[:1] - rng.uniform(0.8, 2), 0) * 0.7
    depth = np.linspace(0, rng.uniform(0, 1.5), side, dtype=np.float32)[:, None]
    image = image * np.exp(-shade - depth).astype(np.float32)
    grain = np.hypot(white_noise(rng, side), white_noise(rng, side))
    grain = blurred(grain, (rng.uniform(0, 0.5), rng.uniform(0.3, 1.2))) / np.float32(1.25)
    image = np.maximum(image, 0.02) * (1 + level(rng, 0.3, 0.9) * (grain - 1)) + level(rng, 0, 0.1)
    return np.asarray(np.clip(image, 0, 1), dtype=np.float32)
