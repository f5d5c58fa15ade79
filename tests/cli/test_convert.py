"""``segsam convert``: every kind in, every kind out, on the scan's own geometry."""

import resource

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK

from napari_segsam.cli.convert import parse_maker
from napari_segsam.core.errors import SegsamError
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.maker import Maker
from napari_segsam.io.dicom.source import read_source
from napari_segsam.io.labels.files import read_labels, write_labels
from napari_segsam.io.labels.names import parse_names
from tests.io.dicom.dicom_files import ct_series

NAMES = {1: "liver", 2: "kidney_left"}


@pytest.fixture
def images(tmp_path):
    return ct_series(tmp_path / "ct", StudyInstanceUID="1.2.3", PatientID="Secret-ID")


@pytest.fixture
def labels(tmp_path, images):
    """Two labels on the DICOM series, as NIfTI."""
    found = LabelMap(read_source(images).grid, labels={v: Label(v, n) for v, n in NAMES.items()})
    found.voxels[1:3, 0:2, 1:3], found.voxels[3, 2, 4] = 1, 2
    write_labels(tmp_path / "labels.nii.gz", found)
    return tmp_path / "labels.nii.gz"


@pytest.mark.parametrize(("kind", "file"), [
    ("nifti", "x.nii.gz"), ("nifti", "x.nii"), ("nrrd", "x.seg.nrrd"), ("nrrd", "x.mha"), ("dicom-seg", "x.dcm"),
])  # fmt: skip
def test_every_kind_goes_out_and_comes_back(run, images, labels, tmp_path, kind, file):
    out = tmp_path / file
    done = run("convert", labels, "--source", images, "--to", kind, "--out", out)
    assert done.exit_code == 0 and done.stderr.splitlines()[-1] == f"done: {out}" and done.stdout == ""
    back = tmp_path / "back.nii.gz"
    assert run("convert", out, "--source", images, "--to", "nifti", "--out", back).exit_code == 0
    assert np.array_equal(read_labels(back).voxels, read_labels(labels).voxels)
    assert parse_names(tmp_path / "back.nii.gz.labels.json") == NAMES


def test_a_structure_set_goes_out_and_comes_back(run, images, labels, tmp_path):
    out, back = tmp_path / "rs.dcm", tmp_path / "back.seg.nrrd"
    assert run("convert", labels, "--source", images, "--to", "rtstruct", "--out", out).exit_code == 0
    assert pydicom.dcmread(out).Modality == "RTSTRUCT"
    assert run("convert", out, "--source", images, "--to", "nrrd", "--out", back).exit_code == 0
    assert np.array_equal(read_labels(back).voxels, read_labels(labels).voxels)


def test_another_index_order_is_put_back(run, images, labels, tmp_path):
    turned = SimpleITK.PermuteAxes(SimpleITK.ReadImage(str(labels)), [2, 0, 1])
    SimpleITK.WriteImage(SimpleITK.Flip(turned, [True, False, True]), str(tmp_path / "turned.nii.gz"))
    out = tmp_path / "x.nii.gz"
    assert run("convert", tmp_path / "turned.nii.gz", "--source", images, "--to", "nifti", "--out", out).exit_code == 0
    assert np.array_equal(read_labels(out).voxels, read_labels(labels).voxels)
    assert parse_names(tmp_path / "x.nii.gz.labels.json") == {1: "label 1", 2: "label 2"}


def test_another_grid_is_refused_with_by_how_much_it_differs(run, images, labels, tmp_path):
    image = nibabel.load(labels)
    affine = image.affine.copy()
    affine[2, 3] += 2.5
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), affine), tmp_path / "moved.nii.gz")
    done = run("convert", tmp_path / "moved.nii.gz", "--source", images, "--to", "nifti", "--out", tmp_path / "x.nii")
    assert done.exit_code == 2 and "up to 2.5 mm beside" in done.stderr
    assert not (tmp_path / "x.nii").exists()


@pytest.mark.parametrize("kind", ["dicom-seg", "rtstruct"])
def test_a_dicom_object_needs_names_and_names_file_gives_them(run, images, labels, tmp_path, kind):
    labels.with_name("labels.nii.gz.labels.json").unlink()
    arguments = ("convert", labels, "--source", images, "--to", kind, "--out", tmp_path / "x.dcm")
    done = run(*arguments)
    assert done.exit_code == 2 and "no name is known for values 1, 2" in done.stderr
    (tmp_path / "names.json").write_text('{"1": "liver", "2": "spleen"}')
    assert run(*arguments, "--names", tmp_path / "names.json").exit_code == 0


def test_codes_are_asked_for_and_taken_from_a_file(run, images, labels, tmp_path):
    (tmp_path / "names.json").write_text('{"1": "thingummy", "2": "polyp"}')
    arguments = ("convert", labels, "--source", images, "--to", "dicom-seg", "--out", tmp_path / "x.dcm")
    arguments = (*arguments, "--names", tmp_path / "names.json")
    done = run(*arguments)
    assert done.exit_code == 2 and "no code is known for polyp, thingummy" in done.stderr
    code = (
        'category = {value = "91723000", meaning = "Anatomical Structure"}\ntype = {value = "10200004", meaning = "X"}'
    )
    (tmp_path / "codes.toml").write_text(f"[thingummy]\n{code}\n[polyp]\n{code}\n")
    assert run(*arguments, "--codes", tmp_path / "codes.toml", "--labelmap", "--made-by", "manual").exit_code == 0
    ds = pydicom.dcmread(tmp_path / "x.dcm")
    assert ds.SegmentationType == "LABELMAP" and ds.SegmentSequence[1].SegmentAlgorithmType == "MANUAL"
    assert ds.PatientID == "Secret-ID"


