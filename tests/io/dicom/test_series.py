"""Which slices make a volume: mixtures in a folder are told apart, by as little as it takes."""

from pathlib import Path

import numpy as np
import pytest

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.dicom.read import list_dicom, read_dicom
from tests.io.dicom.dicom_files import SERIES, at, ct_series, slice_file

SAGITTAL = [0, 1, 0, 0, 0, -1]
SAME_PLACE = {
    "acquisition": {"AcquisitionNumber": 2},
    "echo": {"EchoTime": 80},
    "time point": {"TemporalPositionIdentifier": 2},
    "b-value": {"DiffusionBValue": 900.0},
    "trigger time": {"TriggerTime": 40},
    "image type": {"ImageType": ["DERIVED", "PRIMARY", "PHASE"]},
    "folder": {},
}
ELSEWHERE = {
    "series": {"SeriesInstanceUID": "1.2.3"},
    "orientation": {"ImageOrientationPatient": SAGITTAL},
    "pixel spacing": {"PixelSpacing": [1.0, 1.0]},
    "frame of reference": {"FrameOfReferenceUID": "1.2.3.5"},
    "grey scale": {"PhotometricInterpretation": "MONOCHROME1"},
}
FIRST = {
    "AcquisitionNumber": 1,
    "EchoTime": 10,
    "TemporalPositionIdentifier": 1,
    "DiffusionBValue": 0.0,
    "TriggerTime": 0,
    "ImageType": ["ORIGINAL", "PRIMARY", "M"],
}


@pytest.mark.parametrize("mixture", [*SAME_PLACE, *ELSEWHERE])
def test_two_volumes_in_one_folder_are_told_apart(tmp_path: Path, mixture: str) -> None:
    step = (2.5, 0, 0) if mixture == "orientation" else (0, 0, 2.5)
    ct_series(tmp_path / "a", **FIRST)
    ct_series(tmp_path / "b", step=step, **FIRST | {**SAME_PLACE, **ELSEWHERE}[mixture])
    infos = list_dicom(tmp_path)
    assert [i.refused for i in infos] == [None, None] and [i.shape[2] for i in infos] == [5, 5]
    assert len({i.uid for i in infos}) == 2
    with pytest.raises(UnreadableInputError, match="2 series; name one"):
        read_dicom(tmp_path)
    assert all(read_dicom(tmp_path, i.uid).grid.shape == (4, 3, 5) for i in infos)


def test_sizes_and_a_localiser_in_one_series_are_kept_apart(tmp_path: Path) -> None:
    ct_series(tmp_path / "a")
    ct_series(tmp_path / "b", step=(2.5, 0, 0), ImageOrientationPatient=SAGITTAL)
    slice_file(tmp_path / "c", np.zeros((7, 7), np.int16), (0, 0, 0))
    scout = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}
    slice_file(tmp_path / "d", np.zeros((3, 4), np.int16), (0, 0, 0), **scout)
    assert sorted(i.shape for i in list_dicom(tmp_path)) == [(4, 3, 1), (4, 3, 5), (4, 3, 5), (7, 7, 1)]
    assert {i.uid for i in list_dicom(tmp_path)} == {f"{SERIES}#{n}" for n in (1, 2, 3, 4)}
    with pytest.raises(UnreadableInputError, match="holds 4 series"):
        read_dicom(tmp_path, SERIES)


@pytest.mark.parametrize("keyword", ["EchoTime", "AcquisitionNumber", "DiffusionBValue"])
def test_what_tells_volumes_apart_is_in_their_description(tmp_path: Path, keyword: str) -> None:
    for number in (1, 2):
        ct_series(tmp_path / str(number), **{keyword: number})
    for number, info in zip((1, 2), list_dicom(tmp_path), strict=True):
        assert info.description.startswith("Abdomen ") and str(number) in info.description


def test_what_differs_without_need_does_not_split_a_series(tmp_path: Path) -> None:
    for k in range(6):
        slice_file(tmp_path / f"{k}", np.zeros((3, 4), np.int16), (0, 0, k), AcquisitionNumber=k % 2, EchoTime=k)
    assert [i.shape[2] for i in list_dicom(tmp_path)] == [6]


@pytest.mark.parametrize("keyword", ["EchoTime", "TemporalPositionIdentifier", "DiffusionBValue"])
def test_contrasts_whose_slices_take_turns_are_two_volumes(tmp_path: Path, keyword: str) -> None:
    at(tmp_path / "a", (0, 2, 4, 6), **{keyword: 1})
    at(tmp_path / "b", (1, 3, 5, 7), **{keyword: 2})
    infos = list_dicom(tmp_path)
    assert [(i.shape[2], i.spacing_mm[2]) for i in infos] == [(4, 2.0), (4, 2.0)]


def test_acquisitions_that_take_turns_do_not_hide_a_missing_slice(tmp_path: Path) -> None:
    for z in (0, 1, 2, 4, 5):
        slice_file(tmp_path / str(z), np.zeros((2, 2), np.int16), (0, 0, z), AcquisitionNumber=z % 2)
    (info,) = list_dicom(tmp_path)
    assert "2.00 mm between 2.00 and 4.00 mm" in str(info.refused)


def test_acquisitions_behind_each_other_with_a_gap_between_are_two_volumes(tmp_path: Path) -> None:
    at(tmp_path / "a", (0, 1, 2, 3), AcquisitionNumber=1)
    at(tmp_path / "b", (20, 21, 22), AcquisitionNumber=2)
    assert [(i.shape[2], i.refused) for i in list_dicom(tmp_path)] == [(4, None), (3, None)]


def test_a_missing_slice_of_one_echo_does_not_spoil_the_other(tmp_path: Path) -> None:
    at(tmp_path / "a", (0, 1, 2, 3, 4), EchoTime=10)
    at(tmp_path / "b", (0, 1, 3, 4), EchoTime=80)
    whole, broken = sorted(list_dicom(tmp_path), key=lambda i: -i.shape[2])
    assert whole.refused is None and whole.shape[2] == 5
    assert "2.00 mm between 1.00 and 3.00 mm" in str(broken.refused)


@pytest.mark.filterwarnings("ignore:.*allowed for VR UI:UserWarning", "ignore:Invalid value for VR UI:UserWarning")
@pytest.mark.parametrize("uid", ["", "../../etc/passwd", "Secret^Person", "1.2\n3", "1" * 70])
def test_without_a_valid_series_uid_a_folder_and_a_description_make_a_series(tmp_path: Path, uid: str) -> None:
    ct_series(tmp_path / "a", SeriesInstanceUID=uid)
    ct_series(tmp_path / "a" / "more", SeriesInstanceUID=uid, SeriesNumber=6)
    ct_series(tmp_path / "b", SeriesInstanceUID=uid)
    infos = list_dicom(tmp_path)
    assert [i.shape[2] for i in infos] == [5, 5, 5] and len({i.uid for i in infos}) == 3
    assert all(i.uid.startswith("2.25.") and i.uid[5:].isdecimal() and len(i.uid) <= 64 for i in infos)
    assert [i.uid for i in list_dicom(tmp_path)] == [i.uid for i in infos]
    volume = read_dicom(tmp_path, infos[0].uid)
    assert "no valid Series Instance UID" in volume.warnings[0] and volume.series_uid == infos[0].uid


def test_other_uids_may_be_blank(tmp_path: Path) -> None:
    blank = dict.fromkeys(("FrameOfReferenceUID", "SOPInstanceUID"), "")
    volume = read_dicom(ct_series(tmp_path, **blank))
    assert (volume.grid.shape[2], volume.grid.frame_of_reference, volume.warnings) == (5, "", ())
