"""Recorder: hears what happens to a session and has it written to its journal, off the thread that works."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from napari_segsam.core.errors import SegsamError
from napari_segsam.engine.history import Step
from napari_segsam.engine.journal.fingerprint import Identity
from napari_segsam.engine.journal.folder import new_path, retire
from napari_segsam.engine.journal.journal import Journal
from napari_segsam.engine.journal.packing import Json, Packer, Parcel
from napari_segsam.engine.protocols import Executor, Predictor
from napari_segsam.engine.session import Session

LOG = logging.getLogger(__name__)
FORMAT = 1
"""Of the records; another number is refused."""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What a recorder has besides its session.

    Attributes:
        folder: of journals.
        executor: runs what takes long, one job at a time; nothing else should make these wait.
        predictor: the model in use, None while there is none.
        failed: gets one sentence when the journal cannot be written.
        clock: seconds, for how long a person took.
    """

    folder: Path
    executor: Executor
    predictor: Callable[[], Predictor | None]
    failed: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, eq=False)
class Told:
    """One thing that happened, as it was when it did.

    Attributes:
        head: what is plain already.
        step: what was entered, None where nothing was.
    """

    head: dict[str, Json]
    step: Step | None


class Recorder:
    """From when it is made until `end`. The first step makes the file: looking at a scan leaves no trace.

    Every step is handed over as it is, since its values never change; packing, compressing and the disk are the
    executor's. What cannot be written now waits and is tried again with the next step.
    """

    def __init__(
        self,
        session: Session,
        identity: Identity,
        around: Surroundings,
        journal: Journal | None = None,
        known: tuple[object, ...] = (),
    ) -> None:
        """Start to listen.

        Args:
            session: from when nothing was done to it yet, or as ``journal`` left it. It may have unsaved labels,
                which an earlier dock left in the viewer and has in a journal of its own.
            identity: of its scan.
            around: where to write, on which thread, and who hears of it.
            journal: to go on with.
            known: the objects that are in it already.
        """
        self.identity = identity
        self._session, self._around, self._journal = weakref.ref(session), around, journal
        self._packer = Packer(known)
        self._base, self._start = session.labels.voxels if session.labels.labels else None, session.moment
        self._waiting: deque[Told] = deque()
        self._frame: bytes | None = None  # of the oldest one that waits
        self._writing = threading.Lock()
        self._is_failing, self._ended, self._since = False, False, around.clock()
        session.happened.connect(self.hear)
        if journal is not None:
            self.hear("resume", None)

    def begin(self) -> None:
        """Make the file now, where there are unsaved labels: no other journal has them any more."""
        session = self._session()
        if session is not None and session.unsaved:
            self._note(session, "mark", None)

    @property
    def path(self) -> Path | None:
        """Of the journal, once there is one."""
        return None if self._journal is None else self._journal.path

    def hear(self, deed: str, step: Step | None) -> None:
        """Something happened to the session; see :attr:`Session.happened`. Takes microseconds, whatever its size."""
        session = self._session()
        if deed == "reset":
            self.end(finished=False)
        begun = self._journal is not None or self._waiting
        if session is not None and (begun or step is not None):
            self._note(session, deed, step)

    def _note(self, session: Session, deed: str, step: Step | None) -> None:
        if not self._ended:
            self._waiting.append(Told(self._head(session, deed, step), step))
            self._around.executor.submit(self.flush, self._written, self._failed, key=("journal", id(self)))

    def flush(self) -> None:
        """Write what waits by now, on any thread; it survives a crash of the machine when this returns.

        Raises:
            WriteError: it waits still.
        """
        with self._writing:
            waiting = len(self._waiting)  # not what comes meanwhile: there might be no end
            if not waiting:
                return
            journal = self._journal or self._begin(self._waiting[0])
            for _ in range(waiting):
                self._frame = self._frame or journal.frame(self._packed(self._waiting[0]).chunks())
                journal.add(self._frame)
                self._frame = None
                self._waiting.popleft()
            journal.sync()

    @property
    def is_failing(self) -> bool:
        """Whether what was done last could not be written."""
        return self._is_failing

    def end(self, *, finished: bool) -> None:
        """Write the rest and hear no more. Work that is not ``finished`` is offered when its scan is opened again."""
        if self._ended:
            return
        self._ended = True
        try:
            self.flush()
        except SegsamError as error:
            self._failed(error)
        if self._journal is not None:
            self._journal.close()
            if finished:
                retire(self._journal.path)

    def _head(self, session: Session, deed: str, step: Step | None) -> dict[str, Json]:
        now, model, window = self._around.clock(), self._around.predictor(), session.window
        seconds, self._since = now - self._since, now
        return {
            "deed": deed,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "seconds": round(seconds, 3),
            "class": session.class_name,
            "model": None if model is None else [model.name, model.sha256],
            "slice": list(session.place),
            "window": None if window is None else [window.centre, window.width, window.name],
            "modality": session.volume.modality,
            "unsaved": session.unsaved,
            "objects": len(session.labels.labels),
        }

    def _begin(self, first: Told) -> Journal:
        """Make the file, and its first record: what is needed to open the scan again, and what was there."""
        scan = self.identity
        journal = Journal.create(new_path(self._around.folder, scan.fingerprint))
        parcel = Parcel(
            {
                "format": FORMAT,
                "time": first.head["time"],
                "fingerprint": scan.fingerprint,
                "shape": list(scan.volume.grid.shape),
                "affine": scan.volume.grid.affine.tolist(),
                "path": None if scan.path is None else str(scan.path),
                "series": scan.series,
                "resampled": bool(scan.volume.resampled),
            }
        )
        parcel.head |= {
            "state": self._packer.pack(self._start, parcel),
            "labels": self._packer.pack(self._base, parcel),
        }
        try:
            journal.add(journal.frame(parcel.chunks()))
        except SegsamError:
            journal.close()
            journal.path.unlink(missing_ok=True)
            self._packer = Packer()
            raise
        self._journal, self._base = journal, None
        return journal

    def _packed(self, told: Told) -> Parcel:
        parcel, step = Parcel(dict(told.head)), told.step
        if step is not None:
            parcel.head |= {"name": step.name, "after": self._packer.pack(step.after, parcel)}
        if step is not None and told.head["deed"] in ("do", "amend"):
            parcel.head |= {
                "place": self._packer.pack(step.place, parcel),
                "before": self._packer.pack(step.before, parcel),
                "patch": self._packer.pack(step.patch, parcel),
            }
        return parcel

    def _written(self, _: None) -> None:
        self._is_failing = False

    def _failed(self, error: BaseException) -> None:
        """The person hears of it once, not at each click."""
        if not isinstance(error, SegsamError):
            LOG.error("The journal cannot be written", exc_info=error)
        if not self._is_failing:
            self._is_failing = True
            self._around.failed(str(error) or type(error).__name__)
