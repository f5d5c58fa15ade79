"""Paint a scene as CT, MR or PET: brightness 0 to 1, before resolution and other faults."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import fft

from napari_segsam.train.data.synthetic.fields import (
    Field,
    Mask,
    blurred,
    level,
    log_level,
    rough_noise,
    smooth_noise,
    white_noise,
)
from napari_segsam.train.data.synthetic.scene import Scene

Table = Mapping[str, tuple[float, float]]
"""Mean and standard deviation of the brightness of a kind of tissue."""

HOUNSFIELD: Table = {
    "air": (-1000, 5), "gas": (-950, 40), "lung": (-830, 60), "opacity": (-350, 250), "fat": (-100, 12),
    "skin": (20, 30), "muscle": (55, 12), "organ": (60, 40), "liver": (90, 30), "spleen": (95, 30),
    "kidney": (130, 60), "medulla": (90, 50), "blood": (130, 80), "vein": (110, 60), "vessel": (120, 60),
    "wall": (50, 25), "fluid": (10, 10), "contrast": (350, 150), "bone": (600, 250), "skull": (900, 200),
    "marrow": (180, 90), "disc": (80, 20), "cartilage": (90, 20), "cord": (35, 8), "grey": (37, 3), "white": (28, 3),
}  # fmt: skip
T1: Table = {
    "air": (0, 0.01), "gas": (0, 0.02), "lung": (0.08, 0.03), "opacity": (0.3, 0.1), "fat": (0.9, 0.1),
    "skin": (0.7, 0.1), "muscle": (0.4, 0.08), "organ": (0.45, 0.13), "liver": (0.5, 0.08), "spleen": (0.38, 0.08),
    "kidney": (0.45, 0.1), "medulla": (0.35, 0.1), "blood": (0.3, 0.25), "vein": (0.3, 0.25), "vessel": (0.3, 0.25),
    "wall": (0.42, 0.1), "fluid": (0.15, 0.05), "contrast": (0.3, 0.2), "bone": (0.08, 0.04), "skull": (0.08, 0.04),
    "marrow": (0.65, 0.12), "disc": (0.35, 0.08), "cartilage": (0.5, 0.1), "cord": (0.5, 0.06), "grey": (0.45, 0.04),
    "white": (0.62, 0.04),
}  # fmt: skip
T2: Table = {
    **T1, "fat": (0.6, 0.25), "skin": (0.45, 0.1), "muscle": (0.25, 0.06), "liver": (0.32, 0.08),
    "spleen": (0.5, 0.1), "kidney": (0.55, 0.1), "medulla": (0.65, 0.1), "fluid": (0.95, 0.05), "blood": (0.6, 0.35),
    "marrow": (0.45, 0.12), "disc": (0.3, 0.12), "cord": (0.4, 0.06), "grey": (0.58, 0.05), "white": (0.42, 0.05),
    "cartilage": (0.6, 0.1), "organ": (0.5, 0.17), "opacity": (0.6, 0.2),
}  # fmt: skip
FLAIR: Table = {**T2, "fluid": (0.1, 0.04), "grey": (0.55, 0.04), "white": (0.45, 0.04), "fat": (0.7, 0.1)}
UPTAKE: Table = {
    "air": (0, 0.01), "gas": (0.03, 0.02), "lung": (0.08, 0.03), "fat": (0.08, 0.03), "muscle": (0.15, 0.05),
    "blood": (0.25, 0.08), "liver": (0.35, 0.07), "spleen": (0.3, 0.07), "kidney": (0.6, 0.3), "fluid": (0.15, 0.15),
    "grey": (0.85, 0.15), "white": (0.35, 0.08), "bone": (0.12, 0.05), "marrow": (0.2, 0.07), "organ": (0.25, 0.2),
    "wall": (0.25, 0.15), "cord": (0.2, 0.05), "skin": (0.1, 0.04),
}  # fmt: skip
_WINDOWS = (
    (40, 400),
    (40, 350),
    (50, 150),
    (60, 250),
    (-600, 1500),
    (-400, 1600),
    (300, 1800),
    (250, 3000),
    (100, 700),
)
"""Level and width in HU of the windows that CT is shown in."""


def brightness(scene: Scene, rng: np.random.Generator, table: Table, inner: float, noise: float) -> Field:
    """(labels,) brightness by kind; but each organ has one of its own, and lesions differ from their host.

    Args:
        scene: whose parts to light.
        rng: source of chance.
        table: mean and deviation for each kind.
        inner: by how much a lesion is brighter or darker than what it lies in, about.
        noise: deviation between two parts of one kind.
    """
    drawn = {kind: rng.normal(*normal) for kind, normal in table.items()}
    out = np.zeros(len(scene.parts), dtype=np.float32)
    signs = {kind: rng.choice([-1, 1]) for kind in ("lesion", "core")}
    for k, part in enumerate(scene.parts):
        if part.kind in signs:
            out[k] = out[part.host] + signs[part.kind] * inner * log_level(rng, 0.4, 2)
        elif part.kind == "organ" or part.kind not in drawn:
            out[k] = rng.normal(*table["organ"])
        else:
            out[k] = drawn[part.kind] + rng.normal(0, noise)
    return out


def _grain(rng: np.random.Generator, side: int) -> Field:
    """Fine texture; now and then of fibres that run across or down."""
    fine = rng.uniform(20, 90)
    along = fine if rng.random() < 0.7 else fine / rng.uniform(3, 8)
    down, right = rng.permutation([fine, along])
    return smooth_noise(rng, side, down, right)


def lit(scene: Scene, rng: np.random.Generator, values: Field, rough: float) -> Field:
    """(side, side): each label's brightness with a texture of about ``rough``; edges of lesions now and then fade."""
    base = values
    if rng.random() < 0.35:
        base = values.copy()
        for k, part in enumerate(scene.parts):
            base[k] = base[part.host] if part.kind == "lesion" else base[k]
    image = base[scene.labels]
    if base is not values:
        image = image + blurred((values - base)[scene.labels], scene.side / 256 * rng.uniform(0.8, 3))
    coarse, fine = rough_noise(rng, scene.side, rng.uniform(4, 12)), _grain(rng, scene.side)
    strength = (rough * np.exp(rng.normal(0, 0.7, (2, len(values))))).astype(np.float32)
    strength[:, values == values.min()] *= np.float32(0.3)
    return np.asarray(image + strength[0][scene.labels] * coarse + strength[1][scene.labels] * fine, dtype=np.float32)


