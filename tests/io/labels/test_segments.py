"""What a segmentation says of a segment goes from file to file: its region, how it is tracked, and who drew it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import LabelMap
from napari_segsam.core.maker import Maker
from napari_segsam.core.terminology import Code
from napari_segsam.core.volume import Volume
from napari_segsam.io.dicom.source import Source, source_of
from napari_segsam.io.labels.export import export_labels
from napari_segsam.io.labels.importing import read_any
from napari_segsam.io.labels.items import code_item
from tests.core.grids import affine_of
from tests.io.labels.seg_files import seg_file

UID = "1.2.840.10008.77"
THORAX, LEFT = Code("51185008", "Thorax"), Code("7771000", "Left")
FAMILY = Code("123109", "Edge Detection", "DCM")


@pytest.fixture(scope="module")
def source() -> Source:
    return source_of(Volume(Grid((4, 5, 6), affine_of("LPS")), np.zeros((4, 5, 6), np.int16)))


def drawn_by_hand(ds: Dataset) -> None:
    segment = ds.SegmentSequence[0]
    region = code_item(THORAX)
    region.AnatomicRegionModifierSequence = [code_item(LEFT)]
    segment.AnatomicRegionSequence = [region]
    segment.TrackingID, segment.TrackingUID = "lesion 1", UID
    segment.SegmentAlgorithmType = "MANUAL"
    del segment.SegmentAlgorithmName, segment.SegmentationAlgorithmIdentificationSequence


def drawn_by_another_program(ds: Dataset) -> None:
    segment = ds.SegmentSequence[0]
    segment.SegmentAlgorithmType, segment.SegmentAlgorithmName = "AUTOMATIC", "Edges"
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    algorithm.AlgorithmName, algorithm.AlgorithmVersion = "Edges", "2"
    algorithm.AlgorithmFamilyCodeSequence = [code_item(FAMILY)]


def drawn_by_a_name(ds: Dataset) -> None:
    drawn_by_another_program(ds)
    del ds.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence


def there_and_back(
    path: Path, source: Source, change: Callable[[Dataset], None], **how: object
) -> tuple[Dataset, LabelMap]:
    """The first segment of what was read from a file that ``change`` made, and written again; and what was read."""
    found = read_any(seg_file(path, source, change), source.grid, source)
    export_labels(path, found, "dicom-seg", source, **how)  # type: ignore[arg-type]
    segment: Dataset = pydicom.dcmread(path).SegmentSequence[-2]
    assert segment.SegmentLabel == "liver"
    return segment, found


@pytest.mark.parametrize("labelmap", [False, True])
def test_region_tracking_and_a_persons_hand_are_kept(tmp_path: Path, source: Source, labelmap: bool) -> None:
    segment, found = there_and_back(tmp_path / "seg.dcm", source, drawn_by_hand, labelmap=labelmap)
    assert segment.AnatomicRegionSequence[0].CodeValue == THORAX.value
    assert segment.AnatomicRegionSequence[0].AnatomicRegionModifierSequence[0].CodeMeaning == "Left"
    assert (segment.TrackingID, segment.TrackingUID) == ("lesion 1", UID)
    assert segment.SegmentAlgorithmType == "MANUAL" and "SegmentAlgorithmName" not in segment
    assert found.makers[2] == Maker()  # the other segment is as it was written


def test_another_program_is_not_taken_for_this_one(tmp_path: Path, source: Source) -> None:
    segment, found = there_and_back(tmp_path / "seg.dcm", source, drawn_by_another_program)
    assert found.makers[1] == Maker("AUTOMATIC", "Edges", "2", FAMILY)
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert (segment.SegmentAlgorithmType, segment.SegmentAlgorithmName) == ("AUTOMATIC", "Edges")
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("Edges", "2")
    assert algorithm.AlgorithmFamilyCodeSequence[0].CodeValue == FAMILY.value


def test_of_a_program_that_gives_its_name_alone_nothing_is_made_up(tmp_path: Path, source: Source) -> None:
    segment, _ = there_and_back(tmp_path / "seg.dcm", source, drawn_by_a_name)
    assert segment.SegmentAlgorithmName == "Edges"
    assert "SegmentationAlgorithmIdentificationSequence" not in segment


def test_who_is_named_at_export_goes_before_who_the_file_names(tmp_path: Path, source: Source) -> None:
    segment, _ = there_and_back(tmp_path / "seg.dcm", source, drawn_by_hand, maker=Maker("AUTOMATIC", "Some net", "3"))
    assert (segment.SegmentAlgorithmType, segment.SegmentAlgorithmName) == ("AUTOMATIC", "Some net")


def test_labels_that_were_worked_on_are_this_programs(tmp_path: Path, source: Source) -> None:
    found = read_any(seg_file(tmp_path / "seg.dcm", source, drawn_by_hand), source.grid, source)
    export_labels(tmp_path / "x.dcm", LabelMap(found.grid, found.voxels, found.labels), "dicom-seg", source)
    segment = pydicom.dcmread(tmp_path / "x.dcm").SegmentSequence[0]
    assert segment.SegmentAlgorithmType == "SEMIAUTOMATIC" and segment.TrackingUID == UID


@pytest.mark.parametrize(("name", "uid"), [("", UID), ("lesion 1", "no uid")])
def test_half_a_tracking_identity_is_none(tmp_path: Path, source: Source, name: str, uid: str) -> None:
    def change(ds: Dataset) -> None:
        segment = ds.SegmentSequence[0]
        segment.TrackingID = name
        segment.add_new("TrackingUID", "LO", uid)

    segment, found = there_and_back(tmp_path / "seg.dcm", source, change)
    assert found.labels[1].tracking is None and "TrackingUID" not in segment


def test_a_region_goes_through_slicers_format(tmp_path: Path, source: Source) -> None:
    found = read_any(seg_file(tmp_path / "seg.dcm", source, drawn_by_hand), source.grid, source)
    export_labels(tmp_path / "x.seg.nrrd", found, "nrrd")
    coding = read_any(tmp_path / "x.seg.nrrd", source.grid).labels[1].coding
    assert coding is not None and (coding.region, coding.region_modifier) == (THORAX, LEFT)
