"""The group "Through the slices", by real clicks and keys: on a scan of three blocks on the slices k = 1 to 10."""

import threading

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QPushButton

from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume
from tests.fakes import block_volume

LIVER = (10, 8, 5)


def press(button):
    """As a person does: the button has to be seen and enabled."""
    assert button.isVisible() and button.isEnabled()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    QApplication.processEvents()


def on_slices(hand, value=1):
    return [int(k) for k in np.flatnonzero((hand.session.labels.voxels == value).any((0, 1)))]


def through(hand):
    return hand.dock.workbench.controller.through


def until_over(hand):
    hand.wait(lambda: through(hand).progress is None)
    hand.rest()


@pytest.fixture
def clicked(ready):
    ready.look_at(ready.layers[0], LIVER)
    ready.click(ready.world(ready.layers[0], LIVER))
    ready.rest()
    QApplication.processEvents()
    return ready


@pytest.fixture
def held(clicked, predictor, monkeypatch):
    """The model answers about two slices, each asked twice, and about slice k=7 when the test lets it."""
    gate, predict, asked = threading.Event(), predictor.predict, []

    def waiting(embedding, prompts):
        asked.append(prompts)
        assert len(asked) <= 4 or gate.wait(10)
        return predict(embedding, prompts)

    monkeypatch.setattr(predictor, "predict", waiting)
    yield clicked, gate
    gate.set()


def test_the_buttons_carry_the_object_to_either_side_and_the_window_follows(clicked):
    panel = clicked.dock.through_panel
    press(panel.forward)
    until_over(clicked)
    up = on_slices(clicked)
    assert up in ([5, 6, 7, 8, 9, 10], [1, 2, 3, 4, 5])
    assert clicked.session.place == (2, up[-1] if up[-1] == 10 else up[0])
    clicked.look_at(clicked.layers[0], LIVER)
    press(panel.back)
    until_over(clicked)
    assert np.array_equal(clicked.session.labels.voxels == 1, clicked.session.volume.voxels == 60)


def test_forward_is_where_napari_s_slider_goes_forward(clicked):
    before = clicked.viewer.dims.current_step[0]
    clicked.key(Qt.Key.Key_K)
    until_over(clicked)
    assert clicked.viewer.dims.current_step[0] > before
    clicked.look_at(clicked.layers[0], LIVER)
    clicked.key(Qt.Key.Key_J)
    until_over(clicked)
    assert clicked.viewer.dims.current_step[0] < before
    assert on_slices(clicked) == list(range(1, 11))


def test_no_more_slices_than_asked_for(clicked):
    panel = clicked.dock.through_panel
    panel.at_most.setValue(2)
    press(panel.forward)
    until_over(clicked)
    assert len(on_slices(clicked)) == 3
    assert "as far as was asked" in panel.run_bar.reason.whole


def test_undo_takes_all_of_it_back_and_its_button_says_so(clicked):
    press(clicked.dock.through_panel.forward)
    until_over(clicked)
    assert clicked.dock.object_panel.undo.toolTip().startswith("Undo: propagate liver k=")
    clicked.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    clicked.rest()
    assert not clicked.session.labels.voxels.any()


def test_why_it_stopped_stays_to_be_read(clicked):
    panel = clicked.dock.through_panel
    press(panel.forward)
    until_over(clicked)
    clicked.look_at(clicked.layers[0], (0, 0, 2))
    clicked.rest()
    assert panel.run_bar.reason.isVisible() and not panel.run_bar.bar.isVisible()
    assert "looks different from slice k=5" in panel.run_bar.reason.whole


@pytest.mark.parametrize("by_key", [False, True])
def test_it_is_stopped_at_a_slice_by_button_or_escape(held, by_key):
    hand, gate = held
    panel, controller = hand.dock.through_panel, hand.dock.workbench.controller
    controller.through.propagate(1)
    hand.wait(lambda: on_slices(hand) == [5, 6])
    QApplication.processEvents()
    assert panel.run_bar.bar.isVisible() and panel.run_bar.bar.text() == "1 of at most 6 slices"
    assert not panel.forward.isEnabled() and panel.forward.toolTip() == "propagate liver goes on; stop it first."
    if by_key:
        hand.key(Qt.Key.Key_Escape)
    else:
        press(panel.run_bar.stop)
    gate.set()
    hand.rest()
    assert through(hand).progress is None and panel.run_bar.reason.whole.endswith("Undo takes away what was drawn.")
    hand.qtbot.waitUntil(panel.forward.isEnabled)
    assert on_slices(hand) == [5, 6]
    hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert panel.run_bar.reason.whole.startswith("Propagate carries the object")


def test_a_person_who_scrolls_away_is_not_fetched_back(held):
    hand, gate = held
    hand.dock.workbench.controller.through.propagate(1)
    hand.dock.through_panel._followed = hand.session.place
    hand.wait(lambda: on_slices(hand) == [5, 6])
    hand.look_at(hand.layers[0], (10, 8, 2))
    gate.set()
    until_over(hand)
    assert on_slices(hand) == [5, 6, 7, 8, 9, 10] and hand.session.place == (2, 2)


