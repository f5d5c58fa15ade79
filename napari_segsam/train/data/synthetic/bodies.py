"""Cross-sections of trunk and limbs as bent templates; the patient's right is on the left, as radiologists look."""

from __future__ import annotations

import numpy as np

from napari_segsam.train.data.synthetic.abstract import lesions
from napari_segsam.train.data.synthetic.fields import Field, Frame, Mask, smooth_noise
from napari_segsam.train.data.synthetic.scene import Scene
from napari_segsam.train.data.synthetic.shapes import Growth, nearest, radial, scatter, tree


def _jitter(rng: np.random.Generator, at: tuple[float, float], by: float = 0.04) -> tuple[float, float]:
    return at[0] + rng.normal(0, by), at[1] + rng.normal(0, by)


def _size(rng: np.random.Generator, high: float, wide: float, by: float = 0.12) -> tuple[float, float]:
    common = np.exp(rng.normal(0, by))
    return high * common * np.exp(rng.normal(0, by / 2)), wide * common * np.exp(rng.normal(0, by / 2))


def _looking_at(rng: np.random.Generator, side: int, size: tuple[float, float] | None) -> Frame:
    """The whole trunk, now and then a part of it; or ``size``, half the trunk's extent over half the picture's."""
    if size is None:
        size = (0.75, 1.05) if rng.random() < 0.75 else (1.1, 2.2)
    return Frame.drawn(rng, side, size, shift=0.08 if size[1] < 1.2 else 0.2)


def _body(scene: Scene, rng: np.random.Generator, frame: Frame, deep: float) -> Field:
    """Skin, fat and a coat of muscle; the outline's radius."""
    outline = radial(frame, rng, (0, 0), (deep, 1), wobble=0.025)
    scene.add(outline < 1, "skin", is_object=False)
    scene.add(outline < 0.985, "fat", is_object=rng.random() < 0.2)
    return outline


def _spine(scene: Scene, rng: np.random.Generator, frame: Frame, v: float, size: float) -> tuple[int, ...]:
    """A vertebra: body, arch with processes, canal with cord; labels of the bone."""
    side = rng.normal(0, 0.01)
    arch = radial(frame, rng, (v + 1.25 * size, side), (0.75 * size, 0.8 * size), wobble=0.08) < 1
    for sign in (-1, 1):
        arch |= (
            radial(frame, rng, (v + 1.25 * size, side + sign * size), (0.22 * size, 0.75 * size), sign * 0.3, 0.1) < 1
        )
    arch |= radial(frame, rng, (v + 2.2 * size, side), (0.8 * size, 0.2 * size), wobble=0.1) < 1
    bone = scene.add(arch, "bone", is_object=False)
    body = radial(frame, rng, (v, side), (0.8 * size, size), wobble=0.05)
    rim = scene.add(body < 1, "bone", is_object=False)
    marrow = scene.add(body < 0.86, "marrow", rim, is_object=False)
    scene.join(rim, marrow)
    scene.join(bone, rim, marrow)
    canal = radial(frame, rng, (v + 1.2 * size, side), (0.42 * size, 0.5 * size), wobble=0.05)
    fluid = scene.add(canal < 1, "fluid", is_object=False)
    cord = scene.add(canal < 0.62, "cord")
    scene.join(fluid, cord)
    return bone, rim, marrow


def _ribs(scene: Scene, rng: np.random.Generator, cavity: Field, frame: Frame) -> None:
    """Pieces of a ring round the chest, joined by muscle, each one cut where a rib passes through the slice."""
    turn = np.arctan2(frame.v, frame.u)
    wave = np.cos(rng.integers(6, 10) * turn + rng.uniform(0, 6)) + 0.4 * np.cos(5 * turn + rng.uniform(0, 6))
    ring = (cavity > 1.03) & (cavity < rng.uniform(1.1, 1.16))
    ribs = scene.add(ring & (wave > rng.uniform(0, 0.5)), "bone")
    scene.pieces(ribs, 5)


