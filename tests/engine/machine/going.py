"""What goes on through the slices in the machine, while a person does anything else."""

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import rule

from napari_segsam.core.slices import SliceView
from napari_segsam.engine.jobs import WORK
from napari_segsam.engine.objects import Drawn
from napari_segsam.engine.through import tidy
from napari_segsam.engine.through.interpolate import interpolate
from napari_segsam.engine.through.propagate import Carried
from tests.engine.machine.oracle import SHAPE, Oracle, fraction
from tests.engine.machine.working import Working


@dataclass
class Going:
    """What goes on through the slices: on which object, with what job, and which entry of the past is its own."""

    kind: str
    value: int
    view: SliceView
    entry: Oracle | None
    is_begun: bool = False
    job: object = None
    revision: int = 0
    last: int = -1
    change: object = None  # of a mask, where it is tidied
    whole: bool = False


class GoingOn(Working):
    """Propagation, interpolation and tidying, and what each of their answers may draw."""

    def end_going(self, ends):
        if ends:
            self.going = None

    def can_begin(self):
        return self.going is None and self.oracle.value not in self.oracle.locked

    def begin_going(self, kind, **more):
        """It goes on if it has a job."""
        self.going = Going(kind, self.oracle.value, self.session.view, self.past[-1] if self.past else None, **more)
        self.find_job()

    def find_job(self):
        self.going.revision = self.session.revision
        self.going.job = next((j for j in self.executor.waiting if j.key == WORK), None)
        if self.controller.through.progress is None:
            assert self.going.job is None
            self.going = None

    @rule(direction=st.sampled_from([1, -1, None]), at_most=st.sampled_from([1, 2, None, None]))
    def propagate(self, direction, at_most):
        session, oracle, shown = self.session, self.oracle, self.session.prediction
        named, fresh = set(session.labels.labels), session.uncommitted_here
        mask = shown.mask if fresh and session.answered else np.asarray(session.view.of(oracle.labels) == oracle.value)
        ready = self.can_begin() and (session.answered or not fresh) and bool(mask.any())
        ready = ready and (not fresh or bool(oracle.free_of_locked(session.view, mask).any()))
        assert self.act(self.controller.through.propagate, direction, at_most) == (ready and fresh)
        assert (self.controller.through.progress is not None) == (ready or self.going is not None)
        if ready and fresh:
            oracle.commit(session.view, mask, oracle.value, named)
        if ready:
            last = session.view.index if fresh or direction is None else self.last_drawn(session.view, direction)
            self.begin_going("propagate", is_begun=fresh, last=last)

    def last_drawn(self, view, direction):
        """Where what is drawn of the object without a gap ends, from a slice on."""
        others = tuple(axis for axis in range(3) if axis != view.axis)
        drawn = (self.oracle.labels == self.oracle.value).any(others)
        beyond = drawn[view.index :] if direction > 0 else drawn[view.index :: -1]
        return view.index + direction * (int(np.argmin([*beyond, False])) - 1)

    @rule()
    def interpolate(self):
        ready = self.can_begin() and self.oracle.value in self.session.labels.labels
        assert not self.act(self.controller.through.interpolate)
        if ready:
            self.begin_going("interpolate")

    @rule(how=st.sampled_from(["smooth", "holes", "islands"]), whole=st.booleans())
    def tidy(self, how, whole):
        session, value = self.session, self.oracle.value
        here = bool((session.view.of(self.oracle.labels) == value).any())
        ready = self.can_begin() and value in session.labels.labels and (whole or here)
        through = self.controller.through
        act, change = {
            "smooth": (lambda: through.smooth(3.0, whole=whole), lambda m, mm: tidy.smooth(m, mm, 3.0)),
            "holes": (lambda: through.fill_holes(whole=whole), lambda m, mm: tidy.fill_holes(m)),
            "islands": (
                lambda: through.remove_islands(30.0, whole=whole),
                lambda m, mm: tidy.without_islands(m, mm, 30.0),
            ),
        }[how]
        assert not self.act(act)
        if ready:
            self.begin_going("tidy", change=change, whole=whole)

    @rule()
    def cancel_through(self):
        self.controller.through.cancel()
        self.going = None

    @rule(
        hu=st.sampled_from([60, 120, 180]), axis=st.sampled_from([2, 2, 1, 0]), where=fraction, jobs=st.integers(1, 4)
    )
    def carry_an_organ(self, hu, axis, where, jobs):
        """What the rules above seldom come to: the model draws something that it can carry on."""
        self.scroll(axis=axis, where=where)
        found = np.argwhere(self.session.view.pixels == hu)
        if self.going is None and len(found):
            self.act(self.controller.box, found.min(0), found.max(0))
            self.catch_up()
            self.propagate(direction=None, at_most=None)
        self.go_on(jobs)

    @rule(
        axis=st.integers(0, 2),
        corner=st.tuples(fraction, fraction),
        how=st.sampled_from(["between", "between", "smooth", "holes", "islands"]),
        whole=st.booleans(),
    )
    def improve_a_drawn_object(self, axis, corner, how, whole):
        """Likewise: there is a slice left out, and an edge."""
        self.draw_two(self.oracle.value, corner, axis, (0, SHAPE[axis] - 2))
        self.controller.show(axis, 0)
        if how == "between":
            self.interpolate()
        else:
            self.tidy(how=how, whole=whole)
        self.go_on(2)

    @rule(jobs=st.integers(1, 3))
    def go_on(self, jobs):
        """Nothing happens between some slices."""
        for _ in range(jobs):
            while self.going and self.going.job in self.executor.waiting:
                self.executor.run_next()
            if self.going:
                self.deliver(self.executor.finished.index(self.going.job))

    def deliver_going(self, at):
        """An answer of what goes on: it is drawn where it belongs, or not at all."""
        going, job = self.going, self.executor.finished[at]
        named, result = set(self.session.labels.labels), job.answer.args[0]
        wanted = []
        if going.kind == "propagate" and isinstance(result, Carried):
            wanted = [Drawn(result.view, self.carried(going, result))]
        elif going.kind == "interpolate" and job.answer.func is job.done and going.revision == self.session.revision:
            wanted = self.between(going) if result else []
        wanted = [w for w in wanted if not (w.view.of(self.oracle.labels) == going.value).any()]
        wanted = [w for w in wanted if not self.session.is_open(going.value, (w.view.axis, w.view.index))]
        draws = any(self.oracle.free_of_others(w.view, w.mask, going.value).any() for w in wanted)
        goes_on = going.is_begun and bool(self.past) and self.past[-1] is going.entry
        changed, before = False, deepcopy(self.oracle)
        if going.kind == "tidy" and result is not None and going.revision == self.session.revision:
            changed = self.tidied(going, named)
        after, self.oracle = self.oracle, before
        made = self.act(self.executor.deliver, at)
        self.oracle = after
        assert made == (changed or (draws and not goes_on))
        if draws:
            self.future.clear()
            for one in wanted:
                self.oracle.draw(one.view, one.mask, going.value, named)
            going.entry, going.is_begun = self.past[-1], True
        self.find_job()

    def carried(self, going, step):
        """The mask, which is what the model says when nothing is cached, on a slice beside the last one."""
        assert abs(step.view.index - going.last) == 1 or abs(step.view.index - going.view.index) == 1
        going.last = step.view.index
        predictor, here = self.controller.predictor, step.prediction.window
        assert np.array_equal(predictor.predict(predictor.embed(step.view, here), step.prompts).mask, step.mask)
        return step.mask

    def between(self, going):
        views = [SliceView(self.session.volume, going.view.axis, i) for i in range(SHAPE[going.view.axis])]
        masks = {v.index: np.asarray(v.of(self.oracle.labels) == going.value) for v in views}
        drawn = {i: m for i, m in masks.items() if m.any()}
        found = interpolate(drawn, going.view.spacing_mm)
        return [Drawn(views[i], m) for i, m in found.items() if i not in drawn and m.any()]

    def tidied(self, going, named):
        mine = self.oracle.labels == going.value
        if going.whole:
            return self.oracle.reshape(going.value, going.change(mine, self.session.volume.grid.spacing_mm), named)
        made = mine.copy()
        going.view.of(made)[...] = going.change(np.array(going.view.of(mine)), going.view.spacing_mm)
        return self.oracle.reshape(going.value, made, named)
