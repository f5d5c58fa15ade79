"""The one way out: what every kind of file records, and what it refuses."""

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from napari_segsam.core.errors import GridMismatchError, UnknownNameError, WriteError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.volume import Volume
from napari_segsam.io.dicom.read import read_dicom
from napari_segsam.io.dicom.source import Source, read_source, source_of
from napari_segsam.io.labels import export
from napari_segsam.io.labels.export import KINDS, SUFFIXES, export_labels
from napari_segsam.io.labels.files import read_labels
from tests.core.grids import affine_of
from tests.io.dicom.dicom_files import ct_series


def labels_on(source: Source) -> LabelMap:
    labels = LabelMap(source.grid, labels={1: Label(1, "liver"), 2: Label(2, "spleen")})
    labels.voxels[1:3, 1, 1:], labels.voxels[0, 0, 0] = 1, 2
    return labels


@pytest.fixture
def source() -> Source:
    voxels = np.zeros((4, 3, 5), np.int16)
    return source_of(Volume(Grid(voxels.shape, affine_of("LPS")), voxels))


@pytest.mark.parametrize(("kind", "suffix"), [(k, s) for k in KINDS for s in SUFFIXES[k]])
def test_every_kind_leaves_the_file_and_its_names_and_nothing_else(
    tmp_path: Path, source: Source, kind: str, suffix: str
) -> None:
    path = tmp_path / f"out{suffix}"
    export_labels(path, labels_on(source), kind, source)
    assert {p.name for p in tmp_path.iterdir()} == {path.name, f"{path.name}.labels.json"}
    said = json.loads((tmp_path / f"{path.name}.labels.json").read_text())
    assert said == {"1": "liver", "2": "spleen", "voxels": {"1": 8, "2": 1}}


@pytest.mark.parametrize("file", ["x.nii.gz", "x.nii", "x.seg.nrrd", "x.mha"])
def test_equal_labels_are_equal_files(tmp_path: Path, source: Source, file: str) -> None:
    kind = "nifti" if ".nii" in file else "nrrd"
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        export_labels(tmp_path / folder / file, labels_on(source), kind)
    assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_other_names_take_their_place_and_codes_go_with_the_name_they_were_read_with(
    tmp_path: Path, source: Source
) -> None:
    export_labels(tmp_path / "a.dcm", labels_on(source), "dicom-seg", source)
    read = read_labels(tmp_path / "a.dcm")
    labels = LabelMap(source.grid, labels_on(source).voxels, read.labels)
    export_labels(tmp_path / "b.dcm", labels, "dicom-seg", source, names={1: "liver", 2: "kidney"})
    liver, kidney = pydicom.dcmread(tmp_path / "b.dcm").SegmentSequence
    assert liver.SegmentedPropertyTypeCodeSequence[0].CodeValue == "10200004"
    assert kidney.SegmentedPropertyTypeCodeSequence[0].CodeValue == "64033007"


def test_a_dicom_object_needs_images_and_a_kind_its_suffix(tmp_path: Path, source: Source) -> None:
    for kind in ("dicom-seg", "rtstruct"):
        with pytest.raises(WriteError, match="refers to images"):
            export_labels(tmp_path / "x.dcm", labels_on(source), kind)
    with pytest.raises(WriteError, match=r"ends in \.dcm"):
        export_labels(tmp_path / "x.nii", labels_on(source), "dicom-seg", source)
    with pytest.raises(UnknownNameError, match="kind of label map 'gif'"):
        export_labels(tmp_path / "x.gif", labels_on(source), "gif", source)
    assert list(tmp_path.iterdir()) == []


def test_labels_that_do_not_lie_on_the_images_are_refused_as_every_kind(tmp_path: Path, source: Source) -> None:
    affine = np.array(source.grid.affine)
    affine[0, 3] += 0.7
    moved = labels_on(replace(source, grid=Grid(source.grid.shape, affine)))
    for kind in KINDS:
        with pytest.raises(GridMismatchError, match="do not lie on the images"):
            export_labels(tmp_path / f"x{SUFFIXES[kind][0]}", moved, kind, source)


def test_that_slices_were_resampled_is_recorded_in_every_file(tmp_path: Path) -> None:
    folder = ct_series(tmp_path / "ct", StudyInstanceUID="1.2.3")
    (folder / "003.dcm").unlink()
    scan = read_dicom(folder, resample=True)
    source = read_source(folder, volume=scan)
    labels, said = labels_on(source), scan.resampled
    for file, kind in (("x.nii.gz", "nifti"), ("x.nrrd", "nrrd"), ("x.mha", "nrrd"), ("x.dcm", "dicom-seg")):
        assert export_labels(tmp_path / file, labels, kind, source) == (said,)
    assert nib.load(tmp_path / "x.nii.gz").header.extensions[0].get_content().rstrip(b"\0").decode() == said
    assert f"content: {said}" in (tmp_path / "x.nrrd").read_bytes().decode("latin-1")
    assert f"Comment = {said}" in (tmp_path / "x.mha").read_bytes().decode("latin-1")
    assert all(np.array_equal(read_labels(tmp_path / f).voxels, labels.voxels) for f in ("x.nii.gz", "x.nrrd", "x.mha"))
    ds = pydicom.dcmread(tmp_path / "x.dcm")
    derived = ds.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    assert (ds.DerivationDescription, derived.SpatialLocationsPreserved) == (said, "NO")


def test_labels_without_images_record_it_too(tmp_path: Path, source: Source) -> None:
    assert export_labels(tmp_path / "x.nii", labels_on(source), "nifti", resampled="It was.") == ("It was.",)
    assert nib.load(tmp_path / "x.nii").header.extensions[0].get_content().rstrip(b"\0") == b"It was."


def test_no_contour_is_written_where_no_image_was_scanned(tmp_path: Path, source: Source) -> None:
    """A contour names the image that it was drawn on (PS3.3 C.8.8.6); an interpolated slice is none."""
    with pytest.raises(WriteError, match=r"an image that was scanned.* were interpolated; write a DICOM segmentation"):
        export_labels(tmp_path / "rs.dcm", labels_on(source), "rtstruct", replace(source, resampled="It was."))
    assert list(tmp_path.iterdir()) == []


def test_an_outline_that_does_not_fill_its_voxels_again_is_not_written(
    tmp_path: Path, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_segsam.io.labels import rtstruct

    honest = rtstruct.write_rtstruct

    def flipped(path: Path, voxels: np.ndarray, *rest: object, **more: object) -> None:
        honest(path, voxels[::-1], *rest, **more)

    monkeypatch.setattr(rtstruct, "write_rtstruct", flipped)
    path = tmp_path / "x.dcm"
    path.write_bytes(b"old")
    with pytest.raises(WriteError, match=r"x\.dcm did not read back equal"):
        export_labels(path, labels_on(source), "rtstruct", source)
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "write_dicom_seg", full)
    (tmp_path / "x.dcm").write_bytes(b"old")
    with pytest.raises(WriteError, match="disk is full"):
        export_labels(tmp_path / "x.dcm", labels_on(source), "dicom-seg", source)
    assert (tmp_path / "x.dcm").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1
