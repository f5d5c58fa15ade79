"""OpenScan: the scan that is worked on. Its layers, what the mouse means on it, and what the Controller says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.layers import Image, Labels, Layer

from napari_segsam.core.labels import Patch
from napari_segsam.core.prediction import Prediction, Suggestion
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.everywhere import FoundMaps
from napari_segsam.engine.objects import Place
from napari_segsam.gui.brush import Stroke, Strokes
from napari_segsam.gui.canvas_prompts import CanvasPrompts
from napari_segsam.gui.layers import ScanLayers
from napari_segsam.gui.orientation import OrientationLetters
from napari_segsam.gui.placement import Placement
from napari_segsam.gui.scans import scroll_to

NO_SLICE = "Prompts need a flat slice of this scan: leave the 3D view (Ctrl+Y) and scroll to a slice that the scan has."


class OpenScan:
    """From `show` until `close` it listens to the canvas and to the Controller.

    Args:
        viewer: napari's.
        placement: the scan and its Image layer.
        controller: works on it already.
        refuse: told what is wrong, in a sentence; empty takes it away.
        bind: called with each layer that is made, and whether it is `labels`; for key bindings.

    Attributes:
        placement: as given.
        prompts: what the mouse means on it.
    """

    def __init__(
        self,
        viewer: Any,
        placement: Placement,
        controller: Controller,
        refuse: Callable[[str], None],
        bind: Callable[[Layer, bool], None],
    ) -> None:
        self._viewer, self._controller, self._refuse = viewer, controller, refuse
        self.placement = placement
        self._sliceless = False
        self._suggestion: Suggestion | None = None
        self._strokes = Strokes(viewer, self._stroke, controller.hold_back)
        self._layers = ScanLayers(viewer, placement, controller.session, self._strokes.hear, bind)
        self.prompts = CanvasPrompts(viewer, placement, self._layers, controller, refuse, self._follow_view)
        self._letters = OrientationLetters(viewer, placement)

    @property
    def layer(self) -> Image:
        """The Image layer that shows it."""
        layer: Image = self.placement.layer
        return layer

    def owns(self, layer: Layer) -> bool:
        """Whether this is one of our layers over it."""
        return self._layers.owns(layer)

    def forget(self, layer: Layer) -> bool:
        """Somebody took this layer out of the viewer; whether it was one of ours."""
        return self._layers.forget(layer)

    def select(self) -> None:
        """Make `semantic` the active layer."""
        self._layers.select()

    def look_at(self, place: Place) -> None:
        """Scroll to a slice, where slices across its axis are shown."""
        axis, index = place
        view = self._visible()
        if view is not None and view.axis == axis:
            scroll_to(self._viewer.dims, self.placement, SliceView(view.volume, axis, index))

    def toggle_layers(self) -> bool:
        """Hide our layers, or show them again; whether they are shown now."""
        self._layers.toggle()
        return self._layers.shown

    def look_closer(self, suggestion: Suggestion | None) -> None:
        """Outline a suggestion of the visible slice instead of the current object; None for that again.

        The box that a detector proposed is shown, too.
        """
        if suggestion is self._suggestion:
            return
        boxed = self._suggestion is not None and self._suggestion.proposed is not None
        self._suggestion = suggestion
        self._show_prediction(self._controller.session.prediction)
        if suggestion is None:
            self._layers.clear_other_slices()
        if suggestion is not None and suggestion.proposed is not None:
            self._layers.show_box(suggestion.proposed)
        elif boxed:
            self._layers.show_prompts(self._controller.session.prompts)

    def show(self) -> None:
        """Put our layers over the scan, and follow what happens."""
        self._layers.add()
        self._layers.show_prompts(self._controller.session.prompts)
        self._show_prediction(self._controller.session.prediction)
        for signal, slot in self._connections():
            signal.connect(slot)

    def close(self, *, leave_labels: bool = False) -> tuple[list[Layer], Labels | None]:
        """Listen and show no more; which of our layers are to go, and which stays: see :meth:`ScanLayers.give_up`."""
        self.let_go()
        self._letters.close()
        return self._layers.give_up(leave_labels=leave_labels)

    def let_go(self) -> None:
        """Listen no longer; what is in the viewer stays."""
        self.prompts.let_go()
        for signal, slot in self._connections():
            signal.disconnect(slot)
        self._strokes.let_go()

    # -- the canvas

    def _visible(self) -> SliceView | None:
        """The slice on the canvas, None in 3D or beside the scan."""
        return self.placement.shown(self._viewer.dims.point, self._viewer.dims.displayed)

    def _view_moved(self, _event: object = None) -> None:
        self._follow_view()

    def _follow_view(self) -> SliceView | None:
        """Tell the Controller which slice is visible; returns it."""
        view = self._visible()
        if (view is None) != self._sliceless:
            self._sliceless = view is None
            self._refuse(NO_SLICE if self._sliceless else "")
        if view is None or (view.axis, view.index) != self._controller.session.place:
            self.prompts.mouse.cancel()  # what was begun on one slice does not end on another
        if view is not None and (view.axis, view.index) != self._controller.session.place:
            self._controller.show(view.axis, view.index)
        if view is None or self.placement.is_between(self._viewer.dims.point, view):
            self._layers.clear_other_slices()  # here it might be seen
        return view

    def _stroke(self, stroke: Stroke) -> None:
        self._controller.record_stroke(*stroke)

    # -- what the viewer and the Controller say

    def _connections(self) -> list[tuple[Any, Callable[..., None]]]:
        said, dims = self._controller, self._viewer.dims.events
        return [
            *((moved, self._view_moved) for moved in (dims.point, dims.order, dims.ndisplay)),
            (said.prediction_changed, self._show_prediction),
            (said.prompts_changed, self._show_prompts),
            (said.semantic_changed, self._show_semantic),
            (said.labels_changed, self._show_labels),
            (said.object_changed, self._show_object),
            (said.history_changed, self._layers.clear_other_slices),  # it may be undone, or another object's
            (said.predictor_changed, self._show_vocabulary),
            (said.everywhere.found, self._show_maps),
        ]

    def _show_prediction(self, prediction: Prediction | None) -> None:
        shown = self._suggestion or prediction
        self._layers.show_preview(None if shown is None else shown.mask)

    def _show_prompts(self, prompts: Prompts) -> None:
        self._layers.show_prompts(prompts)

    def _show_semantic(self) -> None:
        self._layers.show_semantic()

    def _show_labels(self, _patch: Patch) -> None:
        self._layers.show_labels()

    def _show_object(self) -> None:
        self._layers.show_object()

    def _show_vocabulary(self, _predictor: object) -> None:
        self._layers.show_vocabulary()

    def _show_maps(self, found: FoundMaps) -> None:
        self._layers.show_maps(found)
