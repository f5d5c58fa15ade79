"""Radiographs: bodies that shine through one another, seen as the sum of what they absorb."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_segsam.train.data.synthetic.fields import (
    Field,
    Frame,
    Mask,
    blurred,
    level,
    log_level,
    rough_noise,
    smooth_noise,
    white_noise,
)
from napari_segsam.train.data.synthetic.grey import Table, brightness, lit
from napari_segsam.train.data.synthetic.scene import LEAST, Scene
from napari_segsam.train.data.synthetic.shapes import Growth, lump, radial, stroke, tree, walk

DENSITY: Table = {
    "air": (0, 0.01), "gas": (0.1, 0.05), "lung": (0.2, 0.05), "fat": (0.45, 0.05), "skin": (0.5, 0.05),
    "muscle": (0.6, 0.05), "organ": (0.6, 0.1), "fluid": (0.6, 0.04), "bone": (1.3, 0.2), "skull": (1.3, 0.2),
    "marrow": (1.0, 0.1), "disc": (0.62, 0.04), "cartilage": (0.6, 0.04), "cord": (0.62, 0.03),
}  # fmt: skip
"""What tissues absorb."""


@dataclass
class Shadows:
    """What absorbs, and which of the shapes are objects; shapes overlap and hide nothing.

    Attributes:
        absorbed: (side, side) sum so far.
        objects: shapes to ask for.
    """

    absorbed: Field
    objects: list[Mask] = field(default_factory=list)

    def add(self, mask: Mask, density: float, rim: float = 0.0, soft: float = 1.0, is_object: bool = True) -> Mask:
        """Add a shape.

        Args:
            mask: (side, side).
            density: what it absorbs; negative for air.
            rim: share that a shell takes, as in bones, 0 to 1.
            soft: blur of its edge, pixels of a picture of 256.
            is_object: whether it may be asked for.
        """
        scale = mask.shape[0] / 256
        shape = mask.astype(np.float32)
        if rim:
            shape -= np.float32(rim) * blurred(shape, 2.5 * scale) ** 4 * shape
        self.absorbed += np.float32(density) * (blurred(shape, soft * scale) if soft else shape)
        if is_object:
            self.objects.append(mask)
        return mask

    def shown(self, rng: np.random.Generator) -> tuple[Field, list[Mask]]:
        """The film: what gets through, with scatter, grain and bones white (or now and then black), and the objects."""
        side = self.absorbed.shape[0]
        film = self.absorbed + level(rng, 0.02, 0.1) * rough_noise(rng, side, 5, 4)
        film += level(rng, 0.05, 0.3) * blurred(film, side / 16) + level(rng, 0, 0.2) * smooth_noise(rng, side, 1)
        film += np.float32(log_level(rng, 0.004, 0.05)) * white_noise(rng, side)
        low, high = np.percentile(film, (rng.uniform(0, 3), rng.uniform(97, 100)))
        film = np.clip((film - low) / np.float32(high - low + 1e-6), 0, 1).astype(np.float32)
        if rng.random() < 0.3:
            film = 1 - np.exp(-level(rng, 1, 2.5) * film)
            film = film / film.max()
        return (1 - film if rng.random() < 0.12 else film), [m for m in self.objects if m.sum() >= LEAST]


def _pixels(frame: Frame, points: list[tuple[float, float]]) -> NDArray[np.float64]:
    """(v, u) points of an unbent frame -> (row, column) pixels."""
    return np.asarray(points) * frame.unit + frame.side / 2


def chest_film(rng: np.random.Generator, side: int) -> tuple[Field, list[Mask]]:
    """Frontal chest: lungs, heart, ribs, collar bones, spine, diaphragm, and an opacity, effusion or collapse."""
    film = Shadows(np.zeros((side, side), dtype=np.float32))
    frame = Frame.drawn(rng, side, (0.85, 1.1), turn=0.05, bend=0.03, shift=0.03)
    film.add(radial(frame, rng, (0.3, 0), (1.35, 0.95), wobble=0.03) < 1, 0.9, soft=4, is_object=False)
    lungs = [_lung_field(film, rng, frame, sign) for sign in (-1, 1)]
    film.objects.append(lungs[0] | lungs[1])
    heart = (
        radial(frame, rng, (0.22 + rng.normal(0, 0.04), 0.13), (0.34, 0.36 * np.exp(rng.normal(0, 0.15))), 0.4, 0.04)
        < 1
    )
    film.add(heart, rng.uniform(0.35, 0.6), soft=2)
    film.add(np.abs(frame.u) < 0.11, rng.uniform(0.3, 0.5), rim=0.3, soft=3, is_object=False)
    film.add(radial(frame, rng, (-0.35, 0.02), (0.35, 0.17), wobble=0.08) < 1, 0.25, soft=3, is_object=False)
    if rng.random() < 0.8:
        film.add(np.abs(frame.u - 0.01) + np.maximum(frame.v + 0.3, 0) < 0.045, -0.2, soft=2, is_object=False)
    ribs = [_rib(frame, rng, -0.8 + 0.15 * i, sign) for i in range(int(rng.integers(6, 10))) for sign in (-1, 1)]
    together = np.any(ribs, axis=0)
    film.add(together, rng.uniform(0.08, 0.25), rim=0.5, soft=0.7)
    film.objects += [ribs[int(i)] for i in rng.permutation(len(ribs))[:2]]
    collar = []
    for sign in (-1, 1):
        bent = [(-0.62, sign * 0.08), (-0.7, sign * 0.3), (-0.72, sign * 0.5), (-0.82, sign * 0.75)]
        collar.append(stroke(side, _pixels(frame, bent), np.full(4, 0.035 * frame.unit)))
    film.add(collar[0] | collar[1], rng.uniform(0.15, 0.3), rim=0.5, soft=0.7)
    film.objects.append(collar[0])
    _illness(film, rng, frame, lungs)
    return film.shown(rng)


def _lung_field(film: Shadows, rng: np.random.Generator, frame: Frame, sign: int) -> Mask:
    """One lung down to its dome of diaphragm, with its branching vessels; right is on the left."""
    outline = radial(frame, rng, (0.0, sign * 0.47), (0.85, 0.4), 0.14 * sign, 0.04)
    dome = frame.v - 0.45 - (0.06 if sign > 0 else 0) + np.float32(0.9) * np.square(frame.u - sign * 0.42)
    lung = film.add((outline < 1) & (dome < rng.uniform(-0.05, 0.2)), -rng.uniform(0.6, 0.85), soft=2)
    hilum = _pixels(frame, [(0.0, sign * 0.15)])[0]
    vessels = np.zeros_like(lung)
    for turn in rng.uniform(-1.2, 1.2, 3):
        heading = turn if sign > 0 else np.pi - turn
        vessels |= tree(
            rng, frame.side, (hilum[0], hilum[1]), heading, Growth(0.03 * frame.unit, 0.25 * frame.unit, 0.4, 4)
        )
    film.add(vessels & lung, rng.uniform(0.06, 0.18), soft=1, is_object=False)
    return lung


def _rib(frame: Frame, rng: np.random.Generator, v: float, sign: int) -> Mask:
    """A rib from the spine outwards, down and round to the front."""
    turn = np.linspace(0.1, rng.uniform(1.7, 2.5), 10)
    wide = 0.85 * np.sqrt(max(1 - ((v - 0.25) / 1.25) ** 2, 0.1)) - 0.07
    drop = v + rng.uniform(0.3, 0.45) * (1 - np.cos(turn)) / 2 - 0.06 * np.sin(2 * turn)
    points = _pixels(frame, list(zip(drop, sign * (0.07 + wide * np.sin(turn)), strict=True)))
    return stroke(frame.side, points, rng.uniform(0.02, 0.032) * frame.unit * np.linspace(1, 0.8, 10))


def _illness(film: Shadows, rng: np.random.Generator, frame: Frame, lungs: list[Mask]) -> None:
    lung, kind = lungs[int(rng.integers(2))], rng.random()
    places = np.argwhere(lung)
    if kind > 0.65 or len(places) < 50:
        return
    row, col = places[rng.integers(len(places))]
    at = float(frame.v[row, col]), float(frame.u[row, col])
    if kind < 0.3:
        outline = radial(frame, rng, at, (rng.uniform(0.05, 0.35), rng.uniform(0.05, 0.25)), 0, 0.2)
        film.add(lump(rng, outline, rng.uniform(0, 0.5), 10) & lung, rng.uniform(0.15, 0.5), soft=rng.uniform(1, 4))
    elif kind < 0.45:
        film.add(lung & (frame.v > rng.uniform(0.1, 0.4) - 0.3 * np.abs(frame.u)), rng.uniform(0.3, 0.6), soft=2)
    else:
        rim = np.roll(lung, int(0.08 * frame.unit), 0) & np.roll(lung, int(rng.uniform(-0.1, 0.1) * frame.unit), 1)
        film.add(lung & ~rim & (frame.v < 0.1), -rng.uniform(0.1, 0.25), soft=1)


def limb_film(rng: np.random.Generator, side: int) -> tuple[Field, list[Mask]]:
    """Long bones or the rays of a hand in their flesh; cortex white, cavity grey; now and then metal."""
    film = Shadows(np.zeros((side, side), dtype=np.float32))
    n = int(rng.choice([1, 2, 2, 4, 5]))
    heading = rng.normal(np.pi / 2, 0.15)
    width = side * (0.12 if n < 3 else 0.045) * np.exp(rng.normal(0, 0.2))
    bones: list[list[Mask]] = []
    flesh = np.zeros((side, side), dtype=bool)
    pitch = side / n if n > 2 else 2.1 * width
    for i in range(n):
        start = rng.uniform(-0.15, 0.1) * side, side / 2 + pitch * (i - (n - 1) / 2)
        ray, around = _row_of_bones(rng, side, start, heading + rng.normal(0, 0.03) - 0.07 * (i - n / 2), width)
        bones.append(ray)
        flesh |= around
    film.add(flesh, rng.uniform(0.25, 0.6), soft=3, is_object=False)
    for ray in bones:
        for bone in ray:
            film.add(bone, rng.uniform(0.4, 0.7), rim=rng.uniform(0.25, 0.7), soft=0.8)
        film.objects.append(np.any([*ray, np.zeros_like(flesh)], axis=0))
    if rng.random() < 0.15:
        points = walk(rng, (side * 0.3, side / 2), heading, side * 0.4, 0.1)
        film.add(stroke(side, points, np.full(len(points), 0.015 * side)), 1.5, soft=0.4)
    return film.shown(rng)


def _row_of_bones(
    rng: np.random.Generator, side: int, start: tuple[float, float], heading: float, width: float
) -> tuple[list[Mask], Mask]:
    """Bones end to end with gaps for the joints, thick at their ends; and the flesh round them."""
    points = walk(rng, start, heading, 1.3 * side, 0.12, 60)
    cuts = np.sort(rng.integers(8, 52, int(rng.integers(1, 4))))
    gap = 2 + round(1.6 * width / (1.3 * side / 60))
    bones = []
    for first, last in zip([0, *cuts], [*cuts, 60], strict=True):
        along = np.arange(max(last - first - gap, 0))
        if len(along) > 3:
            ends = np.minimum(along, along[::-1]) * (side * 1.3 / 60)
            radii = width * (0.45 + 0.4 * np.exp(-np.square(ends / (1.2 * width))))
            bones.append(stroke(side, points[first : first + len(along)], radii * rng.uniform(0.85, 1.1)))
    return bones, stroke(side, points, np.full(60, width * rng.uniform(1.5, 2.6)))


def teeth_film(rng: np.random.Generator, side: int) -> tuple[Field, list[Mask]]:
    """A row of upper and lower teeth in bent jaws, with pulp, fillings and gaps."""
    film = Shadows(np.zeros((side, side), dtype=np.float32))
    frame = Frame.drawn(rng, side, (0.9, 1.2), turn=0.04, bend=0.03)
    smile = frame.v - np.float32(rng.uniform(-0.15, 0.35)) * (np.float32(0.3) - np.square(frame.u))
    film.add((np.abs(smile) < rng.uniform(0.6, 0.9)) & (np.abs(frame.u) < 1.05), 0.5, soft=4, is_object=False)
    film.add((np.abs(smile) > 0.12) & (np.abs(smile) < 0.62), rng.uniform(0.2, 0.4), soft=3)
    n = int(rng.integers(4, 15))
    rows: list[list[Mask]] = [[], []]
    for k, sign in enumerate((-1, 1)):
        for i in range(n):
            if rng.random() < 0.1:
                continue
            rows[k].append(_tooth(film, rng, frame, smile * np.float32(sign), -0.95 + 1.9 * (i + 0.5) / n, 1.9 / n))
    film.objects += [np.any(row, axis=0) for row in rows if row]
    film.objects.append(np.any([*rows[0], *rows[1], np.zeros((side, side), dtype=bool)], axis=0))
    return film.shown(rng)


def _tooth(film: Shadows, rng: np.random.Generator, frame: Frame, down: Field, u: float, pitch: float) -> Mask:
    """A crown and a root that tapers; ``down`` grows from the bite to the root."""
    wide = 0.47 * pitch * rng.uniform(0.85, 1.05)
    deep = rng.uniform(0.4, 0.58)
    taper = np.clip(1 - np.square(np.maximum(down - 0.15, 0) / np.float32(deep)), 0, 1)
    tooth = (
        (down > 0.02 + rng.uniform(0, 0.03))
        & (down < deep)
        & (np.abs(frame.u - u - rng.normal(0, 0.1) * pitch * down) < wide * taper)
    )
    film.add(tooth, rng.uniform(0.5, 0.7), rim=0.35, soft=0.6)
    crown = tooth & (down < 0.17)
    film.add(crown, 0.25, soft=0.8, is_object=rng.random() < 0.2)
    if rng.random() < 0.2:
        spot = tooth & (np.hypot((down - rng.uniform(0.05, 0.15)) / 0.06, (frame.u - u) / (0.6 * wide)) < 1)
        film.add(spot, float(rng.choice([0.9, -0.3])), soft=0.6)
    return np.asarray(tooth)


def breast_film(rng: np.random.Generator, side: int) -> tuple[Field, list[Mask]]:
    """A breast from the side with strands of gland, a mass and specks of lime."""
    film = Shadows(np.zeros((side, side), dtype=np.float32))
    frame = Frame.drawn(rng, side, (0.9, 1.1), turn=0.05)
    mirror = 1 if rng.random() < 0.5 else -1
    outline = radial(frame, rng, (0, -mirror), (0.9, rng.uniform(0.9, 1.7)), wobble=0.04)
    breast = film.add(outline < 1, 0.6, soft=4)
    strands = np.clip(rough_noise(rng, side, rng.uniform(5, 12), 4) - level(rng, -0.5, 0.8) - outline, 0, 2) * breast
    film.absorbed += level(rng, 0.1, 0.4) * strands
    if rng.random() < 0.5:
        film.add((frame.u * mirror < -0.45 - 0.5 * (frame.v + 0.9)) & breast, 0.4, soft=2)
    for _ in range(int(rng.integers(1, 4))):
        at = rng.uniform(-0.5, 0.5), mirror * rng.uniform(-0.7, 0.2)
        size = log_level(rng, 0.04, 0.2)
        mass = radial(frame, rng, at, (size, size * rng.uniform(0.7, 1.3)), 0, rng.uniform(0.05, 0.3))
        film.add(lump(rng, mass, rng.uniform(0, 0.4), 20) & breast, rng.uniform(0.15, 0.5), soft=rng.uniform(1, 3))
    return film.shown(rng)


def angiogram(rng: np.random.Generator, side: int) -> tuple[Field, list[Mask]]:
    """Vessels full of contrast over a faint background of ribs, heart and catheter."""
    film = Shadows(0.3 * smooth_noise(rng, side, 3))
    frame = Frame.drawn(rng, side)
    film.add(radial(frame, rng, (0.2, 0.2), (0.8, 0.8), wobble=0.1) < 1, 0.4, soft=6, is_object=False)
    for i in range(int(rng.integers(0, 5))):
        film.add(_rib(frame, rng, -0.8 + 0.35 * i, 1), 0.1, rim=0.5, soft=1, is_object=False)
    trees = []
    start = rng.uniform(0.1, 0.4) * side, rng.uniform(0.2, 0.8) * side
    for _ in range(int(rng.integers(1, 4))):
        grow = Growth(rng.uniform(0.008, 0.025) * side, rng.uniform(0.2, 0.4) * side, 0.9, 4, 0.6)
        trees.append(tree(rng, side, start, rng.uniform(0, np.pi), grow))
    film.add(np.any(trees, axis=0), rng.uniform(0.25, 0.8), soft=0.8)
    film.objects += trees[:1]
    path = walk(rng, start, rng.uniform(-np.pi, 0), side, 0.5, 20)
    film.add(stroke(side, path, np.full(20, 0.008 * side)), 0.3, soft=0.8)
    image, masks = film.shown(rng)
    return (1 - image if rng.random() < 0.85 else image), masks


def flat_film(scene: Scene, rng: np.random.Generator) -> tuple[Field, list[Mask]]:
    """A scene as a film, as of a knee or a spine from the side: its tissues, and a veil of what else there is."""
    absorbed = lit(scene, rng, brightness(scene, rng, DENSITY, 0.15, 0.05), 0.02)
    veil = level(rng, 0.1, 0.5) * rough_noise(rng, scene.side, rng.uniform(2, 5))
    return Shadows(blurred(absorbed + veil, rng.uniform(0.6, 1.6)), scene.masks()).shown(rng)
