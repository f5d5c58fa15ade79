"""An object carried through the slices: as one entry, a slice a job, and no further than it should."""

import numpy as np

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Window
from napari_segsam.engine.cache import EmbeddingCache
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.executor import ImmediateExecutor
from napari_segsam.engine.session import Session
from tests.engine.by_hand import brush, click_liver, on_slices, truth
from tests.fakes import LIVER, SPLEEN, block_volume


def test_an_object_is_carried_to_both_of_its_ends_as_one_entry(controller, session, progress):
    click_liver(controller)
    controller.through.propagate()
    assert np.array_equal(session.labels.voxels == 1, truth(session))
    assert session.undo_names == ("propagate liver k=1..6", "point")
    assert (progress[-1].done, progress[-1].planned) == (5, 7)
    assert progress[-1].reason.startswith("5 slices drawn. Stopped at slice k=7: ")
    assert "Stopped at slice k=0: " in progress[-1].reason
    controller.undo()
    assert not session.labels.voxels.any()
    assert session.undo_names == ("point",)
    controller.redo()
    assert np.array_equal(session.labels.voxels == 1, truth(session))


def test_the_shown_mask_is_committed_as_the_entry_s_first_slice(controller, session):
    click_liver(controller)
    controller.through.propagate(1, at_most=1)
    assert on_slices(session) == [4, 5]
    assert session.undo_names == ("propagate liver k=4..5", "point")
    assert session.labels.labels[1].name == "liver"


def test_from_a_committed_mask_only_what_is_carried_is_the_entry(controller, session):
    click_liver(controller)
    controller.commit()
    controller.through.propagate(-1)
    assert session.undo_names == ("propagate liver k=1..3", "commit liver", "point")
    controller.undo()
    assert on_slices(session) == [4]


def test_from_one_end_the_other_way_it_goes_on_at_the_other_end(controller, session):
    click_liver(controller)
    controller.through.propagate(1)
    controller.show(2, 6)
    controller.through.propagate(-1, at_most=2)
    assert on_slices(session) == [2, 3, 4, 5, 6]
    assert session.undo_names[0] == "propagate liver k=2..3"


def test_a_brushed_mask_can_be_carried_too(controller, session):
    controller.session.labels.voxels[truth(session) & (np.arange(8) == 4)] = 0
    where = np.flatnonzero(truth(session) & (np.arange(8) == 4))
    brush(controller, where, 1)
    controller.through.propagate(1)
    assert on_slices(session) == [4, 5, 6]


def test_no_more_slices_than_asked_for_in_each_direction(controller, session, progress):
    click_liver(controller)
    controller.through.propagate(at_most=1)
    assert on_slices(session) == [3, 4, 5]
    assert progress[-1].reason == (
        "2 slices drawn. Stopped at slice k=5, as far as was asked. Stopped at slice k=3, as far as was asked."
    )
    assert [(p.done, p.planned) for p in progress] == [(0, 2), (0, 2), (1, 2), (2, 2)]


def test_it_goes_along_whichever_axis_is_visible(controller, session):
    controller.show(0, 6)
    rows, cols = np.nonzero(session.view.pixels == 60)
    controller.click(int(np.median(rows)), int(np.median(cols)))
    controller.through.propagate()
    assert np.array_equal(session.labels.voxels == 1, truth(session))
    assert session.undo_names[0] == "propagate liver i=1..11"


def test_it_ends_where_the_image_ends(predictor):
    volume = block_volume()
    volume.voxels[..., 7] = volume.voxels[..., 6]
    controller, said = Controller(Session(volume), predictor, ImmediateExecutor(), neighbours=()), []
    controller.through.progress_changed.connect(said.append)
    click_liver(controller)
    controller.through.propagate(1)
    assert on_slices(controller.session) == [4, 5, 6, 7]
    assert said[-1].reason == "3 slices drawn. Stopped at slice k=7: the image ends there."


def test_hundreds_of_slices_that_are_answered_at_once_are_no_deep_recursion(predictor):
    volume = block_volume((12, 10, 250))
    controller = Controller(Session(volume), predictor, ImmediateExecutor(), neighbours=())
    controller.click(2, 2)
    controller.through.propagate()
    assert np.array_equal(controller.session.labels.voxels == 1, volume.voxels == 60)


def test_each_slice_is_drawn_as_it_comes_and_is_a_job_of_its_own(waiting, session, later, progress):
    drawn = []
    waiting.through.drawn.connect(lambda view: drawn.append((view.index, on_slices(session))))
    click_liver(waiting, later)
    waiting.through.propagate(1)
    jobs = 0
    while later.waiting:
        assert later.keys == ["work"]
        later.run_next()
        later.deliver()
        jobs += 1
    assert drawn == [(5, [4, 5]), (6, [4, 5, 6])]
    assert jobs == 4  # the start slice, two that are carried, one that is not
    assert str(progress[2]) == "1 of at most 3 slices" and not progress[2].is_over and progress[-1].is_over


def test_a_click_made_meanwhile_is_answered_before_the_next_slice(waiting, session, later):
    click_liver(waiting, later)
    waiting.through.propagate(1)
    waiting.next_object()
    waiting.click(*SPLEEN)
    assert later.keys == ["predict", "work"]


