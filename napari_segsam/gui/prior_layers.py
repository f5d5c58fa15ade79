"""PriorLayers: what the model finds everywhere on a slice, as two pictures over the scan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from numpy.typing import NDArray

from napari_segsam.core.slices import SliceView
from napari_segsam.engine.everywhere import Found
from napari_segsam.gui.placement import Placement

STABILITY, BOUNDARY = "stability", "boundary"
_COLOURS = {STABILITY: "green", BOUNDARY: "bop blue"}
"""SAMAug adds the one map to a picture's green and the other to its blue."""
_OPACITY = 0.6


class PriorLayers:
    """Two layers of one slice above the scan and below all else of ours; they come with the first maps.

    Args:
        viewer: napari's.
        placement: the scan and its Image layer.
        on_added: called with each layer that was made, and that it is not `labels`; for key bindings.
    """

    def __init__(self, viewer: Any, placement: Placement, on_added: Callable[[Layer, bool], None]) -> None:
        self._viewer, self._placement, self._on_added = viewer, placement, on_added
        self._held: dict[str, Image] = {}
        self._view: SliceView | None = None
        for moved in placement.moved:
            moved.connect(self._follow_scan)

    def owns(self, layer: Layer) -> bool:
        """Whether this is one of the two."""
        return any(held is layer for held in self._held.values())

    def forget(self, layer: Layer) -> bool:
        """Somebody took this layer out of the viewer; whether it was one of the two, which then comes with new maps."""
        before = len(self._held)
        self._held = {n: h for n, h in self._held.items() if h is not layer}
        return len(self._held) < before

    def show(self, found: Found) -> None:
        """Show the maps of a slice, instead of those before."""
        self._view = found.view
        most = max(float(found.maps.stability.max()), 1.0)
        self._fill(BOUNDARY, found.maps.boundary, 1.0)
        self._fill(STABILITY, found.maps.stability, most)

    def set_visible(self, visible: bool) -> None:
        """Show both, or hide both."""
        for layer in self._held.values():
            layer.visible = visible

    def close(self) -> None:
        """Take both out of the viewer."""
        held, self._held = self._held, {}
        for layer in held.values():
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def let_go(self) -> None:
        """Follow the scan's layer no longer."""
        for moved in self._placement.moved:
            moved.disconnect(self._follow_scan)

    def _fill(self, name: str, values: NDArray[np.float32], most: float) -> None:
        view = self._view
        if view is None:
            return
        data, corner = np.expand_dims(values, view.depth_axis), self._placement.slab_corner(view)
        if name not in self._held:
            self._add(name, data, corner)
        layer = self._held[name]
        layer.data, layer.translate = data, corner
        layer.contrast_limits_range = layer.contrast_limits = (0.0, most)

    def _add(self, name: str, data: NDArray[np.float32], corner: tuple[float, ...]) -> None:
        """Right above the scan, so that prompts and labels are seen over it; what was selected stays so."""
        layers = self._viewer.layers
        look = {"colormap": _COLOURS[name], "blending": "additive", "opacity": _OPACITY}
        where = self._placement.frame | {"translate": corner}
        self._held[name] = Image(data, name=name, contrast_limits=(0.0, 1.0), **look, **where)
        active = layers.selection.active
        layers.insert(layers.index(self._placement.layer) + 1, self._held[name])
        layers.selection.active = active
        self._on_added(self._held[name], False)

    def _follow_scan(self, _event: Any = None) -> None:
        for layer in self._held.values():
            layer.scale = self._placement.frame["scale"]
            if self._view is not None:
                layer.translate = self._placement.slab_corner(self._view)
