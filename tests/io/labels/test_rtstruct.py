"""RT structure sets out: label maps that come back exactly, in files as the standard asks for."""

import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.uid import MRImageStorage

from napari_segsam.core.colours import colour_of
from napari_segsam.core.errors import GridMismatchError, UnreadableInputError, WriteError
from napari_segsam.core.grid import Grid
from napari_segsam.core.maker import Maker
from napari_segsam.core.terminology import CATEGORIES, SIDES, Code, Coding
from napari_segsam.io.dicom.read import list_dicom
from napari_segsam.io.dicom.source import Source, read_source
from napari_segsam.io.labels.rtstruct import read_rtstruct, verify_rtstruct, write_rtstruct
from tests.core.grids import AXIS_CODES, affine_of, affines, rotation, shapes
from tests.io.dicom.dicom_files import ct_series, slice_file
from tests.io.labels.structure_files import grid_of, labelled, source_of


def series(folder: Path, **fields: object) -> Source:
    """A CT series of 3 rows x 4 columns."""
    study = {"StudyInstanceUID": "1.2.3.5", "PatientID": "secret-id"}
    return read_source(ct_series(folder, **{**study, **fields}))  # type: ignore[arg-type]


@settings(max_examples=30)
@given(affine=affines(shear=0.4), shape=shapes, seed=st.integers(0, 9))
def test_any_label_map_on_any_grid_comes_back_exactly(
    affine: NDArray[np.float64], shape: tuple[int, int, int], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    grid, path = grid_of(shape, affine), tmp_path_factory.mktemp("rt") / "labels.dcm"
    voxels, source = labelled(grid, seed=seed), source_of(grid)
    write_rtstruct(path, voxels, grid, {1: "liver"}, source)
    verify_rtstruct(path, voxels, grid, source)
    back = read_rtstruct(path, source, grid)
    assert np.array_equal(back.voxels, voxels) and back.names[1] == "liver"
    assert not any("image" in w or "voxels" in w for w in back.warnings)


def test_all_axis_codes_come_back_exactly(tmp_path: Path) -> None:
    for codes in AXIS_CODES:
        grid = grid_of((4, 3, 2), affine_of(codes))
        voxels = labelled(grid)
        write_rtstruct(tmp_path / "labels.dcm", voxels, grid, {}, source_of(grid))
        assert np.array_equal(read_rtstruct(tmp_path / "labels.dcm", source_of(grid), grid).voxels, voxels), codes


@settings(max_examples=12)
@given(affine=affines(shear=0.4), spacing=st.floats(-4, 2))
def test_voxels_of_a_ten_thousandth_to_a_hundred_millimetres_come_back(
    affine: NDArray[np.float64], spacing: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    scaled = affine.copy()
    scaled[:3] *= 10**spacing
    grid, path = grid_of((5, 4, 3), scaled), tmp_path_factory.mktemp("rt") / "labels.dcm"
    voxels = labelled(grid)
    write_rtstruct(path, voxels, grid, {}, source_of(grid))
    assert np.array_equal(read_rtstruct(path, source_of(grid), grid).voxels, voxels)


@pytest.mark.parametrize("step", [(0, 0, 2.5), (0, 0.8, 2.5)])
def test_points_lie_where_the_slices_say(tmp_path: Path, step: tuple[float, float, float]) -> None:
    """Through pydicom alone: on the plane of the image that a contour names, within its voxels, tilted or not."""
    turn = rotation((0.4, -0.3, 1.1))
    orientation = [round(float(v), 9) for v in (*turn[:, 0], *turn[:, 1])]
    source = series(tmp_path / "scan", step=turn @ step, ImageOrientationPatient=orientation)
    voxels = np.zeros(source.grid.shape, np.uint16)
    voxels[1, 2, 3] = 7
    write_rtstruct(tmp_path / "rt.dcm", voxels, source.grid, {7: "cyst"}, source)
    (roi,) = pydicom.dcmread(tmp_path / "rt.dcm").ROIContourSequence
    (drawn,) = roi.ContourSequence
    image = source.headers[3]
    assert drawn.ContourImageSequence[0].ReferencedSOPInstanceUID == image.SOPInstanceUID
    points = np.array(drawn.ContourData, float).reshape(-1, 3) - np.array(image.ImagePositionPatient, float)
    assert np.abs(points @ turn[:, 2]).max() < 1e-3
    across = points @ turn[:, 0] / 0.75, points @ turn[:, 1] / 0.5
    assert np.abs(np.abs(across[0] - 1) - 0.499).max() < 2e-3 and np.abs(np.abs(across[1] - 2) - 0.499).max() < 2e-3


def test_the_file_says_what_the_standard_asks_for(tmp_path: Path) -> None:
    source = series(tmp_path / "scan")
    voxels = np.zeros(source.grid.shape, np.uint16)
    voxels[1:3, 1, 2:4], voxels[0, 0, 0] = 300, 2
    side = Coding(CATEGORIES["anatomy"], Code("64033007", "Kidney"), SIDES["left"])
    lump = Coding(CATEGORIES["abnormal"], Code("1234567890123456789", "Lump"))
    write_rtstruct(
        tmp_path / "rt.dcm", voxels, source.grid, {300: "niere 腎", 2: "lump"}, source, codings={300: side, 2: lump}
    )
    ds = pydicom.dcmread(tmp_path / "rt.dcm")
    assert [r.ROINumber for r in ds.StructureSetROISequence] == [2, 300]
    assert [r.ROIName for r in ds.StructureSetROISequence] == ["lump", "niere 腎"]
    assert {r.ROIGenerationAlgorithm for r in ds.StructureSetROISequence} == {"SEMIAUTOMATIC"}
    assert [o.RTROIInterpretedType for o in ds.RTROIObservationsSequence] == ["", "ORGAN"]
    assert [round(255 * part) for part in colour_of("lump")] == list(ds.ROIContourSequence[0].ROIDisplayColor)
    (frame,) = ds.ReferencedFrameOfReferenceSequence
    assert (
        frame.FrameOfReferenceUID
        == ds.FrameOfReferenceUID
        == ds.StructureSetROISequence[0].ReferencedFrameOfReferenceUID
    )
    (study,) = frame.RTReferencedStudySequence
    assert study.ReferencedSOPInstanceUID == ds.StudyInstanceUID == "1.2.3.5"
    (images,) = study.RTReferencedSeriesSequence
    assert images.SeriesInstanceUID == source.headers[0].SeriesInstanceUID != ds.SeriesInstanceUID
    assert [i.ReferencedSOPInstanceUID for i in images.ContourImageSequence] == [
        h.SOPInstanceUID for h in source.headers
    ]
    assert (ds.PatientName, ds.PatientID, ds.Modality) == ("Secret^Person", "secret-id", "RTSTRUCT")
    assert all(len(str(x)) <= 16 for r in ds.ROIContourSequence for c in r.ContourSequence for x in c.ContourData)
    assert all(
        len(c.ContourData) == 3 * c.NumberOfContourPoints for r in ds.ROIContourSequence for c in r.ContourSequence
    )
    assert read_rtstruct(tmp_path / "rt.dcm", source, source.grid).codings == {300: side, 2: lump}


@pytest.mark.parametrize("maker, said", [(Maker("MANUAL"), None), (Maker("AUTOMATIC", "TotalX", "2.1"), "TotalX 2.1")])
def test_the_file_says_who_drew_the_labels(tmp_path: Path, maker: Maker, said: str | None) -> None:
    grid = grid_of()
    write_rtstruct(tmp_path / "rt.dcm", labelled(grid), grid, {}, source_of(grid), maker=maker)
    for roi in pydicom.dcmread(tmp_path / "rt.dcm").StructureSetROISequence:
        assert (roi.ROIGenerationAlgorithm, roi.get("ROIGenerationDescription")) == (maker.kind, said)


def test_each_file_is_an_object_of_its_own(tmp_path: Path) -> None:
    grid = grid_of()
    uids = set()
    for name in ("a.dcm", "b.dcm"):
        write_rtstruct(tmp_path / name, labelled(grid), grid, {}, source_of(grid))
        ds = pydicom.dcmread(tmp_path / name)
        uids |= {ds.SOPInstanceUID, ds.SeriesInstanceUID, ds.file_meta.MediaStorageSOPInstanceUID}
    assert len(uids) == 4 and not any(uid.startswith("1.2.826") for uid in uids)


def test_a_patient_of_any_script_is_copied(tmp_path: Path) -> None:
    source = series(tmp_path / "scan", SpecificCharacterSet="ISO_IR 144", PatientName="Люкceмбypг")
    write_rtstruct(tmp_path / "rt.dcm", labelled(source.grid), source.grid, {}, source)
    assert pydicom.dcmread(tmp_path / "rt.dcm").PatientName == "Люкceмбypг"


def test_what_was_made_up_for_the_images_is_said(tmp_path: Path) -> None:
    grid = grid_of()
    plain = source_of(grid)
    source = Source(grid, plain.headers, plain.frames, ("The images had no study.", "One was made."))
    write_rtstruct(tmp_path / "rt.dcm", labelled(grid), grid, {}, source)
    assert pydicom.dcmread(tmp_path / "rt.dcm").StructureSetDescription == "The images had no study. One was made."


def test_frames_of_one_file_are_named_by_number(tmp_path: Path) -> None:
    grid = grid_of()
    header = source_of(grid).headers[0]
    header.NumberOfFrames = 9
    source = Source(grid, (header,) * 4, (7, 5, 3, 1))
    write_rtstruct(tmp_path / "rt.dcm", labelled(grid), grid, {}, source)
    ds = pydicom.dcmread(tmp_path / "rt.dcm")
    (images,) = ds.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence
    assert len(images.ContourImageSequence) == 1
    first = {c.ContourImageSequence[0].ReferencedFrameNumber for c in ds.ROIContourSequence[0].ContourSequence}
    assert first == {7, 5, 3, 1}
    verify_rtstruct(tmp_path / "rt.dcm", labelled(grid), grid, source)
    with pytest.raises(UnreadableInputError, match="names the image of another slice"):
        read_rtstruct(tmp_path / "rt.dcm", Source(grid, (header,) * 4, (1, 3, 5, 7)), grid)


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "a\\b", "a\nb"])
def test_a_name_that_cannot_be_held_is_refused(tmp_path: Path, name: str) -> None:
    grid = grid_of()
    with pytest.raises(WriteError, match="rename the label"):
        write_rtstruct(tmp_path / "rt.dcm", labelled(grid), grid, {1: name}, source_of(grid))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID", "StudyInstanceUID"])
