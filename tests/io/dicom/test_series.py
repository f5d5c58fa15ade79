"""Which slices make a volume: mixtures in a folder are told apart, by as little as it takes."""

from collections.abc import Callable
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
    "inversion": {"InversionTime": 350},
    "flip angle": {"FlipAngle": 15},
    "frame of a dynamic PET": {"FrameReferenceTime": 60000},
    "acquisition time": {"AcquisitionTime": "120107.5"},
    "content time": {"ContentTime": "120107.5"},
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
    "InversionTime": 50,
    "FlipAngle": 5,
    "FrameReferenceTime": 0,
    "AcquisitionTime": "120000.5",
    "ContentTime": "120000.5",
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


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"PixelSpacing": [1.0, 1.0]}, "its pixel spacing differs"),
        ({"ImageOrientationPatient": [-1, 0, 0, 0, 1, 0]}, "its orientation differs"),
        ({"Rows": 2}, "its size differs"),
        ({"FrameOfReferenceUID": "1.2.3.5"}, "#2: export"),
    ],
)
def test_a_slice_that_is_missing_because_it_is_another_part_is_not_called_missing(
    tmp_path: Path, fields: dict[str, object], what: str
) -> None:
    for k in range(6):
        rows = 2 if k == 3 and "Rows" in fields else 3
        slice_file(tmp_path / str(k), np.zeros((rows, 4), np.int16), (0, 0, 5 * k), **(fields if k == 3 else {}))
    uneven, single = list_dicom(tmp_path)
    assert single.refused is None and single.shape[2] == 1
    said = str(uneven.refused)
    assert "10.00 mm between 10.00 and 20.00 mm; the slice at 15.00 mm is listed as part #2" in said
    assert what in said and "missing" not in said
    with pytest.raises(UnreadableInputError, match=r"is listed as part #2.* or open it with --resample"):
        read_dicom(tmp_path, uneven.uid)


def test_a_localiser_within_a_gap_is_not_taken_for_the_missing_slice(tmp_path: Path) -> None:
    at(tmp_path / "a", (0, 5, 10, 20, 25))
    slice_file(tmp_path / "b", np.zeros((2, 2), np.int16), (0, 0, 15), ImageOrientationPatient=SAGITTAL)
    assert ["a slice is probably missing" in i.refused for i in list_dicom(tmp_path) if i.refused] == [True]


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


@pytest.mark.parametrize(
    ("keyword", "name", "two"),
    [
        ("AcquisitionNumber", "acquisition", "2"),
        ("EchoTime", "echo time", "2.0 ms"),
        ("InversionTime", "inversion time", "2.0 ms"),
        ("FlipAngle", "flip angle", "2.0°"),
        ("DiffusionBValue", "b-value", "2.0 s/mm²"),
        ("FrameReferenceTime", "frame reference time", "2.0 ms"),
    ],
)
def test_what_tells_volumes_apart_is_in_their_description(tmp_path: Path, keyword: str, name: str, two: str) -> None:
    ct_series(tmp_path / "1")
    ct_series(tmp_path / "2", **{keyword: 2})
    assert [i.description for i in list_dicom(tmp_path)] == [f"Abdomen no {name}", f"Abdomen {name} {two}"]


def test_volumes_are_named_by_their_contrast_and_not_by_their_number(tmp_path: Path) -> None:
    for number, time in enumerate((50, 350)):
        fields = {"AcquisitionNumber": number, "InversionTime": time, "AcquisitionTime": f"12000{number}"}
        for k in range(3):
            slice_file(tmp_path / f"{number}{k}", np.zeros((2, 2), np.int16), (0, 0, k), **fields)
    assert [i.description[8:] for i in list_dicom(tmp_path)] == ["inversion time 50.0 ms", "inversion time 350.0 ms"]


def slice_times(folder: Path, of: Callable[[int, int], str], gone: tuple[int, ...] = ()) -> Path:
    """Two images at each of six places, the n-th of place k with the content time that is given for n and k."""
    for n, k in ((n, k) for n in range(2) for k in range(6) if k not in gone):
        slice_file(folder / f"{n}{k}", np.zeros((2, 2), np.int16), (0, 0, k), ContentTime=of(n, k))
    return folder


