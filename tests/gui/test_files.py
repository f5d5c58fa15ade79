"""napari's Open, Open Sample and Save go through our reader and writer, on the scan's own grid."""

import nibabel as nib
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton

from napari_segsam.core.errors import UnreadableInputError, WriteError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label
from napari_segsam.core.volume import Volume
from napari_segsam.gui.label_files import FORMATS
from napari_segsam.gui.layer_data import LABELS_KEY, VOLUME_KEY, layer_of
from napari_segsam.gui.reader import get_reader, open_sample, read_layers
from napari_segsam.gui.writer import write_labels
from napari_segsam.io.labels.names import parse_names

OBLIQUE = np.array([[-1.2, 0.3, 0.1, 50.0], [0.3, 1.1, -0.2, -20.0], [0.0, 0.2, -3.0, 9.0], [0, 0, 0, 1]])


def volume(affine=OBLIQUE, voxels=None, **kwargs):
    voxels = np.arange(6 * 5 * 4, dtype=np.int16).reshape(6, 5, 4) if voxels is None else voxels
    return Volume(Grid(voxels.shape[:3], affine), voxels, **kwargs)


@pytest.fixture
def nifti(tmp_path):
    path = tmp_path / "scan.nii.gz"
    voxels = np.random.default_rng(0).integers(-1000, 900, (12, 10, 8)).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels, np.diag([-2.0, -2.0, 3.0, 1.0])), path)
    return path


def test_a_layer_is_a_view_of_the_voxels_in_millimetres():
    scan = volume()
    data, kwargs, kind = layer_of(scan)
    assert kind == "image"
    assert np.shares_memory(data, scan.voxels)
    assert np.array_equal(data, scan.grid.display.to_display(scan.voxels))
    assert kwargs["scale"] == tuple(scan.grid.spacing_mm[a] for a in scan.grid.display.axes)
    assert kwargs["metadata"][VOLUME_KEY] is scan


def test_colours_are_shown_as_colours_and_inverted_scans_inverted():
    _, kwargs, _ = layer_of(volume(voxels=np.zeros((6, 5, 4, 3), np.uint8), modality="rgb"))
    assert kwargs["rgb"]
    assert "contrast_limits" not in kwargs
    assert layer_of(volume(inverted=True))[1]["colormap"] == "gray_r"


def test_napari_opens_a_nifti_file_through_us(hand, nifti):
    hand.viewer.open(nifti, plugin="napari-segsam")
    scan = hand.viewer.layers[0]
    assert scan.metadata[VOLUME_KEY].grid.shape == (12, 10, 8)
    assert tuple(scan.scale) == (3.0, 2.0, 2.0)


def test_napari_opens_the_sample(hand):
    hand.viewer.open_sample("napari-segsam", "torso_phantom")
    assert hand.viewer.layers[0].metadata[VOLUME_KEY].modality == "ct"
    assert open_sample()[0][2] == "image"


def test_napari_saves_committed_labels_on_the_scans_grid(hand, nifti, tmp_path):
    hand.viewer.open(nifti, plugin="napari-segsam")
    hand.open_dock()
    hand.session.labels.voxels[3, 4, 5] = 1
    hand.layer("labels").metadata[LABELS_KEY] = {1: Label(1, "liver")}
    saved = hand.layer("labels").save(str(tmp_path / "out.nii.gz"), plugin="napari-segsam")
    image = nib.load(saved[0])
    assert np.allclose(image.affine, nib.load(nifti).affine)
    assert [tuple(v) for v in np.argwhere(np.asarray(image.dataobj))] == [(3, 4, 5)]
    assert parse_names(tmp_path / "out.nii.gz.labels.json") == {1: "liver"}


def test_labels_are_written_off_the_gui_thread_and_that_is_said(hand, nifti, tmp_path):
    hand.viewer.open(nifti, plugin="napari-segsam")
    dock = hand.open_dock()
    hand.session.labels.voxels[3, 4, 5] = 1
    dock.workbench.export_labels(tmp_path / "out.nii.gz", FORMATS[0])
    hand.wait(lambda: dock.notice.text.startswith("Saved"), 60)
    assert "out.nii.gz" in dock.notice.text
    assert np.asarray(nib.load(tmp_path / "out.nii.gz").dataobj)[3, 4, 5] == 1


def test_a_save_that_fails_is_said_in_the_dock(hand, nifti, tmp_path):
    hand.viewer.open(nifti, plugin="napari-segsam")
    dock = hand.open_dock()
    dock.workbench.export_labels(tmp_path / "out.docx", FORMATS[0])
    hand.wait(lambda: dock.error.text, 60)
    assert "out.docx" in dock.error.text
    assert not list(tmp_path.glob("out*"))


def test_labels_of_no_scan_are_refused(tmp_path):
    with pytest.raises(WriteError, match="no scan"):
        write_labels(str(tmp_path / "a.nii.gz"), np.zeros((3, 3, 3), np.int32), {"metadata": {}})


def test_values_that_no_label_map_holds_are_refused(tmp_path):
    attributes = {"metadata": {VOLUME_KEY: volume()}}
    with pytest.raises(WriteError, match="65535"):
        write_labels(str(tmp_path / "a.nii.gz"), np.full((4, 5, 6), 70000), attributes)


def test_what_is_not_there_is_not_ours(tmp_path):
    assert get_reader(str(tmp_path / "nothing.nii.gz")) is None


def test_an_empty_folder_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(UnreadableInputError):
        read_layers(str(tmp_path))


@pytest.mark.parametrize("folder", ["ct_series_philips", "mr_series_btp"])
def test_a_real_dicom_folder_opens(shared_data, folder):
    layers = read_layers(str(shared_data / "dicom" / folder))
    assert layers
    assert all(kwargs["metadata"][VOLUME_KEY].grid.shape for _, kwargs, _ in layers)


def test_the_save_button_says_what_is_unsaved(ready, tmp_path):

    def texts():
        return [b.text() for b in ready.dock.findChildren(QPushButton) if b.text().startswith("Save labels")]

    assert texts() == ["Save labels…"]
    scan = ready.layers[0]
    ready.look_at(scan, (10, 8, 5))
    ready.click(ready.world(scan, (10, 8, 5)))
    ready.rest()
    ready.key(Qt.Key.Key_C)
    ready.rest()
    assert texts() == ["Save labels… (unsaved)"]
    ready.dock.workbench.export_labels(tmp_path / "labels.nii.gz", FORMATS[0])
    ready.wait(lambda: (tmp_path / "labels.nii.gz").exists() and texts() == ["Save labels…"])
