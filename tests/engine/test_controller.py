"""What a person does and what comes of it, with answers at once: slices, windows, models, volumes, and trouble.

Clicks, commits, suggestions and undo have files of their own; see test_late_answers.py for answers that are late.
"""

import logging
import subprocess
import sys

import pytest

from napari_segsam.core.errors import BadPromptsError, GridMismatchError
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.core.volume import Window
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.executor import ImmediateExecutor
from napari_segsam.engine.session import Session
from tests.fakes import LIVER, SPLEEN, FakePredictor, block_volume


def test_importing_the_controller_loads_neither_qt_nor_napari_nor_torch():
    code = (
        "import sys, napari_segsam.engine.controller\n"
        "print(sorted({'qtpy', 'PyQt6', 'napari', 'magicgui', 'torch'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_building_a_controller_runs_nothing(controller, predictor):
    assert not predictor.embedded and not controller.busy


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


def test_opening_another_volume_is_refused_while_prompts_of_an_object_that_is_not_current_wait(controller, session):
    controller.click(*LIVER)
    controller.next_object()
    assert session.uncommitted and not session.uncommitted_here
    assert controller.open(block_volume()) is True and session.objects == (1,)
    controller.delete(1)
    assert not session.uncommitted


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