def chest(rng: np.random.Generator, side: int, size: tuple[float, float] | None = None) -> Scene:
    """An axial slice of the chest: lungs with vessels, heart, great vessels, ribs, spine, and what may ail them."""
    scene = Scene.empty(side)
    frame = _looking_at(rng, side, size)
    deep = rng.uniform(0.6, 0.8)
    outline = _body(scene, rng, frame, deep)
    scene.add(outline < rng.uniform(0.86, 0.96), "muscle", is_object=False)
    cavity = radial(frame, rng, (-0.02, 0), (0.76 * deep, 0.78), wobble=0.02)
    _ribs(scene, rng, cavity, frame)
    scene.add(cavity < 1, "fat", is_object=False)
    bone = _spine(scene, rng, frame, 0.5 * deep, 0.13)
    right = _lung(scene, rng, frame, cavity, (-0.02, -0.42), bone)
    left = _lung(scene, rng, frame, cavity, (-0.02, 0.44), bone)
    scene.join(*right, *left)
    if rng.random() < 0.75:
        _heart(scene, rng, frame, (-0.1, 0.12), 0.3)
    else:
        for at in ((-0.2, -0.06), (-0.12, 0.12), (-0.05, -0.1)):
            scene.add(radial(frame, rng, _jitter(rng, at), _size(rng, 0.1, 0.1), wobble=0.05) < 1, "blood")
    scene.add(
        radial(frame, rng, _jitter(rng, (0.28 * deep, 0.16), 0.02), _size(rng, 0.09, 0.09), wobble=0.03) < 1, "blood"
    )
    scene.add(radial(frame, rng, (0.2 * deep, 0.03), (0.035, 0.05)) < 1, "wall")
    airway = radial(frame, rng, _jitter(rng, (0.1 * deep, 0), 0.02), (0.06, 0.07), wobble=0.03) < 1
    if rng.random() < 0.6:
        scene.add(airway, "gas")
    return scene


def _lung(
    scene: Scene, rng: np.random.Generator, frame: Frame, cavity: Field, at: tuple[float, float], bone: tuple[int, ...]
) -> list[int]:
    """One lung with its vessels and perhaps nodules, consolidation, effusion; the labels of all that is lung."""
    outline = radial(frame, rng, at, (0.56, 0.34), wobble=0.05)
    inside = (outline < 1.15) & (cavity < 0.97) & ~np.isin(scene.labels, bone)
    lung = scene.add(inside, "lung")
    rows, cols = np.nonzero(np.hypot(frame.v - at[0], frame.u - 0.3 * at[1]) < 0.03)
    if rows.size:
        branches = np.zeros_like(inside)
        for heading in rng.uniform(0, 2 * np.pi, 4):
            grow = Growth(0.035 * frame.unit, 0.22 * frame.unit, 0.4, 4)
            branches |= tree(rng, frame.side, (float(rows[0]), float(cols[0])), heading, grow)
        vessels = scene.add(branches, "vessel", lung, is_object=rng.random() < 0.3, within=lung)
        scene.join(lung, vessels)
    labels = [lung, vessels] if rows.size else [lung]
    ill = rng.random()
    if ill < 0.3:
        labels += lesions(scene, rng, lung)
    elif ill < 0.45:
        patch = smooth_noise(rng, frame.side, rng.uniform(3, 7)) > rng.uniform(0.3, 1.2)
        labels.append(scene.add(patch, "opacity", lung, within=lung))
    elif ill < 0.55:
        labels.append(scene.add(frame.v > at[0] + rng.uniform(0.1, 0.35), "fluid", within=lung))
    scene.join(*labels)
    return labels


def _heart(scene: Scene, rng: np.random.Generator, frame: Frame, at: tuple[float, float], size: float) -> None:
    """Muscle round two to four chambers, in fat."""
    middle = _jitter(rng, at)
    outline = radial(frame, rng, middle, _size(rng, 0.8 * size, size), rng.normal(0.3, 0.2), 0.05)
    whole = [scene.add(outline < 1.05, "fat", is_object=False), scene.add(outline < 1, "muscle")]
    for dv, du in ((-0.28, -0.4), (-0.1, 0.42), (0.35, -0.3), (0.4, 0.2))[: int(rng.integers(2, 5))]:
        chamber = radial(
            frame,
            rng,
            _jitter(rng, (middle[0] + dv * size, middle[1] + du * size), 0.02),
            _size(rng, 0.32 * size, 0.36 * size),
            0.6,
            0.1,
        )
        whole.append(scene.add((chamber < 1) & (outline < 0.9), "blood"))
    scene.join(*whole[1:])


def abdomen(rng: np.random.Generator, side: int, size: tuple[float, float] | None = None) -> Scene:
    """An axial slice of the belly; organs are there by chance, as slices lie higher or lower."""
    scene = Scene.empty(side)
    frame = _looking_at(rng, side, size)
    deep = rng.uniform(0.62, 0.85)
    outline = _body(scene, rng, frame, deep)
    wall = rng.uniform(0.78, 0.95)
    scene.add(outline < wall, "muscle", is_object=rng.random() < 0.2)
    inner = outline < wall - 0.06
    scene.add(inner, "fat", is_object=False)
    _spine(scene, rng, frame, 0.42 * deep, 0.13)
    for sign in (-1, 1):
        scene.add(radial(frame, rng, (0.5 * deep, sign * 0.24), _size(rng, 0.16, 0.12), wobble=0.08) < 1, "muscle")
    _bowel(scene, rng, frame, inner)
    _solid_organs(scene, rng, frame, inner, deep)
    scene.add(
        radial(frame, rng, _jitter(rng, (0.2 * deep, 0.06), 0.02), _size(rng, 0.07, 0.07), wobble=0.03) < 1, "blood"
    )
    scene.add(
        radial(frame, rng, _jitter(rng, (0.2 * deep, -0.12), 0.02), _size(rng, 0.06, 0.08), wobble=0.06) < 1, "vein"
    )
    return scene