def ct(scene: Scene, rng: np.random.Generator) -> Field:
    """Hounsfield units in a window of daily use, or all of them squeezed in; quantum noise and now and then streaks."""
    values = brightness(scene, rng, HOUNSFIELD, rng.uniform(15, 50), 5)
    values[[p.host != 0 and p.kind == "lesion" and scene.parts[p.host].kind == "lung" for p in scene.parts]] = (
        rng.normal(0, 60)
    )
    hu = blurred(lit(scene, rng, values, rng.uniform(2, 10)), rng.uniform(0.4, 1.0))
    noise = white_noise(rng, scene.side)
    noise = blurred(noise, rng.uniform(0.4, 1.0)) - np.float32(0.7) * blurred(noise, rng.uniform(1.5, 3))
    hu += noise / noise.std() * np.float32(log_level(rng, 4, 40))
    if rng.random() < 0.15:
        hu += _streaks(scene.labels > 0, rng) * np.float32(rng.uniform(50, 300))
    if rng.random() < 0.25:
        low, high = float(hu.min()), float(hu.max())
    else:
        middle, width = _WINDOWS[int(rng.integers(len(_WINDOWS)))]
        low, high = middle - width / 2, middle + width / 2
        inside = np.percentile(hu[scene.labels > 0], (10, 90)) if (scene.labels > 0).any() else (low, high)
        if inside[1] < low + 0.1 * width or inside[0] > high - 0.1 * width or inside[1] - inside[0] < 0.06 * width:
            low, high = inside[0] - 60, inside[1] + 60
    return (hu - np.float32(low)) / np.float32(high - low)


