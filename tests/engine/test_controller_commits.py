"""What a commit writes, under which value, and what lay there before."""

import numpy as np

from napari_segsam.core.labels import Label
from tests.fakes import LIVER, SPLEEN


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
    liver = session.view.of(session.volume.voxels) == 60
    assert np.array_equal(session.view.of(session.labels.voxels) == 1, liver)


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
    on_slice = session.view.of(session.labels.voxels)
    tissue = session.view.of(session.volume.voxels)
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
    assert np.array_equal(predictor.predicted[-1].mask, session.view.of(session.labels.voxels) == 1)


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


def test_a_commit_before_the_answer_says_that_there_is_none_yet(waiting, heard):
    waiting.click(*LIVER)
    waiting.commit()
    assert heard.failed == ["The model has not answered yet; commit the outline once it is there."]


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
