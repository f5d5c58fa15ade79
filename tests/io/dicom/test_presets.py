"""What a file says of how to show it: windows with safe names, and what was never scanned."""

from pathlib import Path

import numpy as np
import pytest

from napari_segsam.io.dicom.read import read_dicom
from tests.io.dicom.dicom_files import frame_item, item, multi_frame, save, slice_file, slice_set

PIXELS = np.arange(12, dtype=np.int16).reshape(3, 4)


def test_windows_are_named_by_what_cannot_be_a_person(tmp_path: Path) -> None:
    names = ["LUNG", "Soft_Tissue", "WINDOW2", "SMITH", "BRAIN FOR JOHN", "BONE 19580314", ""]
    fields = {
        "WindowCenter": [-600, 40, 50, 60, 70, 80, 90],
        "WindowWidth": [1500] * 7,
        "WindowCenterWidthExplanation": names,
    }
    windows = read_dicom(slice_file(tmp_path / "a", PIXELS, (0, 0, 0), **fields)).windows
    assert [w.name for w in windows] == ["lung", "soft tissue", "window2", "file 4", "file 5", "file 6", "file 7"]
    assert [(w.centre, w.width) for w in windows[:2]] == [(-600, 1500), (40, 1500)]


def test_doubles_and_windows_without_width_are_left_out(tmp_path: Path) -> None:
    fields = {"WindowCenter": [40, 40, 300, 7], "WindowWidth": [400, 400, 1500, 0]}
    windows = read_dicom(slice_file(tmp_path / "a", PIXELS, (0, 0, 0), **fields)).windows
    assert [(w.centre, w.width, w.name) for w in windows] == [(40, 400, "file 1"), (300, 1500, "file 2")]


def test_a_table_is_a_preset_as_the_nearest_straight_window(tmp_path: Path) -> None:
    ramp = np.clip(np.arange(100) - 20, 0, 50).astype(np.uint16)
    table = item(LUTDescriptor=[100, 1000, 16], LUTData=ramp.tolist(), LUTExplanation="BREAST")
    ds = slice_set(PIXELS, (0, 0, 0))
    ds.VOILUTSequence = [table]
    ds.VOILUTSequence[0]["LUTData"].VR = "US"
    (window,) = read_dicom(save(ds, tmp_path / "a")).windows
    assert window.name == "breast" and window.limits == pytest.approx((1020, 1070), abs=4)


def test_the_frames_own_window_is_taken(tmp_path: Path) -> None:
    voi = item(WindowCenter=50, WindowWidth=102)
    frames = [frame_item((0, 0, k), FrameVOILUTSequence=voi) for k in range(2)]
    (window,) = read_dicom(save(multi_frame(np.zeros((2, 3, 4), np.int16), frames), tmp_path / "a")).windows
    assert (window.centre, window.width) == (50, 102)


def test_padding_is_an_intensity_or_a_range_of_them(tmp_path: Path) -> None:
    one = {"PixelPaddingValue": 2, "RescaleIntercept": -24}
    volume = read_dicom(slice_file(tmp_path / "a", PIXELS, (0, 0, 0), **one))
    assert volume.padding == -22 and volume.is_padding(volume.voxels).sum() == 1 and volume.voxels.min() == -24
    volume = read_dicom(slice_file(tmp_path / "b", PIXELS, (0, 0, 0), **one, PixelPaddingRangeLimit=5))
    assert (volume.padding, volume.padding_limit) == (-22, -19)
    assert volume.is_padding(volume.voxels)[:, 0, 0].tolist() == [False, False, True, True]
    volume = read_dicom(slice_file(tmp_path / "c", PIXELS, (0, 0, 0)))
    assert volume.padding is None and not volume.is_padding(volume.voxels).any()


def test_padding_that_differs_from_slice_to_slice_is_none(tmp_path: Path) -> None:
    for k in range(2):
        slice_file(tmp_path / str(k), PIXELS, (0, 0, k), PixelPaddingValue=2, RescaleSlope=k + 1)
    assert read_dicom(tmp_path).padding is None


def test_padding_written_as_if_it_were_unsigned(tmp_path: Path) -> None:
    ds = slice_set(PIXELS, (0, 0, 0))
    ds.add_new(0x00280120, "US", 63536)
    assert read_dicom(save(ds, tmp_path / "a")).padding == -2000
