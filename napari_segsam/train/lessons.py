"""Lessons: what a person commits is taught in the background to a model that learns. Neither Qt nor torch."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.packed import PackedMask
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Volume
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.history import State, Step
from napari_segsam.engine.protocols import Executor, Predictor
from napari_segsam.engine.session import Session

LOG = logging.getLogger(__name__)
AT_MOST = 8
"""Corrections that wait; the oldest is left out where more come than can be learnt from."""
_AFTER_NEIGHBOURS = 100
"""Whatever a person waits for goes first, and so do the slices next to the visible one; not the rest of the scan's."""


@runtime_checkable
class Learns(Protocol):
    """What a predictor that learns has beside the Predictor protocol, see :class:`LearningPredictor`."""

    learns: bool

    @property
    def takes(self) -> frozenset[str]:
        """See ``Predictor.takes``; where it takes none there is nothing to learn."""

    @property
    def alpha(self) -> float:
        """The model's share in the next answer, 0..1."""

    @property
    def lacks(self) -> int:
        """How many more objects it has to learn from before any answer is fused."""

    @property
    def corrections(self) -> int:
        """How many objects it has learnt from."""

    def lesson(
        self, view: SliceView, prompts: Prompts, corrected: NDArray[np.bool_], of: Hashable = None
    ) -> Iterator[None]:
        """Learn from one correction in short pieces, on the thread that runs the model."""

    def forget(self) -> None:
        """Begin anew, on that thread."""


@dataclass(frozen=True, eq=False)
class Correction:
    """An object on one slice, as a person left it.

    Attributes:
        view: the slice.
        prompts: that led to it.
        mask: (rows, cols) packed.
    """

    view: SliceView
    prompts: Prompts
    mask: PackedMask


class Lessons:
    """Follows a controller: every commit is a lesson for its model, and so is every stroke on what was committed.

    Its methods belong to the thread that the controller belongs to; it has to be kept by whoever makes it. Undo
    unlearns nothing. What another model has learnt is lost with it; another scan goes on with the same learner.

    Signals:
        changed(): ask `learner` for its numbers, and `trouble`.

    Attributes:
        trouble: why the model could not learn from what was committed last, for a person; empty where it could.
    """

    changed = Signal()

    def __init__(self, controller: Controller, executor: Executor) -> None:
        """``executor``: the one that runs the controller's model."""
        self._controller, self._executor = controller, executor
        self._session: Session | None = None
        self._waiting: dict[Hashable, Correction] = {}
        self._lesson: Iterator[None] | None = None  # under way
        self._learns, self.trouble = False, ""
        controller.opened.connect(self._follow)
        controller.predictor_changed.connect(self._take)
        self._follow(controller.session.volume)
        if controller.predictor is not None:
            self._take(controller.predictor)

    @property
    def learner(self) -> Learns | None:
        """The model in use, where it can learn: what it learns are answers to prompts."""
        predictor: object = self._controller.predictor
        return predictor if isinstance(predictor, Learns) and predictor.takes else None

    @property
    def learns(self) -> bool:
        """Whether a person wants to be learnt from."""
        return self._learns

    def learn(self, learns: bool) -> None:
        """Learn from what is committed from now on, or no longer; what was learnt is kept, and used only with True."""
        self._learns = learns
        if self.learner is not None:
            self.learner.learns = learns
        if not learns:
            self._stop()
        self.changed.emit()

    def forget(self) -> None:
        """The model shall answer alone again, and learn anew, from what is corrected after this."""
        self._stop()
        if self.learner is not None:
            forget = self.learner.forget
            self._executor.submit(forget, lambda _: self._tell(""), lambda e: self._tell(_why(e)), key="forget")

    # -- what the person does
    def _follow(self, _volume: Volume) -> None:
        if self._session is not None:
            self._session.happened.disconnect(self._hear)
        self._session = self._controller.session
        self._session.happened.connect(self._hear)

    def _take(self, _predictor: Predictor) -> None:
        """Another model: it knows nothing yet."""
        self._stop()
        self.learn(self._learns)

    def _hear(self, deed: str, step: Step | None) -> None:
        if not self._learns or self.learner is None or self._session is None:
            return
        if step is None or step.place is None or deed not in ("do", "amend"):
            return
        labels, view = self._session.labels.voxels, SliceView(self._session.volume, *step.place)
        for value, prompts in _settled(step):
            mask, key = np.asarray(view.of(labels) == value), (view.volume.id, value, *step.place)
            if mask.any():
                self._waiting.pop(key, None)  # the newest goes to the end
                self._waiting[key] = Correction(view, prompts, PackedMask.of(mask))
        while len(self._waiting) > AT_MOST:
            del self._waiting[next(iter(self._waiting))]
        if self._lesson is None:
            self._next()

    # -- learning, one piece a job
    def _next(self) -> None:
        """Begin with the correction that waits longest."""
        self._lesson = None
        if self._waiting and self.learner is not None:
            of = next(iter(self._waiting))
            what = self._waiting.pop(of)
            self._go_on(self.learner.lesson(what.view, what.prompts, what.mask.mask, of))

    def _go_on(self, lesson: Iterator[None]) -> None:
        self._lesson = lesson

        def piece() -> bool | None:
            """Runs on the executor."""
            return next(lesson, True) if lesson is self._lesson else True

        def done(is_over: bool | None) -> None:
            if lesson is not self._lesson:
                return
            if is_over:
                self._end("")
            else:
                self._go_on(lesson)

        def failed(error: BaseException) -> None:
            if lesson is self._lesson:
                self._end(_why(error))

        self._executor.submit(piece, done, failed, key="lesson", priority=_AFTER_NEIGHBOURS)

    def _end(self, trouble: str) -> None:
        self._tell(trouble)
        self._next()

    def _tell(self, trouble: str) -> None:
        self.trouble = trouble
        self.changed.emit()

    def _stop(self) -> None:
        self._waiting.clear()
        self._lesson = None


def _why(error: BaseException) -> str:
    """Why nothing was learnt, for a person."""
    if isinstance(error, SegsamError):
        return str(error)
    LOG.error("A correction could not be learnt from", exc_info=error)
    return f"It could not be learnt from: {type(error).__name__}; the log has the details."


def _settled(step: Step) -> Iterator[tuple[int, Prompts]]:
    """Objects that a step left as a person wants them on its slice, and the prompts that they came of.

    These are what was committed, and what a brush or a tool changed of what had been. What was carried on, filled in
    or suggested has no prompts there.
    """
    place, now, then = step.place, step.after.current, step.before.current
    if place is None or step.patch is None:
        return
    committed = now.footprints.get(place)
    if committed is not None and committed is not then.footprints.get(place):
        if committed.prompts:
            yield now.value, committed.prompts
    elif _same_objects(step.before, step.after):
        for value in np.unique(np.concatenate([step.patch.before, step.patch.after])).tolist():
            known = step.after.object(value).footprints.get(place)
            if known is not None and known.prompts:
                yield value, known.prompts


def _same_objects(before: State, after: State) -> bool:
    """Whether a step changed voxels alone."""
    return before.current is after.current and before.others is after.others
