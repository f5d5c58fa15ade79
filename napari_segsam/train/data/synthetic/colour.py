"""Colour photographs of the body: the back of the eye, skin, and what an endoscope sees."""

from __future__ import annotations

import numpy as np

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
from napari_segsam.train.data.synthetic.scene import LEAST
from napari_segsam.train.data.synthetic.shapes import Growth, lump, radial, stroke, tree, walk


def _tint(rng: np.random.Generator, red: float, green: float, blue: float, by: float = 0.06) -> Field:
    return np.clip(np.array((red, green, blue)) + rng.normal(0, by, 3) + rng.normal(0, by), 0.01, 1).astype(np.float32)


def _over(image: Field, cover: Field, tint: Field) -> Field:
    """``tint`` (3,) or (side, side, 3) laid over the picture as far as ``cover`` (side, side) of 0 to 1 says."""
    share = np.clip(cover, 0, 1)[..., None]
    return np.asarray(image * (1 - share) + tint * share, dtype=np.float32)


def _soft(mask: Mask, sigma: float) -> Field:
    return blurred(mask.astype(np.float32), sigma * mask.shape[0] / 256)


def _kept(masks: list[Mask], seen: Mask) -> list[Mask]:
    return [m & seen for m in masks if (m & seen).sum() >= LEAST]


def fundus(rng: np.random.Generator, side: int) -> tuple[Field, list[Mask]]:
    """The back of an eye: disc with cup, arteries and veins, macula, haemorrhages and exudates, in a round field."""
    frame = Frame.drawn(rng, side, (0.92, 1.15), 0.1, 0.01, 0.02)
    seen = np.hypot(frame.v, frame.u) < 1
    image = np.ones((side, side, 1), dtype=np.float32) * _tint(rng, 0.75, 0.35, 0.15, 0.1)
    image = image * (1 + 0.12 * rough_noise(rng, side, 4) - 0.25 * np.hypot(frame.v, frame.u) + 0.1)[..., None]
    side_of = float(rng.choice([-1, 1]))
    at = float(rng.normal(0, 0.1)), side_of * float(rng.uniform(0, 0.6))
    macula = np.exp(-(np.square(frame.v - at[0]) + np.square(frame.u - at[1] + side_of * 0.55)) / np.float32(0.03))
    image = image * (1 - level(rng, 0.1, 0.45) * macula)[..., None]
    size = rng.uniform(0.13, 0.3)
    outline = radial(frame, rng, at, (size * rng.uniform(0.95, 1.2), size), 0, 0.03)
    disc, cup = outline < 1, outline < rng.uniform(0.25, 0.75)
    image = _over(image, _soft(disc, 1.5) * level(rng, 0.5, 0.9), _tint(rng, 0.95, 0.7, 0.4))
    image = _over(image, _soft(cup, 2) * level(rng, 0.3, 0.8), _tint(rng, 1.0, 0.9, 0.7))
    arteries, veins = _retinal_vessels(rng, frame, at)
    masks = [disc, cup, disc & ~cup, arteries, veins, arteries | veins]
    image = _over(image, _soft(veins, 0.6) * level(rng, 0.35, 0.8), _tint(rng, 0.45, 0.1, 0.06, 0.03))
    image = _over(image, _soft(arteries, 0.6) * level(rng, 0.3, 0.7), _tint(rng, 0.6, 0.18, 0.08, 0.03))
    for tint, soft in (
        (_tint(rng, 0.95, 0.8, 0.4), 0.7),
        (_tint(rng, 0.4, 0.06, 0.04, 0.03), 1.0),
        (_tint(rng, 0.8, 0.65, 0.45), 3.0),
    ):
        if rng.random() < 0.4:
            spots = _spots(rng, frame)
            image = _over(image, _soft(spots, soft) * level(rng, 0.5, 0.95), tint)
            masks.append(spots)
    image = image + level(rng, 0.005, 0.03) * white_noise(rng, side)[..., None]
    return np.where(seen[..., None], image, np.float32(0.01)), _kept(masks, seen)


def _retinal_vessels(rng: np.random.Generator, frame: Frame, at: tuple[float, float]) -> tuple[Mask, Mask]:
    """Arteries, thinner, and veins, wider, in arcs from the disc."""
    start = np.unravel_index(int(np.argmin(np.hypot(frame.v - at[0], frame.u - at[1]))), frame.v.shape)
    both = []
    for radius in (0.014, 0.02):
        vessels = np.zeros(frame.v.shape, dtype=bool)
        for heading in (0.9, -0.9, 2.3, -2.3):
            grow = Growth(
                radius * frame.unit * rng.uniform(0.8, 1.2), rng.uniform(0.35, 0.6) * frame.unit, 0.7, 4, 0.35
            )
            vessels |= tree(rng, frame.side, (float(start[0]), float(start[1])), heading + rng.normal(0, 0.25), grow)
        both.append(vessels)
    return both[0], both[1]


