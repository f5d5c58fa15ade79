"""Workbench: one viewer's live session. Which scan is open, what a person asks for, what the viewer tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]  # qtpy's own gap

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.terminology import spoken
from napari_segsam.engine.cache import EmbeddingCache
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.embedding_store import EmbeddingStore
from napari_segsam.engine.objects import Place
from napari_segsam.engine.protocols import Executor, Predictor
from napari_segsam.engine.session import Session
from napari_segsam.gui.actions import actions
from napari_segsam.gui.choice import Choice
from napari_segsam.gui.keys import KeyBindings, printed
from napari_segsam.gui.label_files import Format, LabelFiles
from napari_segsam.gui.layer_data import ORIGIN_KEY, Origin
from napari_segsam.gui.model_in_use import LoadModel, ModelInUse
from napari_segsam.gui.mouse import Tool
from napari_segsam.gui.notes import notes_on
from napari_segsam.gui.open_scan import OpenScan
from napari_segsam.gui.opening import layers_at
from napari_segsam.gui.placement import Placement
from napari_segsam.gui.readout import CursorReadout
from napari_segsam.gui.scan_list import ScanList
from napari_segsam.gui.scans import (
    bring_into_view,
    bring_to_slice,
    bring_to_top,
    seen,
    session_on,
    show_alone,
    volume_of,
)
from napari_segsam.gui.taken_out import TakenOut
from napari_segsam.gui.waiting import CancelledError
from napari_segsam.io.hub import cache_folder
from napari_segsam.io.labels.holding import holds_labels

_GONE = "The layer '{name}' was taken out. The work is safe; the layer comes back when it has something new to show."


class Workbench(QObject):
    """What the dock shows and forwards to.

    Signals:
        started(Controller): the first scan was opened; connect to the Controller's own signals now.
        scan_changed(): another scan is worked on, or none.
        scans_changed(): layers that could be worked on came, went or were renamed.
        tool_changed(): `tool` or `positive` changed.
        class_pressed(int): the key of a rank, 1..9, was pressed.
        through_pressed(str): the key "back", "forward" or "interpolate" was pressed.
        pointed(Reading | None): the cursor is on another place of the slice, or on no scan.
        told(str): a notice for a person; empty takes it away.
        refused(str): an error for a person, with what to do.
        finished(Session): its scan was taken out, and all of it is saved; nobody goes on with it.
        ended(): everything was given back.
    """

    started = Signal(object)
    scan_changed = Signal()
    scans_changed = Signal()
    tool_changed = Signal()
    class_pressed = Signal(int)
    through_pressed = Signal(str)
    pointed = Signal(object)
    told = Signal(str)
    refused = Signal(str)
    finished = Signal(object)
    ended = Signal()

    def __init__(self, viewer: Any, executor: Executor, load_model: LoadModel, model: str) -> None:
        super().__init__()
        self.viewer, self.executor = viewer, executor
        self.model = ModelInUse(load_model, model)
        self.right_is_negative = False
        self.controller: Controller | None = None
        self._closed = False
        self._open: OpenScan | None = None
        self._files: LabelFiles | None = None
        self._kept: WeakKeyDictionary[Image, Session] = WeakKeyDictionary()  # work on scans not open now
        self._farewell = ""  # what is to be said of a scan that was taken out, until the next one is open
        self.choice = Choice()
        self.choice.changed.connect(self._show_choice)
        self._keys = KeyBindings(actions(self))
        self._taken_out = TakenOut(viewer.layers, self._finish)
        self._going: list[Layer] = []  # ours over a scan that napari is taking out
        self._list = ScanList(viewer, self._owns)
        self._list.changed.connect(self.scans_changed)
        self._list.came.connect(self._layer_came)
        self._list.settled.connect(self._scan_settled)
        self._list.went.connect(self._layer_went)
        self._readout = CursorReadout(viewer, self._seen, self.pointed.emit)

    # -- what the dock reads

    @property
    def scans(self) -> list[Image]:
        """Layers that could be worked on."""
        return self._list.scans

    @property
    def scan(self) -> Image | None:
        """The layer that is worked on."""
        return None if self._open is None else self._open.layer

    @property
    def origin(self) -> Origin | None:
        """Which file or series the scan was read from, where our reader did that."""
        found = None if self.scan is None else self.scan.metadata.get(ORIGIN_KEY)
        return found if isinstance(found, Origin) else None

    @property
    def unsaved(self) -> list[str]:
        """Names of scans whose labels are in no file as they are now, the open one's first."""
        open_ = [self.controller.session] if self.controller is not None and self._open is not None else []
        known = dict.fromkeys((*open_, *self._kept.values(), *self._taken_out.sessions))  # some are among two of them
        return [session.volume.name for session in known if session.unsaved]

    @property
    def is_unsaved(self) -> bool:
        """Whether the open scan is among those."""
        return self._open is not None and self.controller is not None and self.controller.session.unsaved

    @property
    def canvas(self) -> OpenScan | None:
        """Our layers over the open scan and what the mouse means on it; None where no scan is open."""
        return self._open

    @property
    def tool(self) -> Tool | None:
        """The armed tool."""
        return None if self._open is None else self._open.prompts.mouse.tool

    @property
    def positive(self) -> bool:
        """Whether the next point says "this" or "not this"."""
        return self._open is None or self._open.prompts.positive

    # -- what the dock forwards

    def open_first(self) -> None:
        """Where a scan is in the viewer, work on the selected one, else the topmost."""
        scans = self.scans
        active = self.viewer.layers.selection.active
        if scans:
            self.open_scan(active if active in scans else scans[-1])

    def open_scan(self, layer: Image) -> None:
        """Work on this layer; all work on the last one is kept for coming back."""
        self._list.expect(None)
        if layer is self.scan:
            return
        try:
            session = self._session_on(layer)
        except SegsamError as error:
            self.refused.emit(str(error))
            return
        self._put_away()
        if show_alone(self.viewer.layers, layer):
            bring_to_slice(self.viewer.dims, Placement(session.volume, layer), session.view)
            self.viewer.reset_view(layers=[layer])
        self._place(layer, session)
        self.told.emit(self._farewell + notes_on(session.volume))
        self._farewell = ""

    def take_up(self, session: Session) -> None:
        """Go on with other work on the open scan; that until now is put away."""
        if self._open is not None:
            layer = self._open.layer
            self._put_away()
            self._place(layer, session)

    def set_modality(self, modality: str) -> None:
        """What kind of scan the open one is; labels, prompts and history stay."""
        if self.controller is None or self._open is None or self._open.placement.volume.modality == modality:
            return
        layer, session = self._open.layer, self.controller.session
        self._put_away()
        session.take_for(replace(session.volume, modality=modality, id=uuid4().hex))
        self._place(layer, session)

    def use_model(self, model: str, device: str) -> None:
        """Load a model on the inference thread; the last one answers until then."""
        self.refused.emit("")  # why the last one was refused says nothing of this one
        self.model.ask_for(model, device)
        if self.controller is not None:
            self.model.load_into(self.controller)

    def arm(self, tool: Tool | None) -> None:
        """Choose what a left click or drag on the canvas means; None gives the mouse back to napari."""
        if self._open is not None:
            self._open.prompts.mouse.arm(tool)
        self.tool_changed.emit()

    def _arm_first(self) -> None:
        """A point, unless the model takes boxes only."""
        predictor = None if self.controller is None else self.controller.predictor
        self.arm("box" if predictor is not None and predictor.takes == {"boxes"} else "point")

    def _take_model(self, predictor: Predictor) -> None:
        if predictor.takes == {"boxes"}:
            self._arm_first()

    def set_positive(self, positive: bool) -> None:
        """Whether the next point says "this" or "not this"."""
        if self._open is not None:
            self._open.prompts.positive = positive
        self.tool_changed.emit()

    def set_right_is_negative(self, negative: bool) -> None:
        """Whether a right click beside all prompts is a negative point."""
        self.right_is_negative = negative
        if self._open is not None:
            self._open.prompts.right_is_negative = negative

    def do(self, act: Callable[[Controller], object]) -> None:
        """Let the Controller act, where there is a scan to act on."""
        if self.controller is not None and self._open is not None:
            act(self.controller)

    @property
    def hidden(self) -> frozenset[int]:
        """Values of objects that are not shown."""
        return frozenset() if self._open is None or self.controller is None else self.controller.session.hidden

    def hide_object(self, value: int, hidden: bool) -> None:
        """Show an object of `labels` no longer, or again."""
        self.do(lambda controller: controller.hide(value, hidden))

    def go_to(self, value: int, k: int | None) -> None:
        """Work on an object again, and look at slice k across the voxel axis k where slices across it are shown."""
        self.do(lambda controller: controller.go_to(value))
        if self._open is not None and k is not None:
            self._open.look_at((2, k))

    def look_at(self, place: Place) -> None:
        """Scroll to a slice (axis, index) of the open scan, where slices across that axis are shown."""
        if self._open is not None:
            self._open.look_at(place)

    def open_path(self, path: Path) -> None:
        """Open a scan, or the series that the person picks of several; labels where a file holds those."""
        try:
            if self._open is not None and holds_labels(path):
                self.open_labels(path)
                return
            for data, attributes, kind in layers_at(path):
                self.viewer.add_layer(Layer.create(data, attributes, kind))
        except CancelledError:
            pass
        except SegsamError as error:
            self.refused.emit(str(error))

    def export_labels(self, path: Path, written: Format, codes: Path | None = None) -> None:
        """Write the committed labels as they are now; see :meth:`LabelFiles.export`."""
        if self._files is not None:
            self._files.export(path, written, self.origin, codes)

    def open_labels(self, path: Path) -> None:
        """Make what a file holds committed labels of the open scan; see :meth:`LabelFiles.bring_in`."""
        if self._files is not None and self._open is not None:
            self._files.bring_in(path, self.origin)

    def leave(self) -> None:
        """Stop while napari goes on: our layers go, but for what was committed, which a later dock takes up again."""
        self._put_away(leave_labels=True)
        self.close()

    def close(self) -> None:
        """Give mouse, keys and thread back; layers over a scan stay as they are. Closing twice is no harm."""
        if self._closed:
            return
        self._closed = True
        self._let_ours_go()
        if self._open is not None:
            self._open.let_go()
        self._keys.unbind()
        self._list.close()
        self._readout.close()
        self._open = None
        self.executor.shutdown()
        self.ended.emit()

    # -- the viewer

    def _owns(self, layer: Layer) -> bool:
        return layer in self._going or (self._open is not None and self._open.owns(layer))

    def _layer_came(self, _layer: Layer) -> None:
        if self._open is None:
            self.open_first()
            self._list.settle()

    def _scan_settled(self, scan: Image | None) -> None:
        self._let_ours_go()
        if scan is not None and scan is not self.scan:
            self.open_scan(scan)
        elif self._open is not None:
            self._open.select()
        else:
            self.open_first()  # the one that was expected may have been taken out as well

    def _layer_went(self, layer: Layer) -> None:
        self._keys.unbind(layer)
        if self._open is not None and self._open.forget(layer):
            self.told.emit(_GONE.format(name=layer.name))
        elif layer is self.scan:
            self.do(lambda controller: controller.through.cancel())
            # Where a person deletes several, napari stumbles over those that go meanwhile: ours go once it is done.
            self._going, labels = self._close_scan()
            self.scan_changed.emit()
            said = self._taken_out.add(self._kept[layer], labels)
            self.told.emit(said)
            self._farewell = said if self.scans else ""
            self._list.expect(self.scans[-1] if self.scans else None)
            self._list.settle()
        else:
            session = self._kept.get(layer)
            said = self._taken_out.forget(layer) if session is None else self._taken_out.add(session, None)
            if said:
                self._farewell = said if self._farewell else ""
                self.told.emit(said)

    def _seen(self) -> Iterator[Placement]:
        return seen(self.scans, None if self._open is None else self._open.placement)

    # -- opening and putting away

    def _work_on(self, session: Session) -> Controller:
        if self.controller is not None:
            self.controller.resume(session)
            return self.controller
        self.controller = Controller(session, None, self.executor, _embeddings())
        self._files = LabelFiles(self.controller, self.executor, self.told.emit, self.refused.emit)
        self.choice.follow(self.controller)
        self.controller.predictor_changed.connect(self._take_model)
        self.started.emit(self.controller)
        self.model.load_into(self.controller)
        return self.controller

    def _session_on(self, layer: Image) -> Session:
        """The work on a scan that was open before, or was taken out since, else new work."""
        kept = self._kept.get(layer)
        if kept is not None and kept not in self._taken_out.sessions:
            return kept
        volume = volume_of(layer)
        back = self._taken_out.come_back(volume)
        self._farewell = "" if back is not None else self._farewell
        is_in_use: Callable[[Layer], bool] = lambda other: self._owns(other) or self._taken_out.owns(other)  # noqa: E731
        return back or session_on(volume, self.viewer.layers, is_in_use)

    def _finish(self, session: Session) -> None:
        """All of it is saved, and its scan was taken out."""
        for layer in [layer for layer, kept in self._kept.items() if kept is session]:
            del self._kept[layer]
        self.finished.emit(session)

    def _place(self, layer: Image, session: Session) -> None:
        placement = Placement(session.volume, layer)
        bring_to_top(self.viewer.layers, layer)
        bring_into_view(self.viewer.dims, layer)
        view = placement.shown(self.viewer.dims.point, self.viewer.dims.displayed)
        if view is not None:
            session.look_at(view)
        self._open = OpenScan(self.viewer, placement, self._work_on(session), self.refused.emit, self._bind)
        self._open.prompts.right_is_negative = self.right_is_negative
        self._open.show()
        self._keys.bind(self.viewer)
        self._keys.bind(layer)
        self._arm_first()
        self.scan_changed.emit()

    def _put_away(self, *, leave_labels: bool = False) -> None:
        """Leave the scan, and keep the work on it; with ``leave_labels`` what was committed stays in the viewer."""
        if self._open is not None:
            self._going, _ = self._close_scan(leave_labels=leave_labels)
        self._let_ours_go()

    def _close_scan(self, *, leave_labels: bool = True) -> tuple[list[Layer], Labels | None]:
        """Leave the open scan, and keep the work on it; for what is returned see :meth:`ScanLayers.give_up`."""
        if self._open is None or self.controller is None:
            return [], None
        self._kept[self._open.layer] = self.controller.session
        left, self._open = self._open, None
        self._keys.unbind()
        return left.close(leave_labels=leave_labels)

    def _let_ours_go(self) -> None:
        """Take those layers out that had to stay while napari took their scan out."""
        going, self._going = self._going, []
        for layer in going:
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)

    def _show_choice(self) -> None:
        chosen = self.choice.suggestion
        if self._open is not None:
            self._open.look_closer(chosen)
            keys = f"{printed('accept')} accepts it, {printed('remove')} rejects it."
            self.told.emit(f"{spoken(chosen.name)} {chosen.score:.0%}: {keys}" if chosen else "")

    def _bind(self, layer: Layer, is_labels: bool) -> None:
        self._keys.bind(layer, is_committed_labels=is_labels)


def _embeddings() -> EmbeddingCache:
    """In memory, and beside the downloaded models on disk."""
    return EmbeddingCache(store=EmbeddingStore(cache_folder() / "embeddings"))
