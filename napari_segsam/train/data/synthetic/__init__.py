"""Procedural pictures: anatomy-like scenes painted as scanners, films, microscopes and cameras would show them.

They teach outlines, not names: no object has a class. Nothing here is copied from a real picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_segsam.train.data.synthetic import abstract, bodies, colour, grey, heads, microscopy, ultrasound, xray
from napari_segsam.train.data.synthetic.faults import bordered, spoilt, stands_out, turned
from napari_segsam.train.data.synthetic.fields import Field, Mask
from napari_segsam.train.data.synthetic.scene import LEAST, Scene

_TRIES = 8
"""Pictures drawn before one without an object is handed out."""
_MOST = 16
"""Objects of one picture, at most."""
_LARGEST = 0.75
"""Share of the picture that an object covers at most: more is background."""
_FORMLESS = (abstract.nests, abstract.crowd, abstract.partition, abstract.vessels, abstract.slabs, abstract.folds)
_TRUNK = (bodies.chest, bodies.abdomen, bodies.pelvis, bodies.limb)
_ECHOED = (
    *(abstract.nests, abstract.crowd, abstract.slabs, abstract.slabs, heads.heart, heads.heart, heads.fetus),
    partial(bodies.pelvis, size=(1.6, 3)),
    partial(bodies.abdomen, size=(1.4, 2.6)),
)
_SHOWN = Callable[[np.random.Generator, int], tuple[Field, list[Mask]]]


def _painted(paint: Callable[[Scene, np.random.Generator], Field], *scenes: Callable[..., Scene]) -> _SHOWN:
    """A style that paints any of these scenes, drawn equally often."""

    def shown(rng: np.random.Generator, side: int) -> tuple[Field, list[Mask]]:
        scene = scenes[int(rng.integers(len(scenes)))](rng, side)
        return paint(scene, rng), scene.masks()

    return shown


def _ultrasound(rng: np.random.Generator, side: int) -> tuple[Field, list[Mask]]:
    scene = _ECHOED[int(rng.integers(len(_ECHOED)))](rng, side)
    image, seen = ultrasound.ultrasound(scene, rng)
    return image, [m & seen for m in scene.masks()]


def _any(*styles: _SHOWN) -> _SHOWN:
    """A style that is one of several, drawn equally often."""
    return lambda rng, side: styles[int(rng.integers(len(styles)))](rng, side)


def _flat_film(rng: np.random.Generator, side: int) -> tuple[Field, list[Mask]]:
    return xray.flat_film((heads.spine, heads.joint)[int(rng.integers(2))](rng, side), rng)


_FILMS = (
    *(xray.chest_film, xray.chest_film, xray.chest_film, xray.limb_film, xray.teeth_film, xray.breast_film),
    *(xray.angiogram, _flat_film),
)


@dataclass(frozen=True)
class Style:
    """A way of showing: its share of all pictures and how to draw one, (side, side) or (side, side, 3) and objects."""

    share: float
    show: _SHOWN


STYLES = {
    "CT": Style(0.19, _painted(grey.ct, *[*_TRUNK] * 3, *[heads.head] * 2, heads.spine, heads.joint, *_FORMLESS)),
    "MR": Style(
        0.22, _painted(grey.mr, *_TRUNK, *[heads.head] * 4, *[heads.heart] * 2, heads.spine, heads.joint, *_FORMLESS)
    ),
    "PET": Style(0.04, _painted(grey.pet, *_TRUNK, heads.head, abstract.nests)),
    "ultrasound": Style(0.16, _ultrasound),
    "OCT": Style(0.03, _painted(ultrasound.oct_scan, abstract.slabs)),
    "X-ray": Style(0.12, _any(*_FILMS)),
    "microscopy": Style(
        0.10,
        _any(microscopy.glowing, microscopy.bright_field, microscopy.stained, microscopy.blood, microscopy.electrons),
    ),
    "fundus": Style(0.05, colour.fundus),
    "dermoscopy": Style(0.04, colour.skin),
    "endoscopy": Style(0.05, colour.endoscopy),
}
"""Every style by name; the shares add up to 1."""


def picture(
    rng: np.random.Generator, side: int = 256, style: str | None = None
) -> tuple[NDArray[np.uint8], list[NDArray[np.bool_]]]:
    """One picture and the masks of what is seen of its objects, in random order.

    Masks may share pixels, as an organ and its lesion do, or the lungs together and one of them; in X-ray styles an
    object is also seen through another one.

    Args:
        rng: source of all chance: the same state gives the same picture.
        side: pixels along each edge.
        style: a name in ``STYLES``; None to draw one by its share.

    Returns:
        (side, side) grey or (side, side, 3) red, green, blue bytes, and (side, side) masks of 20 pixels or more, 16 at
        most, each with an edge that can be seen.
    """
    name = style or list(STYLES)[int(rng.choice(len(STYLES), p=[s.share for s in STYLES.values()]))]
    for _ in range(_TRIES):
        shown, masks = STYLES[name].show(rng, side)
        image, masks = bordered(spoilt(shown, rng), masks, rng)
        image, masks = turned(image, masks, rng)
        unlike = list({m.tobytes(): m for m in masks}.values())
        chosen = [unlike[int(i)] for i in rng.permutation(len(unlike))]
        chosen = [m for m in chosen if LEAST <= m.sum() <= _LARGEST * m.size][:_MOST]
        seen = [m for m in chosen if stands_out(image, m)]
        if seen:
            break
    return image, seen
