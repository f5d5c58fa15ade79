"""What a person points at and calls it, and the masks and names that come of it."""

import numpy as np

from napari_segsam.core.labels import Label
from tests.fakes import LIVER, SPLEEN


def test_a_click_gives_a_mask_and_a_name(controller, session, heard):
    controller.click(*LIVER)
    assert np.array_equal(session.prediction.mask, session.view.of(session.volume.voxels) == 60)
    assert session.class_name == "liver" and heard.status_changed[-1] == "liver 0.93"
    assert heard.prediction_changed[-1] is session.prediction
    assert [s.name for s in session.suggestions] == ["spleen", "kidney_left"]


def test_a_slice_is_embedded_once_for_all_its_clicks(controller, predictor):
    controller.show(2, 4)
    controller.click(*LIVER)
    controller.click(*SPLEEN)
    controller.suggest()
    assert predictor.embedded == [(2, 4)]


def test_classes_are_drawn_anew_with_the_answer_and_not_with_the_click(waiting, later):
    waiting.show(2, 4)
    drawn = []
    waiting.semantic_changed.connect(lambda: drawn.append(later.waiting))
    waiting.click(*LIVER)
    assert not drawn
    later.run_all()
    assert len(drawn) == 1


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
    assert np.array_equal(predictor.predicted[-1].mask, shown)


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


def test_an_object_can_be_called_what_no_model_knows(controller, session, heard):
    controller.click(*LIVER)
    controller.choose_class("Renal stent")
    controller.commit()
    assert session.labels.labels == {1: Label(1, "renal_stent")} and not heard.failed
    assert session.undo_names[:2] == ("commit renal stent", "class liver -> renal stent")


def test_what_cannot_be_a_name_is_refused(controller, session, heard):
    controller.click(*LIVER)
    controller.choose_class("union_of_all")
    assert "union_" in heard.failed[0] and session.class_name == "liver"


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
