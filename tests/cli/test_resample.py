"""``--resample``: uneven slices are opened only when it is asked for, and every output says so."""

import json

import nibabel
import numpy as np
import pydicom
import pytest

from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.io.dicom.read import read_dicom
from napari_segsam.io.labels.files import write_labels
from tests.fakes import block_volume
from tests.io.dicom.dicom_files import with_a_gap

SAID = (
    "Slices were resampled: 7 at distances of 2.00 to 4.00 mm became 8 at 2.00 mm, "
    "1 of them interpolated between their neighbours."
)


@pytest.fixture
def uneven(tmp_path):
    """The three blocks as a DICOM series of 8 slices, the sixth of which is missing."""
    return with_a_gap(tmp_path / "ct", block_volume().voxels, 5)


def recorded(path):
    """The comment in a NIfTI's header."""
    return nibabel.load(path).header.extensions[0].get_content().rstrip(b"\0").decode()


def test_uneven_slices_are_refused_with_the_option_that_opens_them(run, uneven, prompts, liver, fake, tmp_path):
    for command in (("predict", uneven, "--prompts", prompts(liver)), ("suggest", uneven)):
        done = run(*command, "--out", tmp_path / "l.nii.gz")
        assert done.exit_code == 2 and "or open it with --resample" in done.stderr
    assert not (tmp_path / "l.nii.gz").exists()


def test_info_says_that_it_can_be_opened_and_with_the_option_as_what(run, uneven):
    (before,) = json.loads(run("info", uneven, "--json").stdout)["series"]
    assert "a slice is probably missing" in before["refused"]
    assert (before["can_resample"], before["shape"]) == (True, [24, 20, 7])
    (after,) = json.loads(run("info", uneven, "--resample", "--json").stdout)["series"]
    assert (after["refused"], after["shape"], after["warnings"]) == (None, [24, 20, 8], [SAID])
    assert "instead  --resample opens it with 8 even slices" in run("info", uneven).stdout
    assert "instead" not in run("info", uneven, "--resample").stdout


def test_an_even_scan_is_what_it_was(run, scan):
    assert run("info", scan, "--resample").stdout == run("info", scan).stdout


def test_maps_and_report_of_a_resampled_scan_say_so(run, uneven, prompts, liver, fake, tmp_path):
    out, semantic, report = (tmp_path / n for n in ("l.nii.gz", "s.nrrd", "r.json"))
    maps = ("--out", out, "--semantic", semantic, "--report", report)
    assert run("predict", uneven, "--resample", "--prompts", prompts(liver), *maps).exit_code == 0
    said = json.loads(report.read_text())
    assert (said["source"]["resampled"], said["source"]["shape"], said["warnings"]) == (SAID, [24, 20, 8], [SAID])
    assert recorded(out) == SAID and f"content: {SAID}".encode() in semantic.read_bytes()
    labels = np.asarray(nibabel.load(out).dataobj)
    assert np.array_equal(labels[:, :, 3] == 1, block_volume().voxels[:, :, 3] == 60)
    assert run("suggest", uneven, "--resample", "--slices", "5", "--out", out).exit_code == 0
    assert recorded(out) == SAID


def test_a_report_says_of_any_other_scan_that_it_was_not(run, scan, prompts, liver, fake, tmp_path):
    run("predict", scan, "--prompts", prompts(liver), "--out", tmp_path / "l.nii", "--report", tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["source"]["resampled"] is None
    assert not nibabel.load(tmp_path / "l.nii").header.extensions


def test_labels_on_a_resampled_scan_are_converted_with_the_same_option(run, uneven, tmp_path):
    labels = LabelMap(read_dicom(uneven, resample=True).grid, labels={1: Label(1, "liver")})
    labels.voxels[2:9, 2:8, 3:7] = 1
    write_labels(tmp_path / "l.nii.gz", labels)

    def convert(kind, file, *options):
        return run("convert", tmp_path / "l.nii.gz", "--source", uneven, "--to", kind, "--out", file, *options)

    done = convert("nifti", tmp_path / "x.nii")
    assert done.exit_code == 2 and "--resample" in done.stderr
    assert f"note: {SAID}" in convert("nifti", tmp_path / "x.nii", "--resample").stderr
    assert recorded(tmp_path / "x.nii") == SAID
    assert convert("dicom-seg", tmp_path / "x.dcm", "--resample").exit_code == 0
    assert pydicom.dcmread(tmp_path / "x.dcm").DerivationDescription == SAID
    done = convert("rtstruct", tmp_path / "rs.dcm", "--resample")
    assert done.exit_code == 2 and "slices of this scan were interpolated" in done.stderr
