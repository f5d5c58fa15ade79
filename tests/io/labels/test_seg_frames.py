"""Where the frames of a segmentation lie, what their pixels mean, and which frames no label map can hold."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from napari_segsam.core.errors import GridMismatchError, UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.volume import Volume
from napari_segsam.io.dicom.source import Source, source_of
from napari_segsam.io.labels.dicom_seg import read_dicom_seg
from napari_segsam.io.labels.importing import read_any
from tests.core.grids import affine_of
from tests.io.labels.seg_files import labels_on, measures, seg_file, set_pixels

SHAPE = (4, 5, 6)


def scan(slices_mm: float = 5.0, thickness_mm: float = 5.0) -> Source:
    """Slices this far apart; how thick they are is what the images say."""
    made = source_of(Volume(Grid(SHAPE, affine_of("LPS", (1.0, 1.0, slices_mm))), np.zeros(SHAPE, np.int16)))
    for header in made.headers:
        header.SliceThickness = thickness_mm
    return made


def liver(source: Source, *slices: int) -> LabelMap:
    labels = LabelMap(source.grid, labels={1: Label(1, "liver")})
    labels.voxels[1, 2, list(slices)] = 1
    return labels


# -- one frame for one place


def at_one_place(ds: Dataset) -> None:
    for frame in ds.PerFrameFunctionalGroupsSequence:
        frame.PlanePositionSequence[0].ImagePositionPatient = [0, 0, 2]


def without_positions(ds: Dataset) -> None:
    for frame in ds.PerFrameFunctionalGroupsSequence:
        del frame.PlanePositionSequence


def tiles(ds: Dataset) -> None:
    for frame in ds.PerFrameFunctionalGroupsSequence:
        place = Dataset()
        place.ColumnPositionInTotalImagePixelMatrix = place.RowPositionInTotalImagePixelMatrix = 1
        frame.PlanePositionSlideSequence = [place]
        del frame.PlanePositionSequence


def tiled_full(ds: Dataset) -> None:
    del ds.PerFrameFunctionalGroupsSequence
    ds.DimensionOrganizationType = "TILED_FULL"


@pytest.mark.parametrize("labelmap", [False, True])
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (at_one_place, "several frames for one segment at one place, as of several points in time"),
        (without_positions, "several frames for one segment and does not say where they lie"),
        (tiles, "segments a microscope slide, in tiles"),
        (tiled_full, "segments a microscope slide, in tiles"),
    ],
)
def test_frames_that_would_fall_onto_each_other_are_refused_by_what_they_are(
    tmp_path: Path, change: Callable[[Dataset], None], why: str, labelmap: bool
) -> None:
    source = scan()
    path = seg_file(tmp_path / "seg.dcm", source, change, labels=liver(source, 1, 2, 3), labelmap=labelmap)
    with pytest.raises(UnreadableInputError, match=f"^seg\\.dcm (has )?{why}"):
        read_dicom_seg(path)


def test_frames_of_several_segments_at_one_place_are_one_slice(tmp_path: Path) -> None:
    source = scan()
    labels = labels_on(source)
    labels.voxels[:, :, 2:] = 0
    found = read_dicom_seg(seg_file(tmp_path / "seg.dcm", source, at_one_place, labels=labels))
    assert found.grid.shape == (4, 5, 1) and np.array_equal(found.voxels[:, :, 0], labels.voxels[:, :, 1])


# -- the distance between slices


def says_thickness_only(ds: Dataset) -> None:
    """As much software writes them: slices 5 mm apart, scanned 2.5 mm thick."""
    measures(ds).SliceThickness = 2.5
    del measures(ds).SpacingBetweenSlices


def test_slices_are_as_far_apart_as_their_positions_say_and_not_as_thick(tmp_path: Path) -> None:
    source = scan()
    found = read_dicom_seg(seg_file(tmp_path / "seg.dcm", source, says_thickness_only, labels=liver(source, 1, 2, 4)))
    assert found.grid.shape == (4, 5, 4) and found.grid.spacing_mm[2] == pytest.approx(5.0)
    assert found.volume_mm3(1) == pytest.approx(15.0)


@pytest.mark.parametrize("drawn", [(1, 2, 4), (1, 3, 5), (1,)])
def test_the_scans_own_distance_holds_where_the_file_says_none(tmp_path: Path, drawn: tuple[int, ...]) -> None:
    source = scan()
    labels = liver(source, *drawn)
    path = seg_file(tmp_path / "seg.dcm", source, says_thickness_only, labels=labels)
    assert np.array_equal(read_any(path, source.grid, source).voxels, labels.voxels)


def test_a_single_slice_is_as_thick_as_the_file_says(tmp_path: Path) -> None:
    source = scan()
    path = seg_file(tmp_path / "seg.dcm", source, says_thickness_only, labels=liver(source, 1))
    assert read_dicom_seg(path).grid.spacing_mm[2] == pytest.approx(2.5)


def test_slices_that_say_how_far_apart_they_are_do_not_fill_a_finer_scan_with_holes(tmp_path: Path) -> None:
    coarse, fine = scan(10.0), scan(5.0)
    path = seg_file(tmp_path / "seg.dcm", coarse, labels=liver(coarse, 0, 1, 2))
    with pytest.raises(GridMismatchError, match="does not fit the scan"):
        read_any(path, Grid(fine.grid.shape, fine.grid.affine))


# -- the background of a LABELMAP


def background_at(number: int) -> Callable[[Dataset], None]:
    """Pixel Padding Value, and the pixels that have it."""

    def change(ds: Dataset) -> None:
        pixels = ds.pixel_array.copy()
        pixels[pixels == 0] = number
        ds.PixelPaddingValue = number
        ds.SegmentSequence[0].SegmentNumber = number  # that which highdicom writes for the background
        set_pixels(ds, pixels)

    return change


@pytest.mark.parametrize("implicit", [False, True])
def test_the_background_of_a_labelmap_is_what_pixel_padding_value_says(tmp_path: Path, implicit: bool) -> None:
    source = scan()
    labels = labels_on(source)

    def change(ds: Dataset) -> None:
        background_at(255)(ds)
        if implicit:  # where US and SS look alike
            ds["PixelData"].VR = "OW"
            ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian

    found = read_any(seg_file(tmp_path / "seg.dcm", source, change, labelmap=True), source.grid)
    assert np.array_equal(found.voxels, labels.voxels)
    assert {v: label.name for v, label in found.labels.items()} == {1: "liver", 2: "spleen"}


def test_a_segment_of_number_0_beside_another_background_gets_its_number(tmp_path: Path) -> None:
    source = scan()
    labels = labels_on(source)

    def change(ds: Dataset) -> None:
        pixels = ds.pixel_array.copy()
        pixels[pixels == 0] = 9
        pixels[pixels == 1] = 0
        ds.PixelPaddingValue = 9
        background, first = ds.SegmentSequence[0], ds.SegmentSequence[1]
        background.SegmentNumber, first.SegmentNumber = 9, 0
        set_pixels(ds, pixels)

    found = read_any(seg_file(tmp_path / "seg.dcm", source, change, labelmap=True), source.grid)
    assert np.array_equal(found.voxels == 9, labels.voxels == 1) and np.array_equal(
        found.voxels == 2, labels.voxels == 2
    )
    assert {v: label.name for v, label in found.labels.items()} == {9: "liver", 2: "spleen"}
