"""Where a NIfTI image lies: the precedence that the reference page states, and nibabel's affine to the last digit."""

from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.grid import LPS_RAS
from napari_segsam.core.volume import Volume
from napari_segsam.io.formats import read_volume
from napari_segsam.io.images.units import NO_SPACING, NO_UNIT
from tests.core.grids import AXIS_CODES, affine_of, affines, rotation
from tests.io.images.nifti_files import saved

ARRAY = np.zeros((4, 5, 6), np.int16)
GUESS = "The file does not say how it lies in the patient: left and right are a guess."


def two_placings(path: Path, qform: NDArray[np.float64], sform: NDArray[np.float64], codes: tuple[int, int]) -> Path:
    image = nib.Nifti1Image(ARRAY, None)
    image.header.set_xyzt_units("mm")
    image.set_qform(qform, codes[0])
    image.set_sform(sform, codes[1])
    image.header["qform_code"], image.header["sform_code"] = codes
    path.write_bytes(image.to_bytes())
    return path


def agrees_with_nibabel(volume: Volume, path: Path) -> bool:
    return np.array_equal(LPS_RAS @ volume.grid.affine, nib.load(path).affine)


def test_the_affine_is_exactly_the_files_for_all_48_index_orders(tmp_path: Path) -> None:
    for codes in AXIS_CODES:
        path = saved(tmp_path / "scan.nii.gz", np.arange(24, dtype=np.int16).reshape(2, 3, 4), affine_of(codes))
        volume = read_volume(path)
        assert volume.grid.axis_codes == codes and agrees_with_nibabel(volume, path)


