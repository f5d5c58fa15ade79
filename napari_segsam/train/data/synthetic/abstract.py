"""Scenes that are no organ in particular: nests, crowds, partitions, vessels, layers and folds."""

from __future__ import annotations

import numpy as np

from napari_segsam.train.data.synthetic.fields import Frame, Mask, log_level, smooth_noise
from napari_segsam.train.data.synthetic.scene import Scene
from napari_segsam.train.data.synthetic.shapes import (
    Growth,
    layers,
    lump,
    nearest,
    radial,
    scatter,
    stroke,
    tree,
    walk,
)

TISSUES = ("organ", "organ", "organ", "muscle", "fat", "fluid", "blood", "liver", "wall", "cartilage", "bone", "gas")
"""Kinds that an object of no name may have; organ is drawn anew for each."""


def tissue(rng: np.random.Generator) -> str:
    """A kind of tissue for an object of no name."""
    return TISSUES[int(rng.integers(len(TISSUES)))]


def lesions(scene: Scene, rng: np.random.Generator, host: int, most: int = 4) -> list[int]:
    """Put nested, ragged or many small lesions into what is seen of label ``host``; the labels of all of them."""
    inside = np.flatnonzero(scene.labels == host)
    if inside.size < 60:
        return []
    side = scene.side
    frame = Frame.drawn(rng, side, (1, 1), turn=1.5, bend=0.02, shift=0)
    room = np.sqrt(inside.size) / side
    made: list[int] = []
    many = rng.random() < 0.2
    for _ in range(int(rng.integers(4, 14)) if many else int(rng.integers(1, most + 1))):
        place = int(inside[rng.integers(inside.size)])
        at = float(frame.v.flat[place]), float(frame.u.flat[place])
        radius = room * (log_level(rng, 0.05, 0.16) if many else log_level(rng, 0.1, 0.7))
        outline = radial(
            frame, rng, at, (radius * rng.uniform(0.7, 1.4), radius), rng.uniform(0, 3), rng.uniform(0, 0.25)
        )
        mask = lump(rng, outline, rng.uniform(0, 0.3), rng.uniform(6, 30)) if rng.random() < 0.5 else outline < 1
        inner: list[int] = [scene.add(mask, "lesion", host, within=host)]
        if not many and rng.random() < 0.3:
            inner.append(scene.add(outline < rng.uniform(0.35, 0.75), "core", inner[0], within=inner[0]))
            scene.join(*inner)
        made += inner
    if len(made) > 1:
        scene.join(*made)
    if made:
        scene.join(host, *made)
    return made


def nests(rng: np.random.Generator, side: int) -> Scene:
    """Bodies of any kind side by side and over each other, some hollow, some with lesions."""
    scene = Scene.empty(side, tissue(rng))
    frame = Frame.drawn(rng, side, turn=1)
    if rng.random() < 0.5:
        scene.add(radial(frame, rng, (0, 0), (rng.uniform(0.6, 1), 1)) < 1, tissue(rng), is_object=False)
    twin = rng.random() < 0.25
    for _ in range(int(rng.integers(2, 9))):
        extent = log_level(rng, 0.04, 0.5)
        at = rng.uniform(-0.8, 0.8), rng.uniform(-0.8, 0.8)
        shape = (extent * rng.uniform(0.5, 1.6), extent), rng.uniform(0, 3), rng.uniform(0, 0.2)
        bend = rng.uniform(0.3, 0.9) if rng.random() < 0.25 else 0.0
        outline = radial(frame, rng, at, *shape, bend)
        label = scene.add(outline < 1, tissue(rng))
        if rng.random() < 0.2:
            scene.join(label, scene.add(outline < rng.uniform(0.5, 0.9), tissue(rng), label))
        if rng.random() < 0.3:
            lesions(scene, rng, label)
        if twin and rng.random() < 0.5:
            other = radial(frame, rng, (at[0], -at[1]), shape[0], np.pi - shape[1], shape[2], -bend)
            scene.join(label, scene.add(other < 1, scene.parts[label].kind))
    return scene


def crowd(rng: np.random.Generator, side: int) -> Scene:
    """Many small things of two kinds in a host: nodules, cells, plaques."""
    scene = Scene.empty(side, tissue(rng))
    frame = Frame.drawn(rng, side, (0.6, 1.2), turn=1)
    host = scene.add(radial(frame, rng, (0, 0), (rng.uniform(0.6, 1), 1)) < 1, tissue(rng))
    radius = log_level(rng, 0.015, 0.07) * side
    made: tuple[list[int], list[int]] = ([], [])
    near = Frame.drawn(rng, side, (1, 1), 0, 0, 0)
    for place in scatter(rng, side, int(rng.integers(6, 40)), radius * rng.uniform(1.2, 5)):
        at = 2 * place / side - 1
        size = 2 * radius / side * rng.uniform(0.6, 1.4)
        outline = radial(near, rng, (at[0], at[1]), (size * rng.uniform(0.7, 1.3), size), rng.uniform(0, 3), 0.08)
        which = int(rng.random() < 0.3)
        made[which].append(
            scene.add(outline < 1, ("lesion", "wall")[which], host, is_object=rng.random() < 0.4, within=host)
        )
    for group in made:
        if group:
            scene.join(*group)
    scene.join(host, *made[0], *made[1])
    return scene


