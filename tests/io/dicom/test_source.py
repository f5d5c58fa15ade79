"""What labels refer to: the images' own headers, and what is made up where there are none."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.uid import UID

from napari_segsam.core.errors import UnknownNameError, UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume
from napari_segsam.io.dicom.made_up import NO_DICOM, UNPLACED
from napari_segsam.io.dicom.source import read_source, source_of
from napari_segsam.io.formats import read_volume
from tests.core.grids import affine_of
from tests.io.dicom.dicom_files import ct_series

UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID")


def uids(source):
    return [[str(h[k].value) for k in UIDS] for h in source.headers]


def test_each_slice_has_the_header_of_its_image(tmp_path: Path) -> None:
    folder = ct_series(tmp_path, StudyInstanceUID="1.2.3")
    source = read_source(folder)
    assert source.grid.matches(read_volume(folder).grid) and source.made_up == ()
    z = [float(h.ImagePositionPatient[2]) for h in source.headers]
    assert z == pytest.approx([source.grid.to_mm((0, 0, k))[2] for k in range(5)])
    assert source.frames == (1,) * 5 and len(source.files) == 5
    assert not any("PixelData" in h for h in source.headers)


def test_blank_uids_are_made_from_the_pixels_and_said(tmp_path: Path) -> None:
    blank = {"StudyInstanceUID": "", "FrameOfReferenceUID": None, "SOPInstanceUID": ""}
    one = read_source(ct_series(tmp_path / "a", **blank))
    two = read_source(ct_series(tmp_path / "b", **blank))
    assert uids(one) == uids(two) and one.grid.frame_of_reference == one.headers[0].FrameOfReferenceUID
    assert len({h.SOPInstanceUID for h in one.headers}) == 5
    assert all(UID(u).is_valid and u for header in uids(one) for u in header)
    assert one.made_up == (
        "The images have no UID for study, frame of reference, image: one was made from their pixels.",
    )
    ds = pydicom.dcmread(tmp_path / "b/001.dcm")
    ds.PixelData = bytes(len(ds.PixelData))
    ds.save_as(tmp_path / "b/001.dcm")
    changed = read_source(tmp_path / "b")
    assert uids(changed)[0][0] != uids(one)[0][0]
    assert [h.SOPInstanceUID for h in changed.headers][:4] == [h.SOPInstanceUID for h in one.headers][:4]


def test_an_image_that_says_no_place_gets_one_and_that_is_said(tmp_path: Path) -> None:
    unplaced = dict.fromkeys(("ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID"))
    source = read_source(ct_series(tmp_path, count=1, StudyInstanceUID="1.2.3", **unplaced))
    assert source.made_up == (UNPLACED,) and source.grid.frame_of_reference.startswith("2.25.")


def volume(value: int = 0, affine: np.ndarray | None = None) -> Volume:
    voxels = np.full((3, 4, 5), value, np.int16)
    return Volume(Grid(voxels.shape, affine_of("LPS") if affine is None else affine), voxels, modality="mr")


def test_a_scan_that_is_no_dicom_gets_headers_of_nobody() -> None:
    source = source_of(volume())
    assert source.made_up == (NO_DICOM,) and len(source.headers) == len(source.files) == 5
    first = source.headers[0]
    assert (first.Modality, first.PatientName, first.PatientBirthDate, first.Rows, first.Columns) == (
        "MR", "Anonymous", "", 4, 3,
    )  # fmt: skip
    assert [float(x) for x in source.headers[2].ImagePositionPatient] == pytest.approx(source.grid.to_mm((0, 0, 2)))
    assert first.SOPClassUID.name == "MR Image Storage"


def test_made_up_uids_hang_on_voxels_and_place_alone() -> None:
    moved = affine_of("LPS")
    moved[0, 3] += 1
    same, others = source_of(volume()), (source_of(volume(1)), source_of(volume(affine=moved)))
    assert uids(same) == uids(source_of(volume()))
    assert all(not {u for h in uids(o) for u in h} & {u for h in uids(same) for u in h} for o in others)
    assert same.headers[0].PatientID != others[0].headers[0].PatientID
    assert len({u for h in uids(same) for u in h}) == 3 + 5 and all(UID(u).is_valid for h in uids(same) for u in h)


def test_a_nifti_is_a_source_too_and_is_not_read_again_where_it_has_been(tmp_path: Path) -> None:
    path = tmp_path / "x.nii"
    nib.save(nib.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4)), path)
    known, source = read_volume(path), read_source(path)
    assert source.grid.matches(known.grid) and source.made_up == (NO_DICOM,)
    path.write_bytes(b"gone")
    assert uids(read_source(path, volume=known)) == uids(source)


def test_an_unknown_series_and_a_gap_are_refused(tmp_path: Path) -> None:
    folder = ct_series(tmp_path)
    with pytest.raises(UnknownNameError, match="series"):
        read_source(folder, "1.9")
    (folder / "003.dcm").unlink()
    with pytest.raises(UnreadableInputError, match="apart"):
        read_source(folder)


def test_resampled_slices_refer_to_their_nearest_images(tmp_path: Path) -> None:
    from napari_segsam.io.dicom.read import read_dicom

    folder = ct_series(tmp_path, StudyInstanceUID="1.2.3")
    (folder / "003.dcm").unlink()
    scan = read_dicom(folder, resample=True)
    source = read_source(folder, volume=scan)
    assert source.grid.matches(scan.grid) and source.resampled == scan.resampled != ""
    assert len(source.headers) == 5 and len(source.files) == 4
