"""ScanLayers: the layers of a session in the viewer. Layer objects are held, never looked up by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Labels, Layer, Points, Shapes
from napari.utils.colormaps import DirectLabelColormap
from napari.utils.colormaps.standardize_color import transform_color
from numpy.typing import NDArray

from napari_segsam.core.prompts import Box, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.session import Session
from napari_segsam.gui.brush import Stroke, stroke_of
from napari_segsam.gui.palette import name_values
from napari_segsam.gui.placement import Placement
from napari_segsam.gui.reader import NAMES_KEY, VOLUME_KEY

POINTS, BOXES, PREVIEW, SEMANTIC, LABELS = "prompts: points", "prompts: boxes", "preview", "semantic", "labels"
_BOTTOM_TO_TOP = (SEMANTIC, LABELS, PREVIEW, BOXES, POINTS)
_OUTLINE, _BOX = "#ffe14d", "#4db8ff"
_COLOUR = {True: "#1fae5b", False: "#e5322d"}
_EDGE, _INSIDE = 1, 2
_POINT_PX = (4, 14)
"""Diameters on the screen: points are so large that the second holds at any zoom; vispy's border is half the first."""


class ScanLayers:
    """Five layers over one scan.

    `labels` and `semantic` are views of the session's own voxels, so what is painted is what is exported. `preview`
    holds one slice only. A layer that the user deletes comes back the next time that it has something to show.

    Args:
        viewer: napari's.
        placement: the scan and its Image layer.
        session: what the layers show.
        on_stroke: called after the brush has changed `labels`.
        on_added: called with each layer that was made, and whether it is `labels`; for key bindings.
    """

    def __init__(
        self,
        viewer: Any,
        placement: Placement,
        session: Session,
        on_stroke: Callable[[Stroke], None],
        on_added: Callable[[Layer, bool], None],
    ) -> None:
        self._viewer, self._placement, self._session = viewer, placement, session
        self._on_stroke, self._on_added = on_stroke, on_added
        self._held: dict[str, Layer] = {}
        self._filling = False
        self._makers = {
            POINTS: self._make_points,
            BOXES: self._make_boxes,
            PREVIEW: self._make_preview,
            SEMANTIC: self._make_semantic,
            LABELS: self._make_labels,
        }

    def add(self) -> None:
        """Put all layers into the viewer.

        `semantic` becomes the active one, so that the status bar names the class below the cursor.
        """
        for name in _BOTTOM_TO_TOP:
            self._layer(name)
        for transform in self._transforms():
            transform.connect(self._follow_scan)
        self._viewer.layers.selection.active = self._held[SEMANTIC]

    def remove(self, *, leave_labels: bool = False) -> None:
        """Take our layers out of the viewer; the session keeps its voxels.

        Args:
            leave_labels: where something was committed, leave `labels` where it is.
        """
        held, self._held = self._held, {}
        for transform in self._transforms():
            transform.disconnect(self._follow_scan)
        if leave_labels and self._session.labels.labels:
            held.pop(LABELS, None)
        for layer in held.values():
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def forget(self, layer: Layer) -> bool:
        """Somebody took this layer out of the viewer; whether it was one of ours."""
        before = len(self._held)
        self._held = {n: h for n, h in self._held.items() if h is not layer}
        return len(self._held) < before

    def owns(self, layer: Layer) -> bool:
        """Whether this is one of our layers."""
        return any(held is layer for held in self._held.values())

    # -- what the session says

    def show_prompts(self, prompts: Prompts) -> None:
        """The clicks and the box of the current object on the visible slice."""
        view = self._session.view
        self._filling = True
        try:
            self._show_clicks(view, prompts)
            self._show_boxes(view, [] if prompts.box is None else [prompts.box])
        finally:
            self._filling = False

    def show_rubber_band(self, corner_a: tuple[float, float], corner_b: tuple[float, float]) -> None:
        """The box that is being dragged, between two (row, col)."""
        self._filling = True
        try:
            self._show_boxes(self._session.view, [Box.between(corner_a, corner_b)])
        finally:
            self._filling = False

    def show_preview(self, mask: NDArray[np.bool_] | None) -> None:
        """The outline of a (rows, cols) mask on the visible slice; None for nothing."""
        if mask is None and (PREVIEW not in self._held or not np.any(self._held[PREVIEW].data)):
            return
        view, layer = self._session.view, self._layer(PREVIEW)
        shown = np.zeros(view.shape, np.uint8) if mask is None else outlined(mask)
        layer.translate = self._slab_corner(view)
        layer.data = np.expand_dims(shown, view.depth_axis)

    def show_semantic(self) -> None:
        """The session repainted its classes."""
        _redraw(self._layer(SEMANTIC))

    def show_labels(self) -> None:
        """Committed voxels or names changed."""
        layer = self._layer(LABELS)
        self._name_labels(layer)
        _redraw(layer)

    def show_object(self) -> None:
        """Another object is being worked on: the brush paints its value."""
        self._layer(LABELS).selected_label = self._session.value

    def show_vocabulary(self) -> None:
        """Another model: its classes' colours and names."""
        self._name_classes(self._layer(SEMANTIC))

    # -- making layers

    def _layer(self, name: str) -> Any:
        """The held layer, made and added where the user deleted it."""
        if name not in self._held:
            layer = self._makers[name]()
            self._held[name] = layer
            if name != LABELS:
                layer.events.editable.connect(self._forbid_editing)
                layer.editable = False
            if name in (POINTS, BOXES):
                layer.events.data.connect(self._restore_prompts)
            active = self._viewer.layers.selection.active
            self._viewer.add_layer(layer)
            if active is not None and active in self._viewer.layers:
                self._viewer.layers.selection.active = active
            self._on_added(layer, name == LABELS)
        return self._held[name]

    def _frame(self) -> dict[str, Any]:
        """Where the scan's layer puts its voxels, for layers with three axes."""
        scan = self._placement.layer
        missing = 3 - scan.ndim
        return {
            "scale": (1.0,) * missing + tuple(scan.scale),
            "translate": (0.0,) * missing + tuple(scan.translate),
            "units": ("pixel",) * missing + tuple(scan.units),
            "axis_labels": ("slice",) * missing + tuple(scan.axis_labels),
        }

    def _transforms(self) -> list[Any]:
        """What tells that somebody moved the scan's layer."""
        events = self._placement.layer.events
        return [events.scale, events.translate]

    def _follow_scan(self, _event: Any = None) -> None:
        """Ours lie where the scan's layer lies; the file's grid stays what it is."""
        frame = self._frame()
        for name, layer in self._held.items():
            layer.scale = frame["scale"]
            layer.translate = self._slab_corner(self._session.view) if name == PREVIEW else frame["translate"]

    def _forbid_editing(self, event: Any) -> None:
        """New data make napari's layers editable again; an edit here would be seen, but never saved."""
        event.source.editable = False

    def _restore_prompts(self, _event: Any) -> None:
        """What a person deletes by napari's own keys is a prompt still, so it comes back; undo is what removes it."""
        if not self._filling:
            self.show_prompts(self._session.prompts)

    def _slab_corner(self, view: SliceView) -> tuple[float, ...]:
        """World position of the first pixel of a one-slice layer."""
        frame = self._frame()
        corner = list(frame["translate"])
        corner[view.depth_axis] += view.display_depth * frame["scale"][view.depth_axis]
        return tuple(corner)

    def _make_labels(self) -> Labels:
        layer = Labels(
            self._session.volume.grid.display.to_display(self._session.labels.voxels),
            name=LABELS,
            opacity=0.4,
            metadata={VOLUME_KEY: self._session.volume},
            **self._frame(),
        )
        self._name_labels(layer)
        layer.events.paint.connect(self._painted)
        return layer

    def _make_semantic(self) -> Labels:
        data = self._session.volume.grid.display.to_display(self._session.semantic.voxels)
        layer = Labels(data, name=SEMANTIC, opacity=0.3, **self._frame())
        self._name_classes(layer)
        layer.editable = False
        return layer

    def _make_preview(self) -> Labels:
        view = self._session.view
        slab = np.zeros(np.insert(view.shape, view.depth_axis, 1), np.uint8)
        layer = Labels(slab, name=PREVIEW, **self._frame() | {"translate": self._slab_corner(view)})
        layer.colormap = DirectLabelColormap(color_dict={None: "transparent", _EDGE: _OUTLINE, _INSIDE: "transparent"})
        layer.editable = False
        return layer

    def _make_points(self) -> Points:
        layer = Points(ndim=3, name=POINTS, border_color="white", border_width=0.14, **self._frame())
        layer.canvas_size_limits = _POINT_PX
        layer.editable = False
        return layer

    def _make_boxes(self) -> Shapes:
        layer = Shapes(ndim=3, name=BOXES, face_color="transparent", edge_color=_BOX, **self._frame())
        layer.editable = False
        return layer

    # -- filling layers

    def _show_clicks(self, view: SliceView, prompts: Prompts) -> None:
        if not prompts.clicks and (POINTS not in self._held or len(self._held[POINTS].data) == 0):
            return
        layer = self._layer(POINTS)
        rc = np.array([(c.row, c.col) for c in prompts.clicks], dtype=np.float64).reshape(-1, 2)
        signs = [c.positive for c in prompts.clicks]
        if signs:
            layer.current_face_color = _COLOUR[signs[-1]]
        layer.current_size = max(view.shape) / 4
        layer.data = self._placement.display_points(view, rc)
        colours = transform_color([_COLOUR[s] for s in signs]) if signs else np.empty((0, 4))
        # This draws the layer once more, and the usual click only adds a point, which has its colour already.
        if not np.allclose(layer.face_color, colours):
            layer.face_color = colours
        layer.selected_data = set()

    def _show_boxes(self, view: SliceView, boxes: list[Box]) -> None:
        if not boxes and (BOXES not in self._held or not self._held[BOXES].data):
            return
        layer = self._layer(BOXES)
        # The corner pixels belong to a box, so its outline runs half a pixel further out.
        corners = [
            np.array([(b.row_min, b.col_min), (b.row_min, b.col_max), (b.row_max, b.col_max), (b.row_max, b.col_min)])
            + np.array([(-0.5, -0.5), (-0.5, 0.5), (0.5, 0.5), (0.5, -0.5)])
            for b in boxes
        ]
        layer.data = [self._placement.display_points(view, c) for c in corners]
        layer.edge_width = max(view.shape) / 400

    def _name_labels(self, layer: Any) -> None:
        names = {value: label.name for value, label in sorted(self._session.labels.labels.items())}
        if layer.metadata.get(NAMES_KEY) != names:
            layer.metadata[NAMES_KEY] = names
            name_values(layer, names, "object")
        layer.selected_label = self._session.value

    def _name_classes(self, layer: Any) -> None:
        name_values(layer, dict(enumerate(self._session.vocabulary.names, start=1)), "class")

    def _painted(self, event: Any) -> None:
        self._on_stroke(stroke_of(event.value, self._session.volume.grid))


def outlined(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A (rows, cols) mask's outermost pixels as 1, the others as 2, so that only its outline is coloured.

    Done here, since napari's own contours warn the person as soon as the canvas is turned to 3D.
    """
    inside = np.pad(mask, 1)
    inside = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:] & mask
    return np.where(inside, _INSIDE, np.where(mask, _EDGE, 0)).astype(np.uint8)


def _redraw(layer: Layer) -> None:
    """Draw again; the layer's place and size are what they were."""
    layer.refresh(extent=False, highlight=False)
