"""Answers that come late: which count, what is asked first, and what the person is told meanwhile."""

from dataclasses import replace

import numpy as np
import pytest

from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Window
from napari_segsam.engine.cache import ViewKey
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.requests import Requests
from tests.fakes import LIVER, SPLEEN, FakePredictor, block_volume

SCENE = ViewKey("scan", 2, 4, None, "aa")


def test_a_waiting_older_click_is_replaced_by_the_newer_one(waiting, later, predictor):
    waiting.click(*LIVER)
    waiting.click(*SPLEEN)
    later.run_all()
    assert len(predictor.predicted) == 1 and len(predictor.predicted[0].clicks) == 2


def test_an_answer_overtaken_by_a_newer_click_is_dropped(waiting, session, later, heard):
    waiting.click(*LIVER)
    later.run_next()
    waiting.click(*SPLEEN)
    later.deliver()
    assert session.prediction is None and waiting.busy
    later.run_all()
    assert session.prediction.mask[SPLEEN] and session.prediction.mask[LIVER]
    assert sum(p is not None for p in heard.prediction_changed) == 1


def test_answers_delivered_in_reverse_leave_the_newest(waiting, session, later):
    waiting.click(*LIVER)
    later.run_next()
    waiting.click(*SPLEEN)
    later.run_next()
    later.deliver(1)
    newest = session.prediction
    later.deliver(0)
    assert session.prediction is newest


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda c: c.show(2, 5),
        lambda c: c.show(0, 4),
        lambda c: c.set_window(Window(-600, 1500)),
        lambda c: c.set_predictor(FakePredictor("other", "0" * 64)),
        lambda c: c.open(block_volume(), discard=True),
        lambda c: c.clear_prompts(),
        lambda c: c.undo(),
        lambda c: c.next_object(),
    ],
    ids=["slice", "axis", "window", "weights", "volume", "prompts", "undo", "object"],
)
def test_an_answer_is_dropped_when_what_it_was_asked_for_changed(waiting, session, later, meanwhile):
    waiting.click(*LIVER)
    later.run_next()
    meanwhile(waiting)
    later.deliver()
    assert session.prediction is None


def test_an_answer_from_before_a_scroll_and_back_is_dropped_and_asked_again(waiting, session, later):
    waiting.click(*LIVER)
    later.run_next()
    waiting.show(2, 5)
    waiting.show(2, 4)
    later.deliver()
    assert session.prediction is None
    later.run_all()
    assert session.prediction is not None


@pytest.mark.parametrize(
    "change",
    [{"volume_id": "b"}, {"axis": 1}, {"index": 5}, {"window": Window(1, 2)}, {"weights_sha256": "bb"}],
    ids=lambda c: next(iter(c)),
)
def test_a_ticket_is_worthless_in_another_scene_even_if_nobody_cancelled_it(change):
    requests = Requests()
    ticket = requests.issue("predict", SCENE)
    assert not requests.close(ticket, replace(SCENE, **change)) and not requests


def test_a_ticket_counts_once():
    requests = Requests()
    ticket = requests.issue("predict", SCENE)
    assert requests.close(ticket, SCENE) and not requests.close(ticket, SCENE)


def test_an_old_ticket_does_not_close_a_newer_request():
    requests = Requests()
    old, new = requests.issue("predict", SCENE), requests.issue("predict", SCENE)
    assert not requests.close(old, SCENE) and requests.close(new, SCENE)


def test_only_what_was_seen_can_be_committed(waiting, session, later, heard):
    waiting.click(*LIVER)
    later.run_all()
    waiting.click(*SPLEEN)
    waiting.commit()
    assert heard.failed == ["The mask does not answer the newest prompt yet; commit it when it does."]
    assert not session.labels.voxels.any()


def test_the_last_preview_stays_until_the_newer_answer_is_there(waiting, session, later):
    waiting.click(*LIVER)
    later.run_all()
    shown = session.prediction
    waiting.click(*SPLEEN)
    assert session.prediction.mask is shown.mask and not session.answered


def test_an_accepted_suggestion_is_committed_on_its_own_slice_wherever_the_person_looks(waiting, session, later):
    waiting.suggest()
    later.run_all()
    waiting.accept(session.suggestions[1])
    waiting.show(0, 3)
    later.run_all()
    assert np.array_equal(session.labels.voxels[..., 4] > 0, session.volume.voxels[..., 4] == 120)
    assert session.labels.labels[1].name == "spleen"


def test_undo_takes_back_an_acceptance_that_is_still_on_its_way(waiting, session, later, heard):
    waiting.click(*LIVER)
    later.run_all()
    waiting.accept(session.suggestions[0])
    waiting.undo()
    later.run_all()
    assert heard.status_changed[-1] == "Undone: accept spleen."
    assert not session.labels.voxels.any() and session.undo_names == ("point",)


def test_rejecting_takes_back_an_acceptance_too(waiting, session, later):
    waiting.suggest()
    later.run_all()
    suggestion = session.suggestions[0]
    waiting.accept(suggestion)
    waiting.reject(suggestion)
    later.run_all()
    assert not session.labels.voxels.any() and session.undo_names == ("reject liver",)


