"""Slices filled in between, and objects tidied: one entry each, nothing taken from others."""

from dataclasses import replace
from functools import partial

import numpy as np

from napari_segsam.engine.controller import Controller
from napari_segsam.engine.executor import ImmediateExecutor
from napari_segsam.engine.session import Session
from napari_segsam.engine.through import tidy
from tests.engine.by_hand import brush, click_liver, commit_on, on_slices, paint, truth
from tests.fakes import SPLEEN, FakePredictor, block_volume


# -- filling in between
def test_slices_between_two_that_were_drawn_are_filled_as_one_entry(controller, session, progress):
    commit_on(controller, 1, 6)
    controller.through.interpolate()
    assert np.array_equal(session.labels.voxels == 1, truth(session))
    assert session.undo_names[0] == "interpolate liver k=2..5"
    assert progress[-1].reason == "4 slices filled." and (progress[-1].done, progress[-1].planned) == (4, 4)
    controller.undo()
    assert on_slices(session) == [1, 6]


def test_a_slice_that_has_a_single_brushed_voxel_is_drawn_already(controller, session):
    commit_on(controller, 1, 6)
    paint(controller, (3, 3, 3), 1)
    controller.through.interpolate()
    assert on_slices(session) == [1, 2, 3, 4, 5, 6] and int((session.labels.voxels[..., 3] == 1).sum()) == 1


def test_what_is_brushed_while_it_is_computed_is_not_overwritten(waiting, session, later):
    for k in (1, 6):
        waiting.show(2, k)
        click_liver(waiting, later)
        waiting.commit()
    waiting.through.interpolate()
    later.run_next()
    paint(waiting, (3, 3, 3), 1)
    session.labels.voxels[3, 3, 4] = 1  # a stroke that has not ended yet
    later.run_all()
    assert [int((session.labels.voxels[..., k] == 1).sum()) == 1 for k in range(2, 6)] == [False, True, True, False]


def test_a_large_object_is_filled_in_pieces_that_let_a_click_pass(waiting, session, later, monkeypatch):
    monkeypatch.setattr("napari_segsam.engine.through.filling._PIECE_VOXELS", 1)
    for k in (1, 6):
        waiting.show(2, k)
        click_liver(waiting, later)
        waiting.commit()
    waiting.through.interpolate()
    later.run_next()
    later.deliver()
    assert on_slices(session) == [1, 2, 6]
    later.run_all()
    assert on_slices(session) == [1, 2, 3, 4, 5, 6] and session.undo_names[0] == "interpolate liver k=2..5"


def test_nothing_to_fill_is_said(controller, heard, progress):
    commit_on(controller, 4)
    controller.through.interpolate()
    assert heard.failed[-1].startswith("There is nothing to interpolate between")
    commit_on(controller, 5)
    controller.through.interpolate()
    assert progress[-1].reason == "liver is on every slice between its first and its last."


# -- tidying
def test_islands_go_from_the_visible_slice_whoever_drew_them(controller, session):
    commit_on(controller, 4, 5)
    paint(controller, (20, 3, 4), 1)
    paint(controller, (20, 3, 5), 1)
    controller.through.remove_islands(20.0)
    assert session.labels.voxels[20, 3, 4] == 1 and session.labels.voxels[20, 3, 5] == 0
    assert session.undo_names[0] == "remove islands of liver on slice k=5"
    controller.undo()
    assert session.labels.voxels[20, 3, 5] == 1


def test_islands_go_from_the_whole_object_by_their_volume(controller, session):
    commit_on(controller, 4, 5)
    paint(controller, (20, 3, 4), 1)
    controller.through.remove_islands(20.0, whole=True)
    assert session.labels.voxels[20, 3, 4] == 0 and np.array_equal(on_slices(session), [4, 5])
    assert session.undo_names[0] == "remove islands of liver"