def _spots(rng: np.random.Generator, frame: Frame) -> Mask:
    """A crowd of specks and a few blots about one place."""
    middle = rng.uniform(-0.5, 0.5, 2)
    out = np.zeros(frame.v.shape, dtype=bool)
    for at in middle + rng.normal(0, rng.uniform(0.08, 0.4), (int(rng.integers(2, 20)), 2)):
        size = log_level(rng, 0.012, 0.08)
        out |= radial(frame, rng, (at[0], at[1]), (size, size * rng.uniform(0.7, 1.5)), rng.uniform(0, 3), 0.2) < 1
    return out


def skin(rng: np.random.Generator, side: int) -> tuple[Field, list[Mask]]:
    """Dermoscopy: a mole with net, globules and colours of its own on skin, under hairs and in dark corners."""
    frame = Frame.drawn(rng, side, (0.8, 1.2), 1, 0.06, 0.12)
    tone = np.clip(np.array((0.85, 0.65, 0.55)) * rng.uniform(0.45, 1.1) + rng.normal(0, 0.03, 3), 0.05, 1)
    image = tone.astype(np.float32) * (
        1 + 0.05 * rough_noise(rng, side, 3)[..., None] + 0.03 * smooth_noise(rng, side, 80)[..., None]
    )
    size = log_level(rng, 0.12, 0.9)
    outline = radial(frame, rng, (0, 0), (size, size * rng.uniform(0.7, 1.2)), 0, rng.uniform(0.03, 0.2))
    mole = lump(rng, outline, rng.uniform(0, 0.25), rng.uniform(4, 15))
    dark = np.clip(tone * rng.uniform(0.25, 0.85) * np.array((1.0, 0.85, 0.75)), 0, 1).astype(np.float32)
    cover = _soft(mole, rng.uniform(0.8, 6)) * level(rng, 0.5, 1)
    net = np.abs(smooth_noise(rng, side, rng.uniform(18, 45)))
    cover = cover * np.clip(1 - level(rng, 0, 0.5) * net + level(rng, 0, 0.4) * rough_noise(rng, side, 4), 0.1, 1.1)
    image = _over(image, cover, dark)
    if rng.random() < 0.4:
        patch = (smooth_noise(rng, side, 4) > 0.7) & mole
        image = _over(image, _soft(patch, 3) * 0.6, _tint(rng, 0.35, 0.4, 0.5, 0.15))
    masks = [mole]
    if rng.random() < 0.2:
        second = radial(frame, rng, (rng.uniform(-0.8, 0.8), rng.uniform(-0.8, 0.8)), (0.12, 0.12), 0, 0.1) < 1
        image = _over(image, _soft(second, 2) * 0.7, dark)
        masks += [second & ~mole, second | mole]
    for _ in range(int(rng.integers(1, 25)) if rng.random() < 0.45 else 0):
        start = rng.uniform(0, side, 2)
        hair = stroke(
            side,
            walk(rng, (start[0], start[1]), rng.normal(0.8, 0.7), side * rng.uniform(0.3, 0.9), 0.5),
            np.full(10, side / 350),
        )
        image = _over(image, _soft(hair, 0.5) * level(rng, 0.5, 1), _tint(rng, 0.15, 0.1, 0.08, 0.03))
    far = np.hypot(frame.v, frame.u)
    image = image * np.clip(1.1 - level(rng, 0, 0.35) * far * far, 0, 1.1)[..., None]
    if rng.random() < 0.12:
        seen = np.hypot(*np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]) < rng.uniform(0.95, 1.25)
        return np.where(seen[..., None], image, np.float32(0)), _kept(masks, seen)
    return image, masks