def partition(rng: np.random.Generator, side: int) -> Scene:
    """A body filled without gaps by touching organs."""
    scene = Scene.empty(side, "air" if rng.random() < 0.5 else tissue(rng))
    frame = Frame.drawn(rng, side, turn=1, bend=0.1)
    seeds = rng.uniform(-1, 1, (int(rng.integers(4, 16)), 2))
    owner, margin = nearest(frame, rng, seeds, rng.uniform(0, 0.15))
    inside = radial(frame, rng, (0, 0), (rng.uniform(0.7, 1.1), 1)) < 1
    gap = rng.uniform(0.01, 0.05) if rng.random() < 0.4 else -1.0
    labels = []
    if gap > 0:
        scene.add(inside, "fat", is_object=False)
    for i in range(len(seeds)):
        labels.append(scene.add(inside & (owner == i) & (margin > gap), tissue(rng)))
        if rng.random() < 0.15:
            lesions(scene, rng, labels[-1])
    scene.join(*labels[:2])
    return scene


def vessels(rng: np.random.Generator, side: int) -> Scene:
    """One to three branching vessels in an organ, or single tubes with a wall."""
    scene = Scene.empty(side, tissue(rng))
    frame = Frame.drawn(rng, side, (0.8, 1.5), turn=1)
    host = scene.add(radial(frame, rng, (0, 0), (rng.uniform(0.6, 1), 1)) < 1, tissue(rng))
    if rng.random() < 0.5:
        radius = log_level(rng, 0.008, 0.05) * side
        trees = [_rooted(rng, side, radius) for _ in range(int(rng.integers(1, 4)))]
        labels = [scene.add(mask, ("blood", "wall", "blood")[i], host, within=host) for i, mask in enumerate(trees)]
        scene.join(host, *labels)
        return scene
    for _ in range(int(rng.integers(1, 4))):
        start = rng.uniform(0, side, 2)
        points = walk(rng, (start[0], start[1]), rng.uniform(0, 6.3), side * rng.uniform(0.3, 1), 1.0, 24)
        radii = log_level(rng, 0.012, 0.06) * side * np.exp(smooth_noise(rng, 24, 4)[0] * rng.uniform(0, 0.35))
        wall = scene.add(stroke(side, points, radii.astype(np.float64)), "wall", host)
        if rng.random() < 0.7:
            lumen = scene.add(
                stroke(side, points, radii * rng.uniform(0.5, 0.8)), ("blood", "fluid", "gas")[int(rng.integers(3))]
            )
            scene.join(wall, lumen)
    return scene


def _rooted(rng: np.random.Generator, side: int, radius: float) -> Mask:
    """A tree that starts at a random place near the rim and heads inwards."""
    angle = rng.uniform(0, 2 * np.pi)
    start = side / 2 * (1 - 0.8 * np.sin(angle)), side / 2 * (1 - 0.8 * np.cos(angle))
    return tree(rng, side, start, angle, Growth(radius, side * rng.uniform(0.15, 0.3), forks=int(rng.integers(3, 6))))


def slabs(rng: np.random.Generator, side: int) -> Scene:
    """Layers across the picture, as skin over fat over muscle, with bodies in them."""
    scene = Scene.empty(side, tissue(rng))
    frame = Frame.drawn(rng, side, (0.9, 1.1), turn=0.2 if rng.random() < 0.8 else 1.5, bend=0.04)
    gaps = np.exp(rng.normal(0, 0.7, int(rng.integers(3, 9))))
    edges = -1 + 2 * np.cumsum(gaps) / (gaps.sum() + np.exp(rng.normal(0, 0.7)))
    above = layers(frame, rng, edges, rng.uniform(0, 0.12))
    labels = [scene.add(above == i, tissue(rng)) for i in range(1, len(edges) + 1)]
    scene.join(*labels[:2])
    for _ in range(int(rng.integers(0, 4))):
        extent = log_level(rng, 0.06, 0.35)
        at = rng.uniform(-0.8, 0.8), rng.uniform(-0.8, 0.8)
        label = scene.add(radial(frame, rng, at, (extent * rng.uniform(0.4, 1), extent), 0, 0.1) < 1, tissue(rng))
        if rng.random() < 0.3:
            lesions(scene, rng, label, 2)
    return scene


def folds(rng: np.random.Generator, side: int) -> Scene:
    """A body with a folded rim of its own, as cortex over white matter or mucosa over muscle."""
    scene = Scene.empty(side, tissue(rng))
    frame = Frame.drawn(rng, side, turn=1)
    outline = radial(frame, rng, (0, 0), (rng.uniform(0.6, 1), 0.9), 0, rng.uniform(0.02, 0.15))
    fold = np.abs(smooth_noise(rng, side, rng.uniform(5, 14)))
    depth = np.where(
        outline < 1, np.minimum(1 - outline, 0.5 * fold + np.maximum(0, rng.uniform(0.4, 0.8) - outline)), 0
    )
    thickness = rng.uniform(0.06, 0.16)
    inner = scene.add(depth > thickness, tissue(rng))
    rim = scene.add((depth > 0.15 * thickness) & (depth <= thickness), tissue(rng))
    scene.join(inner, rim)
    if rng.random() < 0.6:
        lesions(scene, rng, inner)
    return scene
