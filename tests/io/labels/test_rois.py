"""RT structure sets in: of any vendor, with nothing guessed and nothing left out in silence."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from napari_segsam.core.errors import SegsamError, UnreadableInputError
from napari_segsam.core.grid import LPS_RAS, Grid
from napari_segsam.io.dicom.source import Source, read_source
from napari_segsam.io.labels.rois import read_rois
from napari_segsam.io.labels.rtstruct import read_rtstruct, write_rtstruct
from napari_segsam.io.labels.slices import Slices
from tests.io.labels.structure_files import contour, grid_of, labelled, source_of, structure_file

SQUARE = [(1.4, 1.4), (5.6, 1.4), (5.6, 5.6), (1.4, 5.6)]
Voxels = NDArray[np.uint16]


def read(tmp_path: Path, *contours: Dataset, grid: Grid | None = None) -> tuple[Voxels, tuple[str, ...]]:
    """One ROI of these contours."""
    grid = grid or grid_of()
    found = read_rtstruct(structure_file(tmp_path / "rt.dcm", {1: list(contours)}), source_of(grid), grid)
    return found.voxels, found.warnings


def refused(tmp_path: Path, *contours: Dataset, why: str, **said: str) -> None:
    path = structure_file(tmp_path / "rt.dcm", {1: list(contours)}, **said)
    with pytest.raises(UnreadableInputError, match=why) as error:
        read_rtstruct(path, source_of(grid_of()), grid_of())
    assert "Secret" not in str(error.value)


def test_a_contour_on_the_slice_of_its_image_is_read_without_a_word(tmp_path: Path) -> None:
    voxels, warnings_ = read(tmp_path, contour(grid_of(), 2, SQUARE, image=2))
    assert warnings_ == () and voxels.sum() == 16 and voxels[2:6, 2:6, 2].all()


def test_a_contour_a_little_beside_its_slice_belongs_to_it(tmp_path: Path) -> None:
    assert read(tmp_path, contour(grid_of(), 2.09, SQUARE, image=2))[0][2:6, 2:6, 2].all()


def test_a_contour_between_slices_leaves_its_roi_out(tmp_path: Path) -> None:
    refused(tmp_path, contour(grid_of(), 2.2, SQUARE, image=2), why=r"organ 1 has a contour between slices \(at 2\.20")


def test_a_contour_across_slices_leaves_its_roi_out(tmp_path: Path) -> None:
    upright = contour(grid_of(), 2, SQUARE, image=2)
    upright.ContourData = [x for k in (1, 1, 2, 2) for x in grid_of().to_mm((k + 1, 3, k)).round(4).tolist()]
    refused(tmp_path, upright, why="planes that cross")


def test_a_contour_that_names_another_slice_than_it_lies_on_leaves_its_roi_out(tmp_path: Path) -> None:
    refused(tmp_path, contour(grid_of(), 2, SQUARE, image=1), why="names the image of another slice")


def test_contours_that_name_no_known_image_are_placed_by_position_and_it_is_said(tmp_path: Path) -> None:
    unknown = contour(grid_of(), 1, SQUARE, image=99)
    voxels, warnings_ = read(tmp_path, contour(grid_of(), 0, SQUARE), unknown, contour(grid_of(), 2, SQUARE, image=2))
    assert voxels[2:6, 2:6, :3].all() and warnings_[0].startswith("2 of 3 contours name no image of this series")


def test_without_images_position_alone_counts(tmp_path: Path) -> None:
    path = structure_file(tmp_path / "rt.dcm", {1: [contour(grid_of(), 2, SQUARE, image=2)]})
    grid = Grid(grid_of().shape, grid_of().affine)
    found = read_rtstruct(path, None, grid)
    assert found.voxels.sum() == 16 and "only their position" in found.warnings[0]


def test_another_frame_of_reference_is_refused_unless_the_contours_name_these_images(tmp_path: Path) -> None:
    refused(tmp_path, contour(grid_of(), 2, SQUARE), why="another frame of reference", frame_of_reference="1.2.3")
    path = structure_file(tmp_path / "rt.dcm", {1: [contour(grid_of(), 2, SQUARE, image=2)]}, "1.2.3")
    found = read_rtstruct(path, source_of(grid_of()), grid_of())
    assert found.voxels.sum() == 16 and "another frame of reference" in found.warnings[0]


def test_a_frame_of_reference_that_was_made_up_is_not_compared(tmp_path: Path) -> None:
    """As of a scan that was converted from the DICOM images that the contours were drawn on."""
    grid = Grid(grid_of().shape, grid_of().affine, "2.25.4")
    path = structure_file(tmp_path / "rt.dcm", {1: [contour(grid, 2, SQUARE)]})
    plain = source_of(grid)
    with pytest.raises(UnreadableInputError, match="another frame of reference"):
        read_rtstruct(path, plain, grid)
    found = read_rtstruct(path, Source(grid, plain.headers, plain.frames, ("The scan is no DICOM.",)), grid)
    assert found.voxels.sum() == 16 and "only their position" in found.warnings[0]


def test_holes_are_read_as_all_vendors_write_them(tmp_path: Path) -> None:
    grid = grid_of()
    outer, inner = [(0.4, 0.4), (8.6, 0.4), (8.6, 8.6), (0.4, 8.6)], SQUARE
    keyhole = [*outer, outer[0], inner[0], *inner[::-1], inner[0], outer[0]]
    ways = [
        [contour(grid, 1, outer, image=1), contour(grid, 1, inner, image=1)],
        [contour(grid, 1, p, "CLOSEDPLANAR_XOR", image=1) for p in (inner, outer)],
        [contour(grid, 1, keyhole, image=1)],
    ]
    for contours in ways:
        voxels, warnings_ = read(tmp_path, *contours)
        assert voxels.sum() == 64 - 16 and not voxels[2:6, 2:6].any() and warnings_ == ()


def test_points_and_open_lines_enclose_nothing_and_it_is_said(tmp_path: Path) -> None:
    kinds = [contour(grid_of(), 1, SQUARE, kind, image=1) for kind in ("POINT", "OPEN_PLANAR", "OPEN_NONPLANAR")]
    voxels, warnings_ = read(tmp_path, contour(grid_of(), 2, SQUARE, image=2), *kinds)
    assert voxels.sum() == 16 and warnings_[0].startswith("ROI organ 1 has 3 points or open lines")
    refused(tmp_path, *kinds, why="points or open lines only")


def test_contours_outside_the_image_are_cut_off_and_it_is_said(tmp_path: Path) -> None:
    grid = grid_of()
    away = [contour(grid, k, SQUARE) for k in (-3, 7.4)] + [contour(grid, 1, np.add(SQUARE, 40))]
    voxels, warnings_ = read(tmp_path, contour(grid, 3, np.subtract(SQUARE, 3), image=3), *away)
    assert voxels.sum() == 9 and "3 of 4 contours outside" in warnings_[-1]
    refused(tmp_path, *away, why="lies outside the image")


def test_overlapping_contours_and_contours_through_centres_are_said(tmp_path: Path) -> None:
    _, warnings_ = read(
        tmp_path, contour(grid_of(), 1, SQUARE, image=1), contour(grid_of(), 1, np.add(SQUARE, 2), image=1)
    )
    assert warnings_ == ("ROI organ 1 has contours that overlap in part; they were joined (4 voxels lie in several).",)
    voxels, warnings_ = read(tmp_path, contour(grid_of(), 1, np.rint(SQUARE), image=1))
    assert voxels.sum() == 36 and "from voxel centre to voxel centre" in warnings_[0]


def test_slices_without_contours_between_others_are_said(tmp_path: Path) -> None:
    _, warnings_ = read(tmp_path, contour(grid_of(), 0, SQUARE, image=0), contour(grid_of(), 2, SQUARE, image=2))
    assert "no contours on neighbouring slices" in warnings_[0]


def test_an_roi_that_cannot_be_held_does_not_cost_the_others(tmp_path: Path) -> None:
    grid = grid_of()
    rois = {
        4: [contour(grid, 2.5, SQUARE)],
        0: [contour(grid, 2, SQUARE, image=2)],
        70000: [contour(grid, 1, SQUARE, image=1)],
        5: [],
    }
    found = read_rtstruct(structure_file(tmp_path / "rt.dcm", rois), source_of(grid), grid)
    assert found.names == {1: "organ 0", 2: "organ 70000"}
    assert (found.voxels == 1).sum() == (found.voxels == 2).sum() == 16
    assert [w.split(" has")[0] for w in found.warnings] == ["ROI organ 4", "ROI organ 5"]


def test_where_rois_overlap_the_smaller_keeps_the_voxels_and_it_is_said(tmp_path: Path) -> None:
    grid = grid_of()
    body = [(-0.4, -0.4), (11.4, -0.4), (11.4, 9.4), (-0.4, 9.4)]
    rois = {1: [contour(grid, 1, SQUARE, image=1)], 2: [contour(grid, 1, body, image=1)]}
    path = structure_file(tmp_path / "rt.dcm", rois)
    found = read_rtstruct(path, source_of(grid), grid)
    assert (found.voxels == 1).sum() == 16 and (found.voxels == 2).sum() == 104
    assert found.warnings == ("ROI organ 2 shares 16 of its 120 voxels with smaller ones, which keep them: organ 1.",)
    whole, _ = read_rois(path, Slices.of(source_of(grid), grid))
    assert [int(roi.mask.sum()) for roi in whole] == [16, 120]


# --- damage


def _damaged(change: Callable[[Dataset], None]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        ds = pydicom.dcmread(structure_file(path, {1: [contour(grid_of(), 2, SQUARE, image=2)]}))
        change(ds)
        pydicom.dcmwrite(path, ds)

    return write


DAMAGES: dict[str, Callable[[Dataset], None]] = {
    "absurd count": lambda ds: setattr(ds.ROIContourSequence[0].ContourSequence[0], "NumberOfContourPoints", 2**31 - 1),
    "not triplets": lambda ds: setattr(ds.ROIContourSequence[0].ContourSequence[0], "ContourData", ["1"] * 11),
    "far away": lambda ds: setattr(ds.ROIContourSequence[0].ContourSequence[0], "ContourData", ["1e300"] * 12),
    "a number twice": lambda ds: ds.StructureSetROISequence.append(ds.StructureSetROISequence[0]),
    "nobody's contours": lambda ds: setattr(ds.ROIContourSequence[0], "ReferencedROINumber", 8),
    "no kind": lambda ds: delattr(ds.ROIContourSequence[0].ContourSequence[0], "ContourGeometricType"),
    "no ROI": lambda ds: setattr(ds, "StructureSetROISequence", []),
    "no contours": lambda ds: setattr(ds, "ROIContourSequence", []),
    "another kind of object": lambda ds: setattr(ds, "SOPClassUID", MRImageStorage),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_refused_without_the_patients_name(tmp_path: Path, damage: str) -> None:
    _damaged(DAMAGES[damage])(tmp_path / "rt.dcm")
    with pytest.raises(UnreadableInputError) as error:
        read_rtstruct(tmp_path / "rt.dcm", source_of(grid_of()), grid_of())
    assert "Secret" not in str(error.value) and "secret" not in str(error.value)


@pytest.mark.parametrize("text", [b"nan", b"inf", b"x", b"1,5", b"", b"\xff"])
def test_numbers_that_are_none_are_refused(tmp_path: Path, text: bytes) -> None:
    path = structure_file(tmp_path / "rt.dcm", {1: [contour(grid_of(), 2, SQUARE, image=2)]})
    first = b"%.6f" % grid_of().to_mm((*SQUARE[0], 2))[0]
    data = path.read_bytes()
    assert first in data
    path.write_bytes(data.replace(first, text.ljust(len(first)), 1))
    with pytest.raises(UnreadableInputError, match="damaged"):
        read_rtstruct(path, source_of(grid_of()), grid_of())


def test_a_file_cut_short_anywhere_is_refused_or_whole(tmp_path: Path) -> None:
    grid, path = grid_of((3, 2, 2)), tmp_path / "rt.dcm"
    voxels = labelled(grid)
    write_rtstruct(path, voxels, grid, {}, source_of(grid))
    data = path.read_bytes()
    for length in range(0, len(data), 11):
        path.write_bytes(data[:length])
        try:
            found = read_rtstruct(path, source_of(grid), grid).voxels
        except UnreadableInputError:
            continue
        assert np.array_equal(found, voxels) and length > 0.9 * len(data)


def test_flipped_bits_never_end_in_anything_but_an_answer_or_a_refusal(tmp_path: Path) -> None:
    grid, path, rng = grid_of((3, 2, 2)), tmp_path / "rt.dcm", np.random.default_rng(3)
    write_rtstruct(path, labelled(grid), grid, {}, source_of(grid))
    data = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(100):
        flipped = data.copy()
        flipped[rng.integers(len(data), size=2)] ^= np.uint8(1) << rng.integers(8, size=2).astype(np.uint8)
        path.write_bytes(flipped.tobytes())
        try:
            read_rtstruct(path, source_of(grid), grid)
        except SegsamError as error:
            assert "Secret" not in str(error)


# --- real files


@pytest.mark.parametrize("modality", ["CT", "MR_T1", "PET"])
@pytest.mark.parametrize("case", ["STS_025", "STS_042"])
def test_clinical_contours_are_the_voxels_of_the_reference_mask(shared_data: Path, case: str, modality: str) -> None:
    """IBSI: every voxel, also the 13 of one PET mask whose centres lie exactly on an edge."""
    folder = shared_data / "ibsi_sts/dicom" / case / modality
    source = read_source(folder / "image")
    grid = source.grid
    reference = nib.load(shared_data / f"ibsi_sts/nifti/{case}/{modality}_mask.nii.gz")
    lps = Grid(reference.shape, LPS_RAS @ reference.affine)
    i, j, k = np.rint(grid.to_ijk(lps.to_mm(np.argwhere(np.asanyarray(reference.dataobj) > 0)))).astype(int).T
    wanted = np.zeros(grid.shape, bool)
    wanted[i, j, k] = True
    found = read_rtstruct(folder / "mask/RS.dcm", source, grid)
    assert np.array_equal(found.voxels == 1, wanted) and list(found.names.values()) == [f"GTV_Mass_{modality}"]
    assert len(found.warnings) == 1 and "only their position" in found.warnings[0]


def test_of_a_clinical_set_the_slices_that_are_here_are_read(shared_data: Path) -> None:
    folder = shared_data / "rtstruct/dicompyler"
    source = read_source(folder / "ct.0.dcm")
    found = read_rtstruct(folder / "rtss.dcm", source, source.grid)
    assert found.names == {1: "BODY"} and len(found.warnings) == 10
    assert "137 of 141 contours outside" in found.warnings[0] and "Heart lies outside" in " ".join(found.warnings)


@pytest.mark.parametrize("name", ["rt.dcm", "invalid_reference_rt.dcm", "non_existent_reference_rt.dcm"])
def test_sets_with_missing_references_are_read_and_what_is_missing_is_said(shared_data: Path, name: str) -> None:
    folder = shared_data / "rtstruct/rt-utils/mock_data"
    source = read_source(folder)
    found = read_rtstruct(folder / name, source, source.grid)
    assert found.voxels.any() and all("outside" in w or "another frame of reference" in w for w in found.warnings)
