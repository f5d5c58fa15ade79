"""Lassos, scribbles and masks as prompts; points and boxes that are moved or taken away; prompts that wait."""

import numpy as np
import pytest

from napari_segsam.engine.inference import PREDICT
from tests.fakes import LIVER, SPLEEN

ROUND_LIVER = [(1, 1), (1, 11), (9, 11), (9, 1)]
ROUND_SPLEEN = [(1, 13), (1, 22), (9, 22), (9, 13)]


def organ(session, hu):
    return session.view.of(session.volume.voxels) == hu


def test_a_lasso_prompts_with_its_inside_and_is_one_entry(controller, session, predictor):
    controller.lasso(ROUND_LIVER)
    prompts = predictor.predicted[-1]
    assert prompts.mask[5, 5] and not prompts.mask[5, 15] and prompts.box is None
    assert [c.positive for c in prompts.clicks] == [True]
    assert session.undo_names == ("lasso",) and session.class_name == "liver"
    controller.undo()
    assert not session.prompts.clicks and session.prompts.mask is None


def test_a_lasso_says_anew_where_the_object_is_but_keeps_the_points(controller, session):
    controller.box((1, 13), (9, 22))
    controller.click(*SPLEEN, positive=False)
    controller.lasso(ROUND_LIVER)
    assert session.prompts.box is None and not session.prompts.mask[5, 15]
    assert [c.positive for c in session.prompts.clicks] == [False, True]


def test_a_negative_lasso_takes_its_inside_from_the_mask(controller, session):
    controller.click(*LIVER)
    shown = session.prediction.mask
    controller.lasso([(0, 0), (0, 25), (5, 25), (5, 0)], positive=False)
    assert session.undo_names[0] == "negative lasso"
    assert not session.prompts.mask[:5].any() and np.array_equal(session.prompts.mask[7:], shown[7:])
    assert [c.positive for c in session.prompts.clicks] == [True, False]


def test_a_negative_lasso_with_nothing_to_take_it_from_says_what_to_do(controller, session, heard):
    controller.lasso(ROUND_LIVER, positive=False)
    assert session.prediction is None and session.prompts.mask is None
    assert "add a positive point" in heard.status_changed[-1]


def test_a_lasso_past_the_border_is_clipped(controller, session):
    controller.lasso([(-30, -30), (-30, 11), (9, 11), (9, -30)])
    rows, cols = session.view.shape
    assert session.prompts.mask[0, 0] and session.prompts.mask.shape == (rows, cols)


def test_a_scribble_adds_its_points_in_one_entry_and_corrects_the_mask(controller, session):
    controller.click(*LIVER)
    shown = session.prediction.mask
    controller.scribble([(3, 15), (3, 20), (8, 20)], positive=False)
    signs = [c.positive for c in session.prompts.clicks]
    assert signs[0] and len(signs) > 3 and not any(signs[1:])
    assert np.array_equal(session.prompts.mask, shown) and session.undo_names == ("negative scribble", "point")
    controller.undo()
    assert len(session.prompts.clicks) == 1


def test_an_empty_path_is_refused(controller, session, heard):
    controller.lasso(np.empty((0, 2)))
    controller.scribble([(np.nan, 2.0)])
    assert all("hold the mouse button" in said for said in heard.failed) and len(heard.failed) == 2
    assert session.undo_names == ()


def test_what_was_committed_and_brushed_here_is_drawn_anew(controller, session, predictor):
    controller.click(*LIVER)
    controller.commit()
    view, flat = session.view, session.labels.voxels.reshape(-1)
    more = np.zeros(view.shape, bool)
    more[0] = True
    indices = view.flat_indices(more)
    before = flat[indices].copy()
    flat[indices] = 1
    controller.record_stroke(indices, before)
    controller.use_mask()
    assert session.undo_names[0] == "mask as prompt" and session.uncommitted_here
    assert np.array_equal(predictor.predicted[-1].mask, organ(session, 60) | more)
    assert session.prediction is not None


def test_a_mask_that_is_not_there_is_no_prompt(controller, session, heard):
    controller.click(*LIVER)
    controller.use_mask()
    assert "paint on the layer 'labels'" in heard.failed[-1] and session.undo_names == ("point",)


