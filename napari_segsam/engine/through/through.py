"""Through: what is done to the current object on many slices at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from psygnal import Signal

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.prompts import Box, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import spoken
from napari_segsam.engine.conversation import Conversation
from napari_segsam.engine.history import Step
from napari_segsam.engine.objects import named, place_of
from napari_segsam.engine.telling import Telling
from napari_segsam.engine.through import tidy
from napari_segsam.engine.through.carrying import carry, slices_beyond
from napari_segsam.engine.through.filling import Change, Mask, Tidy, Work, at_once, fill_between
from napari_segsam.engine.through.filling import tidy as tidied
from napari_segsam.engine.through.propagate import Propagation
from napari_segsam.engine.through.run import Job, Progress, Run, Way

if TYPE_CHECKING:
    from napari_segsam.engine.controller import Controller

Act = Literal["propagate", "interpolate", "tidy slice", "tidy object"]


class Through:
    """One run at a time, in jobs so short that whatever the person does meanwhile goes first.

    A run is one entry of the history; where the person does something else in between, what comes later is another. It
    ends at once where it would go on wrongly: another scan, model or window, the object deleted or locked, or undo.

    Signals:
        progress_changed(Progress): how far the run is, and in the end why it ended.
        drawn(SliceView): a slice was drawn, in the order in which they come.
    """

    progress_changed = Signal(Progress)
    drawn = Signal(SliceView)

    def __init__(
        self, controller: Controller, conversation: Conversation, tell: Telling, follow: Callable[[Step], None]
    ) -> None:
        """A part of ``controller``, which is told of each step through ``follow``."""
        self._controller, self._conversation, self._tell, self._follow = controller, conversation, tell, follow
        self._run: Run | None = None
        self._way: Way | None = None
        self._answers: list[Any] = []
        self._is_going_on = False
        self._looked_at: tuple[object, bool] = None, False
        controller.history_changed.connect(self.check)

    @property
    def progress(self) -> Progress | None:
        """Of the run that goes on, None where none does."""
        return None if self._run is None else self._run.progress()

    def hindrance(self, act: Act) -> str:
        """Why this cannot be done now, a sentence; empty where it can."""
        session = self._controller.session
        view, name = session.view, spoken(session.name_of(session.value))
        if self._run is not None:
            return f"{self._run.title} goes on; stop it first."
        if session.standing(session.value).locked:
            return f"{name} is locked; unlock it first."
        if act in ("propagate", "interpolate") and view.volume.grid.shape[view.axis] == 1:
            return "This image has one slice only across this plane; there is no other to go to."
        if act == "propagate":
            return self._hindrance_to_propagate()
        if session.value not in session.labels.labels:
            return "Nothing of this object is committed yet; commit it first."
        if act == "tidy slice" and not self._is_on_slice:
            return f"Nothing of {name} is committed on {named(session.place)}; commit it there, or choose whole object."
        return ""

    # -- what a person asks for
    def propagate(self, direction: int | None = None, at_most: int | None = None) -> None:
        """Carry the object on from the visible slice, slice by slice, for as long as its mask can be believed.

        It begins with the shown mask, which is committed first, else with what is committed there; where the slices
        beside that have the object already, with the last of them. It stops where the object is drawn already.

        Args:
            direction: +1 or -1 along the voxel axis; None for first the one, then the other.
            at_most: slices in each direction; None where only doubt ends it.
        """
        self._begin("propagate", lambda: self._carrying((direction,) if direction else (1, -1), at_most))

    def interpolate(self) -> None:
        """Fill the slices that have nothing of the object, and lie across the visible plane between those that do."""
        self._begin("interpolate", self._filling)

    def smooth(self, sigma_mm: float, *, whole: bool = False) -> None:
        """Round off what is finer than about ``sigma_mm``, on the visible slice or of the ``whole`` object."""
        self._tidy("smooth", lambda mask, mm: tidy.smoothing(mask, mm, sigma_mm), whole)

    def fill_holes(self, *, whole: bool = False) -> None:
        """Close every hole, on the visible slice or of the ``whole`` object; what others have in it stays theirs."""
        self._tidy("fill holes of", lambda mask, _mm: at_once(tidy.fill_holes, mask), whole)

    def remove_islands(self, below: float, *, whole: bool = False) -> None:
        """Take away parts smaller than ``below`` mm² on the visible slice, or mm³ of the ``whole`` object."""

        def without(mask: Mask, spacing_mm: tuple[float, ...]) -> Work[Mask]:
            return at_once(lambda m: tidy.without_islands(m, spacing_mm, below), mask)

        self._tidy("remove islands of", without, whole)

    def cancel(self) -> None:
        """Go no further; what was drawn stays, and is one entry of the history."""
        if self._run is not None:
            self._end("Stopped, as asked." + (" Undo takes away what was drawn." if self._run.done else ""))

    def check(self) -> bool:
        """End the run where it must not go on; whether it ended."""
        hindrance = "" if self._run is None else self._run.hindrance
        if hindrance:
            self._end(hindrance)
        return bool(hindrance)

    # -- how a run is made
    def _carrying(self, directions: tuple[int, ...], at_most: int | None) -> tuple[Run, Way]:
        session = self._controller.session
        view = self._last_drawn(directions[0]) if len(directions) == 1 else session.view
        ahead = [slices_beyond(view, direction) for direction in directions]
        planned = sum(n if at_most is None else min(n, at_most) for n in ahead)
        run = Run(self._conversation, self._follow, "propagate", planned, asks=True)
        if session.uncommitted_here:
            self._tell.committed(run.commit())
        mask, said = run.voxels_on(view), session.class_name
        name = said and (session.vocabulary.canonical(said) or said)
        asking = self._conversation.asking(view, Prompts(box=Box.around(mask)))
        return run, carry(
            run, lambda: Propagation.begin(asking(), view, mask, 1, name), directions, at_most, self.drawn.emit
        )

    def _last_drawn(self, direction: int) -> SliceView:
        """The visible slice, or where its mask is committed, the last one from there on without a gap."""
        session = self._controller.session
        view = session.view
        while not session.uncommitted_here and slices_beyond(view, direction):
            beyond = replace(view, index=view.index + direction)
            if not (beyond.of(session.labels.voxels) == session.value).any():
                break
            view = beyond
        return view

    def _filling(self) -> tuple[Run, Way]:
        run = Run(self._conversation, self._follow, "interpolate", 0)
        return run, fill_between(run, self.drawn.emit)

    def _tidy(self, verb: str, change: Tidy, whole: bool) -> None:
        def made() -> tuple[Run, Way]:
            run = Run(self._conversation, self._follow, verb, 0)
            where = "" if whole else f" on {named(self._controller.session.place)}"
            return run, tidied(run, change, partial(self._write, run, f"{run.title}{where}"), whole=whole)

        self._begin("tidy object" if whole else "tidy slice", made)

    def _write(self, run: Run, title: str, change: Change) -> None:
        """As a brush would; what lay under the voxels that go comes back."""
        flat = run.session.labels.voxels.reshape(-1)
        indices = np.concatenate([change.added, change.removed])
        before = flat[indices]
        flat[change.added], flat[change.removed] = run.value, change.beneath
        self._controller.record_stroke(indices, before, title, place_of(run.view))

    # -- how a run goes on
    def _begin(self, act: Act, make: Callable[[], tuple[Run, Way]]) -> None:
        try:
            self._conversation.holding.check_free()
            hindrance = self.hindrance(act)
            if hindrance:
                raise SegsamError(hindrance)
            self._run, self._way = make()
            self._answers.clear()
        except SegsamError as error:
            self._controller.failed.emit(str(error))
            return
        self._go_on(self._run, None)

    def _go_on(self, run: Run, answer: object) -> None:
        """Use what a job gave, and have the next one done; where that is answered at once, in a loop."""
        if run is not self._run:
            return
        self._answers.append(answer)
        if self._is_going_on:
            return
        self._is_going_on = True
        try:
            while self._answers:
                self._use(self._answers.pop())
        except BaseException:
            self._end("Stopped: the program failed.")
            raise
        finally:
            self._is_going_on = False

    def _use(self, answer: object) -> None:
        run, way = self._run, self._way
        if run is None or way is None or self.check():
            return
        try:
            job = way.send(answer)
        except StopIteration as end:
            self._end(str(end.value))
        except SegsamError as error:
            self._lose(run, str(error))
        else:
            self._have_done(run, job)

    def _have_done(self, run: Run, job: Job) -> None:
        if run is self._run:  # who heard of the last slice may have ended it
            self.progress_changed.emit(run.progress())
            wanted = partial(self._unless_over, run, job)
            self._conversation.work(wanted, partial(self._go_on, run), partial(self._lose, run))

    def _unless_over(self, run: Run, job: Job) -> object:
        """Runs on the executor."""
        return job() if run is self._run else None

    def _lose(self, run: Run, why: str) -> None:
        """A job failed."""
        if run is self._run:
            self._end(f"Stopped: {why}")
            self._controller.failed.emit(why)

    def _end(self, reason: str) -> None:
        run, self._run, self._way = self._run, None, None
        if run is not None:
            self.progress_changed.emit(run.progress(reason))
            self._tell.say(f"{run.title[0].upper()}{run.title[1:]}: {reason}")

    # -- what there is to begin with
    @property
    def _is_on_slice(self) -> bool:
        """Whether the object has voxels on the visible slice; looked at once, for a large slice takes milliseconds."""
        session = self._controller.session
        at = session, session.revision, session.place, session.value
        if at != self._looked_at[0]:
            self._looked_at = at, bool((session.view.of(session.labels.voxels) == session.value).any())
        return self._looked_at[1]

    def _hindrance_to_propagate(self) -> str:
        session = self._controller.session
        if self._controller.predictor is None:
            return "There is no model yet; wait until it is loaded, or choose one."
        if session.uncommitted_here:
            return "" if session.answered else "The model has not answered the newest prompt yet; wait for its mask."
        if not self._is_on_slice:
            return f"Nothing of this object is on {named(session.place)}; click it first."
        return ""
