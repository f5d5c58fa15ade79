"""DICOM segmentations: the same voxel in the same place for every reader, coded, on the images that they refer to."""

import shutil
import subprocess
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from numpy.typing import NDArray

from napari_segsam.core.errors import SegsamError, UnreadableInputError, WriteError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.maker import Maker
from napari_segsam.io.dicom.source import read_source
from napari_segsam.io.labels.dicom_seg import read_dicom_seg
from napari_segsam.io.labels.export import export_labels
from napari_segsam.io.labels.importing import read_any
from napari_segsam.io.labels.names import parse_names
from tests.core.grids import AXIS_CODES, affine_of, affines, shapes
from tests.io.dicom.dicom_files import ct_series
from tests.io.labels.seg_files import LIVER, PATIENT, drawn_on, scan


def by_frames(path: Path, wanted: LabelMap) -> tuple[float, bool]:
    """The largest distance in mm of a labelled pixel from its voxel, and whether the file holds exactly these."""
    ds = pydicom.dcmread(path)
    shared, inverse = ds.SharedFunctionalGroupsSequence[0], np.linalg.inv(wanted.grid.affine)
    cosines = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float).reshape(2, 3)
    between = np.array(shared.PixelMeasuresSequence[0].PixelSpacing, float)
    found, farthest = np.zeros(wanted.grid.shape, np.uint16), 0.0
    for pixels, own in zip(
        ds.pixel_array.reshape(-1, ds.Rows, ds.Columns), ds.PerFrameFunctionalGroupsSequence, strict=True
    ):
        row, col = np.nonzero(pixels)
        place = np.array(own.PlanePositionSequence[0].ImagePositionPatient, float)
        mm = place + np.outer(col * between[1], cosines[0]) + np.outer(row * between[0], cosines[1])
        ijk = mm @ inverse[:3, :3].T + inverse[:3, 3]
        voxel = np.rint(ijk).astype(int)
        farthest = max(farthest, float(np.abs(wanted.grid.to_mm(voxel) - mm).max(initial=0.0)))
        identity = own if "SegmentIdentificationSequence" in own else shared
        is_labelmap = ds.SegmentationType == "LABELMAP"
        number = 0 if is_labelmap else identity.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        found[tuple(voxel.T)] = pixels[row, col] if is_labelmap else number
    return farthest, bool(np.array_equal(found, wanted.voxels))


@pytest.mark.parametrize("codes", AXIS_CODES)
def test_all_axis_codes_are_read_alike_by_pydicom_and_highdicom(tmp_path: Path, codes: str) -> None:
    source = scan(affine_of(codes))
    labels = drawn_on(source.grid)
    export_labels(tmp_path / "seg.dcm", labels, "dicom-seg", source)
    assert by_frames(tmp_path / "seg.dcm", labels) == (pytest.approx(0, abs=1e-6), True)
    volume = highdicom.seg.segread(tmp_path / "seg.dcm").get_volume(combine_segments=True)
    ijk = np.argwhere(np.asarray(volume.array))
    mm = ijk @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    voxels = np.rint(source.grid.to_ijk(mm)).astype(int)
    assert np.abs(source.grid.to_mm(voxels) - mm).max() < 1e-6
    assert np.array_equal(labels.voxels[tuple(voxels.T)], np.asarray(volume.array)[tuple(ijk.T)])
    assert len(ijk) == np.count_nonzero(labels.voxels)


