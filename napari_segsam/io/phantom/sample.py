"""The built-in sample: a procedural torso CT in Hounsfield units, and the truth that it was drawn from."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.volume import Volume, Window
from napari_segsam.io.phantom.anatomy import torso
from napari_segsam.io.phantom.shapes import Canvas, Organ

SHAPE = (168, 144, 56)
SPACING_MM = (2.4, 2.4, 5.0)
_SEED = 20
_BLUR = 0.55  # voxels: the point spread of the scanner
_NOISE_HU = 14.0
_AIR = -1000
_WINDOWS = (Window(40, 400, "soft tissue"), Window(-600, 1500, "lung"), Window(400, 1800, "bone"))


def torso_phantom() -> Volume:
    """A contrast-enhanced torso from the diaphragm's dome to the lower poles of the kidneys, int16, always the same."""
    hounsfield, _ = _drawn()
    return Volume(_grid(), hounsfield.copy(), modality="ct", name="torso phantom", windows=_WINDOWS)


def torso_phantom_labels() -> LabelMap:
    """What every voxel of :func:`torso_phantom` is, under the names of the class cards."""
    _, labels = _drawn()
    names = [organ.name for organ in torso() if organ.name]
    distinct = list(dict.fromkeys(names))
    return LabelMap(_grid(), labels.copy(), {n: Label(n, name) for n, name in enumerate(distinct, start=1)})


def _grid() -> Grid:
    """Index 0 is at the patient's right, front and bottom; the middle of the body is near x = y = 0."""
    affine = np.diag([*SPACING_MM, 1.0])
    affine[:3, 3] = [-SPACING_MM[0] * (SHAPE[0] - 1) / 2, -SPACING_MM[1] * (SHAPE[1] - 1) / 2, -620.0]
    return Grid(SHAPE, affine)


@lru_cache(maxsize=1)
def _drawn() -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
    """Hounsfield units and labels: organs painted one over the other, blurred, with noise."""
    rng = np.random.default_rng(_SEED)
    canvas = Canvas(SHAPE, SPACING_MM, rng)
    hounsfield = np.full(SHAPE, _AIR, np.float32)
    labels = np.zeros(SHAPE, np.uint16)
    values: dict[str, int] = {}
    for organ in torso():
        _paint(organ, canvas, hounsfield, labels, values)
    blurred = ndimage.gaussian_filter(hounsfield, (_BLUR, _BLUR, 0.3), mode="nearest")
    noisy = np.rint(blurred + canvas.noise(_NOISE_HU)).clip(-1024, 3071).astype(np.int16)
    return noisy, labels


def _paint(
    organ: Organ,
    canvas: Canvas,
    hounsfield: NDArray[np.float32],
    labels: NDArray[np.uint16],
    values: dict[str, int],
) -> None:
    where, inside = canvas.mask(organ)
    grain = organ.texture * canvas.texture[where][inside] + organ.vessels * canvas.branches[where][inside]
    hounsfield[where][inside] = organ.hounsfield + grain
    value = values.setdefault(organ.name, len(values) + 1) if organ.name else 0
    labels[where][inside] = value
