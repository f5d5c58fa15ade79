"""Several scans in one viewer: each keeps its own work."""

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
