"""Head, heart, spine and joint as bent templates."""

from __future__ import annotations

import numpy as np

from napari_segsam.train.data.synthetic.abstract import lesions, tissue
from napari_segsam.train.data.synthetic.fields import Field, Frame, level, smooth_noise
from napari_segsam.train.data.synthetic.scene import Scene
from napari_segsam.train.data.synthetic.shapes import radial, stroke


def head(rng: np.random.Generator, side: int) -> Scene:
    """An axial or coronal slice of the head: scalp, skull, cortex with sulci, white matter, ventricles, deep nuclei."""
    stripped = rng.random() < 0.4
    scene = Scene.empty(side)
    frame = Frame.drawn(rng, side, (0.75, 1.02), turn=0.1, bend=0.03)
    wide = rng.uniform(0.74, 0.9)
    skull = radial(frame, rng, (0, 0), (1, wide), wobble=0.02)
    if not stripped:
        scene.add(skull < 1, "skin", is_object=False)
        scene.add(skull < 0.985, "fat", is_object=False)
        scene.add(skull < 0.93, "bone")
        scene.add(skull < 0.86, "fluid", is_object=False)
    _brain(scene, rng, frame, skull / np.float32(0.84))
    return scene


def _brain(scene: Scene, rng: np.random.Generator, frame: Frame, radius: Field) -> None:
    """Cortex where it is shallow, counting the sulci as surface; the hemispheres parted by the falx."""
    folds = rng.uniform(9, 18)
    fold = np.abs(smooth_noise(rng, frame.side, folds))
    deep = np.maximum(0, rng.uniform(0.35, 0.65) - radius) * 2
    depth = np.minimum(1 - radius, np.float32(1.3 / folds) * fold + deep)
    falx = np.abs(frame.u + 0.02 * np.float32(rng.normal()))
    depth = np.minimum(depth, falx + np.where(np.abs(frame.v) < 0.3, 0.5, 0))
    thin = rng.uniform(0.03, 0.055)
    sulci = scene.add((depth <= 0.012) & (radius < 1), "fluid", is_object=False)
    grey = scene.add((depth > 0.012) & (depth <= 0.012 + thin), "grey")
    white = scene.add(depth > 0.012 + thin, "white")
    brain = [grey, white, *_deep_parts(scene, rng, frame)]
    if rng.random() < 0.55:
        brain += lesions(scene, rng, white, 3)
    scene.join(*brain)
    scene.join(sulci, *brain)


def _deep_parts(scene: Scene, rng: np.random.Generator, frame: Frame) -> list[int]:
    """Ventricles and pairs of deep nuclei, mirrored and a little unlike; their labels."""
    made: list[int] = []
    size = np.exp(rng.normal(0, 0.2))
    pairs = (
        ("grey", (0.05, 0.15), (0.14, 0.09)),
        ("grey", (-0.1, 0.24), (0.17, 0.06)),
        ("grey", (0.3, 0.4), (0.06, 0.14)),
    )
    for kind, (v, u), (high, wide) in pairs[: int(rng.integers(0, 4))]:
        twins = [
            scene.add(
                radial(frame, rng, (v + rng.normal(0, 0.015), s * u), (high * size, wide * size), -0.2 * s, 0.08) < 1,
                kind,
            )
            for s in (-1, 1)
        ]
        scene.join(*twins)
        made += twins
    if rng.random() < 0.8:
        open_ = np.exp(rng.normal(0, 0.35))
        horns = np.zeros(frame.v.shape, dtype=bool)
        for s in (-1, 1):
            horns |= radial(frame, rng, (-0.16, s * 0.09), (0.2, 0.045 * open_), 0.25 * s, 0.08, -0.3 * s) < 1
            horns |= radial(frame, rng, (0.3, s * 0.15), (0.18, 0.05 * open_), -0.4 * s, 0.08, 0.3 * s) < 1
        ventricles = scene.add(horns, "fluid")
        scene.pieces(ventricles, 2)
        made += range(ventricles, len(scene.parts))
    return made


def heart(rng: np.random.Generator, side: int) -> Scene:
    """Short-axis or four-chamber view of the heart among lung, liver and chest wall."""
    scene = Scene.empty(side, "lung")
    frame = Frame.drawn(rng, side, (0.8, 1.8), turn=0.5, bend=0.06)
    around = radial(frame, rng, (rng.uniform(0.3, 0.9), rng.uniform(-0.9, 0)), (0.6, 1), wobble=0.1)
    scene.add(around < 1, "liver", is_object=rng.random() < 0.4)
    scene.add(frame.v < -rng.uniform(0.6, 1.1), "fat", is_object=False)
    if rng.random() < 0.6:
        _short_axis(scene, rng, frame)
    else:
        _four_chambers(scene, rng, frame)
    return scene


