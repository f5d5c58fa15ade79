"""What undo and redo bring back, and what they say; strokes of the brush among it."""

import numpy as np

from tests.fakes import LIVER, SPLEEN


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


def test_going_back_several_entries_is_one_change_that_listeners_can_follow(controller, session, heard):
    copy = session.labels.voxels.copy()

    def follow(patch):
        assert np.array_equal(copy.reshape(-1)[patch.indices], patch.before)
        copy.reshape(-1)[patch.indices] = patch.after

    controller.labels_changed.connect(follow)
    for place in (LIVER, SPLEEN):
        controller.click(*place)
        controller.commit()
        controller.next_object()
    kept, names = session.labels.voxels.copy(), session.undo_names
    changes = len(heard.labels_changed)
    controller.travel(-5)
    assert session.undo_names == ("point",) and session.redo_names == names[:5][::-1]
    assert not session.labels.voxels.any() and session.prediction is not None
    assert heard.status_changed[-1] == "Undone: 5 steps." and len(heard.labels_changed) == changes + 1
    controller.travel(5)
    assert np.array_equal(session.labels.voxels, kept) and session.undo_names == names
    assert np.array_equal(copy, kept)


def test_one_entry_back_says_its_name_and_no_further_than_the_beginning(controller, session, heard):
    controller.click(*LIVER)
    controller.travel(-1)
    assert heard.status_changed[-1] == "Undone: point."
    controller.travel(7)
    assert heard.status_changed[-1] == "Redone: point."
    controller.travel(0)
    controller.travel(-7)
    assert session.undo_names == () and session.redo_names == ("point",)


def test_labels_that_are_as_they_were_at_first_or_when_last_saved_are_not_unsaved(controller, session):
    controller.click(*LIVER)
    controller.commit()
    assert session.unsaved
    controller.undo()
    controller.undo()
    assert not session.unsaved
    controller.redo()
    controller.redo()
    assert session.unsaved
    session.mark_saved()
    controller.next_object()
    controller.click(*SPLEEN)
    assert not session.unsaved, "prompts are not labels"
    controller.commit()
    controller.undo()
    assert not session.unsaved
    controller.travel(-3)
    assert session.unsaved, "the file has the liver"
    controller.redo()
    assert not session.unsaved


def test_what_was_never_saved_is_unsaved_wherever_undo_leads(controller, session):
    session.mark_unsaved()
    controller.click(*LIVER)
    controller.commit()
    controller.undo()
    assert session.unsaved


def test_a_stroke_and_a_deletion_say_what_they_did(controller, session, heard):
    controller.show(2, 3)
    controller.click(*LIVER)
    controller.commit()
    controller.delete(1)
    assert heard.status_changed[-1] == "Done: delete liver."
    controller.undo()
    voxels = session.labels.voxels.reshape(-1)
    before = voxels[:2].copy()
    voxels[:2] = 1
    controller.record_stroke(np.array([0, 1]), before, place=(2, 0))
    assert heard.status_changed[-1] == "Done: brush on slice k=0."


def test_a_stroke_adds_nothing_to_a_hidden_object_and_erases_nothing_of_it_but_others_may_take_from_it(
    controller, session, heard
):
    controller.click(*LIVER)
    controller.commit()
    controller.hide(1, True)
    voxels = session.labels.voxels.reshape(-1)
    own, free = np.flatnonzero(voxels == 1), np.flatnonzero(voxels == 0)
    indices = np.array([own[0], own[1], free[0]])
    before = voxels[indices].copy()
    voxels[indices] = (0, 2, 1)
    controller.record_stroke(indices, before)
    assert list(voxels[indices]) == [1, 2, 0]
    took = "It took voxels of liver, hidden; undo gives them back."
    assert heard.failed == [f"What is hidden was left as it is; show an object to change it. {took}"]
    voxels[own[2]] = 2
    controller.record_stroke(own[2:3], np.ones(1, np.uint16))
    assert heard.status_changed[-1].endswith(took)


def test_a_commit_to_a_hidden_object_says_that_it_is_hidden(controller, heard):
    controller.click(*LIVER)
    controller.commit()
    assert "hidden" not in heard.status_changed[-1]
    controller.hide(1, True)
    controller.go_to(1)
    controller.click(*SPLEEN)
    controller.commit()
    assert heard.status_changed[-1].startswith("Committed liver on slice")
    assert "It is hidden; the table of objects shows it again." in heard.status_changed[-1]


def test_a_commit_over_a_hidden_object_says_what_it_took(controller, session, heard):
    controller.click(*LIVER)
    controller.commit()
    voxels = session.labels.voxels.reshape(-1)
    voxels[0] = 1  # or nothing would be left of it
    controller.record_stroke(np.array([0]), np.zeros(1, np.uint16))
    controller.next_object()
    controller.hide(1, True)
    controller.click(*SPLEEN)
    controller.commit()
    assert "hidden" not in heard.status_changed[-1]
    controller.next_object()
    controller.click(*LIVER)
    controller.commit()
    assert heard.status_changed[-1].endswith("It took voxels of liver, hidden; undo gives them back.")


def test_what_an_undo_takes_from_a_hidden_object_is_not_called_a_loss(controller, session, heard):
    for organ in (LIVER, SPLEEN):
        controller.click(*organ)
        controller.commit()
        controller.next_object()
    voxels = session.labels.voxels.reshape(-1)
    taken = np.flatnonzero(voxels == 1)[:1]
    voxels[taken] = 2
    controller.record_stroke(taken, np.ones(1, np.uint16))
    controller.hide(2, True)
    controller.undo()
    assert heard.status_changed[-1].startswith("Undone: brush") and "took" not in heard.status_changed[-1]


def test_a_new_object_with_the_value_of_one_that_was_hidden_is_seen(controller, session):
    for _ in range(2):
        controller.click(*LIVER)
        controller.commit()
        controller.hide(1, True)
        controller.delete(1)
    controller.click(*SPLEEN)
    controller.commit()
    assert session.hidden == frozenset() and session.semantic.voxels.any()
