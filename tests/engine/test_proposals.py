"""Boxes of a detector among the suggestions: filled, listed, accepted each for itself, dropped where they come late."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.prediction import Proposal
from napari_segsam.core.prompts import Box
from napari_segsam.core.volume import Window
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.inference import PROPOSE
from napari_segsam.engine.present import class_at
from napari_segsam.engine.proposals import MOST
from napari_segsam.engine.suggest import box_iou
from tests.fakes import LIVER, SPLEEN, FakePredictor, SilentPredictor, block_volume

ON_LIVER, ON_SPLEEN = Box(1, 1, 8, 10), Box(1, 14, 8, 22)
SOURCE = f"detector {'d' * 12}"
TWO = (Proposal(ON_LIVER, 0.95, "polyp"), Proposal(ON_SPLEEN, 0.6, "polyp"))


@dataclass
class Boxes:
    """A detector by hand."""

    found: tuple[Proposal, ...] = TWO
    name: str = "polyps.onnx"
    sha256: str = "d" * 64
    classes: tuple[str, ...] = ("polyp",)
    asked: list[tuple] = field(default_factory=list)
    error: Exception | None = None

    def propose(self, view, window, at_least):
        self.asked.append((view.axis, view.index, window, at_least))
        if self.error is not None:
            raise self.error
        return tuple(p for p in self.found if p.score >= at_least)


def proposed(session):
    return [s for s in session.suggestions if s.proposed is not None]


def test_each_box_is_put_to_the_model_and_what_it_draws_is_suggested(controller, session, predictor, heard):
    detector = Boxes()
    controller.propose(detector, 0.25)
    assert detector.asked == [(2, 4, None, 0.25)]  # the window is the detector's own, whatever the model sees
    assert [p.box for p in predictor.predicted] == [ON_LIVER, ON_SPLEEN]
    assert [(s.name, s.score, s.source) for s in proposed(session)] == [
        ("polyp", 0.95, SOURCE),
        ("polyp", 0.6, SOURCE),
    ]
    tissue = session.view.of(session.volume.voxels)
    for suggestion, hu in zip(proposed(session), (60, 120), strict=True):
        assert np.array_equal(suggestion.mask, tissue == hu)
    assert heard.status_changed[-1] == "polyp 0.95, polyp 0.60."


def test_a_class_that_the_model_cannot_name_is_painted_and_named_too(controller, session):
    controller.propose(Boxes(), 0.25)
    assert class_at(session, (SPLEEN[1], SPLEEN[0], 4)) == "polyp"
    painted = session.view.of(session.semantic.voxels)
    assert set(painted[session.view.of(session.volume.voxels) == 60]) == {4}
    assert session.semantic.labels[4].name == "polyp" and len(session.vocabulary) == 3


def test_a_synonym_of_the_models_own_class_is_called_as_the_model_calls_it(controller, session):
    controller.propose(Boxes((Proposal(ON_LIVER, 0.9, "Liver"),)), 0.25)
    assert [s.name for s in proposed(session)] == ["liver"]


def test_two_of_a_class_are_accepted_each_with_its_own_box(waiting, session, later, predictor):
    waiting.propose(Boxes(), 0.25)
    later.run_all()
    waiting.accept_all(0.5)
    later.run_all()
    assert [(p.box, p.clicks) for p in predictor.predicted[2:]] == [(ON_LIVER, ()), (ON_SPLEEN, ())]
    assert [label.name for label in session.labels.labels.values()] == ["polyp", "polyp"]
    assert session.undo_names == (f"accept polyp of {SOURCE}",) * 2 and not proposed(session)
    waiting.undo()
    assert [s.proposed for s in proposed(session)] == [ON_SPLEEN]


def test_one_that_is_rejected_stays_away_and_its_neighbour_stays(controller, session):
    touching = (Proposal(Box(1, 1, 8, 7), 0.9, "polyp"), Proposal(Box(1, 6, 8, 10), 0.8, "polyp"))
    controller.propose(Boxes(touching), 0.25)
    controller.reject(proposed(session)[0])
    assert session.undo_names[0] == f"reject polyp of {SOURCE}"
    controller.propose(Boxes(touching), 0.25)
    assert [s.score for s in proposed(session)] == [0.8]


LIVERS = (Proposal(ON_LIVER, 0.95, "liver"),)
"""A class that the model names here, too, with 0.9."""


def livers(session):
    return [(s.name, s.source) for s in session.suggestions if s.name == "liver"]


def test_the_models_own_suggestion_stays_where_a_detectors_of_that_class_is_rejected(controller, session):
    controller.suggest()
    controller.propose(Boxes(LIVERS), 0.25)
    assert livers(session) == [("liver", SOURCE), ("liver", "")]
    controller.reject(session.suggestions[0])
    controller.suggest()
    assert livers(session) == [("liver", "")]


def test_a_detectors_box_stays_where_the_models_own_suggestion_of_that_class_is_rejected(controller, session):
    controller.suggest()
    controller.propose(Boxes(LIVERS), 0.25)
    controller.reject(session.suggestions[1])
    controller.propose(Boxes(LIVERS), 0.25)
    assert livers(session) == [("liver", SOURCE)]


def test_of_two_detectors_with_files_of_one_name_each_is_another_source(controller, session):
    controller.propose(Boxes(LIVERS), 0.25)
    controller.reject(session.suggestions[0])
    controller.propose(Boxes(LIVERS, sha256="e" * 64), 0.25)
    assert livers(session) == [("liver", f"detector {'e' * 12}")]


def test_one_that_is_accepted_closes_that_of_the_other_source_until_it_is_undone(controller, session):
    controller.suggest()
    controller.propose(Boxes(LIVERS), 0.25)
    for which in (0, 1):
        controller.accept([s for s in session.suggestions if s.name == "liver"][which])
        assert livers(session) == []
        controller.undo()
        assert len(livers(session)) == 2


def both_accepted(controller, heard):
    """What is said, and what is drawn, where the model and a detector suggest the same."""
    names = [label.name for label in controller.session.labels.labels.values()]
    assert sorted(names) == ["kidney_left", "liver", "spleen"] and heard.failed == []
    assert heard.status_changed[-1] == (
        "Accepted 3 of 4 suggestions on slice k=4. 1 not: liver is no longer suggested on slice k=4."
    )


def test_all_are_accepted_but_for_the_second_of_what_both_found(controller, heard):
    controller.suggest()
    controller.propose(Boxes(LIVERS), 0.25)
    controller.accept_all(0.5)
    both_accepted(controller, heard)


def test_all_are_accepted_so_too_where_their_masks_come_later(waiting, later, heard):
    waiting.suggest()
    waiting.propose(Boxes(LIVERS), 0.25)
    later.run_all()
    waiting.accept_all(0.5)
    later.run_all()
    both_accepted(waiting, heard)


def test_one_that_the_model_fails_at_or_that_lies_on_others_stops_none_of_the_rest(waiting, session, later, heard):
    waiting.suggest()
    later.run_all()
    waiting.accept_all(0.5)
    later.run_next()
    later.finished[0].answer = lambda job=later.finished[0]: job.failed(SegsamError("The device is full."))
    later.run_all()
    assert [label.name for label in session.labels.labels.values()] == ["spleen", "kidney_left"]
    assert heard.status_changed[-1] == "Accepted 2 of 3 suggestions on slice k=4. 1 not: The device is full."


def test_they_stay_on_their_slice_while_the_model_says_other_things_of_it(controller, session):
    controller.propose(Boxes((TWO[1],)), 0.25)
    controller.click(*LIVER)
    controller.suggest()
    assert [s.name for s in session.suggestions] == ["liver", "spleen", "kidney_left", "polyp"]
    controller.show(2, 5)
    assert session.suggestions == ()
    controller.show(2, 4)
    assert [s.name for s in proposed(session)] == ["polyp"]
    assert [s.name for s in session.suggestions][-1] == "polyp"


def test_boxes_in_which_nothing_is_drawn_and_none_at_all_are_said(controller, session, predictor, heard, monkeypatch):
    controller.propose(Boxes(()), 0.25)
    assert heard.status_changed[-1] == "polyps.onnx finds nothing more on slice k=4."
    monkeypatch.setattr(predictor, "_mask", lambda pixels, prompts: np.zeros(pixels.shape, bool))
    controller.propose(Boxes(), 0.25)
    assert proposed(session) == [] and heard.failed == []


def test_a_model_that_names_nothing_fills_boxes_too(session, executor, cache):
    controller = Controller(session, SilentPredictor(), executor, cache, neighbours=())
    controller.propose(Boxes(), 0.25)
    assert [s.name for s in proposed(session)] == ["polyp", "polyp"]


def test_why_a_detector_fails_is_said(controller, heard):
    controller.propose(Boxes(error=SegsamError("It is no detector.")), 0.25)
    assert heard.failed == ["It is no detector."]


def many(count):
    return Boxes(tuple(Proposal(ON_LIVER, 0.9 - n / 1000, "polyp") for n in range(count)))


def test_a_click_comes_in_between_two_boxes(waiting, later, predictor):
    waiting.propose(many(5), 0.25)
    for _ in range(3):
        later.run_next()
        later.deliver()
    waiting.click(*LIVER)
    assert later.keys == ["predict", PROPOSE]
    assert len(predictor.predicted) == 2


def test_how_many_boxes_are_filled_is_said_and_it_can_be_stopped(waiting, session, later, predictor, heard):
    goes_on = []
    waiting.proposing_changed.connect(goes_on.append)
    waiting.propose(many(5), 0.25)
    for _ in range(3):
        later.run_next()
        later.deliver()
    assert heard.status_changed[-3:] == [f"Filling box {n} of 5 ..." for n in (1, 2, 3)] and goes_on == [True]
    filled = len(predictor.predicted)
    waiting.drop_proposals()
    later.run_all()
    assert goes_on == [True, False] and len(predictor.predicted) <= filled + 1
    assert not proposed(session) and not waiting.busy
    assert heard.status_changed[-1] == "Stopped: no box is filled any more."


def test_only_the_best_boxes_are_filled_and_how_many_are_left_out_is_said(controller, session, predictor, heard):
    controller.propose(many(MOST + 12), 0.05)
    assert len(predictor.predicted) == len(proposed(session)) == MOST
    assert min(s.score for s in proposed(session)) == pytest.approx(0.9 - (MOST - 1) / 1000)
    assert heard.status_changed[-1].endswith(f"Beyond the best {MOST}, 12 boxes with lower scores were left out.")
    controller.propose(many(MOST + 1), 0.05)
    assert heard.status_changed[-1].endswith("1 box with a lower score was left out.")


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda c: c.show(2, 5),
        lambda c: c.set_window(Window(-600, 1500)),
        lambda c: c.set_predictor(FakePredictor("other", "0" * 64)),
        lambda c: c.open(block_volume(), discard=True),
        lambda c: c.drop_proposals(),
        lambda c: c.propose(Boxes((), name="newer.onnx"), 0.25),
    ],
    ids=["slice", "window", "weights", "volume", "detector", "again"],
)
def test_boxes_that_come_late_are_dropped(waiting, session, later, meanwhile):
    waiting.propose(Boxes(), 0.25)
    for _ in TWO:
        later.run_next()
        later.deliver()
    later.run_next()
    meanwhile(waiting)
    later.run_all()
    waiting.show(2, 4)
    later.run_all()
    assert proposed(session) == []


def test_another_window_asks_the_model_again_only_for_what_it_named(controller, session, predictor, monkeypatch):
    controller.propose(Boxes(), 0.25)
    monkeypatch.setattr(predictor, "suggest", lambda embedding: 1 / 0)
    controller.set_window(Window(40, 350))
    assert len(proposed(session)) == 2


def test_the_overlap_of_two_boxes_counts_their_corner_pixels():
    assert box_iou(Box(0, 0, 1, 1), Box(0, 0, 1, 1)) == 1
    assert box_iou(Box(0, 0, 1, 1), Box(1, 1, 2, 2)) == pytest.approx(1 / 7)
    assert box_iou(Box(0, 0, 1, 1), Box(2, 0, 3, 1)) == 0


def test_a_model_that_takes_no_boxes_is_not_asked_to_fill_any(controller, session, predictor, heard):
    predictor.takes = frozenset()
    controller.propose(Boxes(), 0.25)
    assert not session.suggestions and not predictor.predicted and not controller.busy
    assert "fake takes no boxes" in heard.failed[-1]