def _short_axis(scene: Scene, rng: np.random.Generator, frame: Frame) -> None:
    size = rng.uniform(0.25, 0.42)
    left = radial(frame, rng, (0.05, 0.1), (size, size), wobble=0.03)
    right = radial(frame, rng, (0.0, 0.1 - 1.05 * size), (1.0 * size, 0.7 * size), 0.2, 0.06, -0.35)
    scene.add(right < 1.1, "muscle", is_object=False)
    cavity = scene.add(right < 1, "blood")
    ring = scene.add(left < 1, "muscle")
    pool = scene.add(left < rng.uniform(0.5, 0.8), "blood", ring)
    scene.join(ring, pool)
    scene.join(ring, pool, cavity)
    for _ in range(int(rng.integers(0, 3))):
        turn = rng.uniform(0, 6.3)
        at = 0.05 + 0.4 * size * np.sin(turn), 0.1 + 0.4 * size * np.cos(turn)
        papillary = scene.add(
            radial(frame, rng, at, (0.12 * size, 0.14 * size)) < 1, "muscle", ring, False, within=pool
        )
        scene.objects = [(*o, papillary) if pool in o else o for o in scene.objects]
    if rng.random() < 0.3:
        lesions(scene, rng, ring, 1)


def _four_chambers(scene: Scene, rng: np.random.Generator, frame: Frame) -> None:
    outline = radial(frame, rng, (0, 0), (0.66, 0.52), wobble=0.04)
    scene.add(outline < 1, "muscle")
    whole = [len(scene.parts) - 1]
    for v, u, high, wide in (
        (-0.2, 0.2, 0.32, 0.19),
        (-0.15, -0.22, 0.3, 0.16),
        (0.34, 0.2, 0.2, 0.19),
        (0.34, -0.2, 0.2, 0.18),
    ):
        grown = np.exp(rng.normal(0, 0.1))
        chamber = radial(frame, rng, (v, u), (high * grown, wide * grown), rng.normal(0, 0.1), 0.08)
        whole.append(scene.add((chamber < 1) & (outline < 0.93), "blood"))
    scene.join(*whole[1:3])
    scene.join(*whole[3:])
    scene.join(*whole)


def spine(rng: np.random.Generator, side: int) -> Scene:
    """A sagittal slice of the back: vertebral bodies and discs along a bent line, canal with cord, processes."""
    scene = Scene.empty(side, "fat" if rng.random() < 0.5 else "muscle")
    frame = Frame.drawn(rng, side, (0.9, 1.3), turn=0.1, bend=0.07)
    n = int(rng.integers(5, 11))
    high, wide, at = 2.2 / n, rng.uniform(0.16, 0.26), rng.uniform(-0.25, 0.1)
    scene.add(frame.u > at + 4.5 * wide, "air", is_object=False)
    scene.add(radial(frame, rng, (0, at - 3 * wide), (1.5, wide * 1.3), wobble=0.1) < 1, tissue(rng), is_object=False)
    scene.add(np.abs(frame.u - at - 2.2 * wide) < 0.9 * wide, "muscle", is_object=False)
    canal = np.abs(frame.u - at - 1.45 * wide)
    fluid = scene.add(canal < 0.36 * wide, "fluid")
    cord = scene.add((canal < 0.2 * wide) & (frame.v < rng.uniform(0, 1.5)), "cord")
    scene.join(fluid, cord)
    bones: list[int] = []
    discs: list[int] = []
    for i in range(n):
        v = -1.1 + (i + 0.5) * high
        body = np.maximum(np.abs(frame.v - v) / np.float32(0.36 * high), np.abs(frame.u - at) / np.float32(wide))
        body = body + level(rng, 0.03, 0.1) * smooth_noise(rng, frame.side, 4)
        rim = scene.add(body < 1, "bone", is_object=False)
        bones += [rim, scene.add(body < 0.88, "marrow", rim, is_object=False)]
        scene.join(rim, bones[-1])
        disc = radial(frame, rng, (v + high / 2, at), (0.13 * high, 0.95 * wide), rng.normal(0, 0.05), 0.08)
        discs.append(scene.add(disc < 1, "disc"))
        if rng.random() < 0.5:
            scene.objects[-1] = (discs[-1], scene.add(disc < 0.6, "fluid", discs[-1], False))
        process = radial(frame, rng, (v + 0.25 * high, at + 2.4 * wide), (0.2 * high, 0.55 * wide), 0.35, 0.15)
        scene.add(process < 1, "bone")
    scene.join(*bones)
    scene.join(*discs)
    if rng.random() < 0.25:
        scene.join(*bones[2:4], *lesions(scene, rng, bones[3], 1))
    return scene


