"""Several scans in one viewer: each keeps its own work."""

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.io.formats import write_labels
from tests.fakes import block_volume
from tests.gui.conftest import Hand

LIVER = (10, 8, 5)
OURS = {"semantic", "labels", "preview", "prompts: boxes", "prompts: points"}


def click_liver(hand: Hand, scan) -> None:
    hand.look_at(scan, LIVER)
    hand.click(hand.world(scan, LIVER))
    hand.rest()


@pytest.fixture
def second(ready):
    """Another scan, opened while the first one has a prompt."""
    click_liver(ready, ready.layers[0])
    scan = ready.open(block_volume((40, 48, 14)))
    QApplication.processEvents()
    ready.rest()
    return scan


def test_a_scan_that_is_opened_is_the_one_that_is_clicked(ready, second):
    bench = ready.dock.workbench
    assert bench.scan is second
    assert not ready.session.prompts.clicks
    names = [layer.name for layer in ready.viewer.layers]
    assert set(names[names.index(second.name) + 1 :]) == OURS
    click_liver(ready, second)
    assert ready.session.volume is second.metadata["segsam_volume"]
    assert ready.layer("preview").data.any()


def test_coming_back_restores_prompts_commits_and_undo(ready, second):
    first, bench = ready.layers[0], ready.dock.workbench
    click_liver(ready, second)
    ready.key(Qt.Key.Key_C)
    ready.rest()
    bench.open_scan(first)
    ready.rest()
    assert ready.viewer.layers.index(first) > ready.viewer.layers.index(second)  # or it would be hidden
    ready.look_at(first, LIVER)
    ready.rest()
    assert len(ready.session.prompts.clicks) == 1
    assert ready.layer("preview").data.any()
    assert len(ready.layer("prompts: points").data) == 1
    assert ready.session.undo_names == ("point",)
    bench.open_scan(second)
    ready.rest()
    assert "commit liver" in ready.session.undo_names
    ready.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not ready.session.labels.voxels.any()


def test_a_scan_beside_what_is_visible_is_scrolled_to(ready):
    ready.look_at(ready.layers[0], (10, 8, 0))
    small = ready.open(block_volume((48, 40, 4)))
    QApplication.processEvents()
    ready.rest()
    assert ready.dock.workbench.scan is small
    assert not ready.dock.error.text


def test_another_modality_keeps_prompts_and_undo(ready):
    click_liver(ready, ready.layers[0])
    ready.key(Qt.Key.Key_C)
    ready.rest()
    undo, labels = ready.session.undo_names, ready.session.labels.voxels.copy()
    ready.dock.workbench.set_modality("mr")
    ready.rest()
    assert ready.session.volume.modality == "mr"
    assert ready.session.undo_names == undo
    assert len(ready.session.prompts.clicks) == 1
    assert np.array_equal(ready.session.labels.voxels, labels)


def save_liver(path, shape) -> None:
    volume = block_volume(shape)
    labels = LabelMap(volume.grid, labels={3: Label(3, "liver")})
    labels.voxels[LIVER] = 3
    write_labels(path, labels)


def test_saved_labels_are_taken_up_again_names_included(ready, tmp_path):
    save_liver(tmp_path / "out.nii.gz", (48, 40, 12))
    ready.viewer.open(tmp_path / "out.nii.gz", plugin="napari-segsam")
    ready.wait(lambda: ready.session.labels.labels, 60)
    assert ready.session.labels.labels == {3: Label(3, "liver")}
    assert ready.session.labels.voxels[LIVER] == 3
    assert not ready.session.unsaved
    assert [layer.name for layer in ready.viewer.layers if layer.name in ("labels", "out")] == ["labels"]


def test_labels_of_another_grid_are_refused_and_said_so(ready, tmp_path):
    save_liver(tmp_path / "out.nii.gz", (40, 40, 12))
    ready.viewer.open(tmp_path / "out.nii.gz", plugin="napari-segsam")
    ready.wait(lambda: ready.dock.error.text, 60)
    assert "does not fit the scan" in ready.dock.error.text
    assert not ready.session.labels.labels


