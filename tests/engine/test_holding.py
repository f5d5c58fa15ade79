"""A stroke that goes on: napari has written some of its voxels, and tells of them when the mouse is let go."""

import numpy as np
import pytest

from napari_segsam.core.slices import SliceView
from napari_segsam.engine.holding import Holding
from napari_segsam.engine.session import Session
from tests.engine.by_hand import click_liver, on_slices, truth
from tests.fakes import LIVER, block_volume


class Stroke:
    """Paints over the whole of a slice, bit by bit."""

    def __init__(self, controller, k, value):
        self.controller, self.value = controller, value
        session = controller.session
        view = SliceView(session.volume, 2, k)
        self.indices = view.flat_indices(np.ones(view.shape, bool))
        self.flat = session.labels.voxels.reshape(-1)
        self.before = self.flat[self.indices].copy()

    def begin(self):
        self.controller.hold_back(True)
        self.flat[self.indices] = self.value

    def end(self):
        self.controller.record_stroke(self.indices, self.before)
        self.controller.hold_back(False)


def undo_all(controller):
    while controller.session.undo_names:
        controller.undo()


def propagate(controller):
    click_liver(controller, controller.later)
    controller.through.propagate(1)


def smooth(controller):
    click_liver(controller, controller.later)
    controller.commit()
    controller.through.smooth(6.0)


def accept(controller):
    controller.suggest()
    controller.later.run_all()
    controller.accept(next(s for s in controller.session.suggestions if s.name == "spleen"))


@pytest.fixture
def busy(waiting, later):
    waiting.later = later
    return waiting


@pytest.mark.parametrize(("does", "k", "value"), [(propagate, 5, 7), (smooth, 4, 1), (accept, 4, 7)])
def test_what_comes_in_the_middle_of_a_stroke_is_drawn_after_it_and_undo_leaves_nothing(busy, does, k, value):
    does(busy)
    stroke = Stroke(busy, k, value)
    names = busy.session.undo_names
    stroke.begin()
    busy.later.run_all()
    assert busy.session.undo_names == names and (stroke.flat[stroke.indices] == value).all()
    stroke.end()
    busy.later.run_all()
    assert "brush" in busy.session.undo_names
    undo_all(busy)
    assert not busy.session.labels.voxels.any()


def test_a_run_that_waited_for_a_stroke_goes_on_where_it_was(busy):
    propagate(busy)
    busy.hold_back(True)
    busy.later.run_all()
    assert on_slices(busy.session) == [4] and busy.through.progress is not None
    busy.hold_back(False)
    busy.later.run_all()
    assert np.array_equal((busy.session.labels.voxels == 1)[..., 4:], truth(busy.session)[..., 4:])


def test_a_run_that_was_stopped_while_it_waited_draws_nothing_more(busy):
    propagate(busy)
    busy.hold_back(True)
    busy.later.run_all()
    busy.through.cancel()
    busy.hold_back(False)
    busy.later.run_all()
    assert on_slices(busy.session) == [4] and busy.through.progress is None


def test_an_accepted_suggestion_that_waits_is_what_undo_takes_back(busy, heard):
    accept(busy)
    busy.hold_back(True)
    busy.later.run_all()
    assert busy.busy
    busy.undo()
    busy.hold_back(False)
    assert heard.status_changed[-1] == "Undone: accept spleen." and not busy.busy
    assert not busy.session.labels.voxels.any()


def test_an_accepted_suggestion_that_waits_does_not_come_into_another_scan(busy, heard):
    accept(busy)
    busy.hold_back(True)
    busy.later.run_all()
    left = busy.session
    busy.resume(Session(block_volume()))
    busy.hold_back(False)
    busy.later.run_all()
    assert not left.labels.labels and not busy.session.labels.labels
    assert heard.failed[-1].startswith("spleen was not accepted")


def test_a_click_is_answered_while_a_stroke_goes_on(busy):
    busy.hold_back(True)
    busy.click(*LIVER)
    busy.later.run_all()
    assert busy.session.prediction is not None and busy.session.answered


def test_what_was_held_is_done_in_order_though_one_of_it_fails():
    holding, done = Holding(), []

    def fail():
        raise ValueError

    holding.hold(True)
    for act in (lambda: done.append(1), fail, lambda: done.append(2)):
        holding.do(act)
    assert not done
    with pytest.raises(ValueError):
        holding.hold(False)
    holding.do(lambda: done.append(3))
    assert done == [1, 2, 3]
