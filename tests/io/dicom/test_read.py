"""DICOM in: a series from a folder, with its intensities, and nothing that names the patient."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import EnhancedSRStorage

from napari_segsam.core.errors import UnknownNameError, UnreadableInputError
from napari_segsam.io.dicom.read import list_dicom, read_dicom
from tests.io.dicom.dicom_files import SERIES, ct_series, save, slice_file, slice_set


def test_a_series_is_sorted_along_its_normal(tmp_path: Path) -> None:
    volume = read_dicom(ct_series(tmp_path))
    assert volume.grid.shape == (4, 3, 5) and volume.grid.axis_codes == "LPS"
    assert np.allclose(volume.grid.spacing_mm, (0.75, 0.5, 2.5))
    assert np.allclose(volume.grid.to_mm((0, 0, 0)), (-10, 20, 30))
    i, j, k = np.indices((4, 3, 5))
    assert np.array_equal(volume.voxels, 100 * k + 10 * j + i) and volume.voxels.dtype == np.int16
    assert volume.grid.frame_of_reference == "1.2.3.4" and volume.series_uid == SERIES


def test_nothing_names_the_patient(tmp_path: Path) -> None:
    folder = ct_series(tmp_path / "scan", count=3)
    (folder / "001.dcm").rename(folder / "zzz.dcm")
    volume, info = read_dicom(folder), list_dicom(folder)[0]
    assert volume.name == "CT series 5"
    assert "Secret" not in repr((volume.name, volume.warnings, volume.windows, info))


def test_other_files_are_skipped(tmp_path: Path) -> None:
    folder = ct_series(tmp_path / "deep" / "down")
    (folder / "readme.txt").write_text("hello")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "link").symlink_to("nowhere")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
    volume = read_dicom(tmp_path)
    assert (volume.grid.shape, volume.warnings) == ((4, 3, 5), ())


@pytest.mark.parametrize("content", [b"", b"\0" * 100, bytes(range(256)) * 8])
@pytest.mark.parametrize(("names", "lost"), [("I{}0", "I280"), ("IM-0001-{:04}.dcm", "IM-0001-0009.dcm")])
def test_a_slice_that_was_emptied_or_overwritten_is_said(tmp_path: Path, names: str, lost: str, content: bytes) -> None:
    for n, path in enumerate(sorted(ct_series(tmp_path).iterdir())):
        path.rename(tmp_path / names.format(n))
    (tmp_path / lost).write_bytes(content)
    said = (f"1 file is named like a slice of this series and is no DICOM: {lost}; if it was one, copy it again.",)
    assert read_dicom(tmp_path).warnings == list_dicom(tmp_path)[0].warnings == said


def test_an_object_of_another_kind_that_is_named_like_a_slice_is_none_that_was_lost(tmp_path: Path) -> None:
    folder = ct_series(tmp_path)
    report = slice_set(np.zeros((2, 2), np.int16), (0, 0, 0), PixelData=None, Rows=None, Columns=None)
    report.file_meta.MediaStorageSOPClassUID = report.SOPClassUID = EnhancedSRStorage
    whole = save(report, folder / "006.dcm").read_bytes()
    (folder / "007.dcm").write_bytes(whole[whole.index(b"\x08\0\x16\0") :])  # as in old files, which lack the preamble
    assert read_dicom(folder).warnings == ()


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ct_series(tmp_path / "scan")
    (folder / "shut").touch()
    opened = Path.open

    def refuse(self, *arguments, **options):
        if self.name == "shut":
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    (said,) = read_dicom(folder).warnings
    assert "shut could not be opened (permission denied)" in said and "damaged" not in said
    assert list_dicom(folder)[0].warnings == (said,)


def test_a_single_file_is_one_slice_as_thick_as_it_says(tmp_path: Path) -> None:
    volume = read_dicom(ct_series(tmp_path) / "001.dcm")
    assert volume.grid.shape == (4, 3, 1) and volume.grid.spacing_mm[2] == 2.0


def test_an_empty_folder_and_one_without_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInputError, match="holds no file; choose another folder"):
        read_dicom(tmp_path)
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(UnreadableInputError, match="1 file of another kind"):
        read_dicom(tmp_path)


def test_several_series_are_named_and_one_can_be_chosen(tmp_path: Path) -> None:
    ct_series(tmp_path / "a")
    ct_series(tmp_path / "b", count=3, SeriesInstanceUID="1.2.3", SeriesNumber=6)
    with pytest.raises(UnreadableInputError, match=r"2 series; name one .*1\.2\.3 \(CT series 6, 3 slices\)"):
        read_dicom(tmp_path)
    assert read_dicom(tmp_path, "1.2.3").grid.shape[2] == 3
    with pytest.raises(UnknownNameError, match=r"Did you mean: 1\.2\.3"):
        read_dicom(tmp_path, "1.2.4")


def test_a_missing_spacing_is_said_and_a_detectors_is_used_and_said(tmp_path: Path) -> None:
    pixels = np.zeros((3, 4), np.int16)
    bare = slice_file(tmp_path / "a", pixels, (0, 0, 0), PixelSpacing=None)
    assert "no pixel spacing" in read_dicom(bare).warnings[0]
    fields = {"PixelSpacing": None, "ImagerPixelSpacing": [0.2, 0.3], "Modality": "DX"}
    xray = read_dicom(slice_file(tmp_path / "b", pixels, (0, 0, 0), **fields))
    assert xray.grid.spacing_mm[:2] == (0.3, 0.2) and xray.modality == "xray"
    assert "on the detector" in xray.warnings[0]


STILL = dict.fromkeys(("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"))


@pytest.mark.parametrize(("ratio", "spacing"), [([2, 1], (1, 2, 1)), ([5, 6], (1, 5 / 6, 1)), ([3, 3], (1, 1, 1))])
def test_without_millimetres_a_pixel_keeps_its_shape(
    tmp_path: Path, ratio: list[int], spacing: tuple[float, ...]
) -> None:
    still = slice_file(tmp_path / "a", np.zeros((3, 4), np.int16), (0, 0, 0), **STILL, PixelAspectRatio=ratio)
    volume = read_dicom(still)
    assert volume.grid.spacing_mm == pytest.approx(spacing)
    assert "no pixel spacing" in volume.warnings[0] and ("width of a pixel" in volume.warnings[0]) == (spacing[1] != 1)


@pytest.mark.parametrize("ratio", [[0, 1], [-2, 1], [2]])
def test_an_impossible_shape_of_pixels_is_passed_over(tmp_path: Path, ratio: list[int]) -> None:
    still = slice_file(tmp_path / "a", np.zeros((3, 4), np.int16), (0, 0, 0), **STILL, PixelAspectRatio=ratio)
    assert read_dicom(still).grid.spacing_mm == (1, 1, 1)


def test_the_pixel_spacing_goes_before_the_shape_of_pixels(tmp_path: Path) -> None:
    path = slice_file(tmp_path / "a", np.zeros((3, 4), np.int16), (0, 0, 0), PixelAspectRatio=[2, 1])
    assert read_dicom(path).grid.spacing_mm[:2] == (0.75, 0.5)


def test_a_picture_without_a_place_says_that_left_and_right_are_a_guess(tmp_path: Path) -> None:
    bare = {"ImagePositionPatient": None, "ImageOrientationPatient": None}
    volume = read_dicom(slice_file(tmp_path / "a", np.zeros((3, 4), np.int16), (0, 0, 0), **bare))
    assert "left and right are a guess" in volume.warnings[0] and volume.grid.spacing_mm == (0.75, 0.5, 1.0)
