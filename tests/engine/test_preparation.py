"""The whole volume is prepared when there is nothing else to do, and never in anybody's way."""

from dataclasses import replace

import pytest

from napari_segsam.core.volume import Window
from napari_segsam.engine.cache import EmbeddingCache
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.executor import ImmediateExecutor
from napari_segsam.engine.session import Session
from tests.fakes import LIVER, FakePredictor, ManualExecutor, block_volume

SLICES = 12
NBYTES = 24 * 20 * 8


@pytest.fixture
def volume():
    return block_volume((24, 20, SLICES))


@pytest.fixture
def later():
    return ManualExecutor()


def opened(volume, executor, predictor, fits=100):
    controller = Controller(Session(volume), predictor, executor, EmbeddingCache(round(fits * NBYTES / 0.75)), ())
    progress = []
    controller.preparation_changed.connect(progress.append)
    return controller, progress


def test_it_goes_outwards_from_the_visible_slice_and_first_where_the_person_scrolls(volume, later):
    predictor = FakePredictor()
    controller, _ = opened(volume, later, predictor)
    controller.prepare_volume()
    controller.show(2, 3)
    later.run_all()
    assert predictor.embedded == [(2, k) for k in (3, 2, 4, 1, 5, 0, 6, 7, 8, 9, 10, 11)]


def test_the_progress_counts_slices_to_the_last(volume, later):
    controller, progress = opened(volume, later, FakePredictor())
    controller.prepare_volume()
    later.run_all()
    assert str(progress[0]) == f"Prepared 0 of {SLICES} slices"
    assert [p.done for p in progress] == list(range(SLICES + 1))
    assert [p.is_over for p in progress] == [False] * SLICES + [True]


def test_it_is_not_what_the_person_waits_for(volume, later):
    controller, _ = opened(volume, later, FakePredictor())
    controller.prepare_volume()
    assert later.waiting and not controller.busy


def test_nothing_is_prepared_unasked(volume, later):
    predictor = FakePredictor()
    controller, progress = opened(volume, later, predictor)
    controller.show(2, 3)
    later.run_all()
    assert predictor.embedded == [(2, 3)] and progress == []


def test_a_click_and_the_neighbours_come_first(volume, later):
    controller = Controller(Session(volume), FakePredictor(), later)
    controller.prepare_volume()
    later.run_next()
    later.deliver()
    controller.show(2, 5)
    controller.click(*LIVER)
    assert later.keys == ["predict", "embed", ("unseen", 0), ("unseen", 1), ("unseen", 2), "idly"]


def test_after_scrolling_it_goes_on_round_the_new_slice_and_keeps_what_it_has(volume, later):
    predictor = FakePredictor()
    controller, progress = opened(volume, later, predictor)
    controller.prepare_volume()
    for _ in range(3):
        later.run_next()
        later.deliver()
    prepared = list(predictor.embedded)
    controller.show(2, 0)
    assert progress[-1].done == 3
    later.run_all()
    assert progress[-1].is_over and len(predictor.embedded) == len(set(predictor.embedded)) == SLICES
    assert predictor.embedded[3] == (2, 0) and predictor.embedded[:3] == prepared


def test_cancel_ends_with_the_slice_that_is_being_embedded(volume, later):
    predictor = FakePredictor()
    controller, progress = opened(volume, later, predictor)
    controller.prepare_volume()
    later.run_next()
    controller.prepare_volume(False)
    later.run_all()
    assert len(predictor.embedded) == 1 and progress[-1] is None


def test_a_slice_that_only_waits_is_not_embedded_after_a_cancel(volume, later):
    predictor = FakePredictor()
    controller, _ = opened(volume, later, predictor)
    controller.prepare_volume()
    controller.prepare_volume(False)
    later.run_all()
    controller.show(2, 1)
    later.run_all()
    assert predictor.embedded == [(2, 1)]


@pytest.mark.parametrize("fits", [1, 5])
def test_no_near_slice_gives_way_to_a_farther_one(volume, later, fits):
    predictor = FakePredictor()
    controller, progress = opened(volume, later, predictor, fits)
    controller.prepare_volume()
    later.run_all()
    assert progress[-1].is_over and progress[-1].wanted == fits
    assert str(progress[-1]) == f"Prepared {fits} of {fits} nearest slices, as many as fit in memory"
    controller.show(2, 9)
    later.run_all()
    predictor.embedded.clear()
    for index in (9, 8, 10, 7, 11)[:fits]:
        controller.show(2, index)
    later.run_next()
    assert predictor.embedded == []


def test_a_part_of_the_last_place_that_is_still_near_outlives_what_is_far(later):
    predictor = FakePredictor()
    controller, progress = opened(block_volume((24, 20, 40)), later, predictor, fits=9)
    controller.prepare_volume()
    controller.show(2, 20)
    later.run_all()
    predictor.embedded.clear()
    controller.show(2, 22)
    later.run_all()
    assert sorted(predictor.embedded) == [(2, 25), (2, 26)]
    assert progress[-1].is_over


@pytest.mark.parametrize("change", ["window", "model", "volume", "axis"])
def test_another_window_model_volume_or_axis_is_prepared_anew(volume, later, change):
    predictor = FakePredictor()
    controller, progress = opened(volume, later, predictor)
    controller.prepare_volume()
    later.run_all()
    other = FakePredictor("other", "0" * 64) if change == "model" else predictor
    predictor.embedded.clear()
    {
        "window": lambda: controller.set_window(Window(-600, 1500)),
        "model": lambda: controller.set_predictor(other),
        "volume": lambda: controller.open(replace(volume, id="another")),
        "axis": lambda: controller.show(0, 3),
    }[change]()
    later.run_all()
    assert len(other.embedded) == (24 if change == "axis" else SLICES) and progress[-1].is_over


def test_a_model_that_fails_ends_it_and_says_nothing_to_the_person(volume, later, caplog):
    predictor = FakePredictor(error=RuntimeError("broken"))
    controller, progress = opened(volume, later, predictor)
    said = []
    controller.failed.connect(said.append)
    controller.prepare_volume()
    later.run_all()
    assert progress[-1] is None and said == [] and len(caplog.records) == 1


def test_without_a_model_it_waits_for_one(volume, later):
    predictor = FakePredictor()
    controller, progress = opened(volume, later, None)
    controller.prepare_volume()
    assert not later.waiting
    controller.set_predictor(predictor)
    later.run_all()
    assert progress[-1].is_over


def test_a_long_volume_is_prepared_where_answers_come_at_once():
    predictor = FakePredictor()
    controller, progress = opened(block_volume((24, 20, 1500)), ImmediateExecutor(), predictor, fits=2000)
    controller.prepare_volume()
    assert len(predictor.embedded) == 1500 and progress[-1].is_over


def test_a_slow_model_prepares_no_further_slice_since_a_click_would_have_to_wait(volume, later, monkeypatch):
    predictor = FakePredictor()
    embed = predictor.embed
    monkeypatch.setattr(predictor, "embed", lambda view, window: replace(embed(view, window), seconds=0.6))
    controller, progress = opened(volume, later, predictor)
    controller.prepare_volume()
    later.run_all()
    assert len(predictor.embedded) == 1 and progress[-1] is None