def _streaks(body: Mask, rng: np.random.Generator) -> Field:
    """Dark and bright rays from a piece of metal within the body."""
    side = body.shape[0]
    places = np.argwhere(body)
    at = places[rng.integers(len(places))] if len(places) else (side // 2, side // 2)
    rows, cols = np.ogrid[:side, :side]
    angle = np.arctan2(rows - at[0], cols - at[1])
    far = np.hypot(rows - at[0], cols - at[1]) / (0.1 * side)
    rays = np.sin(angle * rng.integers(5, 12) + rng.uniform(0, 6)) * np.sin(angle * rng.integers(13, 30))
    return np.where(far < 0.2, 8, rays / (1 + far)).astype(np.float32)


def mr(scene: Scene, rng: np.random.Generator) -> Field:
    """T1, T2, FLAIR or a contrast of no name under a bias field, ringing, ghosts and Rician noise."""
    kind = rng.random()
    if kind < 0.75:
        table = (T1, T2, FLAIR)[int(kind / 0.25)]
    else:
        table = {k: (rng.uniform(0.05, 1), 0.03) for k in T1}
        table.update({k: T1[k] for k in ("air", "gas")}, organ=(0.5, 0.3))
    values = brightness(scene, rng, table, rng.uniform(0.08, 0.35), 0.02)
    values = np.maximum(np.where(values < 0, -values, values), 0.005).astype(np.float32)
    image = blurred(lit(scene, rng, values, rng.uniform(0.005, 0.04)), rng.uniform(0.4, 1.1))
    image *= np.exp(rng.uniform(0.05, 0.4) * smooth_noise(rng, scene.side, rng.uniform(1, 2.2)))
    if rng.random() < 0.4:
        image = _band_limited(image, rng)
    if rng.random() < 0.15:
        shift, axis = int(scene.side * rng.uniform(0.1, 0.5)), int(rng.integers(2))
        image += level(rng, 0.04, 0.2) * np.roll(image, shift, axis)
    sigma = np.float32(log_level(rng, 0.008, 0.08))
    image = np.hypot(image + sigma * white_noise(rng, scene.side), sigma * white_noise(rng, scene.side))
    low, high = np.percentile(image, (0, rng.uniform(97, 100)))
    return np.asarray((image - np.float32(low)) / np.float32(high - low + 1e-6), dtype=np.float32)


def _band_limited(image: Field, rng: np.random.Generator) -> Field:
    """Only the middle of the picture's spectrum: Gibbs ringing beside edges, finer along one axis."""
    spectrum = fft.rfft2(image)
    rows, cols = spectrum.shape
    up, across = int(rows * rng.uniform(0.2, 0.45)), int(cols * rng.uniform(0.4, 0.9))
    spectrum[up : rows - up] = 0
    spectrum[:, across:] = 0
    return np.asarray(np.maximum(fft.irfft2(spectrum, image.shape), 0), dtype=np.float32)


def pet(scene: Scene, rng: np.random.Generator) -> Field:
    """Uptake blurred to some pixels, hot lesions, noise that grows with the signal; black on white now and then."""
    values = np.maximum(brightness(scene, rng, UPTAKE, 0.1, 0.03), 0)
    hot = np.array([p.kind in ("lesion", "core") for p in scene.parts])
    values[hot] += rng.uniform(0.4, 1.5, int(hot.sum())).astype(np.float32)
    image = blurred(lit(scene, rng, values, 0.02), scene.side * log_level(rng, 0.005, 0.014))
    image = np.maximum(
        image + np.sqrt(np.maximum(image, 0)) * level(rng, 0.03, 0.2) * blurred(white_noise(rng, scene.side), 1.5), 0
    )
    image = np.clip(image / np.float32(np.percentile(image, rng.uniform(98.5, 99.9)) + 1e-6), 0, 1)
    return np.asarray(1 - image if rng.random() < 0.3 else image, dtype=np.float32)