def test_the_window_stays_where_it_is_without_follow(clicked):
    follow = clicked.dock.through_panel.follow
    QTest.mouseClick(follow, Qt.MouseButton.LeftButton, pos=QPoint(8, follow.height() // 2))
    press(clicked.dock.through_panel.forward)
    until_over(clicked)
    assert clicked.session.place == (2, 5)


def test_a_scan_that_is_taken_away_is_not_drawn_on(held):
    hand, gate = held
    session = hand.session
    through(hand).propagate(1)
    hand.wait(lambda: on_slices(hand) == [5, 6])
    hand.viewer.layers.remove(hand.layers[0])
    gate.set()
    hand.rest()
    assert through(hand).progress is None
    assert [int(k) for k in np.flatnonzero((session.labels.voxels == 1).any((0, 1)))] == [5, 6]


@pytest.mark.parametrize("by_key", [False, True])
def test_slices_between_are_filled(clicked, by_key):
    panel = clicked.dock.through_panel
    clicked.key(Qt.Key.Key_C)
    clicked.look_at(clicked.layers[0], (10, 8, 9))
    clicked.click(clicked.world(clicked.layers[0], (10, 8, 9)))
    clicked.rest()
    clicked.key(Qt.Key.Key_C)
    clicked.rest()
    if by_key:
        clicked.key(Qt.Key.Key_G)
    else:
        press(panel.interpolate)
    until_over(clicked)
    assert on_slices(clicked) == [5, 6, 7, 8, 9] and clicked.session.place == (2, 9)
    assert panel.run_bar.reason.whole == "Interpolate liver: 3 slices filled."


def test_islands_holes_and_edges_are_tidied_on_the_slice_or_as_a_whole(clicked):
    panel, session = clicked.dock.through_panel, clicked.session
    clicked.key(Qt.Key.Key_C)
    clicked.rest()
    for at, value in (((40, 3, 5), 1), ((5, 5, 5), 0)):
        index = np.array([np.ravel_multi_index(at, session.labels.voxels.shape)])
        before = session.labels.voxels.reshape(-1)[index].copy()
        session.labels.voxels[at] = value
        clicked.dock.workbench.controller.record_stroke(index, before)
    QApplication.processEvents()
    press(panel.holes)
    until_over(clicked)
    assert session.labels.voxels[5, 5, 5] == 1
    panel.scope.setCurrentText("whole object")
    assert panel.island_ml.isVisible() and not panel.island_mm2.isVisible()
    clicked.qtbot.waitUntil(panel.islands.isEnabled)
    press(panel.islands)
    until_over(clicked)
    assert session.labels.voxels[40, 3, 5] == 0
    panel.scope.setCurrentText("this slice")
    panel.smooth_mm.setValue(4)
    clicked.qtbot.waitUntil(panel.smooth.isEnabled)
    press(panel.smooth)
    until_over(clicked)
    assert session.undo_names[0] == "smooth liver on slice k=5"


def test_what_cannot_be_done_says_why(ready):
    panel = ready.dock.through_panel
    ready.qtbot.waitUntil(lambda: panel.forward.toolTip().startswith("Nothing of this object is on slice"))
    assert not any(b.isEnabled() for b in panel.findChildren(QPushButton) if b is not panel.run_bar.stop)
    assert panel.smooth.toolTip() == "Nothing of this object is committed yet; commit it first."
    assert panel.interpolate.toolTip() == panel.smooth.toolTip()


def test_a_picture_of_one_slice_says_so(hand):
    flat = block_volume((48, 40, 3))
    hand.layers = [hand.open(Volume(Grid((48, 40, 1), flat.grid.affine), flat.voxels[..., 1:2].copy(), modality="ct"))]
    hand.open_dock()
    panel = hand.dock.through_panel
    hand.qtbot.waitUntil(lambda: panel.forward.toolTip().startswith("This image has one slice only"))


def test_no_control_takes_the_keyboard_for_good(clicked):
    panel = clicked.dock.through_panel
    panel.at_most.setFocus()
    QTest.keyClick(panel.at_most, Qt.Key.Key_3)
    QTest.keyClick(panel.at_most, Qt.Key.Key_Return)
    assert not panel.at_most.hasFocus()
    assert {b.focusPolicy() for b in panel.findChildren(QPushButton)} == {Qt.FocusPolicy.NoFocus}


def test_nothing_is_cut_at_320_pixels(clicked):
    clicked.dock.parentWidget().setFixedWidth(320)
    QApplication.processEvents()
    panel = clicked.dock.through_panel
    for scope in ("this slice", "whole object"):
        panel.scope.setCurrentText(scope)
        QApplication.processEvents()
        shown = [w for w in panel.findChildren(QPushButton) if w.isVisible()]
        shown += [panel.at_most, panel.follow, panel.smooth_mm, panel.scope]
        shown += [panel.island_ml if scope == "whole object" else panel.island_mm2]
        for widget in shown:
            assert widget.width() >= widget.minimumSizeHint().width(), widget
            assert widget.geometry().right() <= panel.width(), widget


def test_what_is_clicked_on_the_way_stays_in_sight_and_is_answered(held):
    hand, gate = held
    press(hand.dock.through_panel.forward)
    hand.wait(lambda: through(hand).progress.done == 1)
    place = hand.session.place
    hand.click(hand.world(hand.layers[0], (36, 8, place[1])))
    gate.set()
    until_over(hand)
    assert hand.session.place == place and hand.session.answered and len(on_slices(hand)) > 2


def test_a_negative_sign_that_was_armed_stays_armed_while_slices_are_drawn(clicked):
    clicked.key(Qt.Key.Key_C)
    clicked.key(Qt.Key.Key_T)
    assert not clicked.dock.workbench.positive
    press(clicked.dock.through_panel.forward)
    until_over(clicked)
    assert len(on_slices(clicked)) > 1 and not clicked.dock.workbench.positive