def test_a_moved_point_is_asked_for_at_its_new_place(controller, session):
    controller.click(*LIVER)
    controller.move_click(0, *SPLEEN)
    assert session.undo_names == ("move point", "point")
    assert session.class_name == "spleen" and np.array_equal(session.prediction.mask, organ(session, 120))
    controller.undo()
    assert session.class_name == "liver"


def test_the_newest_point_corrects_the_same_mask_when_it_is_moved_an_older_one_none(controller, session):
    controller.click(*LIVER)
    controller.click(6, 6)
    corrected = session.prompts.mask
    controller.move_click(1, 7, 7)
    assert np.array_equal(session.prompts.mask, corrected)
    controller.move_click(0, 4, 4)
    assert session.prompts.mask is None
    assert [(c.row, c.col) for c in session.prompts.clicks] == [(4, 4), (7, 7)]


def test_any_earlier_point_can_go(controller, session):
    controller.click(*LIVER)
    controller.click(*SPLEEN)
    controller.remove_click(0)
    assert session.class_name == "spleen" and session.undo_names[0] == "remove point"
    controller.remove_click(0)
    assert not session.prompts and session.prediction is None


@pytest.mark.parametrize("index", [-1, 1, 7])
def test_a_point_that_is_not_there_can_be_neither_moved_nor_removed(controller, session, heard, index):
    controller.click(*LIVER)
    controller.move_click(index, 3, 3)
    controller.remove_click(index)
    assert len(heard.failed) == 2 and session.undo_names == ("point",)


def test_a_point_cannot_be_moved_off_the_slice(controller, session, heard):
    controller.click(*LIVER)
    controller.move_click(0, 500, 5)
    assert "row 500" in heard.failed[0] and session.undo_names == ("point",)


def test_a_box_can_be_moved_and_removed(controller, session, heard):
    controller.move_box((1, 1), (9, 11))
    controller.remove_box()
    assert len(heard.failed) == 2 and session.undo_names == ()
    controller.box((1, 1), (9, 11))
    controller.move_box((9, 22), (1, 13))
    assert session.class_name == "spleen" and session.undo_names[0] == "move box"
    controller.click(*LIVER)
    controller.remove_box()
    assert session.prompts.box is None and len(session.prompts.clicks) == 1 and session.undo_names[0] == "remove box"


def test_collected_prompts_are_answered_once_when_all_are_there(controller, session, predictor):
    controller.collect(True)
    controller.click(*LIVER)
    controller.click(*SPLEEN, positive=False)
    controller.box((1, 1), (9, 11))
    assert not predictor.predicted and session.prediction is None
    controller.collect(False)
    assert len(predictor.predicted) == 1 and len(predictor.predicted[0].clicks) == 2
    assert session.answered and session.undo_names == ("box", "negative point", "point")
    controller.click(6, 6)
    assert len(predictor.predicted) == 2


def test_an_answer_on_its_way_is_not_taken_for_one_to_a_collected_prompt(waiting, session, later):
    waiting.click(*LIVER)
    later.run_next()
    waiting.collect(True)
    waiting.click(*SPLEEN, positive=False)
    later.run_all()
    assert not session.answered and session.prediction is None and not waiting.busy
    waiting.collect(False)
    assert PREDICT in later.keys
    later.run_all()
    assert session.answered


def test_collecting_leaves_an_answer_on_its_way_alone_while_nothing_is_added(waiting, session, later):
    waiting.click(*LIVER)
    waiting.collect(True)
    later.run_all()
    assert session.answered


def test_prompts_collected_on_a_slice_that_was_left_are_answered_there(controller, session, predictor):
    controller.collect(True)
    controller.click(*LIVER)
    k = session.view.index
    controller.show(2, k + 1)
    controller.collect(False)
    assert not predictor.predicted
    controller.show(2, k)
    assert session.answered


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_prompts_come_back_with_their_slice_on_any_axis(controller, session, axis):
    middle = session.volume.grid.shape[axis] // 2
    controller.show(axis, middle)
    controller.click(2, 3)
    controller.scribble([(2, 2), (5, 2)])
    made = session.prompts
    controller.show(axis, middle - 1)
    assert not session.prompts.clicks
    controller.show((axis + 1) % 3, 1)
    controller.show(axis, middle)
    assert session.prompts is made and session.answered
