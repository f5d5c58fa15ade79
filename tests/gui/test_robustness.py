"""What people do to a viewer: delete layers, open two, close the dock, open scans late, lose the model."""

import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_segsam.core.errors import BadCheckpointError, SegsamError
from napari_segsam.gui import plugin
from tests.fakes import block_volume
from tests.gui.conftest import Hand

LIVER = (10, 8, 5)


def click_liver(hand):
    hand.look_at(hand.layers[0], LIVER)
    hand.click(hand.world(hand.layers[0], LIVER))
    hand.rest()


def test_constructing_the_dock_in_an_empty_viewer_changes_nothing(hand):
    before = (list(hand.viewer.mouse_drag_callbacks), list(hand.viewer.mouse_double_click_callbacks))
    keys = dict(hand.viewer.keymap)
    dock = hand.open_dock(ready=False)
    assert not hand.viewer.layers
    assert (list(hand.viewer.mouse_drag_callbacks), list(hand.viewer.mouse_double_click_callbacks)) == before
    assert hand.viewer.keymap == keys
    assert not dock.empty.isHidden()
    assert not dock.object_panel.isVisibleTo(dock)


def test_a_scan_that_comes_after_the_dock_is_ready_to_click(hand):
    hand.open_dock(ready=False)
    hand.layers = [hand.open(block_volume((48, 40, 12)))]
    hand.wait(lambda: hand.dock.workbench.controller.predictor)
    click_liver(hand)
    assert hand.layer("preview").data.any()
    assert not hand.dock.empty.isVisible()


def test_the_sample_button_opens_the_phantom(hand):
    hand.open_dock(ready=False)
    hand.dock.empty.sample.click()
    hand.wait(lambda: hand.dock.workbench.scan is not None)
    assert hand.session.volume.modality == "ct"


@pytest.mark.parametrize("name", ["preview", "semantic", "labels", "prompts: points", "prompts: boxes"])
def test_a_deleted_layer_comes_back_when_it_has_something_to_show(ready, name):
    click_liver(ready)
    ready.viewer.layers.remove(ready.layer(name))
    ready.key(Qt.Key.Key_B)
    scan = ready.layers[0]
    ready.drag(ready.world(scan, (26, 2, 5)), ready.world(scan, (46, 18, 5)))
    ready.rest()
    ready.key(Qt.Key.Key_C)
    ready.rest()
    ready.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    ready.rest()
    ready.key(Qt.Key.Key_T)
    ready.key(Qt.Key.Key_P)
    ready.click(ready.world(scan, LIVER))
    ready.rest()
    assert ready.layer(name) is not None


def test_renamed_layers_are_still_ours(ready):
    preview = ready.layer("preview")
    preview.name = "something else"
    click_liver(ready)
    assert preview.data.any()


def test_deleting_the_scan_keeps_what_was_committed(ready):
    click_liver(ready)
    ready.key(Qt.Key.Key_C)
    ready.rest()
    ready.viewer.layers.remove(ready.layers[0])
    QApplication.processEvents()
    assert [layer.name for layer in ready.viewer.layers] == ["labels of blocks"]
    assert ready.layer("labels of blocks").data.any()
    assert ready.dock.empty.isVisible() and "not saved" in ready.dock.notice.text
    assert ready.dock.workbench.tool is None
    ready.click((5.0, 5.0, 5.0))
    ready.key(Qt.Key.Key_C)


def test_labels_and_then_their_scan_may_be_deleted_and_the_notice_says_how_to_go_on(ready):
    click_liver(ready)
    ready.key(Qt.Key.Key_C)
    ready.rest()
    ready.viewer.layers.remove(ready.layer("labels"))
    ready.viewer.layers.remove(ready.layers[0])
    QApplication.processEvents()
    assert not ready.viewer.layers
    assert "not saved" in ready.dock.notice.text and "Open the scan again" in ready.dock.notice.text
    assert "labels of blocks" not in ready.dock.notice.text


@pytest.mark.parametrize("_again", range(3))  # in which order napari deletes them is chance
def test_all_layers_may_be_deleted_at_once_and_the_work_comes_back(ready, _again):
    other = ready.open(block_volume((40, 40, 12)))
    ready.wait(lambda: ready.dock.workbench.scan is other)
    ready.dock.workbench.open_scan(ready.layers[0])
    ready.rest()
    click_liver(ready)
    ready.key(Qt.Key.Key_C)
    ready.rest()
    ready.viewer.layers.select_all()
    ready.viewer.layers.remove_selected()
    QApplication.processEvents()
    assert not ready.viewer.layers and ready.dock.empty.isVisible() and not ready.dock.error.text
    assert ready.dock.notice.text.endswith("Open the scan again to go on with them.")
    ready.open(block_volume((48, 40, 12)))
    QApplication.processEvents()
    ready.rest()
    assert ready.session.labels.labels[1].name == "liver" and ready.layer("labels").data.any()
    assert "taken out" not in ready.dock.notice.text


