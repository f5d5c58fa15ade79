"""Replay: the records of a journal, one after another, into what they left; no model is asked, no voxel computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.labels import MAX_LABEL, LabelMap
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import spoken
from napari_segsam.core.volume import Volume, Window
from napari_segsam.engine.history import History, State, Step
from napari_segsam.engine.journal.fingerprint import Identity
from napari_segsam.engine.journal.journal import Contents, Journal
from napari_segsam.engine.journal.packing import BadParcelError, Json, Unpacker
from napari_segsam.engine.journal.recorder import FORMAT
from napari_segsam.engine.session import Session

OTHER_VERSION = "The journal was written by another version of SEG-SAM; open it with that one, or discard it."
OTHER_SCAN = "The journal belongs to another scan; nothing was changed."
CUT = "The last change was not wholly on the disk and is missing."
DAMAGED = "The journal is damaged: what was done after {time} (UTC) is missing."


@dataclass(frozen=True, eq=False)
class Deed:
    """One record.

    Attributes:
        kind: "do", "amend", "undo", "redo", "mark" or "resume"; see :attr:`Session.happened`.
        head: what else it says, as :class:`~napari_segsam.engine.recorder.Recorder` wrote it.
        step: what was entered, None where nothing was.
    """

    kind: str
    head: dict[str, Json]
    step: Step | None


@dataclass(frozen=True, eq=False)
class Restored:
    """A session as it was.

    Attributes:
        session: on the scan that was given.
        journal: open, to go on with.
        known: the objects that are in it.
        remark: what of it could not be restored, in a sentence; empty where all was.
    """

    session: Session
    journal: Journal
    known: tuple[object, ...]
    remark: str


class Replay:
    """What a journal's records, followed one after another, left behind.

    Attributes:
        header: of its first record: which scan this is.
        history: undone and redone as it was.
        state: after the last deed.
        objects: all that were packed; what was one object is one object again.
    """

    def __init__(self, contents: Contents) -> None:
        """Read the first record.

        Raises:
            UnreadableInputError: another version wrote it.
        """
        self._contents, self._unpacker = contents, Unpacker()
        with _Understood():
            self.header = self._unpacker.open(contents.payload(0))
            if self.header["format"] != FORMAT:
                raise BadParcelError("another format")
            self.state: State = self._unpacker.value(self.header["state"])
            self._base = self._unpacker.value(self.header["labels"])
        self.history = History()

    @property
    def objects(self) -> tuple[object, ...]:
        """See the class."""
        return tuple(self._unpacker.objects)

    def labels_on(self, volume: Volume) -> LabelMap:
        """What the session began with.

        It was written while the first steps were taken, so it may hold some of their voxels, and those of a brush
        stroke that never ended: the steps write theirs again, and values that had no name go.

        Raises:
            UnreadableInputError: it lies on another grid.
        """
        if tuple(self.header["shape"]) != volume.grid.shape:
            raise UnreadableInputError(OTHER_SCAN)
        if self._base is None:
            return LabelMap(volume.grid)
        named = np.zeros(MAX_LABEL + 1, np.uint16)
        named[list(self.state.names)] = list(self.state.names)
        for slab in self._base:
            slab[...] = named[slab]
        return LabelMap(volume.grid, self._base)

    def deeds(self) -> Iterator[Deed]:
        """Follow every record.

        Raises:
            UnreadableInputError: another version wrote it.
        """
        for number in range(1, len(self._contents.payloads)):
            with _Understood():
                deed = self._follow(self._unpacker.open(self._contents.payload(number)))
            yield deed

    def _follow(self, head: dict[str, Json]) -> Deed:
        kind, value = head["deed"], self._unpacker.value
        step: Step | None = None
        if kind in ("do", "amend"):
            step = Step(_spoken(head["name"]), *(value(head[part]) for part in ("place", "before", "after", "patch")))
            self.history.push(step) if kind == "do" else self.history.amend(step)
        elif kind in ("undo", "redo"):
            step = self.history.undo() if kind == "undo" else self.history.redo()
        elif kind not in ("mark", "resume"):
            raise BadParcelError(f"nothing is called {kind}")
        if step is not None and (step.before is not self.state or step.after is not value(head["after"])):
            raise BadParcelError("a step does not follow the one before it")
        self.state = self.state if step is None else step.after
        return Deed(kind, head, step)


def _spoken(title: str) -> str:
    """Older versions wrote classes as files have them, ``commit kidney_left``; the name of a file stays as it is."""
    return " ".join(word if "." in word else spoken(word) for word in title.split(" "))


def restore(path: Path, scan: Identity) -> Restored:
    """Take up the work that a journal holds, exactly as it was; only what a model said must be asked anew.

    Args:
        path: of the journal; on return it is ours to go on with.
        scan: what is open.

    Raises:
        UnreadableInputError: it is of another scan or another version, damaged from its start, or open elsewhere.
    """
    journal, contents = Journal.go_on(path)
    try:
        replay = Replay(contents)
        if replay.header["fingerprint"] != scan.fingerprint:
            raise UnreadableInputError(OTHER_SCAN)
        labels, last = replay.labels_on(scan.volume), replay.header
        for deed in replay.deeds():
            last = deed.head
            if deed.step is not None and deed.step.patch is not None:
                labels.apply(deed.step.patch)
        with _Understood():
            session = _session(scan.volume, labels, replay, last)
    except UnreadableInputError:
        journal.close()
        raise
    return Restored(session, journal, replay.objects, _remark(contents, last))


def _session(volume: Volume, labels: LabelMap, replay: Replay, last: dict[str, Json]) -> Session:
    seen = volume if "modality" not in last else replace(volume, modality=last["modality"])
    session = Session(seen, labels)
    session.labels.labels.clear()
    # Names as they were, whatever a session that begins would make of them.
    session.labels.labels.update(sorted(replay.state.names.items()))
    session.take_up(replay.state, replay.history, unsaved=last.get("unsaved", False))
    if "slice" in last:
        session.look_at(SliceView(seen, *last["slice"]))
        session.look_through(None if last["window"] is None else Window(*last["window"]))
    return session


def _remark(contents: Contents, last: dict[str, Any]) -> str:
    if contents.beyond:
        return DAMAGED.format(time=str(last["time"])[:19].replace("T", " "))
    return CUT if contents.torn else ""


class _Understood:
    """What another version wrote is no bug of this one: it is said in a sentence."""

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _where: object) -> None:
        if isinstance(error, (ValueError, TypeError, LookupError, AttributeError)):
            raise UnreadableInputError(OTHER_VERSION) from error