def test_a_scan_deleted_and_opened_again_has_its_labels(ready):
    click_liver(ready, ready.layers[0])
    ready.key(Qt.Key.Key_C)
    ready.rest()
    ready.viewer.layers.remove(ready.layers[0])
    ready.open(block_volume((48, 40, 12)))
    QApplication.processEvents()
    ready.rest()
    assert ready.session.labels.labels[1].name == "liver"
    assert ready.session.unsaved
    assert [layer.name for layer in ready.viewer.layers].count("labels") == 1


def test_a_scan_deleted_and_opened_again_goes_on_where_it_was_left(ready):
    kept = ready.layers[0]  # as somebody's console may hold on to the layer
    click_liver(ready, kept)
    ready.key(Qt.Key.Key_C)
    ready.rest()
    session, undo = ready.session, ready.session.undo_names
    ready.dock.workbench.set_modality("mr")
    ready.viewer.layers.remove(kept)
    left = ready.layer("labels of blocks")
    ready.viewer.dims.ndisplay = 3
    ready.viewer.dims.ndisplay = 2
    assert not left.editable  # nobody would hear the stroke
    assert ready.dock.workbench.unsaved == ["blocks"]
    scan = ready.open(block_volume((48, 40, 12)))
    QApplication.processEvents()
    ready.rest()
    assert ready.session is session and session.undo_names == undo and session.volume.modality == "mr"
    assert left not in ready.viewer.layers and not ready.dock.offer.isVisible()
    assert "hidden layer" not in ready.dock.notice.text
    ready.look_at(scan, LIVER)
    ready.rest()
    assert ready.layer("labels").data.any() and len(ready.layer("prompts: points").data) == 1
    ready.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not session.labels.voxels.any()


def test_work_is_there_again_though_its_labels_were_deleted_too(ready):
    click_liver(ready, ready.layers[0])
    ready.key(Qt.Key.Key_C)
    ready.rest()
    ready.viewer.layers.remove(ready.layers[0])
    ready.viewer.layers.remove(ready.layer("labels of blocks"))
    assert ready.dock.notice.text.endswith("Open the scan again to go on with them.")
    ready.open(block_volume((40, 48, 14)))
    QApplication.processEvents()
    ready.rest()
    assert not ready.session.labels.labels and ready.dock.workbench.unsaved == ["blocks"]
    ready.open(block_volume((48, 40, 12)))
    QApplication.processEvents()
    ready.rest()
    assert ready.session.labels.labels[1].name == "liver" and ready.layer("labels").data.any()


def test_another_scan_of_the_same_name_and_grid_takes_none_of_it(ready):
    click_liver(ready, ready.layers[0])
    ready.key(Qt.Key.Key_C)
    ready.rest()
    first, voxels = ready.session, ready.session.labels.voxels.copy()
    ready.viewer.layers.remove(ready.layers[0])
    volume = block_volume((48, 40, 12))
    other = ready.open(replace(volume, voxels=volume.voxels + 1))
    QApplication.processEvents()
    ready.rest()
    assert ready.session is not first and not ready.session.labels.labels and not ready.session.undo_names
    assert not np.shares_memory(ready.session.labels.voxels, first.labels.voxels)
    click_liver(ready, other)
    ready.key(Qt.Key.Key_C)
    ready.rest()
    assert ready.layer("labels of blocks").data.any() and np.array_equal(first.labels.voxels, voxels)
    assert sorted(ready.dock.workbench.unsaved) == ["blocks", "blocks"]


