"""Solids in the patient's millimetres, and the canvas of voxels on which a phantom draws them.

Frame: x grows to the patient's left, y to the back, z to the head; the origin is the middle of the canvas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Field = NDArray[np.float32]
Point = tuple[float, float, float]
Region = tuple[slice, slice, slice]
_FAR = 1e4
_WAVES = 4


class Solid(Protocol):
    """A shape: how far a point is outside it (negative inside), and the box around it."""

    def distance(self, x: Field, y: Field, z: Field) -> Field:
        """Millimetres outside, roughly; arrays broadcast."""
        ...

    def bounds(self) -> tuple[Point, Point]:
        """Lowest and highest corner."""
        ...


@dataclass(frozen=True)
class Ellipsoid:
    """Half axes ``radii``; ``lean`` tilts it about the y axis, in degrees, the top towards the patient's left."""

    centre: Point
    radii: Point
    lean: float = 0.0

    def distance(self, x: Field, y: Field, z: Field) -> Field:
        """As :class:`Solid` says."""
        sine, cosine = np.float32(np.sin(np.deg2rad(self.lean))), np.float32(np.cos(np.deg2rad(self.lean)))
        dx, dy, dz = x - self.centre[0], y - self.centre[1], z - self.centre[2]
        a, b = (dx * cosine - dz * sine) / self.radii[0], (dx * sine + dz * cosine) / self.radii[2]
        return np.asarray((np.sqrt(a * a + (dy / self.radii[1]) ** 2 + b * b) - 1.0) * min(self.radii), np.float32)

    def bounds(self) -> tuple[Point, Point]:
        """As :class:`Solid` says."""
        reach = max(self.radii) if self.lean else 0.0
        size = [max(r, reach) if n != 1 else r for n, r in enumerate(self.radii)]
        return _box([self.centre], size)


@dataclass(frozen=True)
class Column:
    """A rounded box without end along z: half axes (x, y) of a superellipse; ``z_range`` limits it."""

    centre: tuple[float, float]
    radii: tuple[float, float]
    power: float = 2.4
    z_range: tuple[float, float] = (-_FAR, _FAR)

    def distance(self, x: Field, y: Field, z: Field) -> Field:
        """As :class:`Solid` says."""
        a, b = np.abs(x - self.centre[0]) / self.radii[0], np.abs(y - self.centre[1]) / self.radii[1]
        flat = ((a**self.power + b**self.power) ** (1 / self.power) - 1.0) * min(self.radii)
        return np.asarray(np.maximum(flat, np.maximum(self.z_range[0] - z, z - self.z_range[1])), np.float32)

    def bounds(self) -> tuple[Point, Point]:
        """As :class:`Solid` says."""
        (x, y), (a, b), (low, high) = self.centre, self.radii, self.z_range
        return (x - a, y - b, low), (x + a, y + b, high)


@dataclass(frozen=True)
class Tube:
    """Everything within ``radius`` of a line through ``points``."""

    points: tuple[Point, ...]
    radius: float

    def distance(self, x: Field, y: Field, z: Field) -> Field:
        """As :class:`Solid` says."""
        nearest = np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), _FAR, np.float32)
        for start, end in zip(self.points, self.points[1:], strict=False):
            along = np.subtract(end, start).astype(np.float32)
            part = (x - start[0]) * along[0] + (y - start[1]) * along[1] + (z - start[2]) * along[2]
            part = np.clip(part / np.float32(along @ along), 0, 1)
            squares = sum((c - s - part * a) ** 2 for c, s, a in zip((x, y, z), start, along, strict=True))
            np.minimum(nearest, np.asarray(squares, np.float32), out=nearest)
        return np.asarray(np.sqrt(nearest) - self.radius, np.float32)

    def bounds(self) -> tuple[Point, Point]:
        """As :class:`Solid` says."""
        return _box(self.points, [self.radius] * 3)


def _box(points: Sequence[Point], size: Sequence[float]) -> tuple[Point, Point]:
    low, high = np.min(points, axis=0) - size, np.max(points, axis=0) + size
    return (float(low[0]), float(low[1]), float(low[2])), (float(high[0]), float(high[1]), float(high[2]))


