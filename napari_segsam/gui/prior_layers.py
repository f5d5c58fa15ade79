"""How prior maps look: two pictures of one slice above the scan and below all else of ours."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_segsam.core.slices import SliceView
from napari_segsam.gui.placement import Placement

STABILITY, BOUNDARY = "stability", "boundary"
_COLOURS = {STABILITY: "green", BOUNDARY: "bop blue"}
"""SAMAug adds the one map to a picture's green and the other to its blue."""
_OPACITY = 0.6


def make_map(name: str, frame: dict[str, Any]) -> Image:
    """A layer of one slice, which shows nothing yet; ``frame`` is where the scan's layer puts its voxels."""
    look = {"colormap": _COLOURS[name], "blending": "additive", "opacity": _OPACITY}
    return Image(np.zeros((1, 1, 1), np.float32), name=name, contrast_limits=(0.0, 1.0), **look, **frame)


def show_map(layer: Image, placement: Placement, view: SliceView, values: NDArray[np.float32]) -> None:
    """Show a (rows, cols) map of a slice, in 0..1 or up to its highest value."""
    layer.data, layer.translate = np.expand_dims(values, view.depth_axis), placement.slab_corner(view)
    layer.contrast_limits_range = layer.contrast_limits = (0.0, max(float(values.max()), 1.0))
