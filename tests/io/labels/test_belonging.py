"""A segmentation is laid onto the scan that it was drawn on, and onto no other one that only lies alike."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from napari_segsam.core.errors import GridMismatchError
from napari_segsam.io.dicom.source import Source, read_source
from napari_segsam.io.formats import read_volume, write_labels
from napari_segsam.io.labels.importing import read_any
from tests.io.dicom.dicom_files import ct_series, slice_file
from tests.io.labels.seg_files import labels_on, seg_file


@pytest.fixture
def own(tmp_path: Path) -> Source:
    return series(tmp_path / "own")


def series(folder: Path, **fields: object) -> Source:
    return read_source(ct_series(folder, **{"StudyInstanceUID": "1.2.840.1", "PatientID": "Secret-ID", **fields}))


def without_images(ds: Dataset) -> None:
    del ds.ReferencedSeriesSequence, ds.SourceImageSequence
    for frame in ds.PerFrameFunctionalGroupsSequence:
        del frame.DerivationImageSequence


def read(path: Path, source: Source) -> tuple[int, list[str]]:
    """How many voxels are labelled, and what was told."""
    told: list[str] = []
    return int(np.count_nonzero(read_any(path, source.grid, source, told.append).voxels)), told


def test_its_own_scan_takes_it_without_a_word(tmp_path: Path, own: Source) -> None:
    assert read(seg_file(tmp_path / "seg.dcm", own), own) == (5, [])
    assert read(seg_file(tmp_path / "anonymous.dcm", own, without_images), own) == (5, [])


def test_another_patients_scan_of_the_same_size_refuses_it(tmp_path: Path, own: Source) -> None:
    other = series(tmp_path / "other", FrameOfReferenceUID="1.2.3.5", StudyInstanceUID="1.2.840.2")
    with pytest.raises(GridMismatchError, match="drawn in another frame of reference") as refused:
        read_any(seg_file(tmp_path / "seg.dcm", own), other.grid, other)
    assert "Secret" not in str(refused.value) and "1.2.3" not in str(refused.value)


def test_another_series_of_the_same_session_takes_it_and_says_so(tmp_path: Path, own: Source) -> None:
    other = series(tmp_path / "other", SeriesInstanceUID="1.2.840.7")
    voxels, told = read(seg_file(tmp_path / "seg.dcm", own), other)
    assert voxels == 5
    assert told == ["seg.dcm was drawn on other images of the same frame of reference, perhaps on another series."]


def test_where_either_has_no_frame_of_reference_only_the_position_tells(tmp_path: Path, own: Source) -> None:
    def nowhere(ds: Dataset) -> None:
        del ds.FrameOfReferenceUID

    other = series(tmp_path / "other", SeriesInstanceUID="1.2.840.7")
    voxels, told = read(seg_file(tmp_path / "seg.dcm", own, nowhere), other)
    assert voxels == 5 and told == ["seg.dcm names no image of this scan: only its position says that it belongs here."]
    assert read(tmp_path / "seg.dcm", own) == (5, [])  # which names its images


def test_a_scan_that_was_converted_from_dicom_is_asked_for_no_frame_of_reference(tmp_path: Path, own: Source) -> None:
    write_labels(tmp_path / "scan.nii.gz", labels_on(own))
    converted = read_source(tmp_path / "scan.nii.gz", volume=read_volume(tmp_path / "scan.nii.gz"))
    voxels, told = read(seg_file(tmp_path / "seg.dcm", own), converted)
    assert voxels == 5 and len(told) == 1 and "only its position" in told[0]


def test_of_x_rays_which_lie_nowhere_only_the_one_that_was_drawn_on_takes_it(tmp_path: Path) -> None:
    nothing = dict.fromkeys(("ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID"))
    pictures = []
    for n in (1, 2):
        path = slice_file(tmp_path / f"{n}.dcm", np.full((3, 4), n, np.uint16), (0, 0, 0), **nothing)
        pictures.append(read_source(path))
    labels = labels_of_a_picture(pictures[0])
    path = seg_file(tmp_path / "seg.dcm", pictures[0], labels=labels)
    assert read(path, pictures[0]) == (2, [])
    with pytest.raises(GridMismatchError, match="names no image of this scan, and without positions"):
        read_any(path, pictures[1].grid, pictures[1])


def labels_of_a_picture(source: Source):  # type: ignore[no-untyped-def]
    from napari_segsam.core.labels import Label, LabelMap

    labels = LabelMap(source.grid, labels={1: Label(1, "liver")})
    labels.voxels[1, 0:2, 0] = 1
    return labels