@dataclass(frozen=True)
class Organ:
    """Something to paint.

    Attributes:
        name: of its class; empty for what is in no class or only surrounds.
        hounsfield: mean.
        solids: joined, with roundings of ``blend`` mm.
        inside: parts outside any of these are cut away.
        without: parts inside any of these are cut away.
        wobble: mm by which low-frequency waves displace its surface.
        texture: HU of its grain.
        vessels: HU that branching vessels add.
    """

    name: str
    hounsfield: float
    solids: tuple[Solid, ...]
    inside: tuple[Solid, ...] = ()
    without: tuple[Solid, ...] = ()
    wobble: float = 0.0
    blend: float = 0.0
    texture: float = 0.0
    vessels: float = 0.0


@dataclass
class Canvas:
    """Voxel coordinates in millimetres, and the noise fields that shapes and tissues share.

    Attributes:
        shape: voxels along x, y, z.
        spacing: millimetres along them.
        rng: everything random comes from it, in a fixed order.
        texture: unit-variance grain.
        branches: 0..1, thin curved lines.
    """

    shape: tuple[int, int, int]
    spacing: Point
    rng: np.random.Generator
    texture: Field = field(init=False)
    branches: Field = field(init=False)

    def __post_init__(self) -> None:
        self.texture = self._smooth(4.0)
        first, second = self._smooth(11.0), self._smooth(11.0)
        self.branches = np.exp(-(first * first + second * second) / 0.05, dtype=np.float32)

    def mask(self, organ: Organ) -> tuple[Region, NDArray[np.bool_]]:
        """The box around an organ, and which of its voxels are inside."""
        region = self._region(organ)
        x, y, z = self._coordinates(region)
        distance = organ.solids[0].distance(x, y, z)
        for solid in organ.solids[1:]:
            distance = _joined(distance, solid.distance(x, y, z), organ.blend)
        if organ.wobble:
            distance = distance + organ.wobble * self._waves(x, y, z)
        for solid in organ.inside:
            distance = np.maximum(distance, solid.distance(x, y, z))
        for solid in organ.without:
            distance = np.maximum(distance, -solid.distance(x, y, z))
        size = tuple(s.stop - s.start for s in region)
        return region, np.broadcast_to(distance < 0, size)

    def noise(self, hounsfield: float) -> Field:
        """Scanner noise: slightly correlated in the slice, independent between slices."""
        white = self.rng.standard_normal(self.shape, np.float32)
        grain = ndimage.gaussian_filter(white, (0.7, 0.7, 0.0))
        return np.asarray(grain * (hounsfield / grain.std()), np.float32)

    def _smooth(self, millimetres: float) -> Field:
        sigma = [millimetres / s for s in self.spacing]
        smooth = ndimage.gaussian_filter(self.rng.standard_normal(self.shape, np.float32), sigma, mode="wrap")
        return np.asarray(smooth / smooth.std(), np.float32)

    def _waves(self, x: Field, y: Field, z: Field) -> Field:
        """A sum of waves of 45 to 110 mm in random directions, between -1 and 1."""
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), np.float32)
        for _ in range(_WAVES):
            direction = self.rng.standard_normal(3)
            k = direction / np.linalg.norm(direction) * 2 * np.pi / self.rng.uniform(45, 110)
            total += np.sin(k[0] * x + k[1] * y + k[2] * z + self.rng.uniform(0, 2 * np.pi), dtype=np.float32)
        return np.asarray(total / _WAVES, np.float32)

    def _region(self, organ: Organ) -> Region:
        corners = [s.bounds() for s in organ.solids]
        low = np.min([c[0] for c in corners], axis=0) - organ.wobble - organ.blend
        high = np.max([c[1] for c in corners], axis=0) + organ.wobble + organ.blend
        slices = []
        for n, step, a, b in zip(self.shape, self.spacing, low, high, strict=True):
            middle = (n - 1) / 2
            start, stop = int(np.floor(a / step + middle)), int(np.ceil(b / step + middle)) + 1
            slices.append(slice(min(max(start, 0), n), max(min(stop, n), 0)))
        return slices[0], slices[1], slices[2]

    def _coordinates(self, region: Region) -> tuple[Field, Field, Field]:
        axes = [
            (np.arange(s.start, s.stop, dtype=np.float32) - (n - 1) / 2) * step
            for s, n, step in zip(region, self.shape, self.spacing, strict=True)
        ]
        x, y, z = np.ix_(*(a.astype(np.float32) for a in axes))
        return x, y, z


def _joined(a: Field, b: Field, blend: float) -> Field:
    """The union of two distances, with a rounded seam."""
    if blend <= 0:
        return np.minimum(a, b)
    nearness = np.maximum(blend - np.abs(a - b), 0) / blend
    return np.asarray(np.minimum(a, b) - nearness * nearness * blend / 4, np.float32)