def test_images_without_uids_are_refused_by_name(tmp_path: Path, keyword: str) -> None:
    grid = grid_of()
    source = source_of(grid)
    del source.headers[-1][keyword]
    with pytest.raises(WriteError, match=keyword):
        write_rtstruct(tmp_path / "rt.dcm", labelled(grid), grid, {}, source)


def test_nothing_labelled_another_grid_and_voxels_beyond_decimals_are_refused(tmp_path: Path) -> None:
    grid = grid_of()
    with pytest.raises(WriteError, match="nothing is labelled"):
        write_rtstruct(tmp_path / "rt.dcm", np.zeros(grid.shape, np.uint16), grid, {}, source_of(grid))
    with pytest.raises(GridMismatchError, match="these images"):
        write_rtstruct(
            tmp_path / "rt.dcm", labelled(grid), grid, {}, source_of(grid_of(affine=np.diag([1, 1, -1, 1.0])))
        )
    tiny = np.diag([1e-9, 1e-9, 1.0, 1.0])
    tiny[:3, 3] = 512345.6
    with pytest.raises(WriteError, match="too small"):
        write_rtstruct(
            tmp_path / "rt.dcm",
            labelled(grid_of(affine=tiny)),
            grid_of(affine=tiny),
            {},
            source_of(grid_of(affine=tiny)),
        )


