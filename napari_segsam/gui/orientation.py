"""Which side is which: L, R, A, P, S and I at the edges of the canvas, from the scan's own affine."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.components.overlays import TextOverlay
from numpy.typing import ArrayLike, NDArray

from napari_segsam.gui.placement import Placement

_TOWARDS, _AWAY = "LPS", "RAI"
_NOTICEABLE = np.sin(np.radians(10.0))
_EDGES = {"top": "top_center", "bottom": "bottom_center", "left": "middle_left", "right": "middle_right"}
_FONT_SIZE = 15


def patient_letters(direction_mm: ArrayLike) -> str:
    """The letters of a direction in the patient, e.g. ``"L"``, or ``"LA"`` where it is oblique.

    As in DICOM's Patient Orientation (PS3.3 C.7.6.1.1.1) the nearest axis comes first; another one is named where the
    direction rises by 10 degrees or more towards it.

    Args:
        direction_mm: (3,) LPS, of any length but 0.
    """
    towards = np.asarray(direction_mm, dtype=np.float64)
    towards = towards / np.linalg.norm(towards)
    axes = [a for a in np.argsort(-np.abs(towards), kind="stable") if abs(towards[a]) >= _NOTICEABLE]
    return "".join((_TOWARDS if towards[a] > 0 else _AWAY)[a] for a in axes)


def edge_letters(placement: Placement, down: NDArray[np.float64], right: NDArray[np.float64]) -> dict[str, str]:
    """What lies at the four edges of the canvas.

    Args:
        placement: the scan that is shown.
        down: napari world direction that runs down the screen.
        right: the one that runs to the right.
    """
    towards = {"top": -down, "bottom": down, "left": -right, "right": right}
    return {edge: patient_letters(placement.direction_mm(world)) for edge, world in towards.items()}


class OrientationLetters:
    """Four overlays on the canvas, which stay at its edges while the picture moves.

    They follow a change of axis, a roll, a transposition, a mirrored camera and a layer that is turned over. They are
    hidden where they would say something wrong or nothing: in 3D, in napari's grid of several pictures, while the scan
    is hidden, and for a file that does not say how it lies in the patient.
    """

    def __init__(self, viewer: Any, placement: Placement) -> None:
        self._viewer, self._placement = viewer, placement
        self._overlays = {e: TextOverlay(position=p, font_size=_FONT_SIZE) for e, p in _EDGES.items()}
        for edge, overlay in self._overlays.items():
            viewer.canvas.overlays[_key(edge)] = overlay
        for emitter in self._emitters():
            emitter.connect(self._show)
        self._show()

    def close(self) -> None:
        """Take the letters off the canvas."""
        for emitter in self._emitters():
            emitter.disconnect(self._show)
        for edge, overlay in self._overlays.items():
            if self._viewer.canvas.overlays.get(_key(edge)) is overlay:
                del self._viewer.canvas.overlays[_key(edge)]

    def _emitters(self) -> list[Any]:
        """Whatever can change which side is where."""
        viewer, layer = self._viewer, self._placement.layer.events
        seen = [viewer.dims.events.order, viewer.dims.events.ndisplay, viewer.scene.camera.events.orientation]
        return [
            *seen,
            viewer.canvas.grid.events.enabled,
            layer.visible,
            layer.scale,
            layer.rotate,
            layer.shear,
            layer.affine,
        ]

    def _show(self, _event: object = None) -> None:
        letters = self._letters()
        for edge, overlay in self._overlays.items():
            overlay.text = letters.get(edge, "")
            overlay.visible = edge in letters

    def _letters(self) -> dict[str, str]:
        viewer, placement = self._viewer, self._placement
        tells = placement.volume.placed and placement.layer.visible
        if viewer.dims.ndisplay != 2 or viewer.canvas.grid.enabled or not tells:
            return {}
        vertical, horizontal = (str(o) for o in viewer.scene.camera.orientation2d)
        down, right = (np.zeros(viewer.dims.ndim) for _ in range(2))
        rows, columns = viewer.dims.displayed
        down[rows] = 1.0 if vertical == "down" else -1.0
        right[columns] = 1.0 if horizontal == "right" else -1.0
        return edge_letters(placement, down, right)


def _key(edge: str) -> str:
    return f"segsam_{edge}"
