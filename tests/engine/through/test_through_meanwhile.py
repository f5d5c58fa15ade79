"""What a person does while an object is carried through the slices: nothing is drawn in the wrong place."""

import numpy as np
import pytest
from psygnal import EmitLoopError

from napari_segsam.core.volume import Window
from napari_segsam.engine.session import Session
from tests.engine.by_hand import brush, click_liver, on_slices, paint, truth
from tests.fakes import LIVER, SPLEEN, FakePredictor, block_volume


def running(waiting, later, slices=1):
    """Carried on from slice 4 by so many slices; the next answer is ready, but not delivered."""
    click_liver(waiting, later)
    waiting.through.propagate(1)
    for _ in range(slices + 1):
        later.run_next()
        later.deliver()
    later.run_next()


def test_cancelled_it_draws_no_further_slice_and_what_was_drawn_is_one_entry(waiting, session, later, progress):
    running(waiting, later)
    waiting.through.cancel()
    assert progress[-1].reason == "Stopped, as asked. Undo takes away what was drawn."
    later.run_all()
    assert on_slices(session) == [4, 5] and session.undo_names == ("propagate liver k=4..5", "point")
    assert waiting.through.progress is None


def test_cancelled_while_a_slice_waits_nothing_of_it_is_computed(waiting, later, predictor, progress):
    click_liver(waiting, later)
    waiting.through.propagate(1)
    asked = len(predictor.predicted)
    waiting.through.cancel()
    later.run_all()
    assert len(predictor.predicted) == asked and progress[-1].reason == "Stopped, as asked."


def test_a_step_in_between_stays_where_it_is_and_a_new_entry_begins(waiting, session, later):
    running(waiting, later)
    waiting.click(LIVER[0] + 1, LIVER[1] + 1)
    later.run_all()
    assert session.undo_names == ("propagate liver k=6", "point", "propagate liver k=4..5", "point")
    for expected in ([4, 5], [4, 5], [], []):
        waiting.undo()
        assert on_slices(session) == expected


def test_what_is_done_to_another_object_meanwhile_does_not_end_it(waiting, session, later):
    running(waiting, later)
    waiting.next_object()
    waiting.click(*SPLEEN)
    later.run_all()
    waiting.commit()
    assert on_slices(session, 1) == [4, 5, 6] and on_slices(session, 2) == [4]
    assert session.value == 2


def test_a_class_chosen_meanwhile_is_what_the_entry_is_called_by(waiting, session, later):
    running(waiting, later)
    waiting.choose_class("spleen")
    later.run_all()
    assert session.undo_names[0] == "propagate spleen k=6"


def test_undone_it_ends_and_nothing_of_it_is_left(waiting, session, later, progress):
    running(waiting, later)
    waiting.undo()
    assert progress[-1].reason == "Stopped: it was undone."
    later.run_all()
    assert not session.labels.voxels.any() and session.redo_names == ("propagate liver k=4..5",)


def test_scrolling_through_the_history_past_it_ends_it_too(waiting, session, later, progress):
    running(waiting, later)
    waiting.next_object()
    waiting.undo()
    assert not progress[-1].is_over
    waiting.undo()
    assert progress[-1].reason == "Stopped: it was undone."


def test_what_is_undone_and_redone_above_it_leaves_it_one_entry(waiting, session, later):
    running(waiting, later)
    waiting.next_object()
    waiting.undo()
    later.run_all()
    assert session.undo_names == ("propagate liver k=4..6", "point")


