"""Pictures through a microscope: glowing cells, bright field, stained tissue, blood, electron micrographs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_segsam.train.data.synthetic.fields import (
    Field,
    Frame,
    Mask,
    blurred,
    level,
    log_level,
    resized,
    rough_noise,
    smooth_noise,
    white_noise,
)
from napari_segsam.train.data.synthetic.scene import Scene
from napari_segsam.train.data.synthetic.shapes import nearest, radial, scatter


def _plain(rng: np.random.Generator, side: int) -> Frame:
    return Frame.drawn(rng, side, (1, 1), 0, 0.01, 0)


def cells(
    rng: np.random.Generator, side: int, wanted: int, radius: float, apart: float, wobble: float
) -> tuple[Scene, Field]:
    """Cells as labels, each perhaps with a nucleus, and how near each pixel is to its cell's middle, 1 to 0.

    Args:
        rng: source of chance.
        side: pixels along each edge.
        wanted: most cells there are.
        radius: of a cell, as a share of the side.
        apart: distance between middles, in radii.
        wobble: how uneven outlines are.
    """
    scene = Scene.empty(side)
    dome = np.zeros((side, side), dtype=np.float32)
    frame = _plain(rng, side)
    shown = rng.permutation(wanted)[:10]
    everyone: list[int] = []
    for i, place in enumerate(scatter(rng, side, wanted, apart * radius * side)):
        at = 2 * place / side - 1
        size = 2 * radius * np.exp(rng.normal(0, 0.2))
        outline = radial(frame, rng, (at[0], at[1]), (size * rng.uniform(0.7, 1.35), size), rng.uniform(0, 3), wobble)
        inside = outline < 1
        dome[inside] = 1 - outline[inside]
        everyone.append(scene.add(inside, "cell", is_object=i in shown))
    if everyone and rng.random() < 0.6:
        scene.join(*everyone)
    return scene, dome


def glowing(rng: np.random.Generator, side: int) -> tuple[Field, list[Mask]]:
    """Fluorescence: bright cells of unlike strength on black, in grey or one colour."""
    radius = log_level(rng, 0.02, 0.12)
    scene, dome = cells(rng, side, int(min(rng.uniform(0.1, 0.5) / radius**2, 70)), radius, rng.uniform(1.2, 2.2), 0.08)
    strength = np.exp(rng.normal(-0.5, rng.uniform(0.1, 0.6), len(scene.parts))).astype(np.float32)
    strength[0] = rng.uniform(0, 0.12)
    image = strength[scene.labels] * (level(rng, 0.4, 1) + np.sqrt(dome) * level(rng, 0, 0.8))
    image *= 1 + level(rng, 0, 0.35) * smooth_noise(rng, side, rng.uniform(15, 60))
    image = blurred(image, rng.uniform(0.6, 2)) + level(rng, 0, 0.35) * blurred(image, side / 25)
    image = image + np.sqrt(np.maximum(image, 0)) * np.float32(log_level(rng, 0.02, 0.12)) * white_noise(rng, side)
    image = np.clip(image / np.float32(np.percentile(image, 99.5) + 1e-6), 0, 1).astype(np.float32)
    if rng.random() < 0.5:
        return image, scene.masks()
    return image[..., None] * np.array([rng.uniform(0, 0.3), *rng.uniform(0.2, 1, 2)], dtype=np.float32), scene.masks()


def bright_field(rng: np.random.Generator, side: int) -> tuple[Field, list[Mask]]:
    """Phase contrast: cells hardly darker than the ground, with a halo round them."""
    radius = log_level(rng, 0.03, 0.15)
    scene, dome = cells(
        rng,
        side,
        int(min(rng.uniform(0.1, 0.4) / radius**2, 50)),
        radius,
        rng.uniform(1.3, 2.5),
        rng.uniform(0.04, 0.16),
    )
    inside = blurred((scene.labels > 0).astype(np.float32), 1)
    halo = blurred(inside, side / 60) - inside
    grain = rough_noise(rng, side, rng.uniform(15, 40))
    image = 0.55 + level(rng, -0.12, 0.12) * inside + level(rng, 0.2, 0.9) * halo
    image += (level(rng, 0.01, 0.03) + level(rng, 0.02, 0.08) * inside) * grain + level(rng, -0.2, 0.2) * dome
    image += level(rng, 0.02, 0.12) * smooth_noise(rng, side, 1.5) + level(rng, 0.005, 0.03) * white_noise(rng, side)
    return image.astype(np.float32), scene.masks()


def stained(rng: np.random.Generator, side: int) -> tuple[Field, list[Mask]]:
    """Haematoxylin and eosin: glands with white lumina in pink stroma, purple nuclei all over."""
    frame = _plain(rng, side)
    scene = Scene.empty(side, "stroma")
    size = log_level(rng, 0.12, 0.5)
    for place in scatter(rng, side, int(rng.integers(0, 9)), size * side * 0.9):
        at = 2 * place / side - 1
        outline = radial(frame, rng, (at[0], at[1]), (size * rng.uniform(0.7, 1.3), size), rng.uniform(0, 3), 0.15)
        gland = scene.add(outline < 1, "gland", is_object=False)
        scene.join(gland, scene.add(outline < rng.uniform(0.3, 0.65), "lumen", gland, is_object=rng.random() < 0.5))
    ground = scene.labels.copy()
    kinds = np.array([("stroma", "gland", "lumen").index(p.kind) for p in scene.parts])[ground]
    nuclei, _ = cells(rng, side, 70, rng.uniform(0.012, 0.03), rng.uniform(1.4, 2.2), 0.1)
    nucleus = (nuclei.labels > 0) & (kinds < 2)
    fibres = smooth_noise(rng, side, *rng.permutation([rng.uniform(5, 12), rng.uniform(25, 60)]))
    pink = np.array((rng.uniform(0.2, 0.5), rng.uniform(0.3, 0.7), 0.05), dtype=np.float32)[kinds]
    pink = pink * np.clip(1 + 0.35 * fibres + 0.2 * rough_noise(rng, side, 20), 0.1, 2)
    purple = np.array((0.1, 0.3, 0.0), dtype=np.float32)[kinds] + nucleus * level(rng, 0.6, 1.3) * (
        1 + 0.25 * smooth_noise(rng, side, 70)
    )
    absorb = blurred(purple, 0.7)[..., None] * np.array((0.65, 0.75, 0.3)) + blurred(pink, 0.7)[..., None] * np.array(
        (0.1, 0.85, 0.35)
    )
    kept = [m & (kinds < 2) for m in nuclei.masks()]
    glands = [m & ~nucleus if rng.random() < 0.2 else m for m in scene.masks()]
    return np.exp(-absorb * level(rng, 0.7, 1.3)).astype(np.float32), [*glands, *kept]


def blood(rng: np.random.Generator, side: int) -> tuple[Field, list[Mask]]:
    """A blood smear: pale red discs with lighter middles and a few white cells with dark lobed nuclei."""
    radius = rng.uniform(0.025, 0.07)
    scene, dome = cells(
        rng, side, int(min(rng.uniform(0.05, 0.25) / radius**2, 60)), radius, rng.uniform(1.6, 2.2), 0.03
    )
    ground = np.array((0.92, 0.88, 0.88)) - rng.uniform(0, 0.12, 3)
    image = np.tile(ground.astype(np.float32), (side, side, 1))
    red = np.array((0.15, 0.45, 0.4), dtype=np.float32) * level(rng, 0.5, 1.1)
    ring = (scene.labels > 0) * np.clip(1.1 - level(rng, 0.4, 1.2) * dome, 0.2, 1)
    image -= blurred(ring.astype(np.float32), 0.8)[..., None] * red
    masks = scene.masks()
    frame = _plain(rng, side)
    for _ in range(int(rng.integers(1, 4))):
        at = rng.uniform(-0.8, 0.8, 2)
        outline = radial(frame, rng, (at[0], at[1]), (3.4 * radius, 3.4 * radius), 0, 0.05)
        lobes = np.zeros((side, side), dtype=bool)
        for shift in rng.normal(0, 1.1 * radius, (int(rng.integers(1, 5)), 2)):
            lobes |= (
                radial(frame, rng, (at[0] + shift[0], at[1] + shift[1]), (1.6 * radius, 1.3 * radius), 0.5, 0.1) < 1
            )
        body, lobes = outline < 1, lobes & (outline < 0.95)
        texture = 1 + 0.08 * smooth_noise(rng, side, 60)[..., None]
        image = np.where(body[..., None], np.array((0.75, 0.68, 0.82)) * texture, image)
        image = np.where(lobes[..., None], np.array((0.42, 0.25, 0.6)) * texture, image)
        masks = [m & ~body for m in masks] + [body, lobes]
    return (image + level(rng, 0.005, 0.02) * white_noise(rng, side)[..., None]).astype(np.float32), masks


def electrons(rng: np.random.Generator, side: int) -> tuple[Field, list[Mask]]:
    """An electron micrograph: cells parted by dark membranes, with dark organelles."""
    frame = Frame.drawn(rng, side, (0.8, 1.2), 1, 0.12)
    seeds: NDArray[np.float64] = rng.uniform(-1.3, 1.3, (int(rng.integers(8, 40)), 2))
    owner, margin = nearest(frame, rng, seeds, 0.06)
    scene = Scene.empty(side, "membrane")
    gap = rng.uniform(0.015, 0.04)
    shown = rng.permutation(len(seeds))[:8]
    for i in range(len(seeds)):
        scene.add((owner == i) & (margin > gap), "cell", is_object=i in shown)
    tone = rng.uniform(0.5, 0.8) + rng.normal(0, 0.06, len(scene.parts))
    tone[0] = rng.uniform(0.1, 0.3)
    organelles: list[int] = []
    for _ in range(int(rng.integers(2, 14))):
        at, size = rng.uniform(-1, 1, 2), rng.uniform(0.04, 0.12)
        spot = radial(frame, rng, (at[0], at[1]), (size * rng.uniform(0.6, 2), size), rng.uniform(0, 3), 0.1)
        organelles.append(scene.add((spot < 1) & (margin > 1.5 * gap), "organelle"))
    scene.join(*organelles)
    tone = np.append(tone, rng.uniform(0.25, 0.45) + rng.normal(0, 0.03, len(organelles))).astype(np.float32)
    image = blurred(np.asarray(tone[scene.labels], dtype=np.float32), 0.8) + level(rng, 0.03, 0.1) * rough_noise(
        rng, side, 30
    )
    stripes = resized(rng.standard_normal((2, side), dtype=np.float32), side, side, "bilinear")
    image += level(rng, 0, 0.02) * stripes + level(rng, 0.01, 0.08) * blurred(white_noise(rng, side), 0.5)
    return image.astype(np.float32), scene.masks()
