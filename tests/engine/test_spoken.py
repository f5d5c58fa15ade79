"""Class names as a person reads them: whatever the window says of ``kidney_left``, it says "kidney left"."""

import numpy as np
import pytest

from napari_segsam.core.terminology import spoken
from tests.fakes import LIVER

KIDNEY = (15, 18)
"""Row and column of a voxel of the left kidney on every k slice but the outermost."""


@pytest.fixture
def kidney(controller):
    """The left kidney, clicked and committed."""
    controller.click(*KIDNEY)
    controller.commit()
    return controller


def history(session):
    return " | ".join((*session.undo_names, *session.redo_names))


def all_said(heard):
    return [*heard.status_changed, *heard.failed]


def test_a_name_has_blanks_where_files_have_underscores():
    assert spoken("kidney_left") == "kidney left" and spoken("liver") == "liver"


def test_what_is_answered_committed_and_worked_on_is_told_with_blanks(kidney, heard):
    value = kidney.session.value
    kidney.click(KIDNEY[0] + 1, KIDNEY[1])
    kidney.commit()
    kidney.next_object()
    kidney.go_to(value)
    kidney.suggest()
    kidney.undo()
    told = all_said(heard)
    assert any(text.startswith("kidney left 0.93") for text in told)
    assert any("Committed kidney left on" in text for text in told) and "Working on kidney left." in told
    assert any("Undone: go to kidney left" in text for text in told)
    assert not [text for text in told if "_" in text]


def test_the_history_speaks_of_every_deed_with_blanks(kidney):
    session, value = kidney.session, kidney.session.value
    kidney.lock(value, True)
    kidney.lock(value, False)
    kidney.set_status(value, "done")
    kidney.choose_class("renal_stent")
    kidney.through.smooth(2.0)
    kidney.through.propagate(1)
    kidney.next_object()
    kidney.go_to(value)
    kidney.delete(value)
    kidney.suggest()
    kidney.accept(next(s for s in session.suggestions if s.name == "kidney_left"))
    kidney.show(2, 5)
    kidney.suggest()
    kidney.reject(next(s for s in session.suggestions if s.name == "kidney_left"))
    deeds = ("commit", "lock", "unlock", "class", "propagate", "go to", "delete", "accept", "reject")
    assert [deed for deed in deeds if deed not in history(session)] == []
    assert "class kidney left -> renal stent" in history(session) and "_" not in history(session)


def test_what_is_refused_is_told_with_blanks(kidney, heard):
    session, value = kidney.session, kidney.session.value
    kidney.lock(value, True)
    assert kidney.through.hindrance("propagate") == "kidney left is locked; unlock it first."
    kidney.delete(value)
    kidney.lock(value, False)
    kidney.show(2, 5)
    kidney.use_mask()
    kidney.suggest()
    gone = next(s for s in session.suggestions if s.name == "kidney_left")
    kidney.reject(gone)
    kidney.accept(gone)
    refused = heard.failed
    assert len(refused) == 3 and all("kidney left" in text for text in refused), refused


def test_an_object_that_lost_its_last_voxel_and_one_on_the_wrong_side_are_told_with_blanks(kidney, heard):
    kidney.next_object()
    kidney.choose_class("kidney_right")
    kidney.click(*KIDNEY)
    kidney.commit()
    assert any("Nothing is left of kidney left (value 1)" in text for text in heard.status_changed)
    assert not [text for text in all_said(heard) if "_" in text]


def test_propagation_tells_where_and_why_it_stopped_with_blanks(controller, heard, progress):
    voxels = controller.session.volume.voxels
    voxels[..., 6] = np.where(voxels[..., 6] == 60, 180, voxels[..., 6])
    controller.click(*LIVER)
    controller.through.propagate(1)
    assert any("it would be called kidney left, not liver" in text for text in heard.status_changed)
    controller.next_object()
    controller.click(*KIDNEY)
    controller.through.propagate(1)
    assert {p.title for p in progress} == {"propagate liver", "propagate kidney left"}
    assert not [text for text in all_said(heard) if "_" in text]
