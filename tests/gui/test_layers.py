"""Our layers lie where the scan lies, and nobody edits what is only a picture of the session."""

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_segsam.core.prompts import Prompts

LIVER = (10, 8, 5)


@pytest.fixture
def clicked(ready):
    """A prompt in the liver, answered."""
    ready.look_at(ready.layers[0], LIVER)
    ready.click(ready.world(ready.layers[0], LIVER))
    ready.rest()
    return ready


def test_a_box_wholly_outside_the_scan_is_refused(ready):
    ready.key(Qt.Key.Key_B)
    scan = ready.layers[0]
    ready.drag(ready.world(scan, (-9, -9, 5)), ready.world(scan, (-3, -4, 5)))
    ready.rest()
    assert ready.session.prompts.box is None
    assert not ready.layer("prompts: boxes").data
    assert "outside" in ready.dock.error.text


def test_our_layers_follow_the_scans_scale_and_translate(clicked):
    scan = clicked.layers[0]
    scan.scale, scan.translate = (4.0, 3.0, 2.0), (7.0, -5.0, 3.0)
    clicked.viewer.reset_view()
    clicked.look_at(scan, LIVER)
    clicked.rest()
    for name in ("labels", "semantic", "prompts: points", "prompts: boxes"):
        assert np.allclose(clicked.layer(name).scale, scan.scale), name
        assert np.allclose(clicked.layer(name).translate, scan.translate), name
    spot = clicked.world(scan, LIVER)
    assert clicked.layer("preview").get_value(spot, world=True)
    clicked.key(Qt.Key.Key_M)
    clicked.click(spot)
    clicked.rest()
    assert np.allclose(
        clicked.layer("prompts: points").data_to_world(clicked.layer("prompts: points").data[0]), spot, atol=0.5
    )


@pytest.mark.parametrize("name", ["preview", "semantic", "prompts: points", "prompts: boxes"])
def test_what_only_shows_the_session_cannot_be_edited(clicked, name):
    clicked.key(Qt.Key.Key_M)
    clicked.rest()
    layer = clicked.layer(name)
    layer.data = layer.data
    assert not layer.editable
    layer.mode = "paint" if hasattr(layer, "paint") else "select"
    assert str(layer.mode) == "pan_zoom"


def test_a_deleted_point_comes_back_while_it_is_a_prompt(clicked):
    points = clicked.layer("prompts: points")
    points.selected_data = {0}
    points.remove_selected()
    assert len(points.data) == len(clicked.session.prompts.clicks) == 1


def test_the_boxes_layer_is_drawn_only_while_there_is_a_box_and_comes_back_as_it_was(ready):
    scan, boxes = ready.layers[0], ready.layer("prompts: boxes")
    assert not boxes.visible

    def draw():
        ready.key(Qt.Key.Key_B)
        ready.drag(ready.world(scan, (6, 5, 5)), ready.world(scan, (13, 12, 5)))
        ready.rest()

    draw()
    assert boxes.visible and len(boxes.data) == 1
    boxes.visible = False  # by its eye in the list
    ready.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    ready.rest()
    assert not boxes.data
    draw()
    assert len(boxes.data) == 1 and not boxes.visible


def test_a_box_that_comes_back_while_our_layers_are_hidden_is_hidden_with_them(ready):
    scan, boxes = ready.layers[0], ready.layer("prompts: boxes")
    ready.look_at(scan, LIVER)
    ready.key(Qt.Key.Key_B)
    ready.drag(ready.world(scan, (6, 5, 5)), ready.world(scan, (13, 12, 5)))
    ready.rest()
    ready.look_at(scan, (10, 8, 7))
    assert not boxes.data
    ready.key(Qt.Key.Key_V)
    ready.look_at(scan, LIVER)
    ready.rest()
    assert len(boxes.data) == 1 and not boxes.visible
    ready.key(Qt.Key.Key_V)
    assert boxes.visible and ready.layer("labels").visible


def test_layers_that_were_all_hidden_by_their_eyes_come_back_with_the_key_and_with_a_prompt(ready):
    ours = [layer for layer in ready.viewer.layers if layer is not ready.layers[0] and layer.visible]
    assert len(ours) == 4  # the boxes layer sleeps
    for bring_back in (lambda: ready.key(Qt.Key.Key_V), lambda: ready.click(ready.world(ready.layers[0], LIVER))):
        ready.look_at(ready.layers[0], LIVER)
        for layer in ours:
            layer.visible = False
        bring_back()
        ready.rest()
        assert all(layer.visible for layer in ours)


def test_a_prompt_brings_back_what_the_key_hid_even_where_one_layer_was_shown_again_by_its_eye(clicked):
    clicked.key(Qt.Key.Key_V)
    clicked.layer("labels").visible = True
    clicked.click(clicked.world(clicked.layers[0], LIVER))
    clicked.rest()
    assert clicked.layer("preview").visible and clicked.layer("prompts: points").visible
    clicked.key(Qt.Key.Key_V)
    clicked.layer("labels").visible = True
    clicked.key(Qt.Key.Key_V)
    assert clicked.layer("preview").visible and clicked.layer("labels").visible
    clicked.key(Qt.Key.Key_V)
    assert not clicked.layer("preview").visible and not clicked.layer("labels").visible


def test_who_pans_while_our_layers_are_hidden_sees_none_of_them(clicked):
    scan = clicked.layers[0]
    clicked.key(Qt.Key.Key_V)
    clicked.drag(clicked.world(scan, (20, 18, 5)), clicked.world(scan, (24, 22, 5)))
    clicked.rest()
    assert not any(layer.visible for layer in clicked.viewer.layers if layer is not scan)
    assert "hidden" in clicked.dock.notice.text and len(clicked.session.prompts.clicks) == 1


def test_no_dot_is_drawn_where_there_is_no_point(clicked):
    scan = clicked.layers[0]
    clicked.viewer.scene.camera.zoom *= 0.5  # the corner of the scan is on the canvas
    for layer in clicked.viewer.layers:
        layer.visible = layer.name == "prompts: points"

    def brightest(depth):
        clicked.look_at(scan, (10, 8, depth))
        clicked.rest()
        return clicked.viewer.screenshot(canvas_only=True, flash=False)[..., :3].max()

    assert brightest(5) > 100
    assert brightest(7) < 50  # napari's empty canvas


def test_prompts_that_are_shown_already_are_not_drawn_again(clicked):
    drawn, points = [], clicked.layer("prompts: points")
    points.events.set_data.connect(lambda event: drawn.append(event))
    show = clicked.dock.workbench.canvas.prompts._layers.show_prompts
    show(clicked.session.prompts)
    assert not drawn
    show(Prompts())
    show(clicked.session.prompts)
    assert drawn and len(points.data) == 1


def test_a_layer_that_is_taken_out_is_said_to_be_safe_and_comes_back_in_its_place(clicked):
    clicked.key(Qt.Key.Key_C)
    clicked.key(Qt.Key.Key_M)
    clicked.rest()
    names = [layer.name for layer in clicked.viewer.layers]
    for name in ("labels", "prompts: points"):
        clicked.viewer.layers.remove(clicked.layer(name))
        assert f"'{name}' was taken out. The work is safe" in clicked.dock.notice.text
    clicked.click(clicked.world(clicked.layers[0], LIVER))
    clicked.rest()
    assert [layer.name for layer in clicked.viewer.layers] == names
    assert clicked.layer("labels").data.any() and not clicked.dock.notice.text
