"""The tools on a real canvas: what is drawn, moved and taken away by a real mouse."""

from itertools import pairwise

import numpy as np
import pytest
from qtpy.QtCore import Qt

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
RIGHT = Qt.MouseButton.RightButton
LIVER, SPLEEN, KIDNEY = (10, 8, 5), (35, 10, 5), (35, 30, 5)


def at(hand, *ijk):
    return hand.world(hand.layers[0], ijk)


def path(hand, *corners):
    """World positions along straight lines between voxels of slice 5."""
    places = [at(hand, *corners[0], 5)]
    for a, b in pairwise(corners):
        places += [at(hand, *(np.add(a, np.subtract(b, a) * t)), 5) for t in (1 / 3, 2 / 3, 1)]
    return places


@pytest.fixture
def looking(ready):
    """On the slice through the middle of the organs."""
    ready.look_at(ready.layers[0], LIVER)
    return ready


@pytest.fixture
def clicked(looking):
    """A point in the liver, answered."""
    looking.click(at(looking, *LIVER))
    looking.rest()
    return looking


def liver(hand):
    return hand.session.view.pixels == 60


def test_a_lasso_drawn_round_an_organ_prompts_with_it(looking):
    before = looking.viewer.scene.camera.center
    looking.key(Qt.Key.Key_L)
    looking.draw(path(looking, (2, 2), (22, 2), (22, 18), (2, 18)))
    looking.rest()
    assert looking.session.undo_names == ("lasso",)
    assert looking.session.prompts.mask[8, 10] and not looking.session.prompts.mask[30, 10]
    assert np.array_equal(looking.layer("preview").data[0] > 0, liver(looking))
    assert not looking.layer("prompts: boxes").data
    assert looking.viewer.scene.camera.center == before
    looking.key(Qt.Key.Key_Z, CTRL)
    assert not looking.session.prompts.clicks and not len(looking.layer("prompts: points").data)


def test_the_line_is_seen_while_it_is_drawn(looking):
    looking.key(Qt.Key.Key_L)
    line = path(looking, (2, 2), (22, 2), (22, 18))
    looking.press(line[0])
    for place in line[1:]:
        looking.move(place)
    shown = looking.layer("prompts: boxes").data
    assert len(shown) == 1 and len(shown[0]) >= 5
    assert np.array_equal(shown[0][0], shown[0][-1])
    looking.release(line[-1])


def test_a_lasso_past_the_edge_of_the_scan_is_clipped(looking):
    looking.key(Qt.Key.Key_L)
    looking.draw(path(looking, (-4, -4), (22, -4), (22, 18), (-4, 18)))
    assert looking.session.prompts.mask[0, 0] and not looking.session.prompts.mask[30, 10]


def test_a_lasso_wholly_beside_the_scan_is_refused(looking):
    looking.key(Qt.Key.Key_L)
    looking.draw(path(looking, (-9, -9), (-4, -9), (-4, -3)))
    assert "outside" in looking.dock.error.text and not looking.session.undo_names


def test_a_click_with_the_lasso_is_nothing(looking):
    looking.key(Qt.Key.Key_L)
    looking.click(at(looking, *LIVER))
    assert not looking.session.undo_names and not looking.dock.error.text


def test_a_scribble_over_an_organ_becomes_points_along_it(looking):
    looking.key(Qt.Key.Key_S)
    looking.draw(path(looking, (6, 4), (10, 8), (18, 14)))
    looking.rest()
    assert looking.session.undo_names == ("scribble",)
    assert len(looking.session.prompts.clicks) >= 5
    assert all(c.positive for c in looking.session.prompts.clicks)
    assert np.array_equal(looking.layer("preview").data[0] > 0, liver(looking))


def test_a_scribble_is_negative_when_t_says_so(clicked):
    clicked.key(Qt.Key.Key_S)
    clicked.key(Qt.Key.Key_T)
    clicked.draw(path(clicked, (30, 8), (40, 12)))
    clicked.rest()
    assert clicked.session.undo_names[0] == "negative scribble"
    signs = [c.positive for c in clicked.session.prompts.clicks]
    assert signs[0] and len(signs) > 2 and not any(signs[1:])


@pytest.mark.parametrize("key", [Qt.Key.Key_B, Qt.Key.Key_L, Qt.Key.Key_S])
def test_escape_while_dragging_draws_nothing(looking, key):
    looking.key(key)
    line = path(looking, (3, 3), (20, 3), (20, 16))
    looking.press(line[0])
    for place in line[1:4]:
        looking.move(place)
    assert looking.layer("prompts: boxes").data
    looking.key(Qt.Key.Key_Escape)
    assert not looking.layer("prompts: boxes").data
    looking.move(line[5])
    looking.release(line[6])
    assert not looking.session.undo_names and not looking.layer("prompts: boxes").data