def test_what_lay_under_an_island_comes_back(controller, session):
    controller.click(*SPLEEN)
    controller.commit()
    controller.next_object()
    commit_on(controller, 4)
    spleen = session.labels.voxels == 1
    controller.click(*SPLEEN, positive=True)
    controller.commit()
    assert (session.labels.voxels[spleen] == 2).all()
    controller.through.remove_islands(1e6)
    assert (session.labels.voxels[spleen] == 1).all() and (session.labels.voxels == 2).any()


def test_holes_are_filled_but_for_what_others_have_in_them(controller, session):
    commit_on(controller, 4)
    paint(controller, (4, 4, 4), 0)
    paint(controller, (6, 6, 4), 7)
    controller.through.fill_holes()
    assert session.labels.voxels[4, 4, 4] == 1 and session.labels.voxels[6, 6, 4] == 7


def test_holes_of_the_whole_object_are_those_that_it_encloses_on_all_sides(controller, session):
    click_liver(controller)
    controller.through.propagate()
    paint(controller, (4, 4, 4), 0)
    paint(controller, (6, 6, 1), 0)
    controller.through.fill_holes(whole=True)
    assert session.labels.voxels[4, 4, 4] == 1 and session.labels.voxels[6, 6, 1] == 0


def test_a_picture_is_tidied_as_a_whole_on_its_two_axes(predictor):
    volume = block_volume((24, 20, 3))
    flat = replace(volume, grid=replace(volume.grid, shape=(24, 20, 1)), voxels=volume.voxels[..., 1:2].copy())
    controller = Controller(Session(flat), predictor, ImmediateExecutor(), neighbours=())
    click_liver(controller)
    controller.commit()
    paint(controller, (4, 4, 0), 0)
    controller.through.fill_holes(whole=True)
    assert controller.session.labels.voxels[4, 4, 0] == 1


def test_smoothing_rounds_corners_and_takes_nothing_from_others(controller, session):
    commit_on(controller, 4)
    others = session.labels.voxels[..., 4] == 0
    brush(controller, np.flatnonzero((session.labels.voxels == 0) & (np.arange(8) == 4)), 7)
    controller.through.smooth(4.0)
    assert (session.labels.voxels[..., 4][others] == 7).all()
    assert session.labels.voxels[1, 1, 4] != 1 and session.labels.voxels[5, 5, 4] == 1
    assert session.undo_names[0] == "smooth liver on slice k=4"


def test_a_tidy_object_is_left_alone_without_an_entry(controller, session, progress):
    commit_on(controller, 4)
    names = session.undo_names
    controller.through.fill_holes()
    assert session.undo_names == names and progress[-1].reason == "There was nothing to change."


def test_tidying_is_computed_where_the_model_runs_and_anew_where_labels_changed_meanwhile(waiting, session, later):
    click_liver(waiting, later)
    waiting.commit()
    paint(waiting, (20, 3, 4), 1)
    waiting.through.remove_islands(1e6)
    assert session.labels.voxels[20, 3, 4] == 1
    later.run_next()
    paint(waiting, (20, 5, 4), 1)
    later.run_all()
    assert session.labels.voxels[20, 3, 4] == session.labels.voxels[20, 5, 4] == 0


def test_a_large_object_is_smoothed_in_parts_that_let_a_click_pass(waiting, session, later, monkeypatch):
    monkeypatch.setattr(tidy, "smoothing", partial(tidy.smoothing, part_voxels=1))
    click_liver(waiting, later)
    waiting.commit()
    waiting.through.smooth(0.5, whole=True)
    later.run_next()
    later.deliver()
    waiting.click(*SPLEEN)
    assert later.keys == ["predict", "work"]
    later.run_all()
    assert waiting.through.progress is None


def test_a_model_that_is_swapped_does_not_end_what_does_not_ask_it(waiting, session, later):
    click_liver(waiting, later)
    waiting.commit()
    paint(waiting, (20, 3, 4), 1)
    waiting.through.remove_islands(1e6)
    waiting.set_predictor(FakePredictor("other", "0" * 64))
    later.run_all()
    assert session.labels.voxels[20, 3, 4] == 0