def test_a_scan_that_is_no_dicom_is_said(run, scan, tmp_path):
    image = nibabel.load(scan)
    drawn = (np.asarray(image.dataobj) > 0).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(drawn, image.affine), tmp_path / "l.nii")
    (tmp_path / "names.json").write_text('{"1": "liver"}')
    arguments = ("--to", "dicom-seg", "--out", tmp_path / "x.dcm", "--names", tmp_path / "names.json")
    done = run("convert", tmp_path / "l.nii", "--source", scan, *arguments)
    assert done.exit_code == 0 and "note: The scan is no DICOM" in done.stderr
    assert pydicom.dcmread(tmp_path / "x.dcm").PatientName == "Anonymous"


@pytest.mark.parametrize(("arguments", "said"), [
    (("--to", "pdf", "--out", "x.pdf"), "Unknown kind of label map 'pdf'"),
    (("--to", "nifti", "--out", "x.dcm"), "ends in .nii.gz, .nii"),
    (("--to", "dicom-seg", "--out", "x.nii.gz"), "ends in .dcm"),
    (("--to", "nifti", "--out", "x.nii", "--made-by", "robot"), "semiautomatic, automatic, manual"),
    (("--to", "nifti", "--out", "x.nii", "--made-by", "manual"), "leave it away, or write dicom-seg or rtstruct"),
    (("--to", "rtstruct", "--out", "x.dcm", "--labelmap"), "--labelmap changes nothing in x.dcm"),
    (("--to", "nifti", "--out", "x.nii", "--codes", "c.toml"), "--codes changes nothing in x.nii"),
    (("--to", "nrrd", "--out", "x.mha", "--codes", "c.toml"), "write dicom-seg or rtstruct or nrrd as .nrrd"),
])  # fmt: skip
def test_a_slip_is_refused_before_anything_is_read(run, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    done = run("convert", "none.nii", "--source", "none", *arguments)
    assert done.exit_code == 2 and said in done.stderr


def test_names_that_name_a_value_twice_are_refused(run, images, labels, tmp_path):
    arguments = ("convert", labels, "--source", images, "--to", "nifti", "--out", tmp_path / "x.nii")
    for text in ('{"1": "liver", "1": "spleen"}', '{"1": "liver", "2": "spleen", "01": "liver"}'):
        (tmp_path / "names.json").write_text(text)
        done = run(*arguments, "--names", tmp_path / "names.json")
        assert done.exit_code == 2 and "names.json has several entries for 1; leave one of them." in done.stderr
        assert not (tmp_path / "x.nii").exists()


def test_what_is_to_know_of_the_scan_is_said(run, images, labels, tmp_path):
    (images / "000.dcm").write_bytes(b"")
    done = run("convert", labels, "--source", images, "--to", "dicom-seg", "--out", tmp_path / "x.dcm")
    assert done.exit_code == 0
    assert done.stderr.count("note: 1 file is named like a slice of this series and is no DICOM: 000.dcm") == 1


def test_labels_that_lie_a_little_beside_the_scan_are_taken_and_it_is_said(run, images, labels, tmp_path):
    image, out = nibabel.load(labels), tmp_path / "x.nii"
    affine = image.affine.copy()
    affine[2, 3] += 0.02
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), affine), tmp_path / "moved.nii.gz")
    done = run("convert", tmp_path / "moved.nii.gz", "--source", images, "--to", "nifti", "--out", out)
    assert done.exit_code == 0
    assert "note: moved.nii.gz lies up to 0.020 mm beside the scan" in done.stderr
    assert np.array_equal(read_labels(out).voxels, read_labels(labels).voxels)


@pytest.mark.parametrize("kind", ["dicom-seg", "rtstruct"])
def test_why_the_system_takes_no_more_bytes_is_said_of_dicom_as_of_any_other_format(
    run, images, labels, tmp_path, monkeypatch, kind
):
    written, allowed = pydicom.dcmwrite, resource.getrlimit(resource.RLIMIT_FSIZE)

    def with_little_room(path, ds, **options):
        ds.PixelData, ds["PixelData"].VR = bytes(1 << 20), "OB"
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, allowed[1]))
        try:
            written(path, ds, **options)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, allowed)

    monkeypatch.setattr(pydicom, "dcmwrite", with_little_room)
    done = run("convert", labels, "--source", images, "--to", kind, "--out", tmp_path / "x.dcm")
    assert done.exit_code == 2
    assert "x.dcm was not written: the file would be larger than the system allows; choose another" in done.stderr
    assert not (tmp_path / "x.dcm").exists()


def test_the_labels_and_the_scan_are_not_overwritten(run, images, labels, tmp_path):
    done = run("convert", labels, "--source", images, "--to", "nifti", "--out", labels)
    assert done.exit_code == 2 and "is an input" in done.stderr
    done = run("convert", labels, "--source", images, "--to", "dicom-seg", "--out", images / "001.dcm")
    assert done.exit_code == 2 and "is an input" in done.stderr


def test_who_drew_it_is_understood_or_refused():
    assert parse_maker(None) is None and parse_maker("manual") == Maker("MANUAL")
    assert parse_maker("Automatic:Some net:2.4") == Maker("AUTOMATIC", "Some net", "2.4")
    assert parse_maker("automatic:Some net") == Maker("AUTOMATIC", "Some net", "not stated")
    for text in ("manual:Me", "automatic:" + 65 * "x", "x\\y", ""):
        with pytest.raises(SegsamError, match="--made-by"):
            parse_maker(text)
