"""A real mouse and real keys on a real canvas: from a click to a committed label."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
LIVER, SPLEEN = (10, 8, 5), (35, 10, 5)


def test_with_a_scan_open_the_dock_is_ready_to_click(ready):
    assert ready.dock.workbench.tool == "point"
    assert [layer.name for layer in ready.viewer.layers] == [
        "blocks",
        "semantic",
        "labels",
        "preview",
        "prompts: boxes",
        "prompts: points",
    ]


def test_a_click_ends_in_a_mask_in_the_preview(ready):
    scan = ready.layers[0]
    ready.look_at(scan, LIVER)
    ready.click(ready.world(scan, LIVER))
    ready.rest()
    assert np.array_equal(ready.layer("preview").data[0] > 0, ready.session.view.pixels == 60)
    assert len(ready.layer("prompts: points").data) == 1


def test_the_committed_voxels_are_the_clicked_organs(ready):
    commit_liver(ready)
    labels, voxels = ready.session.labels, ready.session.volume.voxels
    assert np.array_equal(labels.voxels[:, :, 5] == 1, voxels[:, :, 5] == 60)
    assert not labels.voxels[:, :, :5].any()
    assert not labels.voxels[:, :, 6:].any()
    assert labels.labels[1].name == "liver"


def test_the_labels_layer_shows_what_is_exported(ready):
    commit_liver(ready)
    shown = ready.session.volume.grid.display.from_display(ready.layer("labels").data)
    assert np.shares_memory(shown, ready.session.labels.voxels)
    assert np.array_equal(shown, ready.session.labels.voxels)


def test_undo_and_redo_of_a_commit_by_keys(ready):
    commit_liver(ready)
    ready.key(Qt.Key.Key_Z, CTRL)
    ready.rest()
    assert not ready.session.labels.voxels.any()
    assert ready.layer("preview").data.any()
    ready.key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert ready.session.labels.voxels.any()


def test_a_negative_click_takes_its_region_away(ready):
    scan = ready.layers[0]
    ready.look_at(scan, LIVER)
    ready.click(ready.world(scan, LIVER))
    ready.key(Qt.Key.Key_T)
    ready.click(ready.world(scan, SPLEEN))
    ready.rest()
    assert [c.positive for c in ready.session.prompts.clicks] == [True, False]
    assert ready.session.prediction.mask.any()
    points = ready.layer("prompts: points")
    assert np.allclose(points.border_color, 1)
    assert points.face_color[0, 1] > points.face_color[0, 0]
    assert points.face_color[1, 0] > points.face_color[1, 1]


def test_the_first_point_of_the_next_object_is_positive(ready):
    scan = ready.layers[0]
    ready.look_at(scan, LIVER)
    ready.key(Qt.Key.Key_T)
    ready.click(ready.world(scan, SPLEEN))
    assert "add a positive point" in ready.dock.status.whole
    ready.click(ready.world(scan, LIVER))
    ready.key(Qt.Key.Key_T)
    ready.click(ready.world(scan, SPLEEN))
    ready.rest()
    assert not ready.dock.workbench.positive
    ready.key(Qt.Key.Key_C)
    assert ready.dock.workbench.positive
    ready.key(Qt.Key.Key_T)
    ready.key(Qt.Key.Key_M)
    assert ready.dock.workbench.positive


def test_a_drag_with_the_box_tool_is_a_box(ready):
    scan = ready.layers[0]
    ready.look_at(scan, LIVER)
    before = ready.viewer.scene.camera.center
    ready.key(Qt.Key.Key_B)
    ready.drag(ready.world(scan, (3, 3, 5)), ready.world(scan, (20, 16, 5)))
    ready.rest()
    box = ready.session.prompts.box
    assert np.allclose((box.row_min, box.col_min, box.row_max, box.col_max), (3, 3, 16, 20), atol=0.3)
    assert np.array_equal(ready.layer("preview").data[0] > 0, ready.session.view.pixels == 60)
    assert len(ready.layer("prompts: boxes").data) == 1
    assert ready.viewer.scene.camera.center == before


def test_a_box_dragged_past_the_edge_ends_at_the_edge(ready):
    scan = ready.layers[0]
    ready.look_at(scan, LIVER)
    ready.key(Qt.Key.Key_B)
    ready.drag(ready.world(scan, (3, 3, 5)), ready.world(scan, (60, 16, 5)))
    assert ready.session.prompts.box.col_max == 47


def test_a_drag_with_the_point_tool_pans(ready):
    scan = ready.layers[0]
    before = ready.viewer.scene.camera.center
    ready.drag(ready.world(scan, (10, 10, 5)), ready.world(scan, (20, 20, 5)))
    assert not ready.session.prompts.clicks
    assert ready.viewer.scene.camera.center != before


def test_two_quick_points_are_two_points_and_no_zoom(ready):
    scan = ready.layers[0]
    zoom = ready.viewer.scene.camera.zoom
    ready.look_at(scan, LIVER)
    place = ready.pixel(ready.world(scan, LIVER))
    QTest.mouseClick(ready.canvas, Qt.MouseButton.LeftButton, pos=place)
    QTest.mouseDClick(ready.canvas, Qt.MouseButton.LeftButton, pos=place)
    assert len(ready.session.prompts.clicks) >= 2
    assert ready.viewer.scene.camera.zoom == zoom


def test_a_click_beside_the_scan_is_nothing(ready):
    ready.click(ready.world(ready.layers[0], (-20, 5, 5)))
    assert not ready.session.prompts.clicks
    assert not ready.dock.error.text


def test_next_object_gets_another_value(ready):
    commit_liver(ready)
    ready.key(Qt.Key.Key_M)
    scan = ready.layers[0]
    ready.click(ready.world(scan, SPLEEN))
    ready.rest()
    ready.key(Qt.Key.Key_C)
    assert {v: label.name for v, label in ready.session.labels.labels.items()} == {1: "liver", 2: "spleen"}


@pytest.mark.parametrize("name", ["blocks", "labels", "preview", "semantic", "prompts: points", "prompts: boxes"])
def test_c_commits_whatever_layer_is_active(ready, name):
    scan = ready.layers[0]
    ready.look_at(scan, LIVER)
    ready.viewer.layers.selection.active = ready.layer(name)
    ready.click(ready.world(scan, LIVER))
    ready.rest()
    ready.key(Qt.Key.Key_C)
    assert 1 in ready.session.labels.labels


def test_the_brush_keeps_its_keys_on_the_labels_layer(ready):
    ready.viewer.layers.selection.active = ready.layer("labels")
    ready.key(Qt.Key.Key_P)
    assert str(ready.layer("labels").mode) == "paint"
    assert ready.dock.workbench.tool == "point"


def test_the_status_bar_names_the_class_below_the_cursor(ready):
    scan = ready.layers[0]
    ready.look_at(scan, LIVER)
    ready.click(ready.world(scan, LIVER))
    ready.rest()
    status = ready.layer("semantic").get_status(
        ready.world(scan, LIVER), view_direction=None, dims_displayed=[1, 2], world=True
    )
    assert "liver" in status["value"]


def commit_liver(hand):
    scan = hand.layers[0]
    hand.look_at(scan, LIVER)
    hand.click(hand.world(scan, LIVER))
    hand.rest()
    hand.key(Qt.Key.Key_C)
    hand.rest()