def test_what_is_said_of_a_deleted_scan_is_true_when_its_labels_went_after_it(ready):
    other = ready.open(block_volume((40, 40, 12)))
    ready.wait(lambda: ready.dock.workbench.scan is other)
    ready.dock.workbench.open_scan(ready.layers[0])
    ready.rest()
    click_liver(ready)
    ready.key(Qt.Key.Key_C)
    labels = ready.layer("labels")
    ready.viewer.layers.remove(ready.layers[0])
    ready.viewer.layers.remove(labels)
    ready.wait(lambda: ready.dock.workbench.scan is other)
    assert "not saved" in ready.dock.notice.text and "hidden layer" not in ready.dock.notice.text


def test_deleting_the_scan_goes_on_with_another_one_and_says_where_the_labels_are(ready):
    other = ready.open(block_volume((40, 40, 12)))
    ready.wait(lambda: ready.dock.workbench.scan is other)
    ready.dock.workbench.open_scan(ready.layers[0])
    ready.rest()
    click_liver(ready)
    ready.key(Qt.Key.Key_C)
    ready.viewer.layers.remove(ready.layers[0])
    ready.wait(lambda: ready.dock.workbench.scan is other)
    assert "not saved" in ready.dock.notice.text and ready.session.volume.grid.shape == (40, 40, 12)


def test_a_prompt_brings_hidden_layers_back(ready):
    ready.key(Qt.Key.Key_V)
    assert not ready.layer("labels").visible
    click_liver(ready)
    assert ready.layer("labels").visible and ready.layer("preview").visible


def test_prompts_may_go_while_their_layer_is_hidden(ready):
    click_liver(ready)
    controller = ready.dock.workbench.controller
    controller.click(30, 30, False)
    ready.rest()
    ready.layer("prompts: points").visible = False
    controller.remove_click(0)
    ready.rest()
    assert not ready.layer("prompts: points").visible and len(ready.layer("prompts: points").data) == 1


def test_clearing_the_layer_list_is_survived(ready):
    click_liver(ready)
    ready.viewer.layers.clear()
    ready.layers = [ready.open(block_volume((48, 40, 12)))]
    ready.rest()
    click_liver(ready)
    assert ready.layer("preview").data.any()


def test_changing_the_scan_and_back_keeps_both_labels(ready):
    click_liver(ready)
    ready.key(Qt.Key.Key_C)
    ready.rest()
    other = ready.open(block_volume((40, 48, 14)))
    bench = ready.dock.workbench
    bench.open_scan(other)
    ready.rest()
    assert not ready.session.labels.voxels.any()
    assert ready.layer("labels").data.shape == (14, 48, 40)
    bench.open_scan(ready.layers[0])
    ready.rest()
    assert (ready.session.labels.voxels == 1).any()
    assert ready.dock.objects_panel.objects.item(0, 0).text() == "liver"


def test_two_viewers_do_not_mix(ready, make_napari_viewer, qtbot):
    other = Hand(make_napari_viewer(show=True), qtbot)
    other.layers = [other.open(block_volume((48, 40, 12)))]
    other.open_dock()
    click_liver(ready)
    ready.key(Qt.Key.Key_C)
    ready.rest()
    assert not other.session.labels.voxels.any()
    assert not other.session.prompts.clicks
    click_liver(other)
    other.key(Qt.Key.Key_T)
    assert ready.dock.workbench.positive
    assert not other.dock.workbench.positive
    other.dock = None


def test_closing_the_dock_gives_everything_back(hand):
    hand.layers = [hand.open(block_volume((48, 40, 12)))]
    drags = list(hand.viewer.mouse_drag_callbacks)
    doubles, moves = list(hand.viewer.mouse_double_click_callbacks), list(hand.viewer.mouse_move_callbacks)
    hand.open_dock()
    click_liver(hand)
    thread = hand.dock.workbench.executor.thread
    dock, hand.dock = hand.dock, None
    hand.viewer.window.remove_dock_widget(dock)
    del dock
    QApplication.processEvents()
    thread.join(10)
    assert not thread.is_alive()
    assert list(hand.viewer.mouse_drag_callbacks) == drags
    assert list(hand.viewer.mouse_double_click_callbacks) == doubles
    assert list(hand.viewer.mouse_move_callbacks) == moves
    assert not hand.viewer.keymap
    assert not hand.layers[0].keymap
    assert [layer.name for layer in hand.viewer.layers] == ["blocks"]
    hand.click(hand.world(hand.layers[0], LIVER))