def joint(rng: np.random.Generator, side: int) -> Scene:
    """Two long bones that meet in a joint, with cortex, marrow, cartilage, fluid, menisci and muscle round them."""
    scene = Scene.empty(side)
    frame = Frame.drawn(rng, side, (0.9, 1.3), turn=0.25, bend=0.06)
    scene.add(np.abs(frame.u) < rng.uniform(0.65, 0.9), "fat", is_object=False)
    scene.add(np.abs(frame.u) < rng.uniform(0.5, 0.62), "muscle", is_object=False)
    scene.add(radial(frame, rng, (0, 0), (0.3, 0.55), wobble=0.1) < 1, "fluid", is_object=rng.random() < 0.4)
    middle = rng.normal(0, 0.1)
    for sign in (-1, 1):
        _long_bone(scene, rng, frame, middle, sign)
    for sign in (-1, 1):
        scene.add(radial(frame, rng, (middle, sign * 0.34), (0.045, 0.11), 0.1 * sign, 0.1) < 1, "disc")
    scene.join(len(scene.parts) - 2, len(scene.parts) - 1)
    if rng.random() < 0.5:
        cap = radial(frame, rng, (middle - 0.15, -0.55), (0.2, 0.09), 0.1, 0.08)
        rim = scene.add(cap < 1, "bone", is_object=False)
        scene.join(rim, scene.add(cap < 0.8, "marrow", rim, False))
    return scene


def _long_bone(scene: Scene, rng: np.random.Generator, frame: Frame, middle: float, sign: int) -> None:
    """A shaft that widens into a head at the joint; ``sign`` -1 above, 1 below."""
    along = (frame.v - np.float32(middle)) * sign
    width = rng.uniform(0.16, 0.24) + rng.uniform(0.18, 0.26) * np.exp(-np.square(along / np.float32(0.28)))
    knob = np.float32(0.04) * (1 - np.cos(frame.u * np.float32(2 * np.pi / 0.8))) * (1 if sign < 0 else -0.6)
    start = np.float32(rng.uniform(0.04, 0.07))
    outside = np.minimum(width - np.abs(frame.u), (along - start + knob) * np.float32(1.2))
    gristle = scene.add((outside > -0.05) & (along < 0.2) & (np.abs(frame.u) < 0.4), "cartilage")
    rim = scene.add(outside > 0, "bone", is_object=False)
    marrow = scene.add((outside > 0.02) & (outside > 0.05 * (along > 0.35)), "marrow", rim, is_object=False)
    scene.join(rim, marrow)
    scene.join(rim, marrow, gristle)
    if rng.random() < 0.2:
        scene.join(rim, marrow, *lesions(scene, rng, marrow, 1))


def fetus(rng: np.random.Generator, side: int) -> Scene:
    """A fetal head in the womb: a bright ring with midline, ventricles and cavum."""
    scene = Scene.empty(side, "organ")
    frame = Frame.drawn(rng, side, (0.8, 1.3), turn=1, bend=0.03)
    scene.add(radial(frame, rng, (0, 0), (0.95, 1.2), wobble=0.12) < 1, "fluid", is_object=False)
    skull = radial(frame, rng, (rng.normal(0, 0.1), 0), (rng.uniform(0.4, 0.52), 0.62), wobble=0.015)
    ring = scene.add(skull < 1, "skull", is_object=False)
    brain = scene.add(skull < 0.94, "white")
    inner = [scene.add((np.abs(frame.v) < 0.015) & (skull < 0.85), "wall", is_object=False)]
    for at in ((-0.15, 0.1), (0.15, 0.1), (0, -0.3)):
        inner.append(scene.add(radial(frame, rng, at, (0.06, 0.15), 0, 0.1) < 1, "fluid"))
    scene.join(ring, brain, *inner)
    scene.join(ring, brain, *inner)
    points = np.array(
        [[side * rng.uniform(0.6, 0.9), -5.0], [side * 0.75, side * 0.5], [side * rng.uniform(0.6, 1), side + 5.0]]
    )
    scene.add(stroke(side, points, np.full(3, side * rng.uniform(0.03, 0.08))), "organ", is_object=False, within=0)
    return scene