def test_saved_work_goes_on_too_while_its_labels_stay_and_else_leaves_no_journal(ready, journals):
    click_liver(ready, ready.layers[0])
    ready.key(Qt.Key.Key_C)
    ready.rest()
    session = ready.session
    session.mark_saved()
    ready.viewer.layers.remove(ready.layers[0])
    assert not ready.dock.notice.text
    ready.open(block_volume((48, 40, 12)))
    QApplication.processEvents()
    ready.rest()
    assert ready.session is session and not session.unsaved and "commit liver" in session.undo_names
    assert list(journals.glob("*.journal"))
    ready.viewer.layers.remove(ready.dock.workbench.scan)
    QApplication.processEvents()
    ready.viewer.layers.remove(ready.layer("labels of blocks"))
    ready.wait(lambda: not list(journals.glob("*.journal")))
    ready.open(block_volume((48, 40, 12)))
    QApplication.processEvents()
    ready.rest()
    assert ready.session is not session and not ready.dock.offer.isVisible()


def test_of_three_scans_the_one_that_is_left_is_worked_on(ready):
    others = [ready.open(block_volume(shape)) for shape in ((40, 40, 12), (40, 48, 14))]
    QApplication.processEvents()
    ready.rest()
    ready.dock.workbench.open_scan(others[0])
    ready.rest()
    ready.viewer.layers.remove(others[0])
    ready.viewer.layers.remove(others[1])
    ready.wait(lambda: ready.dock.workbench.scan is ready.layers[0])


def test_of_two_scans_with_one_name_each_says_which_layer_has_its_labels(ready):
    other = ready.open(block_volume((40, 40, 12)))
    QApplication.processEvents()
    ready.rest()
    for scan in (other, ready.layers[0]):
        ready.dock.workbench.open_scan(scan)
        click_liver(ready, scan)
        ready.key(Qt.Key.Key_C)
        ready.rest()
        ready.viewer.layers.remove(scan)
        left = [layer for layer in ready.viewer.layers if layer.name.startswith("labels of")][-1]
        assert f"hidden layer '{left.name}'" in ready.dock.notice.text
        QApplication.processEvents()
        ready.rest()


def test_the_same_scan_opened_twice_does_not_take_the_first_ones_labels(ready):
    click_liver(ready, ready.layers[0])
    ready.key(Qt.Key.Key_C)
    ready.rest()
    ready.open(block_volume((48, 40, 12)))
    QApplication.processEvents()
    ready.rest()
    assert not ready.session.labels.labels
    ready.dock.workbench.open_scan(ready.layers[0])
    ready.rest()
    assert ready.layer("labels").data.any()


def test_an_object_that_is_overwritten_wholly_is_named(ready):
    click_liver(ready, ready.layers[0])
    ready.key(Qt.Key.Key_C)
    ready.rest()
    ready.key(Qt.Key.Key_M)
    said: list[str] = []
    ready.dock.workbench.controller.status_changed.connect(said.append)
    click_liver(ready, ready.layers[0])
    ready.key(Qt.Key.Key_C)
    ready.rest()
    assert any("Nothing is left of liver" in text for text in said)


def in_frame(shape, frame: str):
    volume = block_volume(shape)
    return replace(volume, grid=replace(volume.grid, frame_of_reference=frame))


def opened(hand: Hand, volume):
    scan = hand.open(volume)
    QApplication.processEvents()
    hand.rest()
    return scan


def test_of_two_scans_that_lie_in_frames_of_their_own_only_the_one_that_is_worked_on_is_seen(ready, second):
    first = ready.layers[0]
    assert (first.visible, second.visible) == (False, True)
    ready.key(Qt.Key.Key_N)
    ready.rest()
    assert ready.dock.workbench.scan is first and (first.visible, second.visible) == (True, False)
    second.visible = True
    ready.dock.workbench.set_modality("mr")
    assert second.visible, "who shows it again sees it until another scan is taken up"


def test_scans_that_share_a_frame_of_reference_stay_as_they_are(hand):
    first = hand.open(in_frame((48, 40, 12), "1.2.3"))
    hand.layers = [first]
    hand.open_dock()
    again, other = opened(hand, in_frame((24, 20, 12), "1.2.3")), in_frame((24, 20, 12), "1.2.4")
    assert first.visible and again.visible
    opened(hand, other)
    assert not first.visible and not again.visible


