"""Slices as a grid: where they say they lie, or refused with the gap and its place."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.dicom.read import list_dicom, read_dicom
from tests.core.grids import rotation
from tests.io.dicom.dicom_files import at, ct_series, slice_file


@settings(max_examples=20)
@given(
    angles=st.tuples(*[st.floats(-3, 3)] * 3),
    tilt=st.floats(-0.5, 0.5),
    sideways=st.floats(-0.5, 0.5),
    count=st.integers(2, 6),
)
def test_any_orientation_and_gantry_tilt_puts_voxels_where_the_slices_say(
    angles: tuple[float, float, float],
    tilt: float,
    sideways: float,
    count: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    turn = rotation(angles)
    step = turn @ np.array([sideways, tilt, 2.5])
    orientation = [round(float(v), 9) for v in (*turn[:, 0], *turn[:, 1])]
    folder = ct_series(tmp_path_factory.mktemp("dicom"), count, step, ImageOrientationPatient=orientation)
    volume = read_dicom(folder)
    for k in range(count):
        wanted = np.array([-10.0, 20.0, 30.0]) + k * step + turn[:, 0] * 0.75 * 3 + turn[:, 1] * 0.5 * 2
        assert np.abs(volume.grid.to_mm((3, 2, k)) - wanted).max() < 1e-3
        assert volume.voxels[3, 2, k] == 100 * k + 23


@pytest.mark.parametrize("degrees", [-30, 30])
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_a_tilted_gantry_is_kept_to_a_thousandth_of_a_millimetre(tmp_path: Path, degrees: int, plane: str) -> None:
    row, col = {
        "axial": ((1, 0, 0), (0, 1, 0)),
        "coronal": ((1, 0, 0), (0, 0, -1)),
        "sagittal": ((0, 1, 0), (0, 0, -1)),
    }[plane]
    step = 2.5 * np.cross(row, col) + 2.5 * np.tan(np.radians(degrees)) * np.array(col)
    volume = read_dicom(ct_series(tmp_path, 9, step, ImageOrientationPatient=[*row, *col]))
    wanted = np.array([-10.0, 20.0, 30.0]) + 8 * step + 3 * 0.75 * np.array(row) + 2 * 0.5 * np.array(col)
    assert np.abs(volume.grid.to_mm((3, 2, 8)) - wanted).max() < 1e-3
    assert volume.warnings == ()


def test_directions_that_lean_are_kept_as_the_header_says(tmp_path: Path) -> None:
    leaning = [1, 0, 0, 0.01, 0.99995, 0]
    volume = read_dicom(ct_series(tmp_path, ImageOrientationPatient=leaning))
    assert np.allclose(volume.grid.affine[:3, 1], np.array([0.01, 0.99995, 0]) * 0.5, atol=1e-12)


@pytest.mark.parametrize("gone", [1, 2, 3])
def test_a_missing_slice_is_refused_with_the_gap_and_its_place(tmp_path: Path, gone: int) -> None:
    folder = ct_series(tmp_path)
    (folder / f"{5 - gone:03d}.dcm").unlink()
    low, high = 30 + (gone - 1) * 2.5, 30 + (gone + 1) * 2.5
    sentence = f"2.50 mm apart, but 5.00 mm between {low:.2f} and {high:.2f} mm; a slice is probably missing"
    with pytest.raises(UnreadableInputError, match=sentence):
        read_dicom(folder)
    assert sentence in str(list_dicom(folder)[0].refused)


def test_several_gaps_are_counted(tmp_path: Path) -> None:
    folder = at(tmp_path, (0, 1, 2, 6, 7, 8, 10, 11))
    with pytest.raises(UnreadableInputError, match=r"4\.00 mm between 2\.00 and 6\.00 mm \(and 1 more such\); 3 s"):
        read_dicom(folder)


@pytest.mark.parametrize("moved", range(1, 5))
@pytest.mark.parametrize("by", [0.06, -0.3])
def test_any_slice_that_lies_beside_its_place_is_found(tmp_path: Path, moved: int, by: float) -> None:
    places = [2.5 * k + (by if k == moved else 0) for k in range(6)]
    assert "mm apart, but" in str(list_dicom(at(tmp_path, places))[0].refused)


def test_slices_that_drift_apart_little_by_little_are_found(tmp_path: Path) -> None:
    gaps = np.cumsum([0.0, *[1.0] * 20, *[1.015] * 20])
    assert "beside its place" in str(list_dicom(at(tmp_path, gaps.tolist()))[0].refused)


def test_a_doubled_slice_is_refused_with_its_place_and_both_files(tmp_path: Path) -> None:
    folder = ct_series(tmp_path)
    (folder / "copy.dcm").write_bytes((folder / "003.dcm").read_bytes())
    with pytest.raises(UnreadableInputError, match=r"two slices lie at 35\.00 mm, 003\.dcm and copy\.dcm"):
        read_dicom(folder)


def test_a_series_that_is_there_twice_says_how_many_images_each_place_holds(tmp_path: Path) -> None:
    for copy in ("a", "b"):
        at(tmp_path, (0, 1, 2))
        for path in (p for p in sorted(tmp_path.iterdir()) if len(p.name) == 3):
            path.rename(tmp_path / f"{path.name}{copy}")
    said = (
        "2 images lie at each of 3 places, such as 000a and 000b, and nothing says which belong together; open single"
    )
    with pytest.raises(UnreadableInputError, match=said):
        read_dicom(tmp_path)


def fine(folder: Path, places: Sequence[float]) -> Path:
    """Slices of a micro-CT at these tenths of a micrometre."""
    return at(folder, [1e-4 * place for place in places], PixelSpacing=[0.01, 0.01])


def test_a_missing_slice_of_a_micro_ct_is_found(tmp_path: Path) -> None:
    (info,) = list_dicom(fine(tmp_path, [100 * k for k in range(12) if k != 5]))
    assert "slices are 0.0100 mm apart, but 0.0200 mm between 0.0400 and 0.0600 mm; a slice is" in str(info.refused)
    volume = read_dicom(tmp_path, resample=True)
    assert volume.grid.shape[2] == 12 and volume.grid.spacing_mm[2] == pytest.approx(0.01)


def test_slices_of_a_micro_ct_may_lie_beside_their_places_by_rounding(tmp_path: Path) -> None:
    assert read_dicom(fine(tmp_path, (0, 110, 200, 290, 400))).grid.spacing_mm[2] == pytest.approx(0.01)


def test_a_slice_moved_sideways_is_refused(tmp_path: Path) -> None:
    folder = ct_series(tmp_path)
    slice_file(folder / "003.dcm", np.zeros((3, 4), np.int16), (-9, 20, 35))
    with pytest.raises(UnreadableInputError, match=r"35\.00 mm, 003\.dcm, lies 1\.00 mm beside its place"):
        read_dicom(folder)


@given(jitter=st.lists(st.floats(-1e-3, 1e-3), min_size=6, max_size=6))
@settings(max_examples=15)
def test_rounded_positions_raise_no_alarm(jitter: list[float], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("jitter")
    for k, shift in enumerate(jitter):
        slice_file(folder / f"{k}", np.zeros((3, 4), np.int16), (shift, -shift, k * 1.25 + shift))
    assert read_dicom(folder).grid.shape[2] == 6


@pytest.mark.parametrize("orientation", [[0, 0, 0, 0, 0, 0], [1, 0, 0, 1, 0, 0]])
def test_an_orientation_that_is_none_is_refused(tmp_path: Path, orientation: list[int]) -> None:
    path = slice_file(tmp_path / "a", np.zeros((3, 4), np.int16), (0, 0, 0), ImageOrientationPatient=orientation)
    with pytest.raises(UnreadableInputError, match="make no grid"):
        read_dicom(path)
