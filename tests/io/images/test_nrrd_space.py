"""Where an NRRD image lies: exactly what its text says, what ITK makes of it, and what is missing is said."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from numpy.typing import NDArray

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.formats import read_volume
from napari_segsam.io.images.layout import UNPLACED
from napari_segsam.io.images.units import NO_SPACING, NO_UNIT
from tests.core.grids import AXIS_CODES, affine_of, affines
from tests.io.images.text_files import ARRAY, nrrd

NO_ORIGIN = "The file does not say where its first voxel lies; it is put at 0, 0, 0 mm."
SHEARED = "space directions: (2,0.5,0) (0,3,0.25) (0,0,4)\nspace origin: (5,6,7)"


def vectors(affine: NDArray[np.float64]) -> str:
    columns = [f"({','.join(repr(float(x)) for x in column)})" for column in affine[:3].T]
    return f"space directions: {' '.join(columns[:3])}\nspace origin: {columns[3]}"


def corner_in_itk(path: Path) -> NDArray[np.float64]:
    image = sitk.ReadImage(str(path))
    return np.array(image.TransformIndexToPhysicalPoint([n - 1 for n in image.GetSize()]))


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("left-posterior-superior", (1, 1, 1)),
        ("LPS", (1, 1, 1)),
        ("right-anterior-superior", (-1, -1, 1)),
        ("ras", (-1, -1, 1)),
        ("Left-Anterior-Superior", (1, -1, 1)),
        ("LAS", (1, -1, 1)),
    ],
)
def test_every_patient_space_becomes_lps_as_in_itk(tmp_path: Path, space: str, signs: tuple[int, ...]) -> None:
    path = nrrd(tmp_path / "scan.nrrd", place=f"space: {space}\n{SHEARED}")
    volume = read_volume(path)
    expected = np.diag([*signs, 1.0]) @ np.array([[2, 0, 0, 5], [0.5, 3, 0, 6], [0, 0.25, 4, 7], [0, 0, 0, 1]])
    assert np.array_equal(volume.grid.affine, expected) and volume.warnings == ()
    assert np.abs(volume.grid.to_mm((1, 2, 3)) - corner_in_itk(path)).max() < 1e-9


@pytest.mark.parametrize(
    "space", ["space: scanner-xyz", "space: 3D-right-handed", "space: 3D-left-handed", "space dimension: 3"]
)
def test_a_space_of_no_patient_is_taken_as_lps_and_said(tmp_path: Path, space: str) -> None:
    path = nrrd(tmp_path / "scan.nrrd", place=f"{space}\n{SHEARED}")
    volume = read_volume(path)
    assert volume.warnings == (UNPLACED,)
    assert np.abs(volume.grid.to_mm((1, 2, 3)) - corner_in_itk(path)).max() < 1e-9


def test_all_48_index_orders_are_kept_exactly(tmp_path: Path) -> None:
    for codes in AXIS_CODES:
        path = nrrd(tmp_path / "scan.nrrd", place=f"space: LPS\n{vectors(affine_of(codes))}")
        volume = read_volume(path)
        assert volume.grid.axis_codes == codes and np.array_equal(volume.grid.affine, affine_of(codes))


@given(affine=affines())
def test_a_sheared_affine_is_kept_to_the_last_digit(
    affine: NDArray[np.float64], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = nrrd(tmp_path_factory.mktemp("nrrd") / "scan.nrrd", place=f"space: LPS\n{vectors(affine)}")
    assert np.array_equal(read_volume(path).grid.affine, affine)
    assert np.abs(read_volume(path).grid.to_mm((1, 2, 3)) - corner_in_itk(path)).max() < 1e-6


def test_the_measurement_frame_is_the_vectors_own_and_left_alone(tmp_path: Path) -> None:
    frame = "measurement frame: (0,1,0) (1,0,0) (0,0,-1)"
    plain = read_volume(nrrd(tmp_path / "a.nrrd"))
    framed = read_volume(
        nrrd(tmp_path / "b.nrrd", frame, "centerings: cell cell cell", "thicknesses: 9 9 9", "content: x")
    )
    assert np.array_equal(framed.grid.affine, plain.grid.affine) and framed.warnings == ()


def test_spacings_alone_are_used_and_said_not_to_place_it(tmp_path: Path) -> None:
    volume = read_volume(nrrd(tmp_path / "scan.nrrd", "spacings: 2 3 4", place=""))
    assert np.array_equal(volume.grid.affine, np.diag([2, 3, 4, 1])) and volume.warnings == (UNPLACED,)
    for line in ("spacings: 2 NaN 4", "spacings: nan nan nan", "kinds: domain domain domain"):
        assert read_volume(nrrd(tmp_path / "scan.nrrd", line, place="")).warnings == (UNPLACED, NO_SPACING)
    metres = read_volume(nrrd(tmp_path / "scan.nrrd", "spacings: 2 3 4", 'units: "m" "cm" "um"', place=""))
    assert metres.grid.spacing_mm == (2000, 30, 0.004) and len(metres.warnings) == 4


@pytest.mark.parametrize(
    ("units", "scale", "said"),
    [('"mm" "mm" "mm"', 1.0, 0), ('"um" "um" "um"', 0.001, 1), ('"cm" "cm" "cm"', 10.0, 1), ('"" "" ""', 1.0, 0)],
)
def test_units_of_space_become_millimetres(tmp_path: Path, units: str, scale: float, said: int) -> None:
    plain = read_volume(nrrd(tmp_path / "a.nrrd")).grid
    volume = read_volume(nrrd(tmp_path / "b.nrrd", f"space units: {units}"))
    assert np.allclose(volume.grid.affine[:3], plain.affine[:3] * scale) and len(volume.warnings) == said


def test_an_unknown_unit_is_said(tmp_path: Path) -> None:
    assert read_volume(nrrd(tmp_path / "a.nrrd", 'space units: "inch" "inch" "inch"')).warnings == (NO_UNIT,)


def test_a_missing_origin_is_said(tmp_path: Path) -> None:
    volume = read_volume(nrrd(tmp_path / "a.nrrd", place="space: LPS\nspace directions: (2,0,0) (0,3,0) (0,0,4)"))
    assert volume.warnings == (NO_ORIGIN,) and np.array_equal(volume.grid.affine, np.diag([2, 3, 4, 1]))


def test_a_flat_image_may_lie_anywhere_in_space(tmp_path: Path) -> None:
    place = "space: LPS\nspace directions: (0,2,0) (0,0,-3)\nspace origin: (5,6,7)"
    volume = read_volume(nrrd(tmp_path / "a.nrrd", array=ARRAY[..., 0], place=place))
    assert volume.grid.shape == (2, 3, 1) and volume.grid.spacing_mm == (2, 3, 1)
    assert np.array_equal(volume.grid.to_mm((1, 1, 0)), (5, 8, 4)) and np.array_equal(
        volume.voxels[..., 0], ARRAY[..., 0]
    )


def test_time_may_be_a_fourth_direction_of_space(tmp_path: Path) -> None:
    array = np.arange(48, dtype=np.int16).reshape(2, 3, 4, 2)
    place = "space: {}\nspace directions: (2,0,0,0) (0,3,0,0) (0,0,4,0) (0,0,0,9)\nspace origin: (5,6,7,8)"
    for space, first in (("RAST", (-5, -6, 7)), ("left-posterior-superior-time", (5, 6, 7))):
        volume = read_volume(nrrd(tmp_path / "a.nrrd", array=array, place=place.format(space)), series="#2")
        assert np.array_equal(volume.grid.to_mm((0, 0, 0)), first) and np.array_equal(volume.voxels, array[..., 1])
    coupled = place.format("LPST").replace("(0,3,0,0)", "(0,3,0,1)")
    with pytest.raises(UnreadableInputError, match="axes in space"):
        read_volume(nrrd(tmp_path / "a.nrrd", array=array, place=coupled), series="#2")


@pytest.mark.parametrize(
    "place",
    [
        "space: middle-of-nowhere\n" + SHEARED,
        SHEARED,
        "space dimension: 7\n" + SHEARED,
        "space: LPS\nspace directions: (2,0,0) (0,3,0)",
        "space: LPS\nspace directions: (2,0,0) (0,3,0) (0,0,4) (0,0,1)",
        "space: LPS\nspace directions: (2,0,0) (0,3,0) (0,0)",
        "space: LPS\nspace directions: (2,0,0) (0,3,0) (0,0,4",
        "space: LPS\nspace directions: (2,0,0) (0,3,0) 4",
        "space: LPS\nspace directions: (2,0,0) (0,3,0) (0,0,0)",
        "space: LPS\nspace directions: (2,0,0) (0,3,0) (1,1,0)",
        "space: LPS\nspace directions: (2,0,0) (0,3,0) (0,0,inf)",
        "space: LPS\nspace directions: (2,0,0) (0,3,0) (0,nan,4)",
        "space: LPS\nspace directions: (2,0,0) (0,3,0) (0,0,1e300)",
        "space: LPS\nspace directions: (2,0,0) none none",
        "space: LPS\nspace directions: (2,0,0) (0,3,0) (0,0,4)\nspace origin: (0,0)",
        "space: LPS\nspace directions: (2,0,0) (0,3,0) (0,0,4)\nspace origin: (0,0,1e12)",
        "kinds: domain list list",
        "kinds: domain domain",
        "spacings: 1 2",
        "spacings: 1 2 x",
        "spacings: 1 2 0",
    ],
)
def test_a_space_that_places_nothing_is_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(UnreadableInputError, match=r"scan\.nrrd"):
        read_volume(nrrd(tmp_path / "scan.nrrd", place=place))
