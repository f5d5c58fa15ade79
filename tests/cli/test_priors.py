"""``segsam priors``: maps on the scan's own grid."""

import json

import nibabel
import numpy as np
import pytest

from napari_segsam.cli import loading
from tests import clickable
from tests.train import sa_med2d
from tests.zoo import BOXES
from tests.zoo import predictor as echo


@pytest.fixture
def regions(monkeypatch):
    """Every command loads this predictor."""
    made = clickable.predictor()
    monkeypatch.setattr(loading, "load_model", lambda *_: made)
    return made


def voxels(path):
    return np.asarray(nibabel.load(path).dataobj)


@pytest.mark.parametrize(("axis", "across", "organs"), [("k", 2, (60, 120, 180)), ("i", 0, (60,))])
def test_both_maps_lie_on_the_scans_grid_and_other_slices_stay_empty(
    run, scan, regions, tmp_path, axis, across, organs
):
    out = tmp_path / "stability.nii.gz", tmp_path / "boundary.nii"
    asked = ("--axis", axis, "--slices", "3:6:2", "--points", 16)
    done = run("priors", scan, "--stability", out[0], "--boundary", out[1], *asked)
    assert done.exit_code == 0, done.stderr
    assert f"2 slices across {axis}" in done.stderr
    stability, boundary = (voxels(path) for path in out)
    assert stability.dtype == boundary.dtype == np.float32
    for path in out:
        assert np.array_equal(nibabel.load(path).affine, nibabel.load(scan).affine)
    empty = np.ones(stability.shape[across], bool)
    empty[[3, 5]] = False
    assert not stability.compress(empty, across).any() and not boundary.compress(empty, across).any()
    shown, seen = (v.compress(~empty, across) for v in (voxels(scan), boundary == 0))
    found = stability.compress(~empty, across)
    assert set(np.unique(boundary)) == {0, 1}
    for hu in organs:
        inside = (shown == hu) & seen
        assert inside.any() and (found[inside] == 1).all()
    assert not found[(shown == -1000) & seen].any()


def test_one_map_alone_can_be_asked_for(run, scan, regions, tmp_path):
    out = tmp_path / "b.nii.gz"
    assert run("priors", scan, "--boundary", out, "--slices", 3, "--points", 4).exit_code == 0
    assert 16 < regions.model.clicks < 32
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.nii.gz", "scan.nii.gz"]


def test_what_cannot_work_is_refused_in_one_sentence_and_nothing_is_written(run, scan, regions, tmp_path, monkeypatch):
    out = tmp_path / "s.nii.gz"
    for arguments, said in (
        ((), "--stability"),
        (("--stability", tmp_path / "s.nrrd"), ".nii.gz"),
        (("--stability", scan), "is an input"),
        (("--stability", out, "--boundary", out), "named for two outputs"),
        (("--stability", out, "--slices", "9"), "0 to 7"),
    ):
        done = run("priors", scan, *arguments)
        assert done.exit_code == 2 and said in done.stderr, arguments
    monkeypatch.setattr(loading, "load_model", lambda *_: echo(BOXES))
    done = run("priors", scan, "--stability", out)
    assert done.exit_code == 2 and "takes no points" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["scan.nii.gz"]


def test_an_evaluation_asks_with_prior_maps_too_and_refuses_a_model_without_points(run, tmp_path, monkeypatch):
    root = sa_med2d.write(tmp_path / "data", pictures=2)
    models = {"answers": clickable.predictor(), "maps": clickable.predictor(), "boxes": echo(BOXES)}
    monkeypatch.setattr(loading, "load_model", lambda name, device: models[name])
    asked = ("evaluate", root, "--prompt", "point", "--model", "answers")
    done = run(*asked, "--priors", "maps", "--points", 6)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["n"] == 6
    assert 2 * 36 < models["maps"].model.clicks < 2 * 2 * 36
    clicks, models["answers"].model.clicks = models["answers"].model.clicks, 0
    assert run(*asked).exit_code == 0
    assert clicks == 3 * models["answers"].model.clicks  # both looks' logits, and the surer one's answer
    done = run(*asked, "--priors", "boxes")
    assert done.exit_code == 2 and "takes no points" in done.stderr


def test_prior_maps_beside_baselines_alone_are_refused_in_one_sentence(run, tmp_path, monkeypatch):
    root = sa_med2d.write(tmp_path / "data", pictures=2)
    monkeypatch.setattr(loading, "load_model", lambda *_: pytest.fail("a model was loaded"))
    done = run("evaluate", root, "--prompt", "baseline:ellipse", "--priors", "nano")
    assert done.exit_code == 2 and "leave out --priors" in done.stderr and not done.stdout
