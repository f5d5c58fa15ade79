"""What the model suggests unasked: listed, painted, accepted, rejected."""

import numpy as np

from napari_segsam.core.labels import Label
from tests.fakes import LIVER


def test_suggestions_need_no_prompt_and_are_painted(controller, session, heard):
    controller.suggest()
    assert heard.status_changed[-1] == "liver 0.90, spleen 0.80, kidney left 0.70"
    on_slice = session.view.of(session.semantic.voxels)
    tissue = session.view.of(session.volume.voxels)
    assert [set(on_slice[tissue == hu]) for hu in (60, 120, 180)] == [{1}, {2}, {3}]


def test_an_accepted_suggestion_is_refined_and_becomes_an_object_of_its_own(controller, session, predictor):
    controller.click(*LIVER)
    controller.commit()
    controller.accept(session.suggestions[0])
    asked = predictor.predicted[-1]
    assert asked.box is not None and len(asked.clicks) == 1
    assert session.labels.labels == {1: Label(1, "liver"), 2: Label(2, "spleen")} and session.value == 1
    spleen = session.view.of(session.volume.voxels) == 120
    assert np.array_equal(session.view.of(session.labels.voxels) == 2, spleen)
    assert [s.name for s in session.suggestions] == ["kidney_left"] and session.undo_names[0] == "accept spleen"


def test_an_accepted_suggestion_takes_nothing_from_a_neighbour_that_it_overlaps(controller, session):
    tissue = session.volume.voxels.copy()
    shared = np.zeros(tissue.shape, bool)
    shared[:, :4] = tissue[:, :4] == 120
    beside = np.flatnonzero(shared | (tissue == -1000))
    brush(controller, session, beside)
    controller.suggest()
    controller.accept(named(session, "spleen"))
    assert session.undo_names[0] == "accept spleen"
    assert (session.labels.voxels.reshape(-1)[beside] == 7).all()
    spleen = session.view.of(tissue) == 120
    assert set(session.view.of(session.labels.voxels)[spleen]) == {1, 7}


def test_a_suggestion_inside_a_committed_object_is_cut_out_of_it_and_undo_gives_it_back(controller, session):
    everything = np.arange(session.labels.voxels.size)
    brush(controller, session, everything)
    controller.suggest()
    controller.accept(named(session, "spleen"))
    spleen = session.view.of(session.volume.voxels) == 120
    assert set(session.view.of(session.labels.voxels)[spleen]) == {1}
    controller.undo()
    assert (session.labels.voxels == 7).all()


def test_all_suggestions_from_a_score_are_accepted(controller, session):
    controller.suggest()
    controller.accept_all(0.75)
    assert [label.name for label in session.labels.labels.values()] == ["liver", "spleen"]


def named(session, name):
    return next(s for s in session.suggestions if s.name == name)


def brush(controller, session, indices, value=7):
    """As napari's brush does it."""
    before = session.labels.voxels.reshape(-1)[indices].copy()
    session.labels.voxels.reshape(-1)[indices] = value
    controller.record_stroke(indices, before)


def test_accepting_before_any_click_takes_the_first_value(controller, session):
    controller.suggest()
    controller.accept(session.suggestions[0])
    assert set(session.labels.labels) == {1} and session.value == 2


def test_an_accepted_suggestion_is_not_suggested_again_until_it_is_undone(controller, session):
    controller.suggest()
    controller.accept(session.suggestions[0])
    controller.suggest()
    assert [s.name for s in session.suggestions] == ["spleen", "kidney_left"]
    controller.undo()
    assert [s.name for s in session.suggestions] == ["liver", "spleen", "kidney_left"]
    assert not session.labels.voxels.any() and session.labels.labels == {}


def test_what_is_committed_is_not_suggested(controller, session):
    controller.suggest()
    assert "liver" in [s.name for s in session.suggestions]
    controller.click(*LIVER)
    controller.commit()
    controller.suggest()
    assert "liver" not in [s.name for s in session.suggestions]
    controller.undo()
    controller.suggest()
    assert "liver" in [s.name for s in session.suggestions]


def test_a_rejected_suggestion_leaves_list_and_layer_on_its_slice_only(controller, session):
    controller.show(2, 3)
    controller.suggest()
    controller.show(2, 4)
    controller.suggest()
    controller.reject(session.suggestions[1])
    assert "spleen" not in [s.name for s in session.suggestions]
    assert not (session.semantic.voxels[..., 4] == 2).any() and (session.semantic.voxels[..., 3] == 2).any()
    controller.undo()
    assert (session.semantic.voxels[..., 4] == 2).any()


def test_suggestions_are_still_listed_when_the_person_comes_back(controller, session, predictor):
    controller.suggest()
    names = [s.name for s in session.suggestions]
    controller.show(2, 5)
    assert session.suggestions == ()
    controller.show(2, 4)
    assert [s.name for s in session.suggestions] == names


def test_a_suggestion_that_is_no_longer_listed_is_refused(controller, session, heard):
    controller.suggest()
    old = session.suggestions[0]
    controller.reject(old)
    controller.accept(old)
    assert heard.failed == ["liver is no longer suggested on slice k=4."]


def test_a_suggestion_whose_refinement_is_empty_is_committed_as_it_was(controller, session, predictor, monkeypatch):
    controller.suggest()
    spleen = session.suggestions[1]
    monkeypatch.setattr(predictor, "_mask", lambda pixels, prompts: np.zeros(pixels.shape, bool))
    controller.accept(spleen)
    assert np.array_equal(session.view.of(session.labels.voxels) > 0, spleen.mask)