def test_it_goes_before_the_neighbours_and_after_the_visible_slice(session, predictor, later):
    controller = Controller(session, predictor, later)
    click_liver(controller, later)
    controller.through.propagate(1)
    controller.show(2, 2)
    assert later.keys[:3] == ["embed", "work", ("unseen", 0)]


def test_it_takes_embeddings_from_the_cache_and_leaves_its_own_there(controller, session, predictor, cache):
    controller.show(2, 5)
    controller.show(2, 4)
    click_liver(controller)
    controller.through.propagate(1)
    assert sorted(predictor.embedded) == [(2, 4), (2, 5), (2, 6), (2, 7)]
    assert all(cache.holds(SliceView(session.volume, 2, k), predictor.sha256) for k in range(4, 8))


def test_slices_that_are_scrolled_to_are_embedded_through_its_window(controller, session, predictor, monkeypatch):
    lung = Window(-600, 1500, "lung")
    monkeypatch.setattr(predictor, "window_for", lambda view, prompts, asked=None: asked or (lung if prompts else None))
    click_liver(controller)
    controller.commit()
    controller.show(2, 3)
    controller.show(2, 4)
    embedded = len(predictor.embedded)
    controller.through.propagate(1, at_most=2)
    controller.show(2, 5)
    assert len(predictor.embedded) == embedded + 2


def test_embeddings_that_do_not_fit_are_made_again_and_nothing_else_changes(session, predictor):
    controller = Controller(session, predictor, ImmediateExecutor(), EmbeddingCache(0), neighbours=())
    click_liver(controller)
    controller.through.propagate(1)
    assert on_slices(session) == [4, 5, 6]


# -- what goes wrong
def test_a_model_that_computes_no_numbers_is_said_aloud_and_ends_it(
    waiting, session, later, predictor, heard, progress
):
    click_liver(waiting, later)
    waiting.through.propagate(1)
    for _ in range(2):
        later.run_next()
        later.deliver()
    predictor.error = SegsamError("The model computed something that is no number here.")
    later.run_all()
    assert heard.failed == ["The model computed something that is no number here."]
    assert progress[-1].reason == "Stopped: The model computed something that is no number here."
    assert session.undo_names == ("propagate liver k=4..5", "point")
    predictor.error = None
    assert waiting.through.hindrance("propagate") == ""


def test_a_fault_of_the_device_is_logged_and_said_aloud(waiting, later, predictor, heard, caplog):
    click_liver(waiting, later)
    predictor.error = RuntimeError("CUDA error")
    waiting.through.propagate(1)
    later.run_all()
    assert heard.failed[0].startswith("The model stopped with RuntimeError") and len(caplog.records) == 1


def test_a_fault_of_a_run_that_is_over_is_not_shown(waiting, later, predictor, heard, caplog):
    click_liver(waiting, later)
    waiting.through.propagate(1)
    predictor.error = RuntimeError("late")
    later.run_next()
    waiting.through.cancel()
    later.run_all()
    assert heard.failed == [] and len(caplog.records) == 1


def test_an_object_that_the_model_draws_otherwise_is_not_carried(controller, session, progress):
    where = np.zeros(session.labels.voxels.shape, bool)
    where[1:23, 1:4, 4] = True
    brush(controller, np.flatnonzero(where), 1)
    controller.through.propagate()
    assert on_slices(session) == [4]
    assert progress[-1].reason.count("The model draws this object otherwise") == 1


def test_nothing_is_begun_where_it_cannot_go_anywhere(session, later, predictor):
    flat = Controller(Session(block_volume((24, 20, 1))), predictor, later, neighbours=())
    assert flat.through.hindrance("propagate").startswith("This image has one slice only")
    assert flat.through.hindrance("interpolate").startswith("This image has one slice only")
    controller = Controller(session, None, later, neighbours=())
    assert controller.through.hindrance("propagate").startswith("There is no model yet")


def test_what_hinders_is_said_before_anything_happens(waiting, session, later, heard):
    hindrance = waiting.through.hindrance
    assert hindrance("propagate") == "Nothing of this object is on slice k=4; click it first."
    assert hindrance("interpolate") == hindrance("tidy object")
    assert hindrance("tidy slice") == "Nothing of this object is committed yet; commit it first."
    waiting.through.propagate()
    assert heard.failed == ["Nothing of this object is on slice k=4; click it first."]
    waiting.click(*LIVER)
    assert hindrance("propagate").startswith("The model has not answered the newest prompt yet")
    later.run_all()
    waiting.commit()
    assert not any(map(hindrance, ("propagate", "interpolate", "tidy slice", "tidy object")))
    waiting.show(2, 3)
    assert hindrance("tidy slice").startswith("Nothing of liver is committed on slice k=3")
    waiting.show(2, 4)
    waiting.through.propagate()
    assert hindrance("interpolate") == "propagate liver goes on; stop it first."
    waiting.through.cancel()
    waiting.lock(1, True)
    assert hindrance("propagate") == "liver is locked; unlock it first."
    assert session.undo_names[0] == "lock liver"