def endoscopy(rng: np.random.Generator, side: int) -> tuple[Field, list[Mask]]:
    """Folds of moist mucosa with polyps that are hardly another colour, tools, glints, dark depth and a cut field."""
    frame = Frame.drawn(rng, side, (0.9, 1.3), 3, 0.1, 0.1)
    height = level(rng, 0.3, 1) * rough_noise(rng, side, rng.uniform(1.5, 4), 3)
    depth = np.hypot(frame.v - level(rng, -0.6, 0.6), frame.u - level(rng, -0.6, 0.6))
    rings = np.sin(depth * level(rng, 4, 14) + height) * level(rng, 0, 0.5)
    albedo = np.ones((side, side, 1), dtype=np.float32) * _tint(rng, 0.8, 0.45, 0.35, 0.08)
    veins = tree(rng, side, (rng.uniform(0, side), 0.0), 0.0, Growth(side / 120, side / 3, 0.8, 5, 0.4))
    albedo = _over(albedo, _soft(veins, 1) * level(rng, 0, 0.4), _tint(rng, 0.6, 0.15, 0.15))
    relief = height + rings
    masks: list[Mask] = []
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        at, size = rng.uniform(-0.6, 0.6, 2), log_level(rng, 0.1, 0.6)
        outline = radial(
            frame, rng, (at[0], at[1]), (size, size * rng.uniform(0.6, 1.3)), rng.uniform(0, 3), rng.uniform(0.03, 0.15)
        )
        polyp = outline < 1
        relief = relief + blurred(np.sqrt(np.clip(1 - outline * outline, 0, 1)), side / 80) * level(
            rng, 2, 6
        ) * np.float32(np.sqrt(size))
        texture = np.clip(1 + level(rng, 0, 0.2) * smooth_noise(rng, side, rng.uniform(20, 60)), 0, 2)[..., None]
        albedo = _over(albedo, _soft(polyp, 1.5) * level(rng, 0.15, 0.8), _tint(rng, 0.85, 0.4, 0.35, 0.12) * texture)
        masks = [m & ~polyp for m in masks] + [polyp]
    if len(masks) > 1:
        masks.append(np.any(masks, axis=0))
    return _looked_at(rng, albedo, relief, depth, masks)


def _looked_at(
    rng: np.random.Generator, albedo: Field, relief: Field, depth: Field, masks: list[Mask]
) -> tuple[Field, list[Mask]]:
    """Light from the tip of the scope on a relief, with glints; then tools in front and the cut field."""
    side = relief.shape[0]
    down, right = np.gradient(blurred(relief, side / 150) * np.float32(side / 40))
    light = rng.normal(0, 0.5, 2)
    lean = 1 / np.sqrt(1 + down * down + right * right)
    shade = np.clip((1 + light[0] * down + light[1] * right) * lean, 0, 1.6)
    lamp = np.clip(level(rng, 0.5, 1.1) + level(rng, -0.3, 0.5) * depth, 0.08, 1.2)
    image = albedo * (shade * lamp)[..., None]
    glints = _soft((smooth_noise(rng, side, rng.uniform(10, 30)) + shade > rng.uniform(2.8, 4)), 0.7)
    image = _over(image, glints, np.ones(3, dtype=np.float32))
    if rng.random() < 0.35:
        tools = _tools(rng, side)
        for tool, jaw in tools:
            gleam = 0.45 + 0.3 * smooth_noise(rng, side, 3)[..., None] * np.ones(3, dtype=np.float32)
            image = _over(image, _soft(tool, 0.8), gleam if rng.random() < 0.7 else _tint(rng, 0.12, 0.12, 0.14))
            image = _over(image, _soft(jaw, 0.8), np.float32(1.2) * gleam)
            masks = [m & ~tool & ~jaw for m in masks] + [tool | jaw, tool & ~jaw, jaw]
    image = image + level(rng, 0.003, 0.02) * white_noise(rng, side)[..., None]
    seen = _cut_field(rng, side)
    return np.where(seen[..., None], image, np.float32(0)).astype(np.float32), _kept(masks, seen)


def _tools(rng: np.random.Generator, side: int) -> list[tuple[Mask, Mask]]:
    """Shafts that come in from the rim, each with two jaws at its tip."""
    made = []
    for _ in range(int(rng.integers(1, 3))):
        turn = rng.uniform(0, 2 * np.pi)
        rim = side / 2 * (1 + 1.1 * np.array([np.sin(turn), np.cos(turn)]))
        tip = side * rng.uniform(0.3, 0.7, 2)
        radius = side * rng.uniform(0.015, 0.05)
        ahead = (tip - rim) / np.hypot(*(tip - rim))
        across = np.array([-ahead[1], ahead[0]])
        jaw = np.zeros((side, side), dtype=bool)
        for sign in (-1, 1):
            ends = np.array(
                [tip, tip + radius * (2.5 * ahead + sign * rng.uniform(0.3, 1.5) * across), tip + radius * 5 * ahead]
            )
            jaw |= stroke(side, ends, radius * np.array([0.7, 0.5, 0.2]))
        made.append((stroke(side, np.array([rim, tip]), np.full(2, radius)), jaw))
    return made


def _cut_field(rng: np.random.Generator, side: int) -> Mask:
    """The whole square, an octagon, or a disc."""
    rows, cols = np.abs(np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j])
    kind = rng.random()
    if kind < 0.5:
        return np.ones((side, side), dtype=bool)
    if kind < 0.75:
        return np.asarray((rows < 0.97) & (cols < 0.97) & (rows + cols < rng.uniform(1.4, 1.7)))
    return np.asarray(np.hypot(rows, cols) < rng.uniform(0.95, 1.2))
