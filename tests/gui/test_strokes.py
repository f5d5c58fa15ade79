"""Brush strokes by a real mouse, while the program would draw into the labels as well."""

import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_segsam.engine.controller import Controller
from tests.fakes import block_volume

LIVER = (10, 8, 5)
NO_KEYS, CTRL, SHIFT = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
)


def brush_on(hand, k, value=2, mode="paint"):
    """The brush is chosen, on slice ``k``."""
    hand.look_at(hand.layers[0], (10, 8, k))
    labels = hand.layer("labels")
    hand.viewer.layers.selection.active = labels
    labels.mode, labels.brush_size, labels.selected_label = mode, 5, value
    return labels


def press_and_move(hand, k=5):
    scan = hand.layers[0]
    hand.press(hand.world(scan, (3, 3, k)))
    for i in (6, 10, 14):
        hand.move(hand.world(scan, (i, 8, k)))


def release(hand, k=5):
    hand.release(hand.world(hand.layers[0], (14, 8, k)))
    hand.qtbot.wait(20)


@pytest.fixture
def held(predictor, monkeypatch):
    """Says from when until when the controller holds back."""
    heard, hold_back = [], Controller.hold_back

    def listened(self, holds):
        heard.append(holds)
        hold_back(self, holds)

    monkeypatch.setattr(Controller, "hold_back", listened)
    return heard


def test_a_slice_that_is_answered_in_the_middle_of_a_stroke_is_drawn_after_it_and_undo_leaves_nothing(
    ready, predictor, monkeypatch
):
    gate, predict, asked = threading.Event(), predictor.predict, []

    def waiting(embedding, prompts):
        asked.append(prompts)
        assert len(asked) <= 2 or gate.wait(10)
        return predict(embedding, prompts)

    controller, session = ready.dock.workbench.controller, ready.session
    ready.look_at(ready.layers[0], LIVER)
    ready.click(ready.world(ready.layers[0], LIVER))
    ready.rest()
    monkeypatch.setattr(predictor, "predict", waiting)
    controller.through.propagate(1)
    ready.wait(lambda: len(asked) > 2)
    drawn = session.undo_names
    k = int(np.flatnonzero((session.labels.voxels == 1).any((0, 1)))[-1]) + 1
    brush_on(ready, k)
    press_and_move(ready, k)
    gate.set()
    ready.qtbot.wait(100)
    assert (session.labels.voxels[..., k] == 2).any() and not (session.labels.voxels[..., k] == 1).any()
    assert session.undo_names == drawn
    release(ready, k)
    ready.wait(lambda: controller.through.progress is None)
    ready.rest()
    assert "brush" in session.undo_names and (session.labels.voxels[..., k] == 1).any()
    while session.undo_names:
        controller.undo()
    assert not session.labels.voxels.any()


@pytest.mark.parametrize(
    ("key", "modifiers"),
    [(Qt.Key.Key_Z, CTRL), (Qt.Key.Key_Z, CTRL | SHIFT), (Qt.Key.Key_C, NO_KEYS), (Qt.Key.Key_K, NO_KEYS)],
    ids=["undo", "redo", "commit", "propagate"],
)
def test_a_key_that_would_write_under_a_stroke_is_refused_in_a_sentence_until_it_is_let_go(ready, key, modifiers):
    session, scan = ready.session, ready.layers[0]
    ready.look_at(scan, LIVER)
    ready.click(ready.world(scan, LIVER))
    ready.rest()
    ready.key(Qt.Key.Key_C)
    ready.click(ready.world(scan, (12, 9, 5)))  # shown, not committed
    ready.rest()
    ready.click(ready.world(scan, (13, 9, 5)))
    ready.rest()
    ready.key(Qt.Key.Key_Z, CTRL)  # so that there is something to redo
    ready.rest()
    names, undone = session.undo_names, session.redo_names
    assert len(undone) == 1 and session.prediction is not None
    brush_on(ready, 5)
    press_and_move(ready)
    painted = session.labels.voxels.copy()
    assert (painted == 2).any()
    ready.key(key, modifiers)
    ready.qtbot.wait(20)
    assert np.array_equal(session.labels.voxels, painted)
    assert (session.undo_names, session.redo_names) == (names, undone)
    assert "let go of the mouse button" in ready.dock.error.text
    release(ready)
    assert session.undo_names == ("brush", *names) and np.array_equal(session.labels.voxels, painted)
    assert not ready.dock.error.text
    while session.undo_names:
        ready.key(Qt.Key.Key_Z, CTRL)
        ready.rest()
    assert not session.labels.voxels.any()