@pytest.mark.parametrize("key", [Qt.Key.Key_B, Qt.Key.Key_L])
def test_what_was_begun_on_one_slice_does_not_end_on_another(looking, key):
    looking.key(key)
    line = path(looking, (3, 3), (20, 3), (20, 16))
    looking.press(line[0])
    for place in line[1:4]:
        looking.move(place)
    looking.look_at(looking.layers[0], (10, 8, 7))
    looking.release(line[4])
    assert not looking.session.undo_names and not looking.layer("prompts: boxes").data


def test_a_point_is_moved_by_dragging_it(clicked):
    before = clicked.viewer.scene.camera.center
    clicked.drag(at(clicked, *LIVER), at(clicked, *SPLEEN))
    clicked.rest()
    (click,) = clicked.session.prompts.clicks
    assert abs(click.col - 35) < 0.5 and abs(click.row - 10) < 0.5
    assert clicked.session.undo_names == ("move point", "point") and clicked.session.class_name == "spleen"
    assert clicked.viewer.scene.camera.center == before
    clicked.key(Qt.Key.Key_Z, CTRL)
    clicked.rest()
    assert clicked.session.class_name == "liver"
    assert np.allclose(clicked.layer("prompts: points").data[0][1:], (8, 10), atol=0.5)


def test_escape_puts_a_dragged_point_back(clicked):
    shown = clicked.layer("prompts: points").data.copy()
    clicked.press(at(clicked, *LIVER))
    clicked.move(at(clicked, 20, 12, 5))
    clicked.move(at(clicked, *SPLEEN))
    assert not np.array_equal(clicked.layer("prompts: points").data, shown)
    clicked.key(Qt.Key.Key_Escape)
    clicked.release(at(clicked, *SPLEEN))
    assert np.array_equal(clicked.layer("prompts: points").data, shown) and clicked.session.undo_names == ("point",)


def test_a_point_that_undo_takes_away_while_it_is_dragged_is_not_moved(clicked):
    clicked.press(at(clicked, *LIVER))
    clicked.move(at(clicked, 20, 12, 5))
    clicked.key(Qt.Key.Key_Z, CTRL)
    clicked.release(at(clicked, *SPLEEN))
    assert not clicked.session.undo_names and not clicked.dock.error.text
    assert not len(clicked.layer("prompts: points").data)


def test_a_right_click_on_a_point_removes_it(clicked):
    clicked.click(at(clicked, *SPLEEN))
    clicked.click(at(clicked, *LIVER), RIGHT)
    clicked.rest()
    assert [round(c.col) for c in clicked.session.prompts.clicks] == [35]
    assert clicked.session.undo_names[0] == "remove point" and clicked.session.class_name == "spleen"


@pytest.mark.parametrize(
    ("start", "end", "box"),
    [
        ((20.5, 10), (30.5, 10), (3, 3, 16, 30)),
        ((20.5, 16.5), (28.5, 24.5), (3, 3, 24, 28)),
        ((12, 2.5), (12, 5.5), (6, 3, 16, 20)),
        ((2.5, 8), (26, 8), (3, 20, 16, 26)),
    ],
)
def test_an_edge_or_a_corner_of_the_box_is_dragged(looking, start, end, box):
    looking.key(Qt.Key.Key_B)
    looking.drag(at(looking, 3, 3, 5), at(looking, 20, 16, 5))
    looking.drag(at(looking, *start, 5), at(looking, *end, 5))
    looking.rest()
    made = looking.session.prompts.box
    assert np.allclose((made.row_min, made.col_min, made.row_max, made.col_max), box, atol=0.6)
    assert looking.session.undo_names == ("move box", "box")
    assert looking.session.answered


def test_a_right_click_on_the_edge_of_the_box_removes_it(looking):
    looking.key(Qt.Key.Key_B)
    looking.drag(at(looking, 3, 3, 5), at(looking, 20, 16, 5))
    looking.click(at(looking, 20.5, 10, 5), RIGHT)
    assert looking.session.prompts.box is None and not looking.layer("prompts: boxes").data
    assert looking.session.undo_names == ("remove box", "box")


def test_the_cursor_says_what_can_be_dragged(clicked):
    clicked.move(at(clicked, *SPLEEN), held=Qt.MouseButton.NoButton)
    assert str(clicked.viewer.cursor.style) == "standard"
    clicked.move(at(clicked, *LIVER), held=Qt.MouseButton.NoButton)
    assert str(clicked.viewer.cursor.style) == "pointing"
    clicked.key(Qt.Key.Key_B)
    clicked.move(at(clicked, 10.2, 8, 5), held=Qt.MouseButton.NoButton)
    assert str(clicked.viewer.cursor.style) == "standard"


