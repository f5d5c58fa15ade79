"""What a person does and what comes of it, with answers at once; see test_late_answers.py for those that are late."""

import logging
import subprocess
import sys

import numpy as np
import pytest

from napari_segsam.core.errors import BadPromptsError, GridMismatchError
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.core.volume import Window
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.executor import ImmediateExecutor
from napari_segsam.engine.session import Session
from tests.fakes import FakePredictor, block_volume

LIVER, SPLEEN, KIDNEY = (5, 5), (5, 18), (15, 18)  # rows and columns on every k slice but the outermost


def visible(session, array):
    return session.view.of(array)


def test_importing_the_controller_loads_neither_qt_nor_napari_nor_torch():
    code = (
        "import sys, napari_segsam.engine.controller\n"
        "print(sorted({'qtpy', 'PyQt6', 'napari', 'magicgui', 'torch'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_building_a_controller_runs_nothing(controller, predictor):
    assert not predictor.embedded and not controller.busy


# -- a click
def test_a_click_gives_a_mask_and_a_name(controller, session, heard):
    controller.click(*LIVER)
    assert np.array_equal(session.prediction.mask, visible(session, session.volume.voxels) == 60)
    assert session.class_name == "liver" and heard.status_changed[-1] == "liver 0.93"
    assert heard.prediction_changed[-1] is session.prediction
    assert [s.name for s in session.suggestions] == ["spleen", "kidney_left"]


def test_a_slice_is_embedded_once_for_all_its_clicks(controller, predictor):
    controller.show(2, 4)
    controller.click(*LIVER)
    controller.click(*SPLEEN)
    controller.suggest()
    assert predictor.embedded == [(2, 4)]


def test_a_negative_click_alone_asks_for_nothing(controller, session, predictor):
    controller.click(*LIVER, positive=False)
    assert session.prediction is None and not predictor.predicted


def test_a_box_may_be_drawn_from_any_corner_and_replaces_the_last_one(controller, session):
    controller.box((1, 1), (3, 3))
    controller.box((9, 22), (1, 14))
    assert (session.prompts.box.row_min, session.prompts.box.col_max) == (1, 22)
    assert session.class_name == "spleen"


def test_a_second_click_corrects_the_shown_mask(controller, session, predictor):
    controller.click(*LIVER)
    shown = session.prediction.mask
    controller.click(*SPLEEN, positive=False)
    assert predictor.predicted[-1].mask is shown


def test_the_next_object_is_not_prompted_with_the_last_one_s_mask(controller, predictor):
    controller.click(*LIVER)
    controller.commit()
    controller.next_object()
    controller.click(*SPLEEN)
    assert predictor.predicted[-1].mask is None


def test_a_click_outside_the_slice_is_refused_in_a_sentence_and_leaves_no_trace(controller, session, heard):
    controller.click(500, 5)
    assert "row 500, column 5" in heard.failed[0]
    assert not session.prompts.clicks and session.undo_names == ()


def test_removing_the_last_prompt_takes_points_first_and_the_box_last(controller, session):
    controller.box((1, 1), (9, 11))
    controller.click(*SPLEEN)
    controller.remove_last_prompt()
    assert session.prompts.box and not session.prompts.clicks and session.class_name == "liver"
    controller.remove_last_prompt()
    assert not session.prompts and session.prediction is None
    controller.remove_last_prompt()
    assert session.undo_names[0] == "remove box"


def test_clearing_prompts_takes_the_preview_and_its_colour_away(controller, session):
    controller.click(*LIVER)
    assert (session.semantic.voxels == 1).any()
    controller.clear_prompts()
    assert session.prediction is None and not (session.semantic.voxels == 1).any()


# -- candidates and classes
def test_candidates_are_counted_round_and_can_be_undone(controller, session):
    controller.click(*LIVER)
    sizes = []
    for i in range(4):
        controller.choose_candidate(i)
        sizes.append(int(session.prediction.mask.sum()))
    assert sizes[0] == sizes[3] and sizes[1] < sizes[0] < sizes[2]
    assert session.prediction.iou_predicted == 0.9 and session.undo_names[1] == "mask 3 of 3"
    controller.undo()
    assert int(session.prediction.mask.sum()) == sizes[2] and session.prediction.iou_predicted == 0.5


def test_another_click_starts_over_with_the_first_candidate(controller, session):
    controller.click(*LIVER)
    controller.choose_candidate(2)
    controller.click(6, 6)
    assert session.candidate == 0 and session.prediction.iou_predicted == 0.9


def test_choosing_a_candidate_before_there_is_one_says_what_to_do(controller, heard):
    controller.choose_candidate(1)
    assert heard.failed == ["There are no masks to choose from yet; click the object first."]


def test_the_class_that_the_person_chose_outlasts_later_answers(controller, session):
    controller.click(*LIVER)
    controller.choose_class("Kidney-Left")
    controller.click(6, 6)
    assert session.class_name == "kidney_left"


def test_choosing_what_the_model_said_confirms_it(controller, session):
    controller.click(*LIVER)
    controller.choose_class("liver")
    assert session.chosen_class == "liver" and session.undo_names[0] == "class liver"


def test_an_unknown_class_is_refused_with_the_nearest_ones(controller, session, heard):
    controller.click(*LIVER)
    controller.choose_class("livre")
    assert heard.failed == ["Unknown class 'livre'. Did you mean: liver?"] and session.class_name == "liver"


def test_renaming_a_committed_object_renames_its_label_and_repaints_it(controller, session, heard):
    controller.click(*LIVER)
    controller.commit()
    session.mark_saved()
    controller.choose_class("spleen")
    assert session.labels.labels == {1: Label(1, "spleen")} and session.unsaved
    assert (session.semantic.voxels[session.labels.voxels == 1] == 2).all()
    assert session.undo_names[0] == "class liver -> spleen" and len(heard.labels_changed[-1]) == 0
    controller.undo()
    assert session.labels.labels[1].name == "liver" and (session.semantic.voxels[session.labels.voxels == 1] == 1).all()


# -- commit
def test_a_commit_writes_the_mask_on_its_slice_and_nowhere_else(controller, session, heard):
    controller.show(2, 3)
    controller.click(*LIVER)
    controller.commit()
    expected = np.zeros_like(session.labels.voxels)
    expected[..., 3] = session.volume.voxels[..., 3] == 60
    assert np.array_equal(session.labels.voxels, expected)
    assert session.labels.labels == {1: Label(1, "liver")} and session.unsaved and not session.uncommitted
    assert session.undo_names == ("commit liver", "point") and heard.labels_changed[0].name == "commit liver"
    assert session.prediction is None, "the label shows it now"


def test_an_object_may_be_committed_on_slices_of_several_axes(controller, session):
    controller.show(2, 3)
    controller.click(*LIVER)
    controller.commit()
    controller.show(0, 5)
    row, col = session.view.ijk_to_rc((5, 5, 3))
    controller.click(float(row), float(col))
    controller.commit()
    liver = session.volume.voxels == 60
    expected = np.zeros_like(liver)
    expected[..., 3], expected[5] = liver[..., 3], liver[5]
    assert np.array_equal(session.labels.voxels == 1, expected)


def test_an_object_keeps_its_committed_class_on_other_slices(controller, session):
    controller.click(*LIVER)
    controller.commit()
    controller.show(2, 2)
    controller.click(*SPLEEN)
    assert session.class_name == "liver"


def test_a_corrected_mask_replaces_the_one_committed_before_on_that_slice(controller, session):
    controller.click(*LIVER)
    controller.click(*SPLEEN)
    controller.commit()
    controller.click(*SPLEEN, positive=False)
    controller.commit()
    liver = visible(session, session.volume.voxels) == 60
    assert np.array_equal(visible(session, session.labels.voxels) == 1, liver)


def test_the_newest_commit_wins_and_what_lay_under_comes_back_when_it_shrinks(controller, session):
    controller.click(*LIVER)
    controller.commit()
    controller.next_object()
    controller.click(*LIVER)
    controller.click(*SPLEEN)
    controller.commit()
    assert set(np.unique(session.labels.voxels)) == {0, 2}
    controller.click(*LIVER, positive=False)
    controller.commit()
    on_slice = visible(session, session.labels.voxels)
    tissue = visible(session, session.volume.voxels)
    assert (on_slice[tissue == 60] == 1).all() and (on_slice[tissue == 120] == 2).all()


def test_brush_strokes_outside_the_mask_outlast_the_next_commit(controller, session):
    controller.click(*LIVER)
    controller.commit()
    index = np.array([0])
    session.labels.voxels.reshape(-1)[index] = 1
    controller.record_stroke(index, np.array([0], np.uint16))
    controller.click(6, 6)
    controller.commit()
    assert session.labels.voxels.reshape(-1)[0] == 1


def test_a_correction_starts_from_what_was_committed_and_brushed(controller, session, predictor):
    controller.click(*LIVER)
    controller.commit()
    inside = np.flatnonzero(session.labels.voxels)[:3]
    session.labels.voxels.reshape(-1)[inside] = 0
    controller.record_stroke(inside, np.ones(3, np.uint16))
    controller.click(6, 6)
    assert np.array_equal(predictor.predicted[-1].mask, visible(session, session.labels.voxels) == 1)


def test_a_commit_without_a_mask_says_what_to_do(controller, session, heard):
    controller.commit()
    controller.click(*LIVER)
    controller.click(*LIVER, positive=False)
    controller.commit()
    assert heard.failed == [
        "There is no mask to commit; click the object first.",
        "The mask on slice k=4 is empty; add a point inside the object.",
    ]
    assert not session.labels.voxels.any()


def test_the_next_object_gets_a_value_that_nobody_has(controller, session):
    controller.next_object()
    assert session.value == 1 and session.undo_names == ()
    controller.click(*LIVER)
    controller.commit()
    controller.next_object()
    assert (session.value, session.class_name, session.prompts.clicks) == (2, None, ())


def test_a_click_after_undoing_and_redoing_next_object_does_not_touch_the_last_one(controller, session):
    controller.click(*LIVER)
    controller.commit()
    controller.next_object()
    controller.undo()
    controller.undo()
    controller.redo()
    controller.redo()
    assert session.value == 2


# -- suggestions
def test_suggestions_need_no_prompt_and_are_painted(controller, session, heard):
    controller.suggest()
    assert heard.status_changed[-1] == "liver 0.90, spleen 0.80, kidney_left 0.70"
    on_slice = visible(session, session.semantic.voxels)
    tissue = visible(session, session.volume.voxels)
    assert [set(on_slice[tissue == hu]) for hu in (60, 120, 180)] == [{1}, {2}, {3}]


def test_an_accepted_suggestion_is_refined_and_becomes_an_object_of_its_own(controller, session, predictor):
    controller.click(*LIVER)
    controller.commit()
    controller.accept(session.suggestions[0])
    asked = predictor.predicted[-1]
    assert asked.box is not None and len(asked.clicks) == 1
    assert session.labels.labels == {1: Label(1, "liver"), 2: Label(2, "spleen")} and session.value == 1
    spleen = visible(session, session.volume.voxels) == 120
    assert np.array_equal(visible(session, session.labels.voxels) == 2, spleen)
    assert [s.name for s in session.suggestions] == ["kidney_left"] and session.undo_names[0] == "accept spleen"


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
    assert np.array_equal(visible(session, session.labels.voxels) > 0, spleen.mask)


# -- history
def test_undo_and_redo_say_what_they_do_and_where(controller, session, heard):
    controller.show(2, 3)
    controller.click(*LIVER)
    controller.commit()
    controller.show(2, 4)
    controller.undo()
    assert heard.status_changed[-1] == "Undone: commit liver on slice k=3."
    assert session.undo_names == ("point",) and session.redo_names == ("commit liver",)
    controller.redo()
    assert heard.status_changed[-1] == "Redone: commit liver on slice k=3."


def test_undoing_a_point_brings_the_answer_before_it_back(controller, session):
    controller.click(*LIVER)
    first = session.prediction
    controller.click(*SPLEEN)
    controller.undo()
    assert np.array_equal(session.prediction.mask, first.mask)
    controller.undo()
    assert session.prediction is None


def test_undoing_a_commit_brings_the_preview_back(controller, session):
    controller.click(*LIVER)
    controller.commit()
    controller.undo()
    assert session.prediction is not None and session.uncommitted and not session.labels.voxels.any()
    assert session.labels.labels == {}


def test_undoing_next_object_brings_uncommitted_prompts_back(controller, session):
    controller.click(*LIVER)
    controller.next_object()
    assert session.prediction is None
    controller.undo()
    assert session.prediction is not None and len(session.prompts.clicks) == 1


def test_there_is_nothing_to_undo_in_the_beginning(controller, session, heard):
    controller.undo()
    controller.redo()
    assert not heard.status_changed and not heard.failed


def test_every_listener_can_follow_by_writing_what_a_patch_says(controller, session):
    copy = session.labels.voxels.copy()

    def follow(patch):
        assert np.array_equal(copy.reshape(-1)[patch.indices], patch.before)
        copy.reshape(-1)[patch.indices] = patch.after

    controller.labels_changed.connect(follow)
    controller.click(*LIVER)
    controller.commit()
    controller.accept(session.suggestions[0])
    for act in (controller.undo, controller.undo, controller.redo, controller.redo):
        act()
        assert np.array_equal(copy, session.labels.voxels)


def test_a_brush_stroke_is_one_entry_even_where_it_crosses_itself(controller, session):
    flat = session.labels.voxels.reshape(-1)
    flat[[5, 6]] = 4
    patch = controller.record_stroke(np.array([5, 6, 5]), np.array([0, 0, 4], np.uint16))
    assert len(patch) == 2 and session.undo_names == ("brush",) and session.labels.labels[4].name == "object 4"
    controller.undo()
    assert not flat.any() and session.labels.labels == {}


def test_a_stroke_that_changed_nothing_is_no_entry(controller, session):
    patch = controller.record_stroke(np.array([5]), np.array([0], np.uint16))
    assert len(patch) == 0 and session.undo_names == ()


# -- scrolling, window, model, volume
def test_a_slice_beyond_the_last_is_refused(controller, session, heard):
    controller.show(2, 99)
    assert "has 0 to 7" in heard.failed[0] and session.place == (2, 4)


def test_prompts_wait_on_their_slice(controller, session):
    controller.click(*LIVER)
    controller.show(2, 5)
    assert session.prediction is None and not session.prompts.clicks and session.uncommitted
    controller.show(2, 4)
    assert session.prediction is not None and session.class_name == "liver"


def test_a_window_that_was_asked_for_is_what_the_model_sees(controller, session, predictor):
    controller.click(*LIVER)
    lung = Window(-600, 1500)
    controller.set_window(lung)
    assert session.prediction.window == lung and predictor.embedded == [(2, 4), (2, 4)]
    controller.set_window(lung)
    assert len(predictor.embedded) == 2
    controller.set_window(None)
    assert session.prediction.window.name == "soft tissue"


def test_suggestions_are_asked_again_through_another_window(controller, session):
    controller.suggest()
    controller.set_window(Window(-600, 1500))
    assert session.suggestions and session.suggestions_window == Window(-600, 1500)


def test_another_model_answers_the_prompts_again_by_its_own_class_ids(controller, session, heard):
    controller.click(*LIVER)
    controller.commit()
    controller.next_object()
    controller.click(*SPLEEN)
    controller.set_predictor(FakePredictor("other", "0" * 64, vocabulary=Vocabulary(("spleen", "pancreas", "liver"))))
    assert "other is ready on cpu." in heard.status_changed
    tissue, classes = session.volume.voxels[..., 4], session.semantic.voxels[..., 4]
    assert set(classes[tissue == 60]) == {3} and set(classes[tissue == 120]) == {1}
    assert [label.name for label in session.semantic.labels.values()] == ["spleen", "pancreas", "liver"]


def test_without_a_model_prompts_are_kept_and_answered_when_there_is_one(session, predictor):
    controller = Controller(session, None, ImmediateExecutor(), neighbours=())
    fails = []
    controller.failed.connect(fails.append)
    controller.show(2, 4)
    controller.click(*LIVER)
    controller.suggest()
    assert session.prediction is None
    assert fails == ["There is no model yet; wait until it is loaded, or choose one."]
    controller.load_predictor(lambda: predictor, "fake")
    assert session.class_name == "liver" and session.prediction is not None


def test_opening_another_volume_is_refused_while_work_would_be_lost(controller, session):
    other = block_volume()
    controller.click(*LIVER)
    assert controller.open(other) is True and session.volume is not other, "uncommitted"
    controller.commit()
    assert controller.open(other) is True and session.labels.voxels.any(), "unsaved"
    session.mark_saved()
    assert controller.open(other) is False and session.volume is other
    assert not session.labels.voxels.any() and session.undo_names == () and session.prediction is None


def test_work_is_discarded_only_on_request(controller, session):
    controller.click(*LIVER)
    assert controller.open(block_volume(), discard=True) is True
    assert not session.uncommitted and session.prompts.clicks == ()


def test_labels_made_earlier_are_kept_and_their_values_not_given_again(session):
    labels = LabelMap(session.volume.grid)
    labels.voxels[0, 0, 0] = 1
    again = Session(session.volume, labels)
    assert again.value == 2 and again.labels.labels == {1: Label(1, "object 1")}


def test_labels_of_another_grid_are_refused(controller, session):
    volume = session.volume
    with pytest.raises(GridMismatchError, match="blocks"):
        controller.open(block_volume(), LabelMap(block_volume((4, 4, 4)).grid))
    assert session.volume is volume


# -- trouble
def test_what_the_person_can_mend_is_said_as_it_is(controller, predictor, heard):
    predictor.error = BadPromptsError("Too many points; remove some.")
    controller.click(*LIVER)
    assert heard.failed == ["Too many points; remove some."]


def test_a_bug_is_said_plainly_and_logged_with_its_traceback(controller, session, predictor, heard, caplog):
    predictor.error = RuntimeError("shape (3, 4)")
    with caplog.at_level(logging.ERROR):
        controller.click(*LIVER)
    assert "RuntimeError" in heard.failed[0] and "log" in heard.failed[0]
    assert caplog.records[0].exc_info[1] is predictor.error
    assert not controller.busy and len(session.prompts.clicks) == 1


def test_after_trouble_the_next_click_is_answered(controller, session, predictor):
    predictor.error = BadPromptsError("no")
    controller.click(*LIVER)
    predictor.error = None
    controller.click(6, 6)
    assert session.prediction is not None
