import json

import nibabel
import numpy as np

from napari_segsam.io.labels.names import parse_names


def test_every_asked_slice_is_named_and_the_others_stay_empty(run, scan, fake, tmp_path):
    out, report = tmp_path / "s.nii.gz", tmp_path / "r.json"
    assert run("suggest", scan, "--out", out, "--slices", "2:6:2", "--report", report).exit_code == 0
    source, classes = (np.asarray(nibabel.load(p).dataobj) for p in (scan, out))
    for k in range(8):
        for hu, class_id in ((60, 1), (120, 2), (180, 3)):
            assert (classes[:, :, k][source[:, :, k] == hu] == (class_id if k in (2, 4) else 0)).all()
    said = json.loads(report.read_text())
    assert said["objects"] == []
    assert {(s["slice"], s["class"]) for s in said["suggestions"]} == {
        (k, name) for k in (2, 4) for name in ("liver", "spleen", "kidney_left")
    }
    names = parse_names(tmp_path / "s.nii.gz.labels.json")
    assert names == {1: "liver", 2: "spleen", 3: "kidney_left"}


def test_any_axis_can_be_asked(run, scan, fake, tmp_path):
    assert run("suggest", scan, "--out", tmp_path / "s.nii.gz", "--axis", "i", "--slices", "4").exit_code == 0
    assert fake.embedded == [(0, 4)]


def test_a_slice_beyond_the_image_is_refused(run, scan, fake, tmp_path):
    done = run("suggest", scan, "--out", tmp_path / "s.nii.gz", "--slices", "2:9")
    assert (done.exit_code, "0 to 7" in done.stderr) == (2, True)
    assert not (tmp_path / "s.nii.gz").exists()


def test_where_suggestions_overlap_the_best_score_wins(run, scan, fake, tmp_path, monkeypatch):
    from napari_segsam.core.prediction import Suggestion

    everywhere = np.ones((20, 24), bool)
    monkeypatch.setattr(
        fake, "suggest", lambda e: (Suggestion("spleen", 0.9, everywhere), Suggestion("liver", 0.2, everywhere))
    )
    run("suggest", scan, "--out", tmp_path / "s.nii.gz", "--slices", "3")
    assert set(np.unique(np.asarray(nibabel.load(tmp_path / "s.nii.gz").dataobj)[:, :, 3])) == {2}
