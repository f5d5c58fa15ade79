"""``segsam detector train`` and ``segsam suggest --detector``: pictures in, a detector out; its boxes in, a map out."""

import json
import re

import nibabel
import numpy as np
import pytest

from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.engine.proposals import MOST
from napari_segsam.engine.zoo.slice_detector import load_detector
from napari_segsam.io.labels.files import write_labels
from napari_segsam.io.labels.names import parse_names
from tests.engine.zoo.onnx_by_hand import detector
from tests.fakes import SilentPredictor, block_volume
from tests.train.sa_med2d import write

# Slices k of the blocks are 20 x 24; a square of 24 shows them as they are, two pixels down.
ON_LIVER, ON_SPLEEN = (6, 7, 10, 8), (18.5, 7, 9, 8)
"""Centres and sizes x, y, w, h."""


@pytest.fixture
def polyps(tmp_path):
    """Two classes that no model here knows, on every slice."""
    answer = np.zeros((1, 6, 2), np.float32)
    answer[0, :, 0], answer[0, :, 1] = (*ON_LIVER, 0.9, 0), (*ON_SPLEEN, 0, 0.3)
    path = tmp_path / "polyps.onnx"
    path.write_bytes(detector(answer, {"task": "detect", "names": "{0: 'Big Polyp', 1: 'polyp'}"}, (24, 24)))
    return path


def painted(out):
    return np.asarray(nibabel.load(out).dataobj)


def test_each_box_is_filled_and_named_as_the_detector_names_it(run, scan, fake, polyps, tmp_path):
    out, report = tmp_path / "s.nii.gz", tmp_path / "r.json"
    done = run("suggest", scan, "--detector", polyps, "--out", out, "--slices", "3:5", "--report", report)
    assert done.exit_code == 0, done.stderr
    source, found = painted(scan), painted(out)
    for k in range(8):
        for hu, class_id in ((60, 1), (120, 2), (180, 0)):
            assert (found[:, :, k][source[:, :, k] == hu] == (class_id if k in (3, 4) else 0)).all()
    assert parse_names(tmp_path / "s.nii.gz.labels.json") == {1: "big_polyp", 2: "polyp"}
    said = json.loads(report.read_text())
    assert said["detector"] == {"name": "polyps.onnx", "sha256": load_detector(polyps).sha256, "threshold": 0.25}
    first = said["suggestions"][0]
    assert (first["class"], first["score"], first["slice"]) == ("big_polyp", 0.9, 3)
    assert first["box"] == {"min": [1, 1, 3], "max": [10, 8, 3]}
    assert first["window"]["name"] == "soft tissue"
    assert all(p.box is not None and not p.clicks for p in fake.predicted)


def test_boxes_below_the_threshold_are_left_out(run, scan, fake, polyps, tmp_path):
    out = tmp_path / "s.nii.gz"
    assert run("suggest", scan, "--detector", polyps, "--threshold", "0.5", "--out", out).exit_code == 0
    assert set(np.unique(painted(out))) == {0, 1}


def test_a_class_of_the_detectors_is_called_as_the_model_calls_it_as_in_the_window(run, scan, fake, polyps, tmp_path):
    fake.vocabulary = Vocabulary(("liver", "tumour"), {"big_polyp": "tumour"})
    out = tmp_path / "s.nii.gz"
    assert run("suggest", scan, "--detector", polyps, "--out", out).exit_code == 0
    assert parse_names(tmp_path / "s.nii.gz.labels.json") == {1: "tumour", 2: "polyp"}


def test_boxes_beyond_the_most_that_are_filled_are_said_slice_by_slice(run, scan, fake, tmp_path):
    answer = np.zeros((1, 300, 6), np.float32)
    answer[0, :, :4] = (1, 3, 11, 11)
    answer[0, :, 4] = np.linspace(0.9, 0.5, 300)
    path, out = tmp_path / "polyps.onnx", tmp_path / "s.nii.gz"
    path.write_bytes(detector(answer, {"task": "detect", "names": "{0: 'polyp'}"}, (24, 24)))
    done = run("suggest", scan, "--detector", path, "--out", out, "--slices", "3:5")
    assert done.exit_code == 0 and len(fake.predicted) == 2 * MOST
    assert f"Slice 3 along k: Beyond the best {MOST}, 250 boxes with lower scores were left out." in done.stderr


def test_a_model_that_names_nothing_fills_a_detectors_boxes(run, scan, fake, polyps, tmp_path):
    fake.vocabulary = SilentPredictor().vocabulary
    out = tmp_path / "s.nii.gz"
    assert run("suggest", scan, "--out", out).exit_code == 2
    assert run("suggest", scan, "--detector", polyps, "--out", out).exit_code == 0
    assert set(np.unique(painted(out))) == {0, 1, 2}