def test_times_of_single_slices_do_not_break_volumes_into_slices(tmp_path: Path) -> None:
    for name, of in {"each": lambda n, k: f"12{n:02d}{k:02d}", "twos": lambda n, k: f"12{n:02d}{k // 2:02d}"}.items():
        (info,) = list_dicom(slice_times(tmp_path / name, of))
        assert "2 images lie at each of 6 places, such as 00 and 10, and nothing says which" in str(info.refused)
        assert "export them as several series" in str(info.refused) and "parts" not in str(info.refused)


def test_a_heart_beat_that_differs_from_slice_to_slice_does_not_break_volumes_into_slices(tmp_path: Path) -> None:
    for n, k in ((n, k) for n in range(4) for k in range(3)):
        slice_file(tmp_path / f"{n}{k}", np.zeros((2, 2), np.int16), (0, 0, k), TriggerTime=n * (40 + k))
    (info,) = list_dicom(tmp_path)
    assert "4 images lie at each of 3 places" in str(info.refused)


def test_volumes_that_only_their_time_tells_apart_keep_their_missing_slice(tmp_path: Path) -> None:
    infos = list_dicom(slice_times(tmp_path, lambda n, k: f"1200{n:02d}", gone=(2,)))
    assert [i.description for i in infos] == ["Abdomen content time 120000", "Abdomen content time 120001"]
    assert all("2.00 mm between 1.00 and 3.00 mm" in str(i.refused) for i in infos)


@pytest.mark.parametrize("keyword", ["FrameReferenceTime", "AcquisitionTime", "ContentTime"])
def test_blocks_of_slices_taken_one_after_the_other_do_not_hide_a_missing_slice(tmp_path: Path, keyword: str) -> None:
    for block, places in enumerate(((0, 1, 2, 3), (5, 6, 7))):
        for z in places:
            slice_file(tmp_path / str(z), np.zeros((2, 2), np.int16), (0, 0, z), **{keyword: f"{120000 + block}"})
    (info,) = list_dicom(tmp_path)
    assert "2.00 mm between 3.00 and 5.00 mm" in str(info.refused)


def test_images_at_one_place_are_pictures_of_their_own(tmp_path: Path) -> None:
    for n in range(3):
        slice_file(tmp_path / str(n), np.zeros((2, 2), np.int16), (0, 0, 0), TriggerTime=40 * n)
    assert [(i.shape, i.refused) for i in list_dicom(tmp_path)] == [((2, 2, 1), None)] * 3


def test_parts_are_listed_by_their_number(tmp_path: Path) -> None:
    for n in range(12):
        at(tmp_path / f"{n:02d}", (0, 1), TemporalPositionIdentifier=n)
    infos = list_dicom(tmp_path)
    assert [i.uid for i in infos] == [f"{SERIES}#{n}" for n in range(1, 13)]
    assert [i.description for i in infos] == [f"Abdomen time point {n}" for n in range(12)]


def test_pixel_spacings_that_differ_by_rounding_are_one_volume(tmp_path: Path) -> None:
    for k, spacing in enumerate((0.39064999, 0.39065001) * 3):
        slice_file(tmp_path / str(k), np.zeros((2, 2), np.int16), (0, 0, k), PixelSpacing=[spacing, spacing])
    (info,) = list_dicom(tmp_path)
    assert info.shape == (2, 2, 6) and info.refused is None


def test_pixel_spacings_that_differ_by_more_than_rounding_are_two_volumes(tmp_path: Path) -> None:
    for n, spacing in enumerate((0.0100, 0.0101)):
        at(tmp_path / str(n), (0, 1, 2), PixelSpacing=[spacing, spacing])
    assert sorted(i.spacing_mm[:2] for i in list_dicom(tmp_path)) == [(0.01, 0.01), (0.0101, 0.0101)]


def test_what_differs_without_need_does_not_split_a_series(tmp_path: Path) -> None:
    for k in range(6):
        slice_file(tmp_path / f"{k}", np.zeros((3, 4), np.int16), (0, 0, k), AcquisitionNumber=k % 2, EchoTime=k)
    assert [i.shape[2] for i in list_dicom(tmp_path)] == [6]


@pytest.mark.parametrize(
    "keyword", ["EchoTime", "InversionTime", "FlipAngle", "TemporalPositionIdentifier", "DiffusionBValue"]
)
def test_contrasts_whose_slices_take_turns_are_two_volumes(tmp_path: Path, keyword: str) -> None:
    at(tmp_path / "a", (0, 2, 4, 6), **{keyword: 1}, AcquisitionNumber=1)
    at(tmp_path / "b", (1, 3, 5, 7), **{keyword: 2}, AcquisitionNumber=2)
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
