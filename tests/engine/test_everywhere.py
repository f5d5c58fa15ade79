"""Clicked everywhere through the controller: in parts, told how far, and never late."""

import numpy as np
import pytest

from napari_segsam.core.volume import Window
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.session import Session
from napari_segsam.engine.zoo.prior_maps import maps_of
from tests import clickable
from tests.fakes import FakePredictor, ManualExecutor, block_volume
from tests.zoo import BOXES
from tests.zoo import predictor as echo

LIVER = 60


class Heard:
    def __init__(self, predictor=None):
        self.executor = ManualExecutor()
        self.predictor = clickable.predictor() if predictor is None else predictor
        self.volume = block_volume((48, 40, 12))
        self.controller = Controller(Session(self.volume), self.predictor, self.executor)
        self.shares, self.found, self.failures = [], [], []
        self.controller.everywhere.progress_changed.connect(self.shares.append)
        self.controller.everywhere.found.connect(self.found.append)
        self.controller.failed.connect(self.failures.append)
        self.controller.show(2, 6)
        self.executor.run_all()

    def look(self, points=8):
        self.controller.everywhere.look(lambda predictor, embedding: maps_of(predictor, embedding, points))

    def part(self):
        self.executor.run_next()
        self.executor.deliver()


@pytest.fixture
def heard():
    return Heard()


def test_the_maps_of_the_visible_slice_lie_on_its_own_pixels(heard):
    heard.look(16)
    heard.executor.run_all()
    (found,) = heard.found
    pixels = found.view.pixels
    assert (found.view.axis, found.view.index, found.by) == (2, 6, "regions")
    assert found.maps.stability.shape == pixels.shape
    liver = pixels == LIVER
    inside = liver & ~(found.maps.boundary > 0)
    assert liver.any() and inside.any() and (found.maps.stability[inside] == 1).all()
    edge = found.maps.boundary > 0
    assert edge[liver].any() and edge[~liver].any()  # both sides of it
    assert heard.predictor.model.clicks == 256 + 3  # each thing that is kept is asked for once more


def test_it_is_told_how_far_the_search_is_and_that_it_ended(heard):
    heard.look()
    heard.executor.run_all()
    assert heard.shares[0] == 0.0 and heard.shares[-1] is None
    told = heard.shares[:-1]
    assert told == sorted(told) and told[-1] == 1.0 and 0 < told[3] < 1
    assert not heard.controller.everywhere.goes_on


def test_what_a_person_asks_for_meanwhile_goes_first(heard):
    heard.look()
    heard.part()
    heard.controller.click(10, 10)
    assert heard.executor.keys[:2] == ["predict", "everywhere"]


@pytest.mark.parametrize(
    "leave",
    [
        lambda c: c.show(2, 7),
        lambda c: c.set_window(Window(40, 400)),
        lambda c: c.set_predictor(clickable.predictor(sha256="d" * 64)),
        lambda c: c.open(block_volume((48, 40, 12)), discard=True),
        lambda c: c.everywhere.cancel(),
    ],
    ids=["slice", "window", "model", "scan", "stop"],
)
def test_a_late_answer_is_dropped_and_the_search_ends(heard, leave):
    heard.look()
    heard.part()
    before = heard.predictor.model.clicks
    heard.executor.run_next()  # an answer lies ready
    leave(heard.controller)
    heard.executor.run_all()
    assert heard.found == [] and heard.shares[-1] is None and heard.failures == []
    assert heard.predictor.model.clicks <= before + 16
    assert not heard.controller.everywhere.goes_on


def test_asked_again_it_begins_anew_and_gives_one_answer(heard):
    heard.look(16)
    heard.part()
    heard.look(4)
    heard.executor.run_all()
    assert len(heard.found) == 1 and heard.shares.count(0.0) >= 2


def test_asked_again_by_who_hears_of_the_answer_it_goes_on(heard):
    heard.controller.everywhere.found.connect(lambda _: len(heard.found) < 2 and heard.look(4))
    heard.look(4)
    heard.executor.run_all()
    assert len(heard.found) == 2


def test_without_a_model_or_without_points_one_sentence_says_so():
    boxes = Heard(echo(BOXES))
    boxes.look()
    boxes.executor.run_all()
    assert len(boxes.failures) == 1 and "takes no points" in boxes.failures[0]
    assert boxes.shares[-1] is None
    none = Heard()
    none.controller._conversation._inference.predictor = None
    none.look()
    assert len(none.failures) == 1 and "There is no model yet" in none.failures[0]


def test_a_broken_model_ends_the_search_with_a_sentence(heard, monkeypatch):
    def broken(*_):
        raise RuntimeError("no")

    heard.look()
    monkeypatch.setattr(heard.predictor.model, "answer", broken)
    heard.executor.run_all()
    assert heard.shares[-1] is None and "The model stopped with RuntimeError" in heard.failures[-1]


def test_nothing_found_is_two_empty_maps(heard):
    heard.controller.open(block_volume((48, 40, 12)), discard=True)
    heard.controller.session.volume.voxels[:] = -1000
    heard.look(4)
    heard.executor.run_all()
    assert not np.any(heard.found[0].maps.stability) and not np.any(heard.found[0].maps.boundary)


def test_a_model_that_a_test_fakes_is_no_model_to_click():
    fake = Heard(FakePredictor())
    fake.look()
    fake.executor.run_all()
    assert "takes no points" in fake.failures[0]
