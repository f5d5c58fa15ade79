"""Uneven slices made even, only when asked for, and told wherever the voxels go."""

from pathlib import Path

import numpy as np
import pytest

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.dicom.read import list_dicom, read_dicom
from tests.io.dicom.dicom_files import at, ct_series, slice_file


@pytest.mark.parametrize(
    ("places", "wanted"),
    [
        ((0, 10, 20, 40, 50), (0, 10, 20, 30, 40, 50)),
        ((0, 10, 20, 50, 60), (0, 10, 20, 30, 40, 50, 60)),
        ((0, 10, 20, 30, 50, 70, 90), (0, 10, 20, 30, 40, 50, 60, 70, 80, 90)),
        ((0, 50, 100, 125, 150, 174), (0, 25, 50, 75, 100, 125, 150)),
        ((0, 40, 100), (0, 40, 80)),
    ],
)
def test_slices_lie_on_the_smallest_usual_distance(
    tmp_path: Path, places: tuple[int, ...], wanted: tuple[int, ...]
) -> None:
    """Each slice holds its own position, so that linear interpolation along the normal gives the position again."""
    folder = at(tmp_path, places)
    with pytest.raises(UnreadableInputError, match=r"resample=True"):
        read_dicom(folder)
    volume = read_dicom(folder, resample=True)
    assert volume.grid.to_mm([(0, 0, k) for k in range(volume.grid.shape[2])])[:, 2].tolist() == pytest.approx(wanted)
    assert volume.voxels[1, 1].tolist() == list(wanted) and volume.voxels.dtype == np.int16


def test_what_was_done_is_said_once_for_people_and_once_for_files(tmp_path: Path) -> None:
    volume = read_dicom(at(tmp_path, (0, 2.5, 5, 10)), resample=True)
    assert volume.resampled == (
        "Slices were resampled: 4 at distances of 2.50 to 5.00 mm became 5 at 2.50 mm, 1 of them interpolated between "
        "their neighbours."
    )
    assert volume.warnings == (volume.resampled,)


def test_a_listed_series_says_what_resampling_would_make_of_it(tmp_path: Path) -> None:
    folder = at(tmp_path, (0, 2.5, 5, 10))
    (info,), volume = list_dicom(folder), read_dicom(folder, resample=True)
    assert info.shape == (2, 2, 4) and info.refused is not None
    then = info.if_resampled
    assert (then.shape, then.spacing_mm, then.orientation) == ((2, 2, 5), volume.grid.spacing_mm, "LPS")
    assert (then.refused, then.warnings, then.uid) == (None, (volume.resampled,), info.uid)


def test_resampling_is_advised_where_it_is_asked_to_open_and_helps(tmp_path: Path) -> None:
    """A list says it in a field: its reader, a window say, has another way to ask than an option."""
    advice = "export the series again, or open it with --resample (in Python: resample=True)."
    with pytest.raises(UnreadableInputError) as caught:
        read_dicom(at(tmp_path / "a", (0, 1, 2, 4)))
    assert str(caught.value).endswith(advice)
    assert str(list_dicom(tmp_path / "a")[0].refused).endswith("a slice is probably missing: export the series again.")
    for folder, places in (("doubled", (0, 1, 1, 2)), ("wild", (0, 0.1, 100))):
        with pytest.raises(UnreadableInputError) as caught:
            read_dicom(at(tmp_path / folder, places))
        (info,) = list_dicom(tmp_path / folder)
        assert "resample" not in str(caught.value) and info.evened is None and info.if_resampled is info


def test_slices_that_are_even_already_are_left_alone(tmp_path: Path) -> None:
    folder = ct_series(tmp_path)
    assert list_dicom(folder)[0].evened is None
    plain, asked = read_dicom(folder), read_dicom(folder, resample=True)
    assert asked.resampled == "" and np.array_equal(plain.voxels, asked.voxels) and plain.grid.matches(asked.grid)


def test_a_tilted_stack_is_resampled_along_its_tilt(tmp_path: Path) -> None:
    folder = ct_series(tmp_path, 6, (0, 1, 2.5))
    (folder / "003.dcm").unlink()
    volume = read_dicom(folder, resample=True)
    assert np.allclose(volume.grid.affine[:3, 2], (0, 1, 2.5)) and volume.grid.shape[2] == 6
    i, j, k = np.indices((4, 3, 6))
    assert np.array_equal(volume.voxels, 100 * k + 10 * j + i)


def test_fractions_and_colours_are_interpolated_too(tmp_path: Path) -> None:
    at(tmp_path / "pet", (0, 10, 30), RescaleSlope=0.5)
    assert read_dicom(tmp_path / "pet", resample=True).voxels[0, 0].tolist() == [0, 5, 10, 15]
    for z in (0, 1, 3):
        pixels = np.full((2, 2, 3), 10 * z, np.uint8)
        colours = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
        slice_file(tmp_path / "rgb" / str(z), pixels, (0, 0, z), **colours)
    assert read_dicom(tmp_path / "rgb", resample=True).voxels[0, 0, :, 1].tolist() == [0, 10, 20, 30]


def test_a_doubled_or_shifted_slice_is_still_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInputError, match="two slices lie at"):
        read_dicom(at(tmp_path / "a", (0, 1, 1, 2)), resample=True)
    folder = at(tmp_path / "b", (0, 1, 3, 4))
    slice_file(folder / "more", np.zeros((2, 2), np.int16), (0.5, 0, 2))
    with pytest.raises(UnreadableInputError, match="beside its place"):
        read_dicom(folder, resample=True)


def test_slices_without_any_usual_distance_are_still_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInputError, match="mm apart, but"):
        read_dicom(at(tmp_path, (0, 0.1, 100)), resample=True)