def test_what_cannot_be_is_refused_in_one_sentence(run, scan, fake, polyps, tmp_path):
    out = tmp_path / "s.nii.gz"
    for arguments, said in (
        (("--threshold", "0.5"), "name the detector by --detector"),
        (("--detector", polyps, "--threshold", "0.01"), "0.05"),
        (("--detector", tmp_path / "absent.onnx"), "absent.onnx cannot be read"),
        (("--detector", scan), "is no detector that can be used here"),
    ):
        done = run("suggest", scan, "--out", out, *arguments)
        assert (done.exit_code, said in done.stderr, len(done.stderr.splitlines())) == (2, True, 1), done.stderr
    done = run("suggest", scan, "--detector", polyps, "--out", out, "--report", polyps)
    assert done.exit_code == 2 and "is an input" in done.stderr
    assert not out.exists()


def test_a_folder_of_pictures_becomes_a_detector_and_is_measured_on_the_others(run, tmp_path):
    data, out = write(tmp_path / "data"), tmp_path / "mine.safetensors"
    done = run("detector", "train", data, "--out", out, "--side", "32", "--steps", "2")
    assert done.exit_code == 0, done.stderr
    assert "4 pictures, 12 boxes, 3 classes" in done.stderr
    said = r"finds liver, spleen, thing; how well is [01]\.\d{3} \(.*on 2 pictures of the split 'val'\)\.$"
    assert re.search(said, done.stderr.splitlines()[-1])
    assert load_detector(out).classes == ("liver", "spleen", "thing")


def test_of_a_large_folder_a_part_is_learnt_and_that_is_said(run, tmp_path):
    data, out = write(tmp_path / "data"), tmp_path / "mine.safetensors"
    done = run("detector", "train", data, "--out", out, "--side", "32", "--steps", "1", "--limit", "3")
    assert done.exit_code == 0, done.stderr
    assert "split 'train': 3 of 4 pictures, taken evenly" in done.stderr and "3 pictures, 9 boxes" in done.stderr
    assert "split 'val'" in done.stderr.splitlines()[-1] and "on 2 pictures" in done.stderr


def test_without_a_split_all_pictures_are_learnt_and_how_well_is_not_known(run, tmp_path):
    data, out = write(tmp_path / "data", 2), tmp_path / "mine.safetensors"
    (data / "split.json").unlink()
    done = run("detector", "train", data, "--out", out, "--side", "32", "--steps", "1")
    assert "2 pictures, 6 boxes" in done.stderr and "how well is not known" in done.stderr


def test_a_labelled_scan_becomes_a_detector_that_suggest_takes(run, scan, fake, tmp_path):
    volume = block_volume()
    labels = LabelMap(volume.grid, labels={1: Label(1, "liver")})
    labels.voxels[volume.voxels == 60] = 1
    labelled, out = tmp_path / "labels.nii.gz", tmp_path / "mine.safetensors"
    write_labels(labelled, labels)
    given = ("--labels", labelled, "--out", out, "--side", "32", "--steps", "1")
    done = run("detector", "train", scan, *given)
    assert done.exit_code == 0, done.stderr
    assert "6 pictures, 6 boxes, 1 classes" in done.stderr
    assert run("suggest", scan, "--detector", out, "--out", tmp_path / "s.nii.gz", "--slices", "3").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "mine.pt"), ".safetensors"),
        (("--out", "mine.safetensors", "--side", "100"), "take 96"),
        (("--out", "mine.safetensors", "--axis", "i"), "--labels"),
        (("--out", "mine.safetensors"), "SAMed2D_v1.json"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is(run, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    done = run("detector", "train", tmp_path, *arguments)
    assert done.exit_code == 2 and said in done.stderr
    assert not list(tmp_path.glob("mine*"))


def test_a_scan_without_labels_is_told_what_it_needs(run, scan, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    for data in (scan, empty):
        done = run("detector", "train", data, "--out", tmp_path / "d.safetensors")
        assert done.exit_code == 2 and "name what is labelled on it by --labels FILE" in done.stderr
    assert not (tmp_path / "d.safetensors").exists()


def test_a_model_that_takes_no_boxes_is_refused_before_any_is_put_to_it(run, scan, fake, polyps, tmp_path):
    fake.takes = frozenset({"points"})
    done = run("suggest", scan, "--detector", polyps, "--out", tmp_path / "s.nii.gz")
    assert done.exit_code == 2 and not fake.predicted and not (tmp_path / "s.nii.gz").exists()
    assert "fake takes no boxes, so it cannot fill a detector's" in done.stderr