def _bowel(scene: Scene, rng: np.random.Generator, frame: Frame, inner: Mask) -> None:
    """Loops of bowel: wall round fluid, gas above it or contrast."""
    loops: list[int] = []
    for _ in range(int(rng.integers(2, 10))):
        at = rng.uniform(-0.5, 0.15), rng.uniform(-0.65, 0.65)
        loop = radial(frame, rng, at, _size(rng, 0.1, 0.13, 0.25), rng.uniform(0, 3), 0.1)
        wall = scene.add((loop < 1) & inner, "wall", is_object=False)
        filling = ("fluid", "gas", "organ", "contrast")[int(rng.integers(4))]
        filled = scene.add((loop < rng.uniform(0.6, 0.85)) & inner, filling, wall, is_object=False)
        if filling != "gas" and rng.random() < 0.3:
            scene.add((loop < 0.75) & (frame.v < at[0]), "gas", wall, is_object=False, within=filled)
            filled = len(scene.parts) - 1
        scene.join(wall, filled)
        loops += [wall, filled]
    scene.join(*loops)


def _solid_organs(scene: Scene, rng: np.random.Generator, frame: Frame, inner: Mask, deep: float) -> None:
    if rng.random() < 0.6:
        stomach = radial(frame, rng, _jitter(rng, (-0.25, 0.3)), _size(rng, 0.22, 0.26), 0.3, 0.1, 0.4)
        wall = scene.add((stomach < 1) & inner, "wall", is_object=False)
        scene.join(wall, scene.add((stomach < 0.85) & inner, "fluid" if rng.random() < 0.6 else "organ", wall, False))
    if rng.random() < 0.5:
        pancreas = radial(frame, rng, _jitter(rng, (0.02, 0.05)), (0.35, 0.07), 1.4 + rng.normal(0, 0.2), 0.15, 0.4)
        scene.add((pancreas < 1) & inner, "organ")
    for sign in (-1, 1):
        if rng.random() < 0.75:
            _kidney(scene, rng, frame, (0.3 * deep, sign * 0.48), sign)
    if rng.random() < 0.7:
        spleen = radial(frame, rng, _jitter(rng, (0.1, 0.72)), _size(rng, 0.3, 0.15), 0.3, 0.07, 0.4)
        label = scene.add((spleen < 1) & inner, "spleen")
        if rng.random() < 0.15:
            lesions(scene, rng, label, 2)
    if rng.random() < 0.8:
        _liver(scene, rng, frame, inner)


def _kidney(scene: Scene, rng: np.random.Generator, frame: Frame, at: tuple[float, float], sign: int) -> None:
    outline = radial(frame, rng, _jitter(rng, at), _size(rng, 0.19, 0.13), -0.4 * sign, 0.06, 0.5 * sign)
    cortex = scene.add(outline < 1, "kidney", is_object=False)
    medulla = scene.add(outline < rng.uniform(0.5, 0.75), "medulla", cortex, is_object=False)
    sinus = scene.add(outline < rng.uniform(0.2, 0.4), "fat" if rng.random() < 0.6 else "fluid", is_object=False)
    scene.join(cortex, medulla)
    scene.join(cortex, medulla, sinus)
    if rng.random() < 0.25:
        scene.join(cortex, medulla, sinus, *lesions(scene, rng, cortex, 2))


def _liver(scene: Scene, rng: np.random.Generator, frame: Frame, inner: Mask) -> None:
    lobe = radial(frame, rng, _jitter(rng, (-0.08, -0.5)), _size(rng, 0.5, 0.4), 0, 0.09)
    left = radial(frame, rng, _jitter(rng, (-0.35, -0.05)), _size(rng, 0.17, 0.4), rng.normal(0.1, 0.2), 0.1)
    liver = scene.add(((lobe < 1) | (left < 1)) & inner, "liver")
    whole = [liver]
    hit = np.argwhere(lobe < 0.2)
    if len(hit) and rng.random() < 0.7:
        grow = Growth(0.035 * frame.unit, 0.22 * frame.unit, 0.4, 4)
        branches = [
            tree(rng, frame.side, (float(hit[0][0]), float(hit[0][1])), rng.uniform(0, 6.3), grow) for _ in range(3)
        ]
        whole.append(scene.add(np.any(branches, axis=0), "vessel", liver, within=liver))
    if rng.random() < 0.4:
        whole += lesions(scene, rng, liver, 5)
    scene.join(*whole)
    if rng.random() < 0.4:
        bladder = radial(frame, rng, _jitter(rng, (-0.15, -0.22)), _size(rng, 0.12, 0.08), rng.normal(0, 0.5), 0.06)
        wall = scene.add((bladder < 1) & inner, "wall", is_object=False)
        scene.join(wall, scene.add((bladder < 0.88) & inner, "fluid", wall))