def test_a_dock_opened_again_takes_up_what_was_committed(ready):
    click_liver(ready)
    ready.key(Qt.Key.Key_C)
    ready.rest()
    committed = ready.session.labels.voxels
    dock, ready.dock = ready.dock, None
    ready.viewer.window.remove_dock_widget(dock)
    assert [layer.name for layer in ready.viewer.layers] == ["blocks", "labels"]
    ready.open_dock()
    assert np.shares_memory(ready.session.labels.voxels, committed)
    assert ready.session.labels.labels[1].name == "liver"
    assert [layer.name for layer in ready.viewer.layers].count("labels") == 1


def test_the_model_is_loaded_and_run_on_the_inference_thread_only(hand, predictor, monkeypatch):
    threads = []

    def load(model, device):
        threads.append(threading.current_thread())
        return predictor

    embed = predictor.embed
    monkeypatch.setattr(plugin, "load_model", load)
    monkeypatch.setattr(predictor, "embed", lambda *a: threads.append(threading.current_thread()) or embed(*a))
    hand.layers = [hand.open(block_volume((48, 40, 12)))]
    hand.open_dock()
    click_liver(hand)
    assert len(threads) >= 2
    assert set(threads) == {hand.dock.workbench.executor.thread}


def test_a_model_that_does_not_load_is_said_in_the_dock(hand, monkeypatch):
    def load(model, device):
        raise BadCheckpointError("nano: the file is damaged; reinstall napari-segsam.")

    monkeypatch.setattr(plugin, "load_model", load)
    hand.layers = [hand.open(block_volume((48, 40, 12)))]
    hand.open_dock(ready=False)
    hand.wait(lambda: hand.dock.error.text)
    assert "damaged" in hand.dock.error.text
    assert hand.dock.error.isVisible()
    click_at = hand.world(hand.layers[0], LIVER)
    hand.click(click_at)
    assert "damaged" in hand.dock.error.text
    hand.key(Qt.Key.Key_C)
    hand.click(click_at)
    assert "damaged" in hand.dock.error.text


def test_a_device_that_is_not_there_leaves_the_last_one_chosen(ready, monkeypatch):
    def load(model, device):
        raise SegsamError("No CUDA GPU is available.")

    monkeypatch.setattr(ready.dock.workbench.model, "_load", load)
    ready.dock.scan_panel.device.value = "cuda"
    ready.wait(lambda: ready.dock.error.text)
    assert ready.dock.scan_panel.device.value == ready.dock.workbench.model.device == "auto"


def test_scrolling_while_the_model_embeds_paints_nothing_in_the_wrong_place(hand, predictor, monkeypatch):
    gate, embed = threading.Event(), predictor.embed
    monkeypatch.setattr(predictor, "embed", lambda *a: gate.wait(10) and embed(*a))
    hand.layers = [hand.open(block_volume((48, 40, 12)))]
    hand.open_dock(ready=False)
    hand.wait(lambda: hand.dock.workbench.controller.predictor)
    scan = hand.layers[0]
    hand.look_at(scan, LIVER)
    hand.click(hand.world(scan, LIVER))
    assert hand.dock.busy.isVisible()
    hand.look_at(scan, (10, 8, 8))
    gate.set()
    hand.rest()
    assert not hand.layer("preview").data.any()
    hand.look_at(scan, LIVER)
    hand.rest()
    assert hand.layer("preview").data.any()
    assert not hand.dock.busy.isVisible()


def test_a_brush_stroke_is_one_entry_of_the_history(ready):
    click_liver(ready)
    ready.key(Qt.Key.Key_C)
    ready.rest()
    committed = ready.session.labels.voxels.copy()
    labels, scan = ready.layer("labels"), ready.layers[0]
    ready.viewer.layers.selection.active = labels
    ready.key(Qt.Key.Key_P)
    labels.brush_size = 3
    ready.drag(ready.world(scan, (30, 30, 5)), ready.world(scan, (40, 34, 5)))
    assert ready.session.undo_names[0] == "brush"
    painted = np.argwhere(ready.session.labels.voxels != committed)
    assert len(painted) > 5
    assert (painted[:, 2] == 5).all()
    assert (ready.session.labels.voxels[tuple(painted.T)] == labels.selected_label).all()
    ready.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert np.array_equal(ready.session.labels.voxels, committed)
    ready.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert len(np.argwhere(ready.session.labels.voxels != committed)) == len(painted)
