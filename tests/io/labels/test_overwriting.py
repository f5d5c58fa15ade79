"""A label map is never written over its scan, whatever the name under which that lies there."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_segsam.core.errors import WriteError
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.io.dicom.source import read_source
from napari_segsam.io.formats import files_of, read_volume
from napari_segsam.io.labels.export import export_labels
from tests.io.dicom.dicom_files import ct_series


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    nib.save(nib.Nifti1Image(np.zeros((4, 3, 5), np.int16), np.eye(4)), tmp_path / "ct.nii.gz")
    return tmp_path / "ct.nii.gz"


@pytest.fixture
def series(tmp_path: Path) -> Path:
    return ct_series(tmp_path / "series", StudyInstanceUID="1.2.3")


def labels_of(scan: Path) -> LabelMap:
    labels = LabelMap(read_volume(scan).grid, labels={1: Label(1, "liver")})
    labels.voxels[1, 1, 1] = 1
    return labels


def kept(path: Path, scan: Path, kind: str, labels: LabelMap) -> bool:
    """Whether the export refuses to take the place of ``path``, in a sentence, and leaves all files as they are."""
    before = {p: p.read_bytes() for p in path.parent.rglob("*") if p.is_file()}
    source = read_source(scan) if kind == "dicom-seg" else None
    with pytest.raises(WriteError, match=r"is a file of the scan and was not overwritten; choose another name"):
        export_labels(path, labels, kind, source, scan=files_of(scan))
    return before == {p: p.read_bytes() for p in path.parent.rglob("*") if p.is_file()}


def test_the_scan_is_not_overwritten_by_name_or_by_any_link(scan: Path, tmp_path: Path) -> None:
    (tmp_path / "symbolic.nii.gz").symlink_to(scan)
    os.link(scan, tmp_path / "hard.nii.gz")
    (tmp_path / "folder").symlink_to(tmp_path)
    labels = labels_of(scan)
    for place in ("ct.nii.gz", "symbolic.nii.gz", "hard.nii.gz", "folder/ct.nii.gz"):
        assert kept(tmp_path / place, scan, "nifti", labels)
    export_labels(tmp_path / "labels.nii.gz", labels, "nifti", scan=files_of(scan))


def test_neither_half_of_a_scan_in_two_files_is_overwritten(tmp_path: Path) -> None:
    pair = nib.Nifti1Pair(np.zeros((4, 3, 5), np.int16), np.eye(4))
    nib.save(pair, tmp_path / "ct.img")
    (tmp_path / "labels.nii").symlink_to(tmp_path / "ct.img")
    assert kept(tmp_path / "labels.nii", tmp_path / "ct.hdr", "nifti", labels_of(tmp_path / "ct.hdr"))


def test_no_file_of_names_takes_the_place_of_the_scan(scan: Path, tmp_path: Path) -> None:
    os.link(scan, tmp_path / "x.nii.gz.labels.json")
    assert kept(tmp_path / "x.nii.gz", scan, "nifti", labels_of(scan))


def test_no_image_of_a_series_is_overwritten_by_name_or_by_any_link(series: Path, tmp_path: Path) -> None:
    inside, labels = sorted(series.iterdir())[0], labels_of(series)
    (tmp_path / "symbolic.dcm").symlink_to(inside)
    os.link(inside, tmp_path / "hard.dcm")
    outside = tmp_path / "stored.dcm"  # as where a folder holds links into a store
    inside.rename(outside)
    inside.symlink_to(outside)
    for place in (inside, tmp_path / "hard.dcm", outside):
        assert kept(place, series, "dicom-seg", labels)


def test_the_images_that_a_dicomdir_lists_are_not_overwritten(series: Path) -> None:
    labels, source, inside = labels_of(series), read_source(series), sorted(series.iterdir())[0]
    (series / "DICOMDIR").write_bytes(b"a list of them")
    with pytest.raises(WriteError, match=f"{inside.name} is a file of the scan"):
        export_labels(inside, labels, "dicom-seg", source, scan=files_of(series / "DICOMDIR"))


@pytest.mark.parametrize(("file", "kind"), [("x.nii.gz", "nifti"), ("x.dcm", "dicom-seg"), ("rs.dcm", "rtstruct")])
def test_labels_beside_the_images_may_be_saved_again(series: Path, file: str, kind: str) -> None:
    labels, source = labels_of(series), read_source(series)
    for labelmap in (False, True, True):
        export_labels(series / file, labels, kind, source, labelmap=labelmap, scan=[series])