def test_the_view_goes_to_the_slice_that_a_scan_was_left_on(ready):
    first = ready.layers[0]
    ready.look_at(first, (10, 8, 2))
    ready.rest()
    second = opened(ready, block_volume((400, 300, 30)))
    assert ready.session.view.index == 15
    assert ready.viewer.scene.camera.center[-2:] == pytest.approx(np.array(second.extent.world).mean(axis=0)[-2:])
    ready.key(Qt.Key.Key_N)
    ready.rest()
    assert ready.dock.workbench.scan is first and ready.session.view.index == 2


def test_the_same_layer_is_active_whether_a_scan_comes_first_second_or_by_a_key(hand):
    hand.open_dock(ready=False)
    active = []
    for shape in ((48, 40, 12), (40, 48, 14)):
        hand.layers.append(opened_later(hand, shape))
        active.append(hand.viewer.layers.selection.active.name)
    hand.key(Qt.Key.Key_N)
    hand.rest()
    assert [*active, hand.viewer.layers.selection.active.name] == ["semantic"] * 3


def opened_later(hand: Hand, shape):
    """A scan that may be the first one, so that there is a Controller only then."""
    scan = hand.open(block_volume(shape))
    hand.wait(lambda: hand.dock.workbench.scan is scan and hand.dock.workbench.controller.predictor)
    hand.rest()
    return scan


@pytest.fixture
def left_for_a_prompted_one(ready, second):
    """A scan with a commit that is deleted, while the other one has a prompt that waits to be committed."""
    click_liver(ready, second)
    ready.dock.workbench.open_scan(ready.layers[0])
    ready.rest()
    ready.look_at(ready.layers[0], LIVER)
    ready.rest()
    ready.key(Qt.Key.Key_C)
    ready.rest()
    assert ready.session.unsaved
    ready.viewer.layers.remove(ready.layers[0])
    QApplication.processEvents()
    ready.rest()
    return ready


def test_that_a_scan_was_taken_out_unsaved_is_said_until_something_is_done(left_for_a_prompted_one):
    hand, notice = left_for_a_prompted_one, left_for_a_prompted_one.dock.notice
    assert "not saved" in notice.text and notice.isVisible() and hand.session.prompts.clicks
    hand.viewer.dims.set_point(0, hand.viewer.dims.point[0] + 2)
    hand.rest()
    assert "not saved" in notice.text
    hand.key(Qt.Key.Key_C)
    hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    hand.rest()
    assert not notice.text


def test_a_scan_that_is_not_worked_on_is_missed_too_where_it_has_unsaved_labels(ready, second):
    click_liver(ready, second)
    ready.key(Qt.Key.Key_C)
    ready.rest()
    ready.dock.workbench.open_scan(ready.layers[0])
    ready.rest()
    ready.viewer.layers.remove(second)
    assert "not saved" in ready.dock.notice.text and "Open the scan again" in ready.dock.notice.text


def test_labels_of_a_scan_that_is_gone_do_not_lie_over_another_and_are_taken_up_with_it(left_for_a_prompted_one):
    hand = left_for_a_prompted_one
    kept = hand.layer("labels of blocks")
    assert not kept.visible and "labels of blocks" in hand.dock.notice.text
    opened(hand, block_volume((48, 40, 12)))
    assert hand.session.labels.labels[1].name == "liver" and hand.session.unsaved
    assert kept not in hand.viewer.layers and hand.layer("labels").visible
    assert np.shares_memory(hand.layer("labels").data, hand.session.labels.voxels)


def test_no_sentence_speaks_of_a_slice_once_no_scan_is_left(ready):
    assert ready.dock.status.whole
    ready.viewer.layers.clear()
    assert not ready.dock.status.whole