def test_a_right_click_beside_all_prompts_is_a_negative_point_only_where_that_is_wanted(clicked):
    clicked.click(at(clicked, *SPLEEN), RIGHT)
    assert clicked.session.undo_names == ("point",)
    clicked.dock.object_panel.right_negative.click()
    clicked.click(at(clicked, *SPLEEN), RIGHT)
    clicked.rest()
    assert [c.positive for c in clicked.session.prompts.clicks] == [True, False]
    assert clicked.dock.workbench.positive


def test_the_right_click_option_outlasts_the_scan(ready):
    ready.dock.object_panel.right_negative.click()
    other = ready.open(ready.session.volume)
    ready.dock.workbench.open_scan(other)
    ready.rest()
    ready.look_at(other, LIVER)
    ready.click(ready.world(other, SPLEEN), RIGHT)
    assert [c.positive for c in ready.session.prompts.clicks] == [False]


def test_shift_and_drag_move_the_picture_with_the_drawing_tools(looking):
    looking.key(Qt.Key.Key_L)
    start = looking.pixel(at(looking, 10, 10, 5))
    end = looking.pixel(at(looking, 20, 15, 5))
    looking.drag(at(looking, 10, 10, 5), at(looking, 20, 15, 5), SHIFT)
    now = looking.pixel(at(looking, 10, 10, 5))
    assert abs(now.x() - end.x()) <= 3 and abs(now.y() - end.y()) <= 3 and now != start
    assert not looking.session.undo_names


def test_napari_keeps_its_zoom_box_on_alt(looking):
    zoom = looking.viewer.scene.camera.zoom
    looking.key(Qt.Key.Key_S)
    looking.drag(at(looking, 3, 3, 5), at(looking, 20, 16, 5), Qt.KeyboardModifier.AltModifier)
    assert not looking.session.undo_names and looking.viewer.scene.camera.zoom > zoom


def test_a_committed_and_painted_mask_is_drawn_anew_by_its_button(clicked):
    button = clicked.dock.object_panel.use_mask
    assert not button.isEnabled()
    clicked.key(Qt.Key.Key_C)
    clicked.rest()
    assert button.isEnabled()
    button.click()
    clicked.rest()
    assert clicked.session.undo_names[0] == "mask as prompt"
    assert np.array_equal(clicked.layer("preview").data[0] > 0, liver(clicked))


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_prompts_on_any_plane_come_back_with_their_slice(ready, order):
    scan = ready.layers[0]
    ready.viewer.dims.order = order
    ready.viewer.reset_view()
    ready.look_at(scan, LIVER)
    ready.key(Qt.Key.Key_S)
    ready.draw([ready.world(scan, (8, 8, 5)), ready.world(scan, LIVER)])
    ready.rest()
    made, shown = ready.session.prompts, ready.layer("prompts: points").data.copy()
    assert made.clicks
    ready.look_at(scan, (20, 20, 8))
    ready.rest()
    assert not ready.session.prompts.clicks
    ready.look_at(scan, LIVER)
    ready.rest()
    assert ready.session.prompts is made
    assert np.array_equal(ready.layer("prompts: points").data, shown) and ready.layer("preview").data.any()


def test_the_tools_stand_two_by_two(ready):
    panel = ready.dock.object_panel
    left, right = panel.point.geometry(), panel.box.geometry()
    assert left.top() == right.top() and panel.lasso.geometry().left() == left.left()
    assert panel.scribble.geometry().topLeft() == type(left.topLeft())(right.left(), panel.lasso.geometry().top())
    for button in (panel.lasso, panel.scribble):
        button.click()
        assert button.isChecked() and not panel.point.isChecked()
        button.click()
        assert ready.dock.workbench.tool is None


def test_a_fill_on_labels_is_one_entry_of_the_history(clicked):
    clicked.key(Qt.Key.Key_C)
    clicked.rest()
    labels = clicked.layer("labels")
    clicked.viewer.layers.selection.active = labels
    labels.mode, labels.selected_label = "fill", 2
    clicked.click(at(clicked, *LIVER))
    assert (clicked.session.view.of(clicked.session.labels.voxels)[liver(clicked)] == 2).all()
    assert clicked.session.undo_names[0] == "brush"
    clicked.key(Qt.Key.Key_Z, CTRL)
    assert (clicked.session.view.of(clicked.session.labels.voxels)[liver(clicked)] == 1).all()