def pelvis(rng: np.random.Generator, side: int, size: tuple[float, float] | None = None) -> Scene:
    """An axial slice of the pelvis: hip bones, muscles, bladder, rectum, prostate with zones or womb."""
    scene = Scene.empty(side)
    frame = _looking_at(rng, side, size)
    deep = rng.uniform(0.6, 0.75)
    outline = _body(scene, rng, frame, deep)
    owner, margin = nearest(frame, rng, rng.uniform((-0.7, -1), (0.7, 1), (14, 2)), 0.05)
    muscle = (outline < rng.uniform(0.8, 0.92)) & (margin > rng.uniform(0.01, 0.04))
    scene.add(muscle, "muscle", is_object=False)
    scene.add(muscle & (owner == 0), "muscle")
    scene.add(radial(frame, rng, (0, 0), (0.42, 0.38), wobble=0.08) < 1, "fat", is_object=False)
    bones: list[int] = []
    for sign in (-1, 1):
        hip = radial(
            frame, rng, _jitter(rng, (-0.05, sign * 0.52), 0.03), _size(rng, 0.34, 0.09), 0.35 * sign, 0.12, 0.3 * sign
        )
        rim = scene.add(hip < 1, "bone", is_object=False)
        bones += [rim, scene.add(hip < 0.75, "marrow", rim, is_object=False)]
        scene.join(*bones[-2:])
        head = radial(frame, rng, _jitter(rng, (-0.02, sign * 0.66), 0.02), _size(rng, 0.15, 0.15), 0, 0.03)
        if rng.random() < 0.7:
            rim = scene.add(head < 1, "bone", is_object=False)
            scene.join(rim, scene.add(head < 0.88, "marrow", rim, is_object=False))
    scene.join(*bones)
    bladder = radial(frame, rng, _jitter(rng, (-0.2, 0)), _size(rng, 0.2, 0.26, 0.2), 0, 0.05)
    wall = scene.add(bladder < 1, "wall", is_object=False)
    scene.join(wall, scene.add(bladder < 0.9, "fluid", wall))
    gland = radial(frame, rng, _jitter(rng, (0.1, 0)), _size(rng, 0.14, 0.19, 0.2), 0, 0.06)
    outer = scene.add(gland < 1, "organ")
    zone = scene.add((gland < 0.85) & (frame.v < 0.13), "organ", outer)
    scene.join(outer, zone, *lesions(scene, rng, outer if rng.random() < 0.5 else zone, 1))
    rectum = radial(frame, rng, _jitter(rng, (0.33, 0)), _size(rng, 0.11, 0.12, 0.2), 0, 0.08)
    wall = scene.add(rectum < 1, "wall", is_object=False)
    scene.join(wall, scene.add(rectum < 0.65, "gas" if rng.random() < 0.5 else "organ", wall, is_object=False))
    return scene


def limb(rng: np.random.Generator, side: int) -> Scene:
    """A cross-section of thigh, calf or arm: muscles parted by fat, one or two long bones, vessels."""
    scene = Scene.empty(side)
    frame = Frame.drawn(rng, side, (0.5, 0.95), turn=1)
    outline = _body(scene, rng, frame, rng.uniform(0.8, 1))
    owner, margin = nearest(frame, rng, scatter(rng, 2, 12, 0.4) - 1, 0.08)
    coat = (outline < rng.uniform(0.7, 0.93)) & (margin > rng.uniform(0.01, 0.05))
    muscles = [scene.add(coat & (owner == i), "muscle") for i in range(int(owner.max()) + 1)]
    scene.join(*muscles)
    scene.join(*muscles[:3])
    for at in ((rng.normal(0, 0.1), rng.uniform(-0.3, 0)), (0.3, 0.35))[: int(rng.integers(1, 3))]:
        bone = radial(frame, rng, at, _size(rng, 0.16, 0.16, 0.25), 0, 0.06)
        rim = scene.add(bone < 1, "bone")
        scene.join(rim, scene.add(bone < rng.uniform(0.5, 0.75), "marrow", rim))
    vessels = [
        scene.add(radial(frame, rng, _jitter(rng, (0.35, -0.2), 0.1), (0.045, 0.045), wobble=0.03) < 1, kind)
        for kind in ("blood", "vein")
    ]
    scene.join(*vessels)
    if rng.random() < 0.2:
        lesions(scene, rng, muscles[int(rng.integers(len(muscles)))], 1)
    return scene