@pytest.mark.parametrize(
    ("meanwhile", "reason"),
    [
        (lambda c: c.delete(1), "Stopped: the object was taken off the labels."),
        (lambda c: c.lock(1, True), "Stopped: liver was locked."),
        (lambda c: c.set_window(Window(-600, 1500)), "Stopped: the model was changed, or the window that it sees."),
        (lambda c: c.set_predictor(FakePredictor("other", "0" * 64)), "Stopped: the model was changed, or the window "),
        (lambda c: c.open(block_volume(), discard=True), "Stopped: another scan was opened."),
        (lambda c: c.open(c.session.volume, discard=True), "Stopped: another scan was opened."),
        (lambda c: c.resume(Session(block_volume())), "Stopped: another scan was opened."),
    ],
    ids=["deleted", "locked", "window", "model", "volume", "anew", "session"],
)
def test_no_slice_is_drawn_where_everything_is_another(waiting, session, later, progress, meanwhile, reason):
    running(waiting, later)
    meanwhile(waiting)
    voxels = waiting.session.labels.voxels.copy()
    later.run_all()
    assert np.array_equal(waiting.session.labels.voxels, voxels)
    assert progress[-1].reason.startswith(reason) and waiting.through.progress is None


def test_an_object_that_takes_the_value_of_a_deleted_one_is_not_carried(waiting, session, later):
    running(waiting, later)
    waiting.delete(1)
    paint(waiting, (20, 3, 2), 1)
    later.run_all()
    assert on_slices(session) == [2]


def test_a_slice_that_was_brushed_before_stays_as_it_is(controller, session, progress):
    click_liver(controller)
    paint(controller, (3, 3, 6), 1)
    controller.through.propagate(1)
    assert on_slices(session) == [4, 5, 6] and int((session.labels.voxels[..., 6] == 1).sum()) == 1
    reason = "Stopped at slice k=6: liver is drawn there already, and stays as it is."
    assert progress[-1].reason == f"1 slice drawn. {reason}"


def test_a_slice_that_is_brushed_while_its_answer_is_on_its_way_stays_as_it_is(waiting, session, later):
    running(waiting, later)
    paint(waiting, (3, 3, 6), 1)
    later.run_all()
    assert int((session.labels.voxels[..., 6] == 1).sum()) == 1


def test_a_slice_whose_prompts_wait_for_the_person_is_left_to_them(controller, session, progress):
    controller.show(2, 6)
    click_liver(controller)
    controller.show(2, 4)
    click_liver(controller)
    controller.through.propagate(1)
    assert on_slices(session) == [4, 5] and session.uncommitted
    assert progress[-1].reason.endswith("Stopped at slice k=6: there are prompts whose mask was not committed yet.")


def test_a_locked_neighbour_keeps_its_voxels(controller, session):
    paint(controller, (3, 3, 5), 7)
    controller.lock(7, True)
    click_liver(controller)
    controller.through.propagate(1)
    assert session.labels.voxels[3, 3, 5] == 7
    assert int((session.labels.voxels[..., 5] == 1).sum()) == int(truth(session)[..., 5].sum()) - 1


def test_it_ends_where_all_of_it_would_lie_on_locked_objects(controller, session, progress):
    brush(controller, np.flatnonzero(truth(session) & (np.arange(8) == 5)), 7)
    controller.lock(7, True)
    click_liver(controller)
    controller.through.propagate(1)
    assert on_slices(session) == [4]
    assert "Stopped at slice k=5: All of liver lies on locked objects" in progress[-1].reason


def test_what_is_tidied_while_the_person_looks_elsewhere_belongs_to_its_own_slice(waiting, session, later, heard):
    click_liver(waiting, later)
    waiting.suggest()
    later.run_all()
    waiting.commit()
    waiting.through.smooth(6.0)
    waiting.show(2, 2)
    later.run_all()
    assert session.undo_names[0] == "smooth liver on slice k=4"
    waiting.undo()
    assert heard.status_changed[-1] == "Undone: smooth liver on slice k=4."


def test_a_run_that_a_fault_of_the_program_ended_is_over(waiting, session, later, progress):
    click_liver(waiting, later)
    waiting.commit()
    faults = [ValueError("of a listener")]

    def fail(_patch):
        if faults:
            raise faults.pop()

    waiting.labels_changed.connect(fail)
    waiting.through.propagate(1)
    with pytest.raises(EmitLoopError):
        later.run_all()
    assert progress[-1].reason == "Stopped: the program failed." and waiting.through.progress is None
    waiting.show(2, session.place[1])
    waiting.through.propagate(-1)
    later.run_all()
    assert on_slices(session) == [1, 2, 3, 4, 5]