def test_another_scan_that_is_gone_to_by_key_in_the_middle_of_a_stroke_comes_after_it(ready):
    first = ready.layers[0]
    other = ready.open(block_volume((24, 20, 8)))
    ready.wait(lambda: ready.dock.workbench.scan is other)
    ready.key(Qt.Key.Key_N)
    ready.wait(lambda: ready.dock.workbench.scan is first)
    ready.rest()
    brush_on(ready, 5)
    press_and_move(ready)
    session = ready.session
    ready.key(Qt.Key.Key_N)
    assert ready.dock.workbench.scan is first and not session.undo_names
    release(ready)
    ready.wait(lambda: ready.dock.workbench.scan is other)
    assert session.undo_names == ("brush",) and ready.session is not session


def test_a_stroke_holds_back_from_the_press_until_it_is_in_the_history(held, ready):
    told = []
    ready.dock.workbench.controller.history_changed.connect(lambda: told.append(held[-1]))
    for mode, count in (("paint", 1), ("erase", 2), ("fill", 3)):
        brush_on(ready, 5, mode=mode)
        held.clear()
        press_and_move(ready)
        assert held == [True] and ready.session.undo_names == ("brush",) * (count - 1)
        release(ready)
        assert held == [True, False] and told == [True] * count
        assert ready.session.undo_names == ("brush",) * count


def test_a_polygon_holds_back_until_it_is_in_the_history(held, ready):
    labels = brush_on(ready, 5, mode="polygon")
    depth = labels.world_to_data(ready.world(ready.layers[0], LIVER))[0]
    labels.paint_polygon([(depth, 3, 3), (depth, 3, 20), (depth, 20, 20)], 2)
    assert held == [True]
    ready.wait(lambda: ready.session.undo_names[:1] == ("brush",))
    assert held == [True, False]


def another_scan(hand):
    hand.open(block_volume((24, 20, 8)))
    QApplication.processEvents()


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda hand: hand.viewer.layers.remove(hand.layer("labels")),
        another_scan,
        lambda hand: hand.dock.workbench.leave(),
    ],
    ids=["layer deleted", "scan", "dock"],
)
def test_a_stroke_that_has_no_end_holds_nothing_back_for_ever(held, ready, meanwhile):
    brush_on(ready, 5)
    press_and_move(ready)
    assert held == [True]
    meanwhile(ready)
    release(ready)
    assert held == [True, False]


def test_a_stroke_that_is_disturbed_holds_back_until_the_button_is_let_go(held, ready):
    for disturb in (
        lambda: setattr(ready.layer("labels"), "mode", "pan_zoom"),
        lambda: setattr(ready.viewer.layers.selection, "active", ready.layer("semantic")),
        lambda: ready.press(ready.world(ready.layers[0], (20, 8, 5))),
    ):
        brush_on(ready, 5)
        held.clear()
        press_and_move(ready)
        disturb()
        assert all(held)
        release(ready)
        assert not held[-1] and held.count(False) == 1


def test_a_drag_that_paints_nothing_holds_nothing_back(held, ready):
    brush_on(ready, 5, mode="pan_zoom")
    press_and_move(ready)
    release(ready)
    ready.viewer.layers.selection.active = ready.layers[0]
    ready.key(Qt.Key.Key_L)
    press_and_move(ready)
    release(ready)
    assert not held
