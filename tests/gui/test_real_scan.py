"""The default model on a real CT, by hand: boxes dragged with the mouse, committed by key, saved, and compared.

The patient is one that ``nano`` was trained on; this shows that the way from the mouse to the file is right, not how
good the model is on somebody else.
"""

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_segsam.gui.label_files import FORMATS

AXIAL, CORONAL = 2, 1  # voxel axis across the slice
ORGANS = {
    "liver": (AXIAL, ["liver"]),
    "spleen": (AXIAL, ["spleen"]),
    "kidney_left": (AXIAL, ["kidney_left"]),
    "kidney_right": (AXIAL, ["kidney_right"]),
    "vertebrae_L1": (AXIAL, ["vertebrae_L1"]),
    # Only the bases of the lungs are in this scan: rims round the liver on axial slices.
    "lung_left": (CORONAL, ["lung_lower_lobe_left", "lung_upper_lobe_left"]),
    "lung_right": (CORONAL, ["lung_lower_lobe_right", "lung_middle_lobe_right", "lung_upper_lobe_right"]),
}
LEAST = 0.6


@pytest.fixture
def predictor():
    """The one that ships, instead of the fake."""


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def reference(folder, parts):
    files = [folder / "example_seg_v1_per_organ" / f"{part}.nii.gz" for part in parts]
    return np.any([np.asarray(nib.load(f).dataobj) > 0 for f in files], axis=0)


def widest(mask, axis):
    """The slice across ``axis`` that shows most of the organ, and the mask on it."""
    index = int(mask.sum(axis=tuple(a for a in range(3) if a != axis)).argmax())
    return index, np.take(mask, index, axis)


def box_an_organ(hand, scan, mask, axis):
    """Drag a box round the organ on its widest slice, and commit."""
    index, seen = widest(mask, axis)
    low, high = (np.insert(f(np.argwhere(seen), axis=0), axis, index) for f in (np.min, np.max))
    depth = scan.metadata["segsam_volume"].grid.display.axes.index(axis)
    hand.viewer.dims.order = (depth, *(d for d in range(3) if d != depth))
    hand.look_at(scan, low)
    hand.key(Qt.Key.Key_B)
    hand.drag(hand.world(scan, low), hand.world(scan, high))
    hand.wait(lambda: (hand.session.answered and not hand.dock.workbench.controller.busy) or hand.dock.error.text, 120)
    assert not hand.dock.error.text
    hand.key(Qt.Key.Key_C)
    hand.rest()


def test_organs_boxed_with_the_mouse_are_saved_where_they_are(hand, shared_data, tmp_path):
    folder = shared_data / "ct" / "totalseg_example"
    hand.viewer.open(folder / "example_ct.nii.gz", plugin="napari-segsam")
    scan = hand.viewer.layers[0]
    hand.open_dock(patience_s=180)
    truth = {}
    for n, (organ, (axis, parts)) in enumerate(ORGANS.items()):
        truth[organ] = reference(folder, parts)
        box_an_organ(hand, scan, truth[organ], axis)
        hand.key(Qt.Key.Key_M)
        if organ == "vertebrae_L1":
            hand.viewer.screenshot(str(picture_path(tmp_path)), canvas_only=False, flash=False)
        assert len(hand.session.labels.labels) == n + 1
    hand.dock.workbench.export_labels(tmp_path / "labels.nii.gz", FORMATS[0])
    hand.wait(lambda: hand.dock.notice.text.startswith("Saved"), 60)
    saved = nib.load(tmp_path / "labels.nii.gz")
    assert np.allclose(saved.affine, nib.load(folder / "example_ct.nii.gz").affine)
    voxels = np.asarray(saved.dataobj)
    scores = {}
    for n, (organ, (axis, _)) in enumerate(ORGANS.items()):
        index, wanted = widest(truth[organ], axis)
        found = voxels == n + 1
        assert not np.delete(found, index, axis).any()
        scores[organ] = round(float(dice(np.take(found, index, axis), wanted)), 3)
    (picture_path(tmp_path).with_suffix(".json")).write_text(json.dumps(scores))
    assert min(scores.values()) > LEAST, scores


def picture_path(tmp_path):
    """Kept where SEGSAM_PICTURES says, for a person to look at."""
    kept = os.environ.get("SEGSAM_PICTURES")
    return Path(kept) / "real_ct.png" if kept else tmp_path / "real_ct.png"
