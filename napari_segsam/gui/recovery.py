"""Recovery: keeps a journal of each scan's work, and offers back what an earlier window left unfinished."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Layer
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]  # qtpy's own gap

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.journal.fingerprint import Identity
from napari_segsam.engine.journal.folder import discard, remove_old
from napari_segsam.engine.journal.recorder import Recorder, Surroundings
from napari_segsam.engine.journal.replay import Restored, restore
from napari_segsam.engine.journal.unfinished import Unfinished, unfinished
from napari_segsam.engine.protocols import Executor, Predictor
from napari_segsam.engine.session import Session
from napari_segsam.gui.layer_data import Origin, layer_of
from napari_segsam.gui.waiting import CancelledError, wait_for
from napari_segsam.gui.workbench import Workbench
from napari_segsam.io.sandbox import read_volume

T = TypeVar("T")
LOG = logging.getLogger(__name__)
CHANGED = "{scan} is another scan now, so the unfinished work on it cannot be put back; it stays where it is."


class Recovery(QObject):
    """Journals of one workbench, from when it is made until the workbench ends.

    Args:
        workbench: whose sessions are journalled.
        executor: for the journals only, so that a change waits for no picture to be embedded.
        folder: where journals lie.

    Signals:
        offered(str, tuple[str, ...]): a sentence about unfinished work, and which answers to it there are, of
            :attr:`OfferBar.buttons`; an empty one where there is nothing to say.
    """

    offered = Signal(str, tuple)

    def __init__(self, workbench: Workbench, executor: Executor, folder: Path) -> None:
        super().__init__(workbench)  # it lives as long
        self._bench, self._executor, self._folder = workbench, executor, folder
        self._around = Surroundings(folder, executor, self._predictor, self._say)
        self._recorders: WeakKeyDictionary[Session, Recorder] = WeakKeyDictionary()
        self._offer: Unfinished | None = None
        self._found: list[Unfinished] = []  # on the open scan, newest first; the first is offered
        self._put_off: set[Path] = set()
        self._remark = ""  # said until the person has read it: at the next click the dock takes errors away
        self._wanted: Unfinished | None = None  # to be restored as soon as its scan is open
        workbench.scan_changed.connect(self._follow)
        workbench.finished.connect(self._finish)
        workbench.ended.connect(self.close)

    def start(self) -> None:
        """Remove old journals; where no scan is open, offer to open the one that was worked on last."""
        self._submit(partial(remove_old, self._folder), lambda _: None, "old")
        if self._bench.scan is None:
            self._submit(partial(_that_can_be_opened, self._folder), self._propose_scan, "look")

    def restore(self) -> None:
        """Put the offered work back; opens its scan first, where another one or none is open."""
        offer, session = self._take_offer(), self._session
        if offer is None:
            return
        if session is None:
            self._wanted = offer
            self._open(offer)
        else:
            self._restore(offer.journal, session)

    def discard(self) -> None:
        """Offer this work no more."""
        offer, session = self._take_offer(), self._session
        if offer is None:
            return
        if session is not None:
            self._recorders[session].begin()
        self._submit(partial(discard, offer.journal), lambda _: self._follow(), "discard")

    def put_off(self) -> None:
        """Ask again in the next window that opens the scan."""
        self._take_offer()
        self._put_off.update(found.journal for found in self._found)

    def have_read(self) -> None:
        """The person knows what could not be restored, or written."""
        self._say("")

    @property
    def keeps(self) -> bool:
        """Whether all that was done can be had back after the window is gone."""
        return not any(recorder.is_failing for recorder in self._recorders.values())

    def close(self) -> None:
        """Write what waits. Work that is neither saved nor without prompts stays unfinished."""
        self._executor.shutdown()
        for session, recorder in list(self._recorders.items()):
            recorder.end(finished=not (session.unsaved or session.uncommitted))

    # -- journals of what is open

    @property
    def _session(self) -> Session | None:
        bench = self._bench
        return None if bench.scan is None or bench.controller is None else bench.controller.session

    def _predictor(self) -> Predictor | None:
        return None if self._bench.controller is None else self._bench.controller.predictor

    def _follow(self) -> None:
        """Another scan is open: keep its journal, and look whether there is unfinished work on it."""
        self._found = []
        self._show(None)
        session = self._session
        if session is None:
            return
        if session not in self._recorders:
            origin = self._bench.origin
            read_from = () if origin is None else (origin.path.absolute(), origin.series)
            self._recorders[session] = Recorder(session, Identity(session.volume, *read_from), self._around)
        identity = self._recorders[session].identity
        self._submit(lambda: unfinished(self._folder, identity.fingerprint), partial(self._propose, session), "look")

    def _finish(self, session: Session) -> None:
        recorder = self._recorders.pop(session, None)
        if recorder is not None:
            self._submit(lambda: recorder.end(finished=True), lambda _: None, ("finished", id(recorder)))

    def _propose(self, session: Session, found: list[Unfinished]) -> None:
        if session is not self._session:
            return
        wanted, self._wanted = self._wanted, None
        if wanted is not None and wanted in found:
            self._restore(wanted.journal, session)
            return
        if wanted is not None and wanted.scan is not None:
            self._bench.refused.emit(CHANGED.format(scan=wanted.scan.name))
        self._found = [f for f in found if f.journal not in self._put_off]
        self._show(self._found[0] if self._found else None)

    def _propose_scan(self, found: list[Unfinished]) -> None:
        if self._bench.scan is None and found:
            self._show(found[0])

    # -- putting work back

    def _open(self, offer: Unfinished) -> None:
        scan = offer.scan or Path()
        try:
            volume = wait_for(
                lambda: read_volume(scan, series=offer.series, resample=offer.resampled), f"Reading {scan.name} …"
            )
        except CancelledError:
            return
        except SegsamError as error:
            self._bench.refused.emit(str(error))
            return
        self._bench.viewer.add_layer(Layer.create(*layer_of(volume, Origin(scan, offer.series))))

    def _restore(self, journal: Path, session: Session) -> None:
        identity = self._recorders[session].identity
        self._bench.told.emit("Restoring …")
        self._submit(lambda: restore(journal, identity), partial(self._take_up, session), "restore")

    def _take_up(self, replaced: Session, restored: Restored) -> None:
        layer = self._bench.scan
        if layer is None or replaced is not self._session:
            restored.journal.close()
            return
        left, session = self._recorders.pop(replaced), restored.session
        self._submit(lambda: left.end(finished=False), lambda _: None, ("left", id(left)))
        self._recorders[session] = Recorder(session, left.identity, self._around, restored.journal, restored.known)
        self._say(restored.remark)
        _scroll_to(self._bench.viewer.dims, layer, session.view)
        self._bench.take_up(session)
        self._bench.told.emit("")

    # -- the offer

    def _take_offer(self) -> Unfinished | None:
        offer = self._offer
        self._show(None)
        return offer

    def _say(self, remark: str) -> None:
        self._remark = remark
        self._show(self._offer)

    def _show(self, offer: Unfinished | None) -> None:
        self._offer = offer
        if self._remark:
            self.offered.emit(self._remark, ("read",))
        elif offer is None:
            self.offered.emit("", ())
        else:
            scan = "this scan" if self._session else offer.scan.name if offer.scan else "a scan"
            answers = ("discard", "later") if offer.objects is None else ("restore", "discard", "later")
            self.offered.emit(in_words(offer, scan, datetime.now().astimezone()), answers)

    def _submit(self, job: Callable[[], T], done: Callable[[T], None], key: object) -> None:
        def failed(error: BaseException) -> None:
            if not isinstance(error, SegsamError):
                LOG.error("Unfinished work could not be handled", exc_info=error)
            self._bench.told.emit("")
            self._bench.refused.emit(str(error) or type(error).__name__)

        self._executor.submit(job, done, failed, key=("recovery", key))


def in_words(offer: Unfinished, scan: str, now: datetime) -> str:
    """What a person reads, e.g. "Unfinished work on this scan from 14:32 (5 objects)."."""
    then = offer.time.astimezone(now.tzinfo)
    when = f"{then:%H:%M}" if then.date() == now.date() else f"{then:%d %B, %H:%M}"
    if offer.objects is None:
        return f"Unfinished work on {scan} from {when} is damaged and cannot be restored."
    objects = {0: "nothing committed yet", 1: "1 object"}.get(offer.objects, f"{offer.objects} objects")
    return f"Unfinished work on {scan} from {when} ({objects})."


def _that_can_be_opened(folder: Path) -> list[Unfinished]:
    """Unfinished work on any scan that is still where it was read from."""
    return [f for f in unfinished(folder) if f.objects is not None and f.scan is not None and f.scan.exists()]


def _scroll_to(dims: Any, layer: Layer, view: SliceView) -> None:
    """Make this slice of a scan the visible one, across whatever axis it lies."""
    if layer.ndim < 3:
        return
    axis, others = view.depth_axis + dims.ndim - 3, list(range(dims.ndim))
    others.remove(axis)
    if axis in dims.displayed and dims.ndisplay == 2:
        dims.order = (*others[:-2], axis, *others[-2:])
    point = np.zeros(3)
    point[view.depth_axis] = view.display_depth
    dims.set_point(axis, layer.data_to_world(point)[view.depth_axis])
