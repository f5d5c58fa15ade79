import json

import nibabel
import numpy as np
import pytest
import SimpleITK

from napari_segsam.core.errors import WriteError
from napari_segsam.io.labels.names import parse_names
from tests.fakes import FakePredictor

SPLEEN = {"id": 2, "class": "spleen", "axis": "k", "slice": 3, "points": [{"ijk": [18, 4, 3], "positive": True}]}


def voxels(path):
    return np.asarray(nibabel.load(path).dataobj)


def names(path):
    return parse_names(path.with_name(f"{path.name}.labels.json"))


def test_prompts_become_a_label_map_on_the_inputs_own_grid(run, scan, prompts, liver, fake, tmp_path):
    out = tmp_path / "labels.nii.gz"
    assert run("predict", scan, "--prompts", prompts(liver, SPLEEN), "--out", out).exit_code == 0
    assert np.allclose(nibabel.load(out).affine, nibabel.load(scan).affine)
    ours, theirs = SimpleITK.ReadImage(str(out)), SimpleITK.ReadImage(str(scan))
    assert (ours.GetOrigin(), ours.GetSpacing()) == (theirs.GetOrigin(), theirs.GetSpacing())
    source, labels = voxels(scan), voxels(out)
    assert np.array_equal(labels[:, :, 3] == 1, source[:, :, 3] == 60)
    assert np.array_equal(labels[:, :, 3] == 2, source[:, :, 3] == 120)
    assert not np.delete(labels, 3, axis=2).any()
    assert names(out) == {1: "liver", 2: "spleen"}


def test_the_report_says_what_was_found_how_and_how_long_it_took(run, scan, prompts, liver, fake, tmp_path):
    report = tmp_path / "report.json"
    run("predict", scan, "--prompts", prompts(liver), "--out", tmp_path / "l.nii.gz", "--report", report)
    said = json.loads(report.read_text())
    assert said["model"] == {"name": "fake", "sha256": "f" * 64}
    assert (said["device"], said["source"]["shape"], said["source"]["spacing_mm"]) == ("cpu", [24, 20, 8], [2, 2, 2])
    (found,) = said["objects"]
    size = int((voxels(scan)[:, :, 3] == 60).sum())
    assert (found["id"], found["axis"], found["slice"], found["voxels"]) == (1, "k", 3, size)
    assert found["volume_mm3"] == size * 8
    assert found["classes"][0] == {"name": "liver", "score": 0.93}
    assert found["window"] == {"centre": 40.0, "width": 400.0, "name": "soft tissue"}
    assert {"iou_predicted", "decoder_agreement"} < set(found)
    assert set(said["seconds"]) == {"load", "embed", "decode", "write"}
    suggested = next(s for s in said["suggestions"] if s["class"] == "spleen")
    assert suggested["box"] == {"min": [14, 1, 3], "max": [22, 9, 3]}
    assert suggested["voxels"] == 81


def test_the_report_goes_to_standard_output_on_request(run, scan, prompts, liver, fake, tmp_path):
    done = run("predict", scan, "--prompts", prompts(liver), "--out", tmp_path / "l.nii.gz", "--report", "-")
    assert json.loads(done.stdout)["objects"][0]["id"] == 1
    assert "done" in done.stderr


def test_without_a_report_standard_output_is_empty(run, scan, prompts, liver, fake, tmp_path):
    assert run("predict", scan, "--prompts", prompts(liver), "--out", tmp_path / "l.nii.gz").stdout == ""


def test_the_semantic_map_holds_prompted_and_unprompted_objects_by_class(run, scan, prompts, liver, fake, tmp_path):
    semantic = tmp_path / "semantic.nii.gz"
    named = {**liver, "class": "kidney_left"}  # the person knows better than the model
    run("predict", scan, "--prompts", prompts(named), "--out", tmp_path / "l.nii.gz", "--semantic", semantic)
    source, classes = voxels(scan)[:, :, 3], voxels(semantic)[:, :, 3]
    for hu, name in ((60, 3), (120, 2), (180, 3)):
        assert (classes[source == hu] == name).all()
    assert names(semantic) == {2: "spleen", 3: "kidney_left"}


def test_one_object_on_slices_of_two_axes_is_joined(run, scan, prompts, liver, fake, tmp_path):
    across = {"id": 1, "axis": "i", "slice": 5, "points": [{"ijk": [5, 4, 4]}]}
    run("predict", scan, "--prompts", prompts(liver, across), "--out", tmp_path / "l.nii.gz")
    source, labels = voxels(scan), voxels(tmp_path / "l.nii.gz")
    assert np.array_equal(labels[:, :, 3] == 1, source[:, :, 3] == 60)
    assert np.array_equal(labels[5] == 1, source[5] == 60)


def test_a_slice_is_embedded_once_for_all_its_objects(run, scan, prompts, liver, fake, tmp_path):
    report = tmp_path / "r.json"
    run("predict", scan, "--prompts", prompts(liver, SPLEEN), "--out", tmp_path / "l.nii.gz", "--report", report)
    assert fake.embedded == [(2, 3)]