def test_an_acceptance_that_is_lost_to_another_model_is_said_so(waiting, session, later, heard):
    waiting.suggest()
    later.run_all()
    waiting.accept(session.suggestions[0])
    waiting.set_predictor(FakePredictor("other", "0" * 64))
    later.run_all()
    assert heard.failed[0].startswith("liver was not accepted") and not session.labels.voxels.any()


def test_a_suggestion_accepted_twice_in_haste_is_committed_once(waiting, session, later):
    waiting.suggest()
    later.run_all()
    suggestion = session.suggestions[0]
    waiting.accept(suggestion)
    later.run_next()
    waiting.accept(suggestion)
    later.run_all()
    assert session.undo_names == ("accept liver",)


def test_a_failure_of_what_is_no_longer_wanted_is_not_shown(waiting, later, predictor, heard, caplog):
    predictor.error = RuntimeError("old")
    waiting.click(*LIVER)
    later.run_next()
    waiting.clear_prompts()
    later.deliver()
    assert heard.failed == [] and len(caplog.records) == 1


# -- what is asked first
def test_the_visible_slice_comes_before_its_neighbours_in_the_scroll_direction(session, predictor, later):
    controller = Controller(session, predictor, later)
    controller.show(2, 3)
    later.run_all()
    assert predictor.embedded == [(2, 3), (2, 2), (2, 1), (2, 4)]


def test_a_click_overtakes_embeddings_that_wait(session, predictor, later):
    controller = Controller(session, predictor, later)
    controller.show(2, 4)
    controller.click(*LIVER)
    assert later.keys[0] == "predict"
    later.run_next()
    later.deliver()
    assert session.class_name == "liver"


def test_fast_scrolling_leaves_only_the_newest_slice_and_its_neighbours_waiting(session, predictor, later):
    controller = Controller(session, predictor, later)
    for index in (1, 2, 3, 4, 5):
        controller.show(2, index)
    later.run_all()
    assert predictor.embedded == [(2, 5), (2, 6), (2, 7), (2, 4)]


def test_no_neighbour_is_asked_for_beyond_the_last_slice(session, predictor, later):
    controller = Controller(session, predictor, later)
    controller.show(2, 7)
    later.run_all()
    assert predictor.embedded == [(2, 7), (2, 6)]


def test_neighbours_are_seen_through_the_window_that_the_object_needed(session, predictor, later, cache, monkeypatch):
    lung = Window(-600, 1500, "lung")
    monkeypatch.setattr(predictor, "window_for", lambda view, prompts, asked=None: asked or (lung if prompts else None))
    controller = Controller(session, predictor, later, cache)
    controller.click(*LIVER)
    later.run_all()
    controller.show(2, 5)
    later.run_all()
    assert ViewKey.of(SliceView(session.volume, 2, 6), lung, predictor.sha256) in cache
    controller.next_object()
    controller.show(2, 2)
    later.run_all()
    assert ViewKey.of(SliceView(session.volume, 2, 1), None, predictor.sha256) in cache


# -- what the person is told
def test_it_says_which_slice_is_being_embedded_and_is_busy_until_the_answer(waiting, later, heard):
    waiting.click(*LIVER)
    assert heard.status_changed == ["Embedding slice k=4 ..."] and heard.busy_changed == [True]
    later.run_all()
    assert heard.status_changed[-1] == "liver 0.93" and heard.busy_changed == [True, False]


def test_it_is_not_busy_for_neighbours_or_for_what_was_cancelled(session, predictor, later):
    controller = Controller(session, predictor, later)
    controller.show(2, 4)
    later.run_next()
    later.deliver()
    assert later.waiting and not controller.busy
    controller.click(*LIVER)
    assert controller.busy
    controller.clear_prompts()
    assert not controller.busy


def test_the_status_always_names_the_visible_slice(waiting, later, heard):
    waiting.show(2, 4)
    later.run_all()
    assert heard.status_changed == ["Embedding slice k=4 ...", "Slice k=4 is ready."]
    waiting.show(2, 5)
    later.run_all()
    waiting.show(2, 4)
    later.run_all()
    assert heard.status_changed[-1] == "Slice k=4 is ready."


def test_loading_a_model_survives_scrolling_and_opening(session, predictor, later):
    controller = Controller(session, None, later)
    controller.load_predictor(lambda: predictor, "fake")
    assert controller.busy
    controller.show(2, 5)
    controller.open(block_volume())
    later.run_all()
    assert controller.predictor is predictor and not controller.busy


def test_the_newest_choice_of_model_wins(session, predictor, later):
    controller = Controller(session, None, later)
    other = FakePredictor("other", "0" * 64)
    controller.load_predictor(lambda: predictor, "fake")
    later.run_next()
    controller.load_predictor(lambda: other, "other")
    later.run_next()
    later.deliver(1)
    later.deliver(0)
    assert controller.predictor is other


def test_a_model_that_cannot_be_loaded_leaves_the_old_one(waiting, later, predictor, heard, caplog):
    waiting.load_predictor(lambda: 1 // 0, "broken")
    later.run_all()
    assert waiting.predictor is predictor and "ZeroDivisionError" in heard.failed[0] and len(caplog.records) == 1