def test_a_file_that_does_not_hold_the_voxels_is_found_out(tmp_path: Path) -> None:
    grid, path = grid_of(), tmp_path / "rt.dcm"
    voxels, source = labelled(grid), source_of(grid)
    write_rtstruct(path, voxels, grid, {}, source)
    for changed in (voxels[::-1], np.where(voxels == 1, 2, voxels), np.zeros_like(voxels)):
        with pytest.raises(WriteError, match="read back equal"):
            verify_rtstruct(path, changed, grid, source)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(WriteError, match="read back"):
        verify_rtstruct(path, voxels, grid, source)


# --- other programs, real images


def _errors(path: Path) -> list[str]:
    """What dicom3tools' dciodvfy calls an error."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")
    said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False).stderr
    assert "RTStructureSet" in said
    return [line for line in said.splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("fields", [{}, {"SOPClassUID": MRImageStorage, "Modality": "MR"}])
def test_dciodvfy_finds_no_error(tmp_path: Path, fields: dict[str, str]) -> None:
    source = series(tmp_path / "scan", **fields)
    lump = Coding(CATEGORIES["abnormal"], Code("4147007", "Mass"), SIDES["left"])
    write_rtstruct(tmp_path / "rt.dcm", labelled(source.grid), source.grid, {1: "lump"}, source, codings={1: lump})
    assert _errors(tmp_path / "rt.dcm") == []


@pytest.mark.parametrize(
    "name", ["ct_series_philips", "mr_series_btp", "dcm_qa_enh", "pydicom-data/eCT_Supplemental.dcm"]
)
def test_real_images_single_and_multi_frame(shared_data: Path, tmp_path: Path, name: str) -> None:
    path = next((shared_data / "dicom").rglob(name.rpartition("/")[2]))
    chosen = next(s.uid for s in list_dicom(path) if s.refused is None)
    source = read_source(path, chosen)
    voxels = np.zeros(source.grid.shape, np.uint16)
    voxels[9:21, 5:30, -2:] = labelled(Grid((12, 25, 2), np.eye(4)))
    write_rtstruct(tmp_path / "rt.dcm", voxels, source.grid, {1: "lump"}, source)
    back = read_rtstruct(tmp_path / "rt.dcm", source, source.grid)
    assert np.array_equal(back.voxels, voxels) and back.warnings == ()
    assert _errors(tmp_path / "rt.dcm") == []


def test_rt_utils_reads_and_writes_the_same_voxels(tmp_path: Path) -> None:
    """Square images of square pixels: of others, rt-utils 1.2 takes rows for columns."""
    builder = pytest.importorskip("rt_utils", reason="rt-utils is not installed").RTStructBuilder
    blank = ("StudyID", "StudyDate", "StudyTime")
    folder, study = tmp_path / "scan", {"StudyInstanceUID": "1.2.3.5", **dict.fromkeys(blank, "")}
    for k in range(4):
        pixels = np.zeros((16, 16), np.int16)
        slice_file(folder / f"{k}.dcm", pixels, (-10, 20, 30 + 2.5 * k), PixelSpacing=[0.7, 0.7], **study)
    source = read_source(folder)
    voxels = labelled(source.grid, highest=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_rtstruct(tmp_path / "rt.dcm", voxels, source.grid, {1: "liver"}, source)
        theirs = builder.create_from(dicom_series_path=str(folder), rt_struct_path=str(tmp_path / "rt.dcm"))
        assert np.array_equal(theirs.get_roi_mask_by_name("liver").transpose(1, 0, 2), voxels == 1)
        new = builder.create_new(dicom_series_path=str(folder))
        new.add_roi(mask=(voxels == 1).transpose(1, 0, 2), name="liver")
        new.save(str(tmp_path / "theirs.dcm"))
    assert np.array_equal(read_rtstruct(tmp_path / "theirs.dcm", source, source.grid).voxels, voxels)
