"""What becomes of objects in the machine: they are committed, gone back to, deleted, locked, brushed."""

from copy import deepcopy

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.objects import Drawn
from tests.engine.machine.oracle import SHAPE, fraction
from tests.engine.machine.working import Working


class Deciding(Working):
    """Whatever a person says of an object, and draws by hand."""

    @rule()
    def commit(self):
        session, shown, named = self.session, self.session.prediction, set(self.session.labels.labels)
        oracle = self.oracle
        ready = session.answered and bool(shown.mask.any()) and oracle.value not in oracle.locked
        ready = ready and bool(oracle.free_of_locked(session.view, shown.mask).any())
        assert self.act(self.controller.commit) == ready
        if ready:
            truth = self.fresh(session.view, session.prompts, session.window)
            mask = (truth.mask, *(c.mask for c in truth.candidates[1:]))[session.candidate]
            oracle.commit(session.view, mask, oracle.value, named)

    @rule()
    def next_object(self):
        if self.act(self.controller.next_object):
            assert self.session.value not in self.oracle.labels
            self.oracle.value = self.session.value

    @precondition(lambda self: self.session.objects)
    @rule(which=fraction)
    def go_to(self, which):
        value = self.pick(which)
        moved = value != self.oracle.value
        assert self.act(self.controller.go_to, value) == moved
        self.oracle.value = value
        if moved:
            assert self.session.class_name in (None, self.session.name_of(value), self.session.chosen_class)

    @precondition(lambda self: self.session.objects)
    @rule(which=fraction, corner=st.tuples(fraction, fraction), axis=st.integers(0, 2), first=fraction)
    def draw_through_slices(self, which, corner, axis, first):
        first = round(first * (SHAPE[axis] - 2))
        self.draw_two(self.pick(which), corner, axis, (first, first + 1))

    def draw_two(self, value, corner, axis, indices):
        """Two slices one after the other, as one entry of the history; on a locked object neither."""
        session = self.session
        for goes_on, index in enumerate(indices):
            view = SliceView(session.volume, axis, index)
            mask = np.zeros(view.shape, bool)
            mask[: 1 + round(corner[0] * (view.shape[0] - 1)), : 1 + round(corner[1] * (view.shape[1] - 1))] = True
            allowed = value not in self.oracle.locked and self.oracle.free_of_others(view, mask, value).any()
            before, named = deepcopy(self.oracle), set(session.labels.labels)
            try:
                session.draw(value, [Drawn(view, mask)], "carry", goes_on=bool(goes_on))
            except BadPromptsError:
                assert not allowed
                return
            assert allowed
            self.controller.semantic_changed.emit()  # past the controller, which would have told
            self.oracle.draw(view, mask, value, named)
            if not goes_on:
                self.past.append(before)
                self.future.clear()

    @precondition(lambda self: self.session.objects)
    @rule(which=fraction)
    def delete(self, which):
        value, named = self.pick(which), set(self.session.labels.labels)
        assert self.act(self.controller.delete, value) == (value not in self.oracle.locked)
        if value in self.oracle.locked:
            return
        self.oracle.delete(value, named)
        self.oracle.value = self.session.value
        self.end_going(self.going and self.going.value == value)
        assert value not in self.session.objects and value not in self.session.labels.labels

    @precondition(lambda self: self.session.objects)
    @rule(which=fraction, locked=st.booleans())
    def lock(self, which, locked):
        value = self.pick(which)
        assert self.act(self.controller.lock, value, locked) == (locked != (value in self.oracle.locked))
        (self.oracle.locked.add if locked else self.oracle.locked.discard)(value)
        self.end_going(self.going and locked and self.going.value == value)

    def pick(self, which):
        return self.session.objects[round(which * (len(self.session.objects) - 1))]

    @rule(where=st.lists(st.tuples(fraction, fraction, fraction), min_size=1, max_size=8), value=st.integers(0, 4))
    def brush(self, where, value):
        ijk = [tuple(round(f * (n - 1)) for f, n in zip(w, SHAPE, strict=True)) for w in where]
        indices = np.ravel_multi_index(tuple(np.array(ijk).T), SHAPE)
        before = self.session.labels.voxels.reshape(-1)[indices]
        self.session.labels.voxels.reshape(-1)[indices] = value
        made = self.act(self.controller.record_stroke, indices, before)
        assert made == self.oracle.brush(indices, value)