def test_the_window_of_the_option_is_what_the_model_sees(run, scan, prompts, liver, fake, tmp_path):
    report = tmp_path / "r.json"
    wanted = prompts(liver)
    run("predict", scan, "--prompts", wanted, "--out", tmp_path / "l.nii.gz", "--report", report, "--window", "-50,300")
    assert json.loads(report.read_text())["objects"][0]["window"] == {"centre": -50.0, "width": 300.0, "name": ""}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_lesion_keeps_its_voxels_within_an_organ_whatever_their_order(run, scan, prompts, fake, tmp_path, order):
    image = nibabel.load(scan)
    source = np.asarray(image.dataobj).copy()
    source[4:9, 3:8, 3], source[5:8, 4:7, 3] = 75, 90  # the rim is like the liver's 60 and like the core's 90
    nibabel.save(nibabel.Nifti1Image(source, image.affine), scan)
    organ = {"id": 1, "class": "liver", "axis": "k", "slice": 3, "points": [{"ijk": [2, 2, 3]}]}
    lesion = {"id": 2, "class": "spleen", "axis": "k", "slice": 3, "points": [{"ijk": [6, 5, 3]}]}
    out, semantic = tmp_path / "l.nii.gz", tmp_path / "s.nii.gz"
    wanted = prompts(*((organ, lesion)[n] for n in order))
    done = run("predict", scan, "--prompts", wanted, "--out", out, "--semantic", semantic)
    assert "Object 2 took 16 voxels from object 1 on slice 3 along k." in done.stderr
    labels, here = voxels(out)[:, :, 3], source[:, :, 3]
    assert np.array_equal(labels == 2, (here == 75) | (here == 90))
    assert np.array_equal(labels == 1, here == 60)
    assert np.array_equal(voxels(semantic)[:, :, 3] == 2, (here == 75) | (here == 90) | (here == 120))
    assert names(out) == {1: "liver", 2: "spleen"}


def test_of_two_alike_the_later_object_takes_the_voxels_aloud(run, scan, prompts, liver, fake, tmp_path):
    again = {**liver, "id": 5}
    done = run("predict", scan, "--prompts", prompts(liver, again), "--out", tmp_path / "l.nii.gz")
    assert "Object 5 took" in done.stderr
    assert set(np.unique(voxels(tmp_path / "l.nii.gz"))) == {0, 5}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"class": "livr"}, "liver"),
        ({"slice": 80, "box": None, "points": [{"ijk": [1, 1, 80]}]}, "Object 1: slice 80"),
        ({"colour": 1}, "unknown key"),
    ],
)
def test_bad_prompts_leave_nothing_behind(run, scan, prompts, liver, fake, tmp_path, change, said):
    before = {p.name for p in tmp_path.iterdir()} | {"prompts.json"}
    done = run("predict", scan, "--prompts", prompts({**liver, **change}), "--out", tmp_path / "l.nii.gz")
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert {p.name for p in tmp_path.iterdir()} == before


def test_a_failure_while_writing_keeps_what_was_there(run, scan, prompts, liver, fake, tmp_path, monkeypatch):
    from napari_segsam.cli.outputs import Staging

    out = tmp_path / "l.nii.gz"
    out.write_bytes(b"precious")

    def full(self, target, value):
        raise WriteError(f"{target}: not written (no space).")

    monkeypatch.setattr(Staging, "write_json", full)
    wanted = prompts(liver)
    before = {p.name for p in tmp_path.iterdir()}
    assert run("predict", scan, "--prompts", wanted, "--out", out, "--report", tmp_path / "r.json").exit_code == 2
    assert out.read_bytes() == b"precious"
    assert {p.name for p in tmp_path.iterdir()} == before


def test_what_is_read_is_never_overwritten(run, scan, prompts, liver, fake, tmp_path):
    weights = tmp_path / "mine.safetensors"
    weights.write_bytes(b"precious")
    wanted = prompts(liver).rename(tmp_path / "x.nii.labels.json")
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    command = ("predict", scan, "--prompts", wanted, "--model", weights)
    out = tmp_path / "l.nii.gz"
    for options in (("--out", scan), ("--out", tmp_path / "x.nii"), *(("--out", out, "--report", p) for p in before)):
        done = run(*command, *options)
        assert (done.exit_code, "name another output" in done.stderr) == (2, True)
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_an_interrupt_is_130_and_leaves_nothing(run, scan, prompts, liver, fake, tmp_path):
    fake.error = KeyboardInterrupt()
    wanted = prompts(liver)
    before = {p.name for p in tmp_path.iterdir()}
    assert run("predict", scan, "--prompts", wanted, "--out", tmp_path / "l.nii.gz").exit_code == 130
    assert {p.name for p in tmp_path.iterdir()} == before


def test_a_bug_keeps_its_traceback(run, scan, prompts, liver, fake, tmp_path):
    fake.error = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError):
        run("predict", scan, "--prompts", prompts(liver), "--out", tmp_path / "l.nii.gz")


def test_real_series_give_a_map_on_their_grid(run, prompts, tmp_path, shared_data, monkeypatch):
    from napari_segsam.cli import loading

    monkeypatch.setattr(loading, "load_model", lambda name, device: FakePredictor(tolerance=300.0))
    for series in ("mr_series_btp", "ct_series_philips"):
        wanted = prompts({"id": 1, "axis": "k", "slice": 10, "points": [{"ijk": [256, 256, 10]}]})
        out, report = tmp_path / f"{series}.nii.gz", tmp_path / f"{series}.json"
        path = shared_data / "dicom" / series
        assert run("predict", path, "--prompts", wanted, "--out", out, "--report", report).exit_code == 0
        assert list(nibabel.load(out).shape) == json.loads(report.read_text())["source"]["shape"]


def test_of_a_model_that_takes_no_prompts_it_is_said_what_was_taken(run, scan, prompts, liver, fake, tmp_path):
    fake.takes = frozenset()
    report = tmp_path / "r.json"
    out = ("--out", tmp_path / "l.nii.gz", "--report", report)
    assert run("predict", scan, "--prompts", prompts(liver), *out).exit_code == 0
    (said,) = [w for w in json.loads(report.read_text())["warnings"] if "prompts" in w]
    assert said.startswith("Object 1: fake takes no prompts; this is all that it labels as ")
