"""How prompts and previews look: points in two colours, boxes, and the outline of an uncommitted mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Labels, Layer, Points, Shapes
from napari.utils.colormaps import DirectLabelColormap
from napari.utils.colormaps.standardize_color import transform_color
from numpy.typing import NDArray

from napari_segsam.core.prompts import Box, Click
from napari_segsam.core.slices import SliceView
from napari_segsam.gui.placement import Placement
from napari_segsam.gui.sleep import sleep, wake

POINTS, BOXES, PREVIEW = "prompts: points", "prompts: boxes", "preview"
_OUTLINE, _BOX = "#ffe14d", "#4db8ff"
_COLOUR = {True: "#1fae5b", False: "#e5322d"}
_EDGE, _INSIDE = 1, 2
_POINT_PX = (0, 14)
"""Diameters on the screen: points are so large that the second holds at any zoom. The first also holds for the point of
no size that napari draws at the corner where it has none to draw."""
_AROUND_PIXELS = np.array([(-0.5, -0.5), (-0.5, 0.5), (0.5, 0.5), (0.5, -0.5)])


def make_points(frame: dict[str, Any]) -> Points:
    """An empty layer for clicks; ``frame`` is where the scan's layer puts its voxels."""
    layer = Points(ndim=3, name=POINTS, border_color="white", border_width=0.14, **frame)
    layer.canvas_size_limits = _POINT_PX
    return layer


def make_boxes(frame: dict[str, Any]) -> Shapes:
    """An empty layer for boxes."""
    layer = Shapes(ndim=3, name=BOXES, face_color="transparent", edge_color=_BOX, **frame)
    sleep(layer)
    return layer


def make_preview(frame: dict[str, Any], view: SliceView) -> Labels:
    """A layer of one slice, which shows nothing yet; its event `repainted` tells copies of it that they are old."""
    layer = Labels(np.zeros(np.insert(view.shape, view.depth_axis, 1), np.uint8), name=PREVIEW, **frame)
    layer.colormap = DirectLabelColormap(color_dict={None: "transparent", _EDGE: _OUTLINE, _INSIDE: "transparent"})
    layer.events.add(repainted=None)
    return layer


def show_mask(layer: Labels, placement: Placement, view: SliceView, mask: NDArray[np.bool_] | None) -> None:
    """Replace the outline that a preview shows by a (rows, cols) mask's on this slice; None for nothing."""
    corner = placement.slab_corner(view)
    shown = np.expand_dims(np.zeros(view.shape, np.uint8) if mask is None else outlined(mask), view.depth_axis)
    if tuple(layer.translate) != corner:  # napari draws anew even what stays where it is
        layer.translate = corner
    if layer.data.shape == shown.shape:
        layer.data[...] = shown
        redraw(layer)
        layer.events.repainted()
    else:
        layer.data = shown


def redraw(layer: Layer) -> None:
    """Draw again; the layer's place and size are what they were."""
    layer.refresh(extent=False, highlight=False)


def show_clicks(layer: Points, placement: Placement, view: SliceView, clicks: Sequence[Click]) -> None:
    """Replace what a points layer shows; what it shows already is not drawn again.

    Listeners to the layer's data are not told, napari's own among them: it would look twice for how far all layers
    reach, which is as far as the scan.
    """
    rc = np.array([(c.row, c.col) for c in clicks], dtype=np.float64).reshape(-1, 2)
    signs, points = [c.positive for c in clicks], placement.display_points(view, rc)
    colours = transform_color([_COLOUR[s] for s in signs]) if signs else np.empty((0, 4))
    if np.array_equal(layer.data, points) and np.allclose(layer.face_color, colours):
        layer.selected_data = set()
        return
    if signs:
        layer.current_face_color = _COLOUR[signs[-1]]
    layer.current_size = max(view.shape) / 4
    with layer.events.data.blocker():
        layer.data = points
    # This draws the layer once more, and the usual click only adds a point, which has its colour already.
    if not np.allclose(layer.face_color, colours):
        is_seen = layer.visible
        layer.visible = True  # a hidden layer still counts the points that it showed last, and stumbles over them
        layer.face_color = colours
        layer.visible = is_seen
    layer.selected_data = set()


def show_boxes(
    layer: Shapes,
    placement: Placement,
    view: SliceView,
    boxes: Sequence[Box],
    path: NDArray[np.float64] | None = None,
) -> None:
    """Replace what a boxes layer shows. The corner pixels belong to a box, so its outline runs round them.

    Listeners to the layer's data are not told; see :func:`show_clicks`.

    Args:
        layer: of boxes.
        placement: of the scan.
        view: the slice.
        boxes: on it.
        path: (n, 2) rows and columns of a line that is being drawn.
    """
    shapes = []
    for b in boxes:
        corners = np.array(
            [(b.row_min, b.col_min), (b.row_min, b.col_max), (b.row_max, b.col_max), (b.row_max, b.col_min)]
        )
        shapes.append((placement.display_points(view, corners + _AROUND_PIXELS), "polygon"))
    if path is not None:
        shapes.append((placement.display_points(view, path), "path"))
    corners_now = [corners for corners, _ in shapes]
    if len(layer.data) == len(shapes) and all(map(np.array_equal, layer.data, corners_now)):
        return
    if not shapes:
        sleep(layer)
    width = max(view.shape) / 400
    layer.current_edge_width = width
    with layer.events.data.blocker():
        layer.data = shapes
    if any(was != width for was in layer.edge_width):  # this draws the layer once more
        layer.edge_width = width
    if shapes:
        wake(layer)


def outlined(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A (rows, cols) mask's outermost pixels as 1, the others as 2, so that only its outline is coloured.

    Done here, since napari's own contours warn the person as soon as the canvas is turned to 3D.
    """
    inside = np.pad(mask, 1)
    inside = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:] & mask
    return np.where(inside, _INSIDE, np.where(mask, _EDGE, 0)).astype(np.uint8)