@pytest.mark.parametrize("labelmap", [False, True])
@settings(max_examples=12)
@given(affine=affines(shear=0.0), shape=shapes)
def test_any_orthogonal_grid_comes_back(
    labelmap: bool,
    affine: NDArray[np.float64],
    shape: tuple[int, int, int],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    source = scan(affine, shape)
    labels, path = drawn_on(source.grid), tmp_path_factory.mktemp("seg") / "seg.dcm"
    if not (labels.voxels == 1).any():  # of one voxel
        labels.voxels[:] = 1
    export_labels(path, labels, "dicom-seg", source, labelmap=labelmap)
    farthest, same = by_frames(path, labels)
    assert farthest < 1e-3 and same
    assert np.array_equal(read_any(path, source.grid, source).voxels, labels.voxels)


@pytest.mark.parametrize("labelmap", [False, True])
def test_a_tilted_gantry_is_kept_and_skewed_rows_are_refused(tmp_path: Path, labelmap: bool) -> None:
    tilted = affine_of("LPS")
    tilted[:3, 2] += (0.0, 0.8, 0.0)
    source = scan(tilted)
    labels = drawn_on(source.grid)
    export_labels(tmp_path / "seg.dcm", labels, "dicom-seg", source, labelmap=labelmap)
    assert by_frames(tmp_path / "seg.dcm", labels) == (pytest.approx(0, abs=1e-6), True)
    assert read_dicom_seg(tmp_path / "seg.dcm").grid.affine[:3, 2] == pytest.approx(tilted[:3, 2])
    skewed = affine_of("LPS")
    skewed[:3, 1] += (0.1, 0.0, 0.0)
    with pytest.raises(WriteError, match="right angles"):
        export_labels(tmp_path / "no.dcm", drawn_on(Grid((4, 5, 6), skewed)), "dicom-seg", scan(skewed))
    assert not (tmp_path / "no.dcm").exists()


def test_patient_study_and_images_are_those_of_the_source(tmp_path: Path) -> None:
    source = read_source(ct_series(tmp_path / "ct", **PATIENT))
    before = [h.to_json() for h in source.files]
    labels = drawn_on(source.grid)
    assert export_labels(tmp_path / "seg.dcm", labels, "dicom-seg", source) == ()
    assert [h.to_json() for h in source.files] == before
    ds, image = pydicom.dcmread(tmp_path / "seg.dcm"), source.headers[0]
    same = ("PatientName", "PatientID", "PatientBirthDate", "StudyInstanceUID", "StudyID", "FrameOfReferenceUID")
    assert {k: ds[k].value for k in same} == {k: image[k].value for k in same}
    assert ds.SeriesInstanceUID != image.SeriesInstanceUID and ds.SeriesNumber == 1005
    assert ds.preamble == b"\0" * 128
    assert {i.ReferencedSOPInstanceUID for i in ds.ReferencedSeriesSequence[0].ReferencedInstanceSequence} == {
        h.SOPInstanceUID for h in source.files
    }
    for frame in ds.PerFrameFunctionalGroupsSequence:
        at = [float(x) for x in frame.PlanePositionSequence[0].ImagePositionPatient]
        header = next(h for h in source.headers if [float(x) for x in h.ImagePositionPatient] == at)
        derived = frame.DerivationImageSequence[0].SourceImageSequence[0]
        assert (derived.ReferencedSOPInstanceUID, derived.ReferencedSOPClassUID) == (
            header.SOPInstanceUID,
            header.SOPClassUID,
        )
        assert "ReferencedFrameNumber" not in derived


def test_segments_are_coded_from_the_class_cards(tmp_path: Path) -> None:
    source = scan(affine_of("LPS"))
    export_labels(tmp_path / "seg.dcm", drawn_on(source.grid), "dicom-seg", source)
    liver, femur = pydicom.dcmread(tmp_path / "seg.dcm").SegmentSequence
    assert (liver.SegmentNumber, liver.SegmentLabel, liver.SegmentAlgorithmType) == (1, "liver", "SEMIAUTOMATIC")
    assert liver.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "91723000"
    assert liver.SegmentedPropertyTypeCodeSequence[0].CodeValue == "10200004"
    assert "SegmentedPropertyTypeModifierCodeSequence" not in liver.SegmentedPropertyTypeCodeSequence[0]
    (side,) = femur.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence
    assert (side.CodeValue, side.CodingSchemeDesignator, side.CodeMeaning) == ("7771000", "SCT", "Left")
    assert liver.SegmentAlgorithmName == "napari-segsam"
    back = read_dicom_seg(tmp_path / "seg.dcm").labels
    assert back[2].coding.modifier.value == "7771000" and back[1].name == "liver"


def test_who_drew_the_segments_is_said(tmp_path: Path) -> None:
    source = scan(affine_of("LPS"))
    export_labels(
        tmp_path / "a.dcm", drawn_on(source.grid), "dicom-seg", source, maker=Maker("AUTOMATIC", "Some net", "3")
    )
    export_labels(tmp_path / "m.dcm", drawn_on(source.grid), "dicom-seg", source, maker=Maker("MANUAL"))
    automatic, manual = (pydicom.dcmread(tmp_path / f).SegmentSequence[0] for f in ("a.dcm", "m.dcm"))
    assert (automatic.SegmentAlgorithmType, automatic.SegmentAlgorithmName) == ("AUTOMATIC", "Some net")
    assert automatic.SegmentationAlgorithmIdentificationSequence[0].AlgorithmVersion == "3"
    assert manual.SegmentAlgorithmType == "MANUAL" and "SegmentAlgorithmName" not in manual


def test_binary_numbers_segments_and_a_labelmap_keeps_values(tmp_path: Path) -> None:
    source = scan(affine_of("LPS"))
    labels = drawn_on(source.grid)
    labels.voxels *= 300
    labels.labels = {300: Label(300, "liver"), 600: Label(600, "spleen"), 900: Label(900, "nothing there")}
    export_labels(tmp_path / "b.dcm", labels, "dicom-seg", source)
    export_labels(tmp_path / "l.dcm", labels, "dicom-seg", source, labelmap=True)
    assert {v: n.name for v, n in read_dicom_seg(tmp_path / "b.dcm").labels.items()} == {1: "liver", 2: "spleen"}
    assert parse_names(tmp_path / "b.dcm.labels.json") == {1: "liver", 2: "spleen"}
    ds = pydicom.dcmread(tmp_path / "l.dcm")
    assert ds.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.7" and ds.BitsAllocated == 16
    assert ds.file_meta.TransferSyntaxUID.name == "RLE Lossless"
    assert np.array_equal(read_any(tmp_path / "l.dcm", source.grid).voxels, labels.voxels)


def test_names_in_any_script_and_patients_of_any_character_set_are_kept(tmp_path: Path) -> None:
    folder = ct_series(tmp_path / "ct", **PATIENT | {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^A"})
    source = read_source(folder)
    labels = drawn_on(source.grid)
    labels.labels[1] = Label(1, "肝臓", LIVER)
    export_labels(tmp_path / "seg.dcm", labels, "dicom-seg", source)
    ds = pydicom.dcmread(tmp_path / "seg.dcm")
    assert (ds.PatientName, ds.SegmentSequence[0].SegmentLabel) == ("Müller^A", "肝臓")


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    source = scan(affine_of("LPS"), (3, 3, 2))
    path = tmp_path / "seg.dcm"
    export_labels(path, drawn_on(source.grid), "dicom-seg", source)
    whole, wanted = path.read_bytes(), read_dicom_seg(path)
    for length in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:length])
        try:
            found = read_dicom_seg(path)
        except SegsamError:
            continue
        assert np.array_equal(found.voxels, wanted.voxels), length  # only padding was cut


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian package dicom3tools) is not installed")
@pytest.mark.parametrize("name", ["ct_series_philips", "mr_series_btp", "made up"])
def test_dciodvfy_finds_no_error(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> None:
    if name == "made up":
        source = scan(affine_of("LPS"))
    else:
        source = read_source(request.getfixturevalue("shared_data") / "dicom" / name)
    labels = LabelMap(source.grid, labels={1: Label(1, "liver"), 2: Label(2, "femur_left")})
    labels.voxels[1:3, 1:4, :2], labels.voxels[3, 3, -1] = 1, 2
    export_labels(tmp_path / "seg.dcm", labels, "dicom-seg", source)
    said = subprocess.run(["dciodvfy", "-new", tmp_path / "seg.dcm"], capture_output=True, text=True, check=False)
    assert [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")] == []


def test_enhanced_frames_are_referred_to_by_number(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "dicom/dcm_qa_enh"
    from napari_segsam.io.formats import list_series

    uid = next(s.uid for s in list_series(folder) if not s.refused)
    source = read_source(folder, uid)
    labels = LabelMap(source.grid, labels={1: Label(1, "brain")})
    labels.voxels[10:20, 10:20] = 1
    export_labels(tmp_path / "seg.dcm", labels, "dicom-seg", source)
    frames = pydicom.dcmread(tmp_path / "seg.dcm").PerFrameFunctionalGroupsSequence
    derived = [f.DerivationImageSequence[0].SourceImageSequence[0] for f in frames]
    assert sorted(int(d.ReferencedFrameNumber) for d in derived) == sorted(source.frames)
    assert {d.ReferencedSOPClassUID for d in derived} == {source.headers[0].SOPClassUID}


def test_a_segmentation_of_dcmqi_is_its_reference_voxel_by_voxel(shared_data: Path) -> None:
    folder = shared_data / "dicom_seg/dcmqi"
    grid = read_source(folder / "ct-3slice").grid
    found = read_any(folder / "liver.dcm", grid)
    wanted = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "liver_seg.nrrd"))).T
    assert np.array_equal(found.voxels, wanted) and wanted.any()
    assert found.labels[1].name == "Liver" and found.labels[1].coding.type.value == "T-62000"
    assert np.array_equal(read_any(folder / "liver_seg.nrrd", grid).voxels, wanted)


def test_segmentations_of_highdicom_are_read_or_refused(shared_data: Path) -> None:
    folder = shared_data / "dicom_seg/highdicom"
    found = read_dicom_seg(folder / "seg_image_ct_binary.dcm")
    wanted = highdicom.seg.segread(folder / "seg_image_ct_binary.dcm").get_volume(combine_segments=True)
    inverse = np.rint(found.grid.to_ijk(wanted.affine[:3, 3] + np.argwhere(wanted.array) @ wanted.affine[:3, :3].T))
    assert (found.voxels[tuple(inverse.astype(int).T)] == 1).all() and found.voxels.any()
    with pytest.raises(UnreadableInputError, match="overlap"):
        read_dicom_seg(folder / "seg_image_ct_binary_overlap.dcm")
    for kind in ("binary_fractional", "true_fractional"):
        with pytest.raises(UnreadableInputError, match="FRACTIONAL"):
            read_dicom_seg(folder / f"seg_image_ct_{kind}.dcm")


def test_what_is_no_label_map_is_told_which_files_are(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UnreadableInputError, match=r"notes.txt .*ends in \.nii\.gz, \.nii, \.nrrd, \.mha"):
        read_dicom_seg(tmp_path / "notes.txt")