@given(affine=affines())
def test_a_sheared_affine_is_kept(affine: NDArray[np.float64], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = saved(tmp_path_factory.mktemp("nifti") / "scan.nii", ARRAY, affine, qform_code=0)
    volume = read_volume(path)
    assert agrees_with_nibabel(volume, path) and volume.warnings == ()


@pytest.mark.parametrize("codes", list(product(range(4), repeat=2)))
def test_the_sform_counts_before_the_qform_for_all_16_pairs_of_codes(tmp_path: Path, codes: tuple[int, int]) -> None:
    qform, sform = affine_of("LAS"), affine_of("PIR")
    qform[:3, :3] = rotation((0.1, 0.2, 0.3)) @ qform[:3, :3]
    path = two_placings(tmp_path / "scan.nii", qform, sform, codes)
    volume = read_volume(path)
    assert agrees_with_nibabel(volume, path)
    said = {(False, False): [GUESS], (True, True): ["The file's sform and qform disagree by up to"]}
    expected = said.get((codes[0] > 0, codes[1] > 0), [])
    assert [w[: len(e)] for w, e in zip(volume.warnings, expected, strict=True)] == expected


@pytest.mark.parametrize(("moved_mm", "warned"), [(0.0, False), (0.005, False), (0.02, True), (400.0, True)])
def test_a_conflict_is_said_from_a_hundredth_of_a_millimetre(tmp_path: Path, moved_mm: float, warned: bool) -> None:
    moved = affine_of("RAS")
    moved[1, 3] += moved_mm
    volume = read_volume(two_placings(tmp_path / "scan.nii", affine_of("RAS"), moved, (1, 1)))
    assert bool(volume.warnings) == warned


def test_a_conflict_of_turned_axes_is_measured_at_the_far_corner(tmp_path: Path) -> None:
    turned = np.eye(4)
    turned[:3, :3] = rotation((0.0, 0.0, 0.01))
    volume = read_volume(two_placings(tmp_path / "scan.nii", turned, np.eye(4), (1, 1)))
    far = np.hypot(3, 4) * 2 * np.sin(0.005)
    assert f"by up to {far:.2f} mm" in volume.warnings[0]


@pytest.mark.parametrize(("unit", "scale"), [(1, 1000.0), (2, 1.0), (3, 0.001)])
def test_every_unit_of_length_becomes_millimetres(tmp_path: Path, unit: int, scale: float) -> None:
    volume = read_volume(saved(tmp_path / "scan.nii", ARRAY, affine_of("LPS", (1, 2, 4)), xyzt_units=unit | 8))
    assert volume.grid.spacing_mm == (1 * scale, 2 * scale, 4 * scale)
    assert np.allclose(volume.grid.affine[:3, 3], np.array([-31.0, 12.5, 407.0]) * scale)
    assert len(volume.warnings) == (unit != 2)


@pytest.mark.parametrize("unit", [0, 4, 5, 6, 7])
def test_no_unit_of_length_is_taken_as_millimetres_and_said(tmp_path: Path, unit: int) -> None:
    volume = read_volume(saved(tmp_path / "scan.nii", ARRAY, affine_of("LPS", (1, 2, 4)), xyzt_units=unit))
    assert volume.grid.spacing_mm == (1, 2, 4) and volume.warnings == (NO_UNIT,)


@pytest.mark.parametrize("qfac", [1.0, -1.0, 0.0])
def test_qfac_turns_the_third_axis_and_zero_means_one(tmp_path: Path, qfac: float) -> None:
    path = saved(tmp_path / "scan.nii", ARRAY, qform_code=1, sform_code=0, pixdim=[qfac, 1, 2, 3, 0, 0, 0, 0])
    volume = read_volume(path)
    assert agrees_with_nibabel(volume, path)
    assert np.sign(np.linalg.det(volume.grid.affine[:3, :3])) == (qfac or 1.0)


def placed_by_qform(path: Path, **fields: object) -> Path:
    return saved(path, ARRAY, qform_code=1, sform_code=0, **fields)


@pytest.mark.parametrize("bad", [-2.0, np.nan, np.inf])
@pytest.mark.parametrize("codes", [(1, 0), (0, 0)])
def test_voxel_sizes_that_are_needed_must_be_sizes(tmp_path: Path, bad: float, codes: tuple[int, int]) -> None:
    sizes = [1, 1, bad, 1, 0, 0, 0, 0]
    path = saved(tmp_path / "scan.nii", ARRAY, pixdim=sizes, qform_code=codes[0], sform_code=codes[1])
    with pytest.raises(UnreadableInputError, match=r"scan\.nii.*convert"):
        read_volume(path)
    with_sform = saved(tmp_path / "scan.nii", ARRAY, affine_of("RAS"), pixdim=sizes, qform_code=0)
    assert agrees_with_nibabel(read_volume(with_sform), with_sform)


def test_a_voxel_size_of_zero_is_one_millimetre_and_said(tmp_path: Path) -> None:
    path = placed_by_qform(tmp_path / "scan.nii", pixdim=[1, 2, 0, 3, 0, 0, 0, 0])
    volume = read_volume(path)
    assert volume.grid.spacing_mm == (2, 1, 3) and volume.warnings == (NO_SPACING,)
    assert agrees_with_nibabel(volume, path)


@pytest.mark.parametrize("fields", [{"pixdim": [0.5, 1, 1, 1, 0, 0, 0, 0]}, {"quatern_b": 0.9, "quatern_c": 0.9}])
def test_a_damaged_qform_is_refused_where_it_counts_and_said_where_it_does_not(
    tmp_path: Path, fields: dict[str, object]
) -> None:
    with pytest.raises(UnreadableInputError, match="no usable affine"):
        read_volume(placed_by_qform(tmp_path / "scan.nii", **fields))
    volume = read_volume(saved(tmp_path / "scan.nii", ARRAY, affine_of("RAS"), qform_code=1, **fields))
    assert volume.grid.axis_codes == "RAS" and volume.warnings == ("The file's qform is damaged; its sform is used.",)


@pytest.mark.parametrize("fields", [{"sform_code": -1}, {"sform_code": 99}, {"qform_code": 6}])
def test_codes_that_the_standard_does_not_know_are_refused(tmp_path: Path, fields: dict[str, object]) -> None:
    with pytest.raises(UnreadableInputError, match="not a NIfTI code"):
        read_volume(saved(tmp_path / "scan.nii", ARRAY, **fields))


@pytest.mark.parametrize(
    "fields",
    [{"srow_x": [0, 0, 0, 0]}, {"srow_y": [1, 0, 0, 0]}, {"srow_z": [0, np.nan, 1, 0]}, {"srow_x": [np.inf] * 4}],
)
def test_an_affine_that_places_nothing_is_refused(tmp_path: Path, fields: dict[str, object]) -> None:
    with pytest.raises(UnreadableInputError, match="no usable affine"):
        read_volume(saved(tmp_path / "scan.nii", ARRAY, np.eye(4), **fields))


def test_a_flat_image_may_leave_its_third_axis_out(tmp_path: Path) -> None:
    flat = saved(tmp_path / "flat.nii", np.zeros((2, 3), np.int16), srow_x=[2, 0, 0, 1], srow_z=[0, 0, 0, 0])
    affine = read_volume(flat).grid.affine
    assert np.linalg.norm(affine[:3, 2]) == 1 and np.allclose(affine[:3, :2].T @ affine[:3, 2], 0)


@given(at=st.integers(252, 327), value=st.integers(0, 255))
def test_any_byte_of_the_placing_gives_what_nibabel_says_or_a_sentence(
    at: int, value: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("placing") / "scan.nii"
    whole = bytearray(two_placings(path, affine_of("RAS"), affine_of("PIR"), (0, 1)).read_bytes())
    whole[at] = value
    path.write_bytes(whole)
    try:
        volume = read_volume(path)
    except UnreadableInputError as error:
        assert str(error).startswith("scan.nii")
    else:
        assert agrees_with_nibabel(volume, path)
