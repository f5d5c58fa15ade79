"""The window of ``segsam gui``: opened with paths, some of them bad."""

import nibabel as nib
import numpy as np
import pytest

from napari_segsam.gui import window


@pytest.fixture
def open_window(hand, monkeypatch, predictor):
    """The window on the viewer that the tests watch."""
    monkeypatch.setattr(window.napari, "Viewer", lambda **_: hand.viewer)

    def opened(*paths):
        hand.dock = window.open_window(list(paths))[1]
        return hand.dock

    return opened


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "scan.nii.gz"
    voxels = np.random.default_rng(0).integers(-1000, 900, (40, 40, 20)).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels, np.diag([-2.0, -2.0, 3.0, 1.0])), path)
    return path


def test_the_window_opens_the_scan_and_the_labels_that_are_named(hand, open_window, scan, tmp_path):
    nib.save(nib.Nifti1Image(np.ones((40, 40, 20), np.uint8), nib.load(scan).affine), tmp_path / "made.nii.gz")
    (tmp_path / "made.nii.gz.labels.json").write_text('{"1": "liver"}')
    dock = open_window(scan, tmp_path / "made.nii.gz")
    hand.wait(lambda: dock.workbench.scan is not None and hand.session.labels.labels)
    assert hand.session.labels.labels[1].name == "liver"


def test_a_scan_that_turns_out_to_be_cut_short_is_said_in_the_dock(hand, open_window, scan):
    scan.write_bytes(scan.read_bytes()[:-9000])
    dock = open_window(scan)
    hand.wait(lambda: dock.error.text)
    assert "scan.nii.gz" in dock.error.text
    assert dock.workbench.scan is None
