"""Workbench: one viewer's live session. Ties scan, layers, mouse and keys to the Controller; decides nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from napari.layers import Image, Layer
from qtpy.QtCore import QObject, Qt, Signal  # type: ignore[attr-defined]  # qtpy's own gap

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.labels import LabelMap, Patch
from napari_segsam.core.prediction import Prediction
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.cache import EmbeddingCache
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.protocols import Executor, Predictor
from napari_segsam.engine.session import Session
from napari_segsam.gui.brush import Stroke
from napari_segsam.gui.keys import KeyBindings
from napari_segsam.gui.layers import ScanLayers
from napari_segsam.gui.mouse import MouseListener, PromptMouse, Tool, World
from napari_segsam.gui.placement import Placement, clipped, is_inside, overlaps
from napari_segsam.gui.reader import FILE_KEY
from napari_segsam.gui.scans import (
    FOREIGN,
    belongs,
    bring_into_view,
    bring_to_top,
    is_foreign,
    scan_layers,
    take_labels,
    volume_of,
)
from napari_segsam.io.formats import write_labels

LOG = logging.getLogger(__name__)
LoadModel = Callable[[str, str], Predictor]
"""(model name or path, device) -> Predictor; called on the inference thread."""
NO_SLICE = "Prompts need a flat slice of this scan: leave the 3D view (Ctrl+Y) and scroll to a slice that the scan has."
OTHER_GRID = "{labels} does not lie on the grid of {scan}, so it is only shown; open the scan it belongs to."
IN_USE = "{scan} has work in it already, so {labels} is only shown; undo that work, then open the file again."
BOX_OUTSIDE = "The box lies outside the scan; draw it around the object."


class Workbench(QObject):
    """What the dock shows and forwards to.

    Signals:
        started(Controller): the first scan was opened; connect to the Controller's own signals now.
        scan_changed(): another scan is worked on, or none.
        scans_changed(): layers that could be worked on came, went or were renamed.
        tool_changed(): `tool` or `positive` changed.
        told(str): a notice for a person; empty takes it away.
        refused(str): an error for a person, with what to do.
    """

    started = Signal(object)
    scan_changed = Signal()
    scans_changed = Signal()
    tool_changed = Signal()
    told = Signal(str)
    refused = Signal(str)
    _layer_arrived = Signal()  # queued: napari is done with adding a layer before we add and remove ours

    def __init__(self, viewer: Any, executor: Executor, load_model: LoadModel, model: str) -> None:
        super().__init__()
        self.viewer, self.executor, self._load_model = viewer, executor, load_model
        self.model, self.device = model, "auto"
        self.controller: Controller | None = None
        self.positive = True
        self._closed = self._sliceless = False
        self._placement: Placement | None = None
        self._layers: ScanLayers | None = None
        self._kept: WeakKeyDictionary[Image, Session] = WeakKeyDictionary()  # work on scans not open now
        self._newest: Layer | None = None
        self._layer_arrived.connect(self._take_newest, Qt.ConnectionType.QueuedConnection)
        self._mouse = PromptMouse(
            viewer, MouseListener(self._clicked, self._box_dragging, self._box_dropped, self._box_cancelled)
        )
        self._keys = KeyBindings(
            {
                "point": lambda: self.arm("point"),
                "box": lambda: self.arm("box"),
                "sign": lambda: self.set_positive(not self.positive),
                "candidate": self.show_next_candidate,
                "commit": lambda: self.do(Controller.commit),
                "next": lambda: self.do(Controller.next_object),
                "undo": lambda: self.do(Controller.undo),
                "redo": lambda: self.do(Controller.redo),
            }
        )
        self._listen()

    # -- what the dock reads

    @property
    def scans(self) -> list[Image]:
        """Layers that could be worked on."""
        return [s for s in scan_layers(self.viewer.layers) if not self._owns(s)]

    @property
    def scan(self) -> Image | None:
        """The layer that is worked on."""
        return None if self._placement is None else self._placement.layer

    @property
    def tool(self) -> Tool | None:
        """The armed tool."""
        return self._mouse.tool

    # -- what the dock forwards

    def open_first(self) -> None:
        """Where a scan is in the viewer, work on the selected one, else the topmost."""
        scans = self.scans
        active = self.viewer.layers.selection.active
        if scans:
            self.open_scan(active if active in scans else scans[-1])

    def open_scan(self, layer: Image) -> None:
        """Work on this layer; all work on the last one is kept for coming back."""
        self._newest = None
        try:
            session = self._kept.get(layer) or self._begin(layer)
        except SegsamError as error:
            self.refused.emit(str(error))
            return
        self._put_away()
        self._place(layer, session)
        self.told.emit(FOREIGN.format(name=layer.name) if is_foreign(layer) else " ".join(session.volume.warnings))

    def set_modality(self, modality: str) -> None:
        """What kind of scan the open one is; labels, prompts and history stay."""
        if self.controller is None or self._placement is None or self._placement.volume.modality == modality:
            return
        layer, session = self._placement.layer, self.controller.session
        self._put_away()
        session.take_for(replace(session.volume, modality=modality, id=uuid4().hex))
        self._place(layer, session)

    def use_model(self, model: str, device: str) -> None:
        """Load a model on the inference thread; the last one answers until then."""
        self.model, self.device = model, device
        if self.controller is not None:
            load = self._load_model
            self.controller.load_predictor(lambda: load(model, device), model)

    def arm(self, tool: Tool | None) -> None:
        """Choose what a left click or drag on the canvas means; None gives the mouse back to napari."""
        self._mouse.arm(tool if self._placement is not None else None)
        self.tool_changed.emit()

    def set_positive(self, positive: bool) -> None:
        """Whether the next point says "this" or "not this"."""
        self.positive = positive
        self.tool_changed.emit()

    def do(self, act: Callable[[Controller], object]) -> None:
        """Let the Controller act, where there is a scan to act on."""
        if self.controller is not None and self._placement is not None:
            act(self.controller)

    def show_next_candidate(self) -> None:
        """Another of the model's outlines of the object; round past the last."""
        self.do(lambda controller: controller.choose_candidate(controller.session.candidate + 1))

    def save(self, path: Path) -> None:
        """Write the committed labels on the inference thread, as they are now."""
        if self.controller is None:
            return
        session = self.controller.session
        snapshot = LabelMap(session.labels.grid, session.labels.voxels.copy(), dict(session.labels.labels))
        voxels = snapshot.voxels
        names = {value: label.name for value, label in snapshot.labels.items() if (voxels == value).any()}
        before = session.undo_names

        def saved(_: None) -> None:
            if session.undo_names == before:
                session.mark_saved()
            self.told.emit(f"Saved {len(names)} objects to {path.name}.")

        def failed(error: BaseException) -> None:
            if not isinstance(error, SegsamError):
                LOG.error("Saving failed", exc_info=error)
            self.refused.emit(str(error) or type(error).__name__)

        self.executor.submit(lambda: write_labels(path, snapshot, names), saved, failed, key="save", priority=-1)

    def leave(self) -> None:
        """Stop while napari goes on: our layers go, but for what was committed, which a later dock takes up again."""
        self._put_away(leave_labels=True)
        self.close()

    def close(self) -> None:
        """Give mouse, keys and thread back; layers stay as they are. Closing twice is no harm."""
        if self._closed:
            return
        self._closed = True
        self._mouse.arm(None)
        self._keys.unbind()
        for emitter, slot in self._viewer_events():
            emitter.disconnect(slot)
        self._placement = self._layers = None
        self.executor.shutdown()

    # -- the viewer

    def _viewer_events(self) -> list[tuple[Any, Callable[..., None]]]:
        layers, dims = self.viewer.layers.events, self.viewer.dims.events
        return [
            (layers.inserted, self._layer_added),
            (layers.removed, self._layer_removed),
            (layers.renamed, self._layer_renamed),
            (dims.point, self._view_moved),
            (dims.order, self._view_moved),
            (dims.ndisplay, self._view_moved),
        ]

    def _listen(self) -> None:
        for emitter, slot in self._viewer_events():
            emitter.connect(slot)

    def _layer_added(self, event: Any) -> None:
        if self._owns(event.value):
            return
        self.scans_changed.emit()
        if self._placement is None:
            self.open_first()
        elif event.value in self.scans or FILE_KEY in event.value.metadata:
            self._newest = event.value
            self._layer_arrived.emit()

    def _take_newest(self) -> None:
        """Work on the scan that came last, where several came at once; take up a label map that was opened."""
        layer, self._newest = self._newest, None
        if self._closed or layer is None or layer is self.scan or layer not in self.viewer.layers:
            return
        if layer in self.scans:
            self.open_scan(layer)
        elif FILE_KEY in layer.metadata:
            self._take_up(layer)

    def _take_up(self, layer: Layer) -> None:
        """Go on with a label map from a file, where that overwrites nothing."""
        if self.controller is None or self.scan is None:
            return
        session, scan = self.controller.session, self.scan
        if not belongs(layer, session.volume):
            self.refused.emit(OTHER_GRID.format(labels=layer.name, scan=scan.name))
        elif session.labels.labels or session.undo_names:
            self.refused.emit(IN_USE.format(labels=layer.name, scan=scan.name))
        else:
            self._put_away()
            del self._kept[scan]
            self.open_scan(scan)

    def _owns(self, layer: Layer) -> bool:
        return self._layers is not None and self._layers.owns(layer)

    def _layer_renamed(self, _event: Any) -> None:
        self.scans_changed.emit()

    def _layer_removed(self, event: Any) -> None:
        self._keys.unbind(event.value)
        if self._layers is not None and self._layers.forget(event.value):
            return
        if event.value is self.scan:
            self._put_away(leave_labels=True)
            self.scan_changed.emit()
        self.scans_changed.emit()

    def _view_moved(self, _event: Any = None) -> None:
        if self._placement is None or self.controller is None:
            return
        view = self._visible()
        if (view is None) != self._sliceless:
            self._sliceless = view is None
            self.refused.emit(NO_SLICE if self._sliceless else "")
        if view is not None and (view.axis, view.index) != self.controller.session.place:
            self.controller.show(view.axis, view.index)

    def _visible(self) -> SliceView | None:
        """The slice on the canvas, None in 3D or beside the scan."""
        if self._placement is None:
            return None
        return self._placement.shown(self.viewer.dims.point, self.viewer.dims.displayed)

    # -- opening and putting away

    def _begin(self, layer: Image) -> Session:
        """A session on a scan that was not open yet."""
        volume = volume_of(layer)
        taken = take_labels(self.viewer.layers, volume, self._owns)
        if taken is None:
            return Session(volume)
        session = Session(volume, taken[0])
        if not taken[1]:
            session.mark_unsaved()
        return session

    def _work_on(self, session: Session) -> None:
        if self.controller is not None:
            self.controller.resume(session)
            return
        self.controller = Controller(session, None, self.executor, EmbeddingCache())
        self._connect(self.controller)
        self.started.emit(self.controller)
        self.use_model(self.model, self.device)

    def _connect(self, controller: Controller) -> None:
        controller.prediction_changed.connect(self._show_prediction)
        controller.prompts_changed.connect(self._show_prompts)
        controller.semantic_changed.connect(self._show_semantic)
        controller.labels_changed.connect(self._show_labels)
        controller.object_changed.connect(self._show_object)
        controller.predictor_changed.connect(self._show_vocabulary)

    def _place(self, layer: Image, session: Session) -> None:
        self._placement = Placement(session.volume, layer)
        bring_to_top(self.viewer.layers, layer)
        bring_into_view(self.viewer.dims, layer)
        view = self._visible()
        if view is not None:
            session.look_at(view)
        self._work_on(session)
        self._layers = ScanLayers(self.viewer, self._placement, session, self._stroke, self._bind)
        self._layers.add()
        self._show_prompts(session.prompts)
        self._show_prediction(session.prediction)
        self._keys.bind(self.viewer)
        self._keys.bind(layer)
        self.arm(self.tool or "point")
        self.scan_changed.emit()

    def _put_away(self, *, leave_labels: bool = False) -> None:
        """Leave the scan, and keep the work on it.

        Args:
            leave_labels: where the scan itself is gone, its `labels` stay in the viewer, so that they can be saved.
        """
        if self._placement is None or self.controller is None or self._layers is None:
            return
        self._kept[self._placement.layer] = self.controller.session
        layers, self._layers, self._placement = self._layers, None, None
        layers.remove(leave_labels=leave_labels)
        self._keys.unbind()
        self._mouse.arm(None)

    def _bind(self, layer: Layer, is_labels: bool) -> None:
        self._keys.bind(layer, is_committed_labels=is_labels)

    # -- the canvas

    def _clicked(self, position: World) -> None:
        view = self._aimed()
        if view is not None and self._placement is not None:
            row, col = self._placement.rc(view, position)
            if is_inside(view, (row, col)):
                self.do(lambda controller: controller.click(row, col, self.positive))

    def _box_dragging(self, start: World, end: World) -> None:
        view = self._visible()
        if view is not None and self._placement is not None and self._layers is not None:
            corners = [clipped(view, self._placement.rc(view, p)) for p in (start, end)]
            self._layers.show_rubber_band(corners[0], corners[1])

    def _box_dropped(self, start: World, end: World) -> None:
        view = self._aimed()
        if view is not None and self._placement is not None:
            drawn = [self._placement.rc(view, p) for p in (start, end)]
            if not overlaps(view, drawn[0], drawn[1]):
                self._box_cancelled()
                self.refused.emit(BOX_OUTSIDE)
                return
            corners = [clipped(view, rc) for rc in drawn]
            self.do(lambda controller: controller.box(corners[0], corners[1]))

    def _box_cancelled(self) -> None:
        self.do(lambda controller: self._show_prompts(controller.session.prompts))

    def _aimed(self) -> SliceView | None:
        """The visible slice, once the Controller knows that it is visible."""
        self._view_moved()
        return self._visible()

    # -- what the Controller says

    def _stroke(self, stroke: Stroke) -> None:
        self.do(lambda controller: controller.record_stroke(*stroke))

    def _show_prediction(self, prediction: Prediction | None) -> None:
        if self._layers is not None:
            self._layers.show_preview(None if prediction is None else prediction.mask)

    def _show_prompts(self, prompts: Prompts) -> None:
        if self._layers is not None:
            self._layers.show_prompts(prompts)

    def _show_semantic(self) -> None:
        if self._layers is not None:
            self._layers.show_semantic()

    def _show_labels(self, _patch: Patch) -> None:
        if self._layers is not None:
            self._layers.show_labels()

    def _show_object(self) -> None:
        if self._layers is not None:
            self._layers.show_object()

    def _show_vocabulary(self, _predictor: object) -> None:
        if self._layers is not None:
            self._layers.show_vocabulary()
