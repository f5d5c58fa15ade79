"""ScanLayers: the layers of a session in the viewer. Layer objects are held, never looked up by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Labels, Layer
from numpy.typing import NDArray

from napari_segsam.core.labels import LabelMap
from napari_segsam.core.prompts import Box, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.everywhere import FoundMaps
from napari_segsam.engine.objects import place_of
from napari_segsam.engine.session import Session
from napari_segsam.gui.layer_data import LABELS_KEY, ORIGIN_KEY, VOLUME_KEY
from napari_segsam.gui.palette import name_values
from napari_segsam.gui.placement import Placement
from napari_segsam.gui.prior_layers import BOUNDARY, STABILITY, make_map, show_map
from napari_segsam.gui.prompt_layers import (
    BOXES,
    POINTS,
    PREVIEW,
    make_boxes,
    make_points,
    make_preview,
    redraw,
    show_boxes,
    show_clicks,
    show_mask,
)
from napari_segsam.gui.sleep import is_on, switch

SEMANTIC, LABELS = "semantic", "labels"
_OF_ONE_SLICE = (PREVIEW, BOUNDARY, STABILITY)
_BOTTOM_TO_TOP = (SEMANTIC, LABELS, PREVIEW, BOXES, POINTS)


class ScanLayers:
    """Five layers over one scan, and two of prior maps below them once there are any.

    `labels` and `semantic` are views of the session's own voxels, so what is painted is what is exported. `preview` and
    the maps hold one slice only. A layer that the user deletes comes back the next time that it has something to show.

    Args:
        viewer: napari's.
        placement: the scan and its Image layer.
        session: what the layers show.
        hear_strokes: called with `labels` when it was made, and with what it shows.
        on_added: called with each layer that was made, and whether it is `labels`; for key bindings.
    """

    def __init__(
        self,
        viewer: Any,
        placement: Placement,
        session: Session,
        hear_strokes: Callable[[Layer, LabelMap], None],
        on_added: Callable[[Layer, bool], None],
    ) -> None:
        self._viewer, self._placement, self._session = viewer, placement, session
        self._hear_strokes, self._on_added = hear_strokes, on_added
        self._held: dict[str, Layer] = {}
        self._hidden: frozenset[int] = frozenset()  # values that `labels` does not draw as it is
        self._filled: dict[str, SliceView] = {}  # on which slice clicks, preview and maps lie, while there are any
        self._put_out: list[Layer] = []  # visible when `toggle` hid all
        self._makers: dict[str, Callable[[], Layer]] = {
            POINTS: lambda: make_points(self._placement.frame),
            BOXES: lambda: make_boxes(self._placement.frame),
            PREVIEW: self._make_preview,
            SEMANTIC: self._make_semantic,
            LABELS: self._make_labels,
            BOUNDARY: lambda: make_map(BOUNDARY, self._placement.frame),
            STABILITY: lambda: make_map(STABILITY, self._placement.frame),
        }

    def add(self) -> None:
        """Put all layers into the viewer, and :meth:`select`."""
        for name in _BOTTOM_TO_TOP:
            self._layer(name)
        for transform in self._placement.moved:
            transform.connect(self._follow_scan)
        self.select()

    def select(self) -> None:
        """Make `semantic` the active layer, so that the status bar names the class below the cursor."""
        if SEMANTIC in self._held:
            self._viewer.layers.selection.active = self._held[SEMANTIC]

    def give_up(self, *, leave_labels: bool = False) -> tuple[list[Layer], Labels | None]:
        """Show nothing any more; the session keeps its voxels.

        Args:
            leave_labels: where something was committed, leave `labels` where it is, so that it can be saved. Where the
                scan itself is gone, it is hidden, or it would lie over another one, named after the scan, and cannot be
                painted on, since nobody hears strokes any more.

        Returns:
            The layers that are to be taken out of the viewer, and the one that is left there, None where none is.
        """
        held, self._held = self._held, {}
        for transform in self._placement.moved:
            transform.disconnect(self._follow_scan)
        left = held.pop(LABELS, None) if leave_labels and self._session.labels.labels else None
        if left is not None and self._placement.layer not in self._viewer.layers:
            left.name, left.visible = f"labels of {self._session.volume.name}", False
            left.events.editable.connect(_forbid_editing)
            left.editable = False
        return list(held.values()), left

    def forget(self, layer: Layer) -> bool:
        """Somebody took this layer out of the viewer; whether it was one of ours."""
        names = [name for name, held in self._held.items() if held is layer]
        for name in names:
            del self._held[name]
            self._filled.pop(name, None)
        return bool(names)

    def owns(self, layer: Layer) -> bool:
        """Whether this is one of our layers."""
        return any(held is layer for held in self._held.values())

    # -- what the session says

    def show_prompts(self, prompts: Prompts) -> None:
        """The clicks and the box of the current object on the visible slice."""
        view = self._session.view
        self._show_clicks(view, prompts)
        self._show_boxes(view, [] if prompts.box is None else [prompts.box])

    def show_box(self, box: Box) -> None:
        """A box that is being dragged, instead of the one that is prompted."""
        self._show_boxes(self._session.view, [box])

    def show_path(self, path: NDArray[np.float64], *, closed: bool) -> None:
        """A line that is being drawn, (n, 2) rows and columns; ``closed`` joins its ends."""
        box = self._session.prompts.box
        line = np.concatenate([path, path[:1]]) if closed else path
        self._show_boxes(self._session.view, [] if box is None else [box], line)

    @property
    def shown(self) -> bool:
        """Whether any of our layers is visible."""
        return any(layer.visible for layer in self._held.values())

    def toggle(self) -> None:
        """Hide our layers, or show those again that this hid; where it hid none and none is visible, show all."""
        if not self.shown or not all(is_on(layer) for layer in self._put_out):
            self.come_back()
            return
        self._put_out = [layer for layer in self._held.values() if is_on(layer)]
        for layer in self._put_out:
            switch(layer, False)

    def come_back(self) -> None:
        """Show what `toggle` hid, or all where none is visible: nobody prompts what cannot be seen."""
        for layer in self._put_out or ([] if self.shown else list(self._held.values())):
            switch(layer, True)
        self._put_out = []

    def clear_other_slices(self) -> None:
        """Take away the clicks and the outline that were left on another slice than the session's."""
        view = self._session.view
        elsewhere = [name for name, filled in self._filled.items() if place_of(filled) != place_of(view)]
        if POINTS in elsewhere:
            del self._filled[POINTS]
            show_clicks(self._layer(POINTS), self._placement, view, ())
        if PREVIEW in elsewhere:
            del self._filled[PREVIEW]
            show_mask(self._layer(PREVIEW), self._placement, view, None)

    def show_preview(self, mask: NDArray[np.bool_] | None) -> None:
        """The outline of a (rows, cols) mask on the visible slice; None for nothing."""
        if self._fills(PREVIEW, mask is not None):
            show_mask(self._layer(PREVIEW), self._placement, self._session.view, mask)

    def show_maps(self, found: FoundMaps) -> None:
        """The prior maps of a slice, instead of those before; they are seen even where `toggle` hid all."""
        self.come_back()
        self._filled |= {BOUNDARY: found.view, STABILITY: found.view}
        for name, values in ((BOUNDARY, found.maps.boundary), (STABILITY, found.maps.stability)):
            show_map(self._layer(name), self._placement, found.view, values)

    def show_semantic(self) -> None:
        """The session repainted its classes, and may have found some that the model has no name for."""
        layer = self._layer(SEMANTIC)
        if len(layer.features) != len(self._session.semantic.labels) + 1:  # there is a row for 0
            self._name_classes(layer)
        redraw(layer)

    def show_labels(self) -> None:
        """Committed voxels or names changed."""
        layer = self._layer(LABELS)
        self._name_labels(layer)
        redraw(layer)

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
                layer.events.editable.connect(_forbid_editing)
                layer.editable = False
            if name in (POINTS, BOXES):
                layer.events.data.connect(self._restore_prompts)
            active = self._viewer.layers.selection.active
            self._insert(name, layer)
            if active is not None and active in self._viewer.layers:
                self._viewer.layers.selection.active = active
            self._on_added(layer, name == LABELS)
        return self._held[name]

    def _insert(self, name: str, layer: Layer) -> None:
        """Right above the scan where it is a prior map, so that all else of ours is seen over it; else in our order."""
        layers = self._viewer.layers
        if name in (BOUNDARY, STABILITY):
            layers.insert(layers.index(self._placement.layer) + 1, layer)
            return
        above = [self._held[n] for n in _BOTTOM_TO_TOP[_BOTTOM_TO_TOP.index(name) + 1 :] if n in self._held]
        layers.insert(min((layers.index(other) for other in above), default=len(layers)), layer)

    def _follow_scan(self, _event: Any = None) -> None:
        """Ours lie where the scan's layer lies; the file's grid stays what it is."""
        frame = self._placement.frame
        for name, layer in self._held.items():
            layer.scale = frame["scale"]
            view = self._filled.get(name) if name in _OF_ONE_SLICE else None
            layer.translate = frame["translate"] if view is None else self._placement.slab_corner(view)

    def _restore_prompts(self, _event: Any) -> None:
        """What a person deletes by napari's own keys is a prompt still, so it comes back; undo is what removes it."""
        self.show_prompts(self._session.prompts)

    def _make_labels(self) -> Labels:
        layer = Labels(
            self._session.volume.grid.display.to_display(self._session.labels.voxels),
            name=LABELS,
            opacity=0.4,
            metadata={VOLUME_KEY: self._session.volume, ORIGIN_KEY: self._placement.layer.metadata.get(ORIGIN_KEY)},
            **self._placement.frame,
        )
        self._name_labels(layer)
        self._hear_strokes(layer, self._session.labels)
        return layer

    def _make_semantic(self) -> Labels:
        data = self._session.volume.grid.display.to_display(self._session.semantic.voxels)
        layer = Labels(data, name=SEMANTIC, opacity=0.3, **self._placement.frame)
        self._name_classes(layer)
        layer.editable = False
        return layer

    def _make_preview(self) -> Labels:
        view = self._session.view
        return make_preview(self._placement.frame | {"translate": self._placement.slab_corner(view)}, view)

    # -- filling layers

    def _show_clicks(self, view: SliceView, prompts: Prompts) -> None:
        if self._fills(POINTS, bool(prompts.clicks)):
            show_clicks(self._layer(POINTS), self._placement, view, prompts.clicks)

    def _show_boxes(self, view: SliceView, boxes: list[Box], path: NDArray[np.float64] | None = None) -> None:
        if boxes or path is not None or (BOXES in self._held and self._held[BOXES].data):
            show_boxes(self._layer(BOXES), self._placement, view, boxes, path)

    def _fills(self, name: str, has_content: bool) -> bool:
        """Note whether a layer shows something on the visible slice; returns whether it has to be filled for that.

        A 2D canvas that cuts through another slice draws nothing of it, so it may stay: see `clear_other_slices`.
        """
        view, before = self._session.view, self._filled.get(name)
        if has_content:
            self._filled[name] = view
        elif before is not None and (before.axis != view.axis or before.index == view.index):
            del self._filled[name]
        else:
            return False
        return True

    def _name_labels(self, layer: Any) -> None:
        labels = dict(sorted(self._session.labels.labels.items()))
        if layer.metadata.get(LABELS_KEY) != labels or self._hidden != self._session.hidden:
            layer.metadata[LABELS_KEY], self._hidden = labels, self._session.hidden
            names = {value: label.name for value, label in labels.items()}
            name_values(layer, names, "object", self._hidden)
        layer.selected_label = self._session.value

    def _name_classes(self, layer: Any) -> None:
        name_values(layer, {value: label.name for value, label in self._session.semantic.labels.items()}, "class")


def _forbid_editing(event: Any) -> None:
    """New data make napari's layers editable again; an edit here would be seen, but never saved."""
    event.source.editable = False
