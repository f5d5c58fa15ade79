"""What all parts of the machine share: the session beside the oracle, and answers that come late."""

from copy import deepcopy

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from napari_segsam.core.terminology import Vocabulary
from napari_segsam.core.volume import Window
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.session import Session
from tests.engine.machine.oracle import SHAPE, Oracle, fraction
from tests.fakes import CLASSES, FakePredictor, ManualExecutor, block_volume

WINDOWS = (None, Window(-600.0, 1500.0), Window(300.0, 1500.0))
PREDICTORS = (
    FakePredictor("one", "1" * 64),
    FakePredictor("two", "2" * 64, vocabulary=Vocabulary(tuple(reversed(CLASSES))), tolerance=70.0),
    FakePredictor("few", "3" * 64, vocabulary=Vocabulary(("spleen", "liver"))),
)


def volumes():
    blocks = block_volume(SHAPE)
    return blocks, type(blocks)(blocks.grid, blocks.voxels[::-1].copy(), modality="ct", name="mirrored")


class Working(RuleBasedStateMachine):
    """A session, its controller and executor, and the oracle; looking, undo, and answers that come when they like."""

    def __init__(self):
        super().__init__()
        self.volumes = volumes()
        self.session = Session(self.volumes[0])
        self.executor = ManualExecutor()
        self.controller = Controller(self.session, PREDICTORS[0], self.executor)
        self.fails = []
        self.controller.failed.connect(self.fails.append)
        self.controller.prediction_changed.connect(self.nothing_stale_is_shown)
        self.controller.semantic_changed.connect(self.semantic_is_drawn)
        self.semantic_is_drawn()
        self.begin()

    def begin(self):
        self.oracle, self.past, self.future, self.going = Oracle(), [], [], None
        self.accepting = {}  # what still counts, by kind -> (job, view, suggestion)

    def act(self, method, *args, **kwargs):
        """Call the controller; copy the oracle if that made a step. Returns whether it did."""
        steps, before = len(self.session.undo_names), deepcopy(self.oracle)
        method(*args, **kwargs)
        made = len(self.session.undo_names) - steps
        assert made in (0, 1)
        if made:
            self.past.append(before)
            self.future.clear()
        return bool(made)

    def fresh(self, view, prompts, window):
        """What the model says when nothing is cached, queued or late."""
        predictor = self.controller.predictor
        return predictor.predict(predictor.embed(view, predictor.window_for(view, prompts, window)), prompts)

    # -- looking
    @rule(axis=st.sampled_from([2, 2, 2, 1, 0]), where=fraction)
    def scroll(self, axis, where):
        self.controller.show(axis, round(where * (SHAPE[axis] - 1)))

    @rule(window=st.sampled_from(WINDOWS))
    def window(self, window):
        if window != self.session.window:
            self.accepting.clear()
            self.end_going(self.going and self.going.kind == "propagate")
        self.controller.set_window(window)

    @rule(predictor=st.sampled_from(PREDICTORS))
    def swap(self, predictor):
        self.accepting.clear()
        self.end_going(self.going and self.going.kind == "propagate" and predictor is not self.controller.predictor)
        self.controller.set_predictor(predictor)

    @rule(which=st.sampled_from([0, 1]), discard=st.booleans())
    def open(self, which, discard):
        work = self.session.unsaved or self.session.uncommitted
        assert self.controller.open(self.volumes[which], discard=discard) == work
        if discard or not work:
            assert self.session.volume is self.volumes[which]
            self.begin()

    @rule()
    def save(self):
        self.session.mark_saved()

    # -- history
    @rule()
    def undo(self):
        names = self.session.undo_names
        if self.accepting:
            self.accepting.popitem()
        elif self.past:
            self.future.append(self.oracle)
            self.oracle = self.past.pop()
            names = names[1:]
        self.controller.undo()
        assert self.session.undo_names == names
        entry = self.going and self.going.entry
        self.end_going(entry and all(p is not entry for p in self.past))

    @rule()
    def redo(self):
        if self.future:
            self.past.append(self.oracle)
            self.oracle = self.future.pop()
        self.controller.redo()

    # -- the other thread
    @precondition(lambda self: self.executor.waiting)
    @rule(jobs=st.integers(1, 4))
    def compute(self, jobs):
        for _ in range(min(jobs, len(self.executor.waiting))):
            self.executor.run_next()

    @precondition(lambda self: self.executor.finished)
    @rule(which=fraction)
    def deliver_any(self, which):
        self.deliver(round(which * (len(self.executor.finished) - 1)))

    @rule()
    def catch_up(self):
        while self.executor.waiting or self.executor.finished:
            if self.executor.finished:
                self.deliver(0)
            else:
                self.executor.run_next()

    def deliver(self, at):
        job = self.executor.finished[at]
        if self.going and job is self.going.job:
            self.deliver_going(at)
            return
        counts = self.accepting.get(job.key, (None,))[0] is job
        named = set(self.session.labels.labels)
        made = self.act(self.executor.deliver, at)
        assert made == counts or (counts and self.oracle.labels.any() and not made)
        if counts and not made:
            self.accepting.pop(job.key)
        elif counts:
            (value,) = set(self.session.labels.labels) - named
            self.oracle_accepts(value, *self.accepting.pop(job.key)[1:])

    # -- what must hold
    @invariant()
    def the_preview_is_the_current_answer(self):
        self.nothing_stale_is_shown(self.session.prediction)

    def nothing_stale_is_shown(self, prediction):
        session = self.session
        if prediction is None or not session.answered:
            return
        truth = self.fresh(session.view, session.prompts, session.window)
        mask = (truth.mask, *(c.mask for c in truth.candidates[1:]))[session.candidate]
        assert np.array_equal(prediction.mask, mask)
        assert prediction.classes == truth.classes and prediction.window == truth.window

    @invariant()
    def labels_are_the_oracle_s(self):
        assert int((self.session.labels.voxels != self.oracle.labels).sum()) == 0

    @invariant()
    def the_current_object_is_the_oracle_s(self):
        assert self.session.value == self.oracle.value
        assert len(self.session.undo_names) == len(self.past) and len(self.session.redo_names) == len(self.future)

    @invariant()
    def every_label_has_a_name(self):
        assert set(np.unique(self.session.labels.voxels)) - {0} <= set(self.session.labels.labels)

    @invariant()
    def painting_step_by_step_is_painting_at_once(self):
        session, layer = self.session, self.session._semantic
        ids = {name: i for i, name in enumerate(session.vocabulary.names, 1)}
        expected = layer._suggested.copy()
        for value, label in session.labels.labels.items():
            if label.name in ids:
                expected[session.labels.voxels == value] = ids[label.name]
        for (axis, index), packed in session._masks.items() if session.class_name in ids else ():
            flat = packed.indices
            assert (np.unravel_index(flat, SHAPE)[axis] == index).all()
            expected.reshape(-1)[flat] = ids[session.class_name]
        assert np.array_equal(session.semantic.voxels, expected)

    def semantic_is_drawn(self):
        self.drawn = self.session.semantic.voxels.copy()

    @invariant()
    def whoever_draws_the_classes_was_told_of_every_change(self):
        assert np.array_equal(self.drawn, self.session.semantic.voxels)

    @invariant()
    def it_is_busy_only_while_something_runs(self):
        if not self.executor.waiting and not self.executor.finished:
            assert not self.controller.busy

    def teardown(self):
        self.controller.collect(False)
        self.catch_up()
        self.labels_are_the_oracle_s()
        assert not self.controller.busy
        assert self.session.answered == self.session.uncommitted_here
        while self.session.undo_names:
            self.undo()
            self.labels_are_the_oracle_s()
        assert not self.session.labels.voxels.any()
