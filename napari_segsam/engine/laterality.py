"""Left is the patient's left: a named side is checked against where the object lies in the body."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.slices import SliceView

_SIDE = re.compile(r"(?:^|[_ ])(left|right)(?:$|[_ ])")
_BODY_HU, _BODY_SHARE = -300.0, 0.1
_LEAST_WIDTH_MM = 120.0
"""A narrower picture may show one side only, e.g. a knee or a breast, and has no midline."""
_BESIDE_MM, _MOST = 5.0, 0.95
_STEP = 4
"""Every so many rows and columns are enough to see how wide the body is."""


def side_of(name: str) -> str | None:
    """``"left"`` or ``"right"`` where a class's name says one of them, e.g. ``kidney_left``."""
    found = _SIDE.search(name.lower())
    return found.group(1) if found else None


def wrong_side(name: str | None, view: SliceView, mask: NDArray[np.bool_]) -> str | None:
    """A sentence where an object of this name lies on the other side of the patient, else None.

    Nothing is said where the file does not say how the scan lies, across sagittal slices, and of a picture that is too
    narrow to have a midline. The midline is halfway between the body's left and right on this slice.

    Args:
        name: of a class.
        view: the slice.
        mask: (rows, cols).
    """
    side = None if name is None else side_of(name)
    if side is None or not view.volume.placed or view.volume.is_rgb or not mask.any():
        return None
    middle = _midline_mm(view)
    if middle is None:
        return None
    x_mm = _x_mm(view, np.argwhere(mask)) - middle  # LPS: x grows to the patient's left
    wrong = x_mm < -_BESIDE_MM if side == "left" else x_mm > _BESIDE_MM
    if wrong.mean() < _MOST:
        return None
    other = "right" if side == "left" else "left"
    return f"It lies on the patient's {other}: check the class, or whether the scan says truly how it lies."


def _midline_mm(view: SliceView) -> float | None:
    """The body's middle as x in LPS millimetres, None where that cannot be known."""
    pixels = np.asarray(view.pixels)[::_STEP, ::_STEP]
    is_ct = view.volume.modality == "ct"
    level = _BODY_HU if is_ct else _BODY_SHARE * float(np.nanpercentile(pixels, 99))
    body = np.argwhere(pixels > level) * _STEP
    if not len(body):
        return None
    low, high = np.percentile(_x_mm(view, body), [1, 99])
    return None if high - low < _LEAST_WIDTH_MM else float(low + high) / 2


def _x_mm(view: SliceView, rc: NDArray[np.intp]) -> NDArray[np.float64]:
    """(n, 2) rows and columns -> (n,) x in LPS millimetres."""
    return np.asarray(view.volume.grid.to_mm(view.rc_to_ijk(rc))[:, 0])
