"""NIfTI in: exact affines, exact intensities, nothing damaged gets through."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_segsam.core.errors import SegsamError, UnreadableInputError
from napari_segsam.core.grid import LPS_RAS
from napari_segsam.io.images.nifti import read_nifti
from tests.core.grids import AXIS_CODES, affine_of, affines


def saved(path: Path, array: NDArray, lps: NDArray[np.float64] | None = None, **header: object) -> Path:  # type: ignore[type-arg]
    """A file by nibabel, with these header fields set afterwards, unscaled."""
    image = nib.Nifti1Image(array, LPS_RAS @ (affine_of("LPS") if lps is None else lps))
    blob = bytearray(image.to_bytes())
    raw = nib.Nifti1Header(bytes(blob[:348]))
    for key, value in header.items():
        raw[key] = value
    blob[:348] = raw.binaryblock
    path.write_bytes(gzip.compress(bytes(blob), 1) if path.suffix == ".gz" else bytes(blob))
    return path


def test_the_affine_is_exactly_the_files(tmp_path: Path) -> None:
    for codes in AXIS_CODES:
        array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
        path = saved(tmp_path / "scan.nii.gz", array, affine_of(codes))
        volume = read_nifti(path)
        assert volume.grid.axis_codes == codes
        assert np.array_equal(LPS_RAS @ volume.grid.affine, nib.load(path).affine)
        assert np.array_equal(volume.voxels, array)


@given(affine=affines())
def test_a_sheared_affine_is_kept(affine: NDArray[np.float64], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = saved(tmp_path_factory.mktemp("nifti") / "scan.nii", np.zeros((3, 4, 5), np.int16), affine)
    assert np.array_equal(LPS_RAS @ read_nifti(path).grid.affine, nib.load(path).affine)


def test_integers_stay_integers_and_a_slope_is_applied(tmp_path: Path) -> None:
    array = np.array([[[-1024, 0, 3000]]], np.int16)
    assert read_nifti(saved(tmp_path / "a.nii", array)).voxels.dtype == np.int16
    whole = read_nifti(saved(tmp_path / "b.nii", array, scl_slope=2, scl_inter=-24)).voxels
    assert whole.dtype == np.int16 and whole.ravel().tolist() == [-2072, -24, 5976]
    real = read_nifti(saved(tmp_path / "c.nii", array, scl_slope=0.1, scl_inter=1)).voxels
    assert real.dtype == np.float32 and np.allclose(real.ravel(), [-101.4, 1.0, 301.0])
    none = read_nifti(saved(tmp_path / "d.nii", array, scl_slope=0, scl_inter=7)).voxels
    assert none.ravel().tolist() == [-1024, 0, 3000]


@pytest.mark.parametrize("kind", ["u1", "i1", "<i2", ">i2", "u2", "i4", "u4", "f4", "f8", ">f4"])
def test_every_type_and_byte_order_is_read(tmp_path: Path, kind: str) -> None:
    array = np.arange(1, 25).reshape(2, 3, 4).astype(kind)
    image = nib.Nifti1Image(array, np.eye(4), nib.Nifti1Header(endianness=">" if kind[0] == ">" else "<"))
    image.header.set_data_dtype(array.dtype)
    nib.save(image, tmp_path / "scan.nii.gz")
    voxels = read_nifti(tmp_path / "scan.nii.gz").voxels
    assert voxels.dtype.isnative and np.array_equal(voxels, array)


def test_nifti_2_is_read(tmp_path: Path) -> None:
    nib.save(nib.Nifti2Image(np.ones((2, 3, 4), np.uint8), np.eye(4)), tmp_path / "scan.nii.gz")
    assert read_nifti(tmp_path / "scan.nii.gz").grid.shape == (2, 3, 4)


def test_two_dimensions_are_one_slice(tmp_path: Path) -> None:
    volume = read_nifti(saved(tmp_path / "flat.nii", np.arange(6, dtype=np.int16).reshape(2, 3)))
    assert volume.grid.shape == (2, 3, 1)
    flat = saved(tmp_path / "bare.nii", np.zeros((2, 3), np.int16), srow_x=[2, 0, 0, 1], srow_z=[0, 0, 0, 0])
    assert read_nifti(flat).grid.spacing_mm[0] == 2


def test_one_volume_in_four_dimensions_is_read_and_several_are_refused(tmp_path: Path) -> None:
    assert read_nifti(saved(tmp_path / "one.nii", np.zeros((2, 3, 4, 1), np.int16))).grid.shape == (2, 3, 4)
    with pytest.raises(UnreadableInputError, match=r"7 volumes \(4D\); split"):
        read_nifti(saved(tmp_path / "many.nii", np.zeros((2, 3, 4, 7), np.int16)))


def test_numbers_that_are_not_finite_are_replaced_and_said(tmp_path: Path) -> None:
    array = np.array([[[np.nan, -5.0, np.inf, 9.0, -np.inf]]], np.float32)
    volume = read_nifti(saved(tmp_path / "scan.nii", array))
    assert volume.voxels.ravel().tolist() == [-5, -5, 9, 9, -5]
    assert "3 voxels" in volume.warnings[0]
    with pytest.raises(UnreadableInputError, match="every voxel"):
        read_nifti(saved(tmp_path / "nothing.nii", np.full((2, 2, 2), np.nan, np.float32)))


def test_an_unplaced_file_and_a_conflicting_one_are_said(tmp_path: Path) -> None:
    array = np.zeros((4, 4, 4), np.int16)
    assert "guess" in read_nifti(saved(tmp_path / "a.nii", array, sform_code=0, qform_code=0)).warnings[0]
    moved = saved(tmp_path / "b.nii", array, qform_code=1, sform_code=1, qoffset_x=99.0)
    volume = read_nifti(moved)
    assert "disagree" in volume.warnings[0]
    assert np.array_equal(LPS_RAS @ volume.grid.affine, nib.load(moved).affine)


def test_ct_is_inferred(tmp_path: Path) -> None:
    assert read_nifti(saved(tmp_path / "ct.nii", np.full((2, 2, 2), -900, np.int16))).modality == "ct"
    assert read_nifti(saved(tmp_path / "mr.nii", np.full((2, 2, 2), 900, np.int16))).modality == "unknown"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("small")
    array = np.random.default_rng(1).integers(-1000, 1000, (5, 6, 7)).astype(np.int16)
    return {n: saved(folder / n, array).read_bytes() for n in ("scan.nii", "scan.nii.gz")}


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
def test_a_file_cut_at_any_byte_is_refused(tmp_path: Path, small: dict[str, bytes], name: str) -> None:
    path = tmp_path / name
    for length in range(len(small[name])):
        path.write_bytes(small[name][:length])
        with pytest.raises(UnreadableInputError):
            read_nifti(path)


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
def test_bytes_behind_the_end_are_refused(tmp_path: Path, small: dict[str, bytes], name: str) -> None:
    (tmp_path / name).write_bytes(small[name] + b"junk behind the end")
    with pytest.raises(UnreadableInputError):
        read_nifti(tmp_path / name)


def test_a_flipped_byte_in_gzip_is_refused(tmp_path: Path, small: dict[str, bytes]) -> None:
    path, whole = tmp_path / "scan.nii.gz", small["scan.nii.gz"]
    original = nib.Nifti1Image.from_bytes(gzip.decompress(whole))
    for at in range(10, len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            volume = read_nifti(path)
        except UnreadableInputError:
            continue
        assert np.array_equal(volume.voxels, original.dataobj), at


@given(at=st.integers(0, 347), value=st.integers(0, 255))
def test_any_header_byte_gives_an_image_or_a_sentence(
    at: int, value: int, small: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("flip") / "scan.nii"
    whole = bytearray(small["scan.nii"])
    whole[at] = value
    path.write_bytes(whole)
    try:
        volume = read_nifti(path)
    except SegsamError as error:
        assert len(str(error)) < 250
    else:
        assert np.isfinite(volume.voxels).all()


def test_a_header_that_promises_too_much_is_refused_before_memory_is_asked_for(tmp_path: Path) -> None:
    huge = [3, 30000, 30000, 30000, 1, 1, 1, 1]
    for name in ("bomb.nii", "bomb.nii.gz"):
        with pytest.raises(UnreadableInputError, match="shorter"):
            read_nifti(saved(tmp_path / name, np.zeros((4, 4, 4), np.int16), dim=huge))


def test_something_else_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"hello", b"\x1f\x8b", b"\0" * 600, gzip.compress(b"hello" * 500)):
        (tmp_path / "scan.nii.gz").write_bytes(content)
        with pytest.raises(UnreadableInputError):
            read_nifti(tmp_path / "scan.nii.gz")


REAL = (
    "ct/totalseg_example/example_ct.nii.gz",
    "ct/niivue/CT_pitch.nii.gz",
    "mr/sct/t2/t2.nii.gz",
    "mr/sct/t2s/t2s.nii.gz",
    "mr/monai/anatomical.nii",
    "mr/monai/reoriented_anat_moved.nii",
    "mr/msd_hippocampus/images/hippocampus_003.nii.gz",
    "mr/niivue/packages/niivue/demos/images/shear.nii.gz",
    "mr/totalseg_mr_example/example_mr_sm.nii.gz",
)


@pytest.mark.parametrize("name", REAL)
def test_real_scans_are_what_nibabel_says(shared_data: Path, name: str) -> None:
    volume, image = read_nifti(shared_data / name), nib.load(shared_data / name)
    assert np.array_equal(LPS_RAS @ volume.grid.affine, image.affine)
    assert np.abs(np.asarray(image.dataobj) - volume.voxels).max() < 1e-3


@pytest.mark.parametrize("name", [n for n in REAL if "shear" not in n])
def test_real_scans_are_what_simpleitk_says(shared_data: Path, name: str) -> None:
    volume, image = read_nifti(shared_data / name), sitk.ReadImage(str(shared_data / name))
    corner = [n - 1 for n in volume.grid.shape]
    assert np.abs(volume.grid.to_mm(corner) - image.TransformIndexToPhysicalPoint(corner)).max() < 1e-3
    assert np.array_equal(sitk.GetArrayFromImage(image).transpose(2, 1, 0), volume.voxels)


def test_a_sheared_scan_is_not_where_itk_puts_it(shared_data: Path) -> None:
    """Why the affine comes from the header: ITK takes the orthonormal qform without a word."""
    path = shared_data / "mr/niivue/packages/niivue/demos/images/shear.nii.gz"
    volume, image = read_nifti(path), sitk.ReadImage(str(path))
    corner = [n - 1 for n in volume.grid.shape]
    assert np.abs(volume.grid.to_mm(corner) - image.TransformIndexToPhysicalPoint(corner)).max() > 10
    assert "disagree" in volume.warnings[0]


def test_an_rgb_picture_in_nifti_keeps_its_colours(shared_data: Path) -> None:
    path = shared_data / "ct/totalseg_spine/spine_report/example_ct_report/spine_report.nii.gz"
    volume, stored = read_nifti(path), np.asarray(nib.load(path).dataobj)
    assert volume.is_rgb and volume.modality == "rgb"
    for channel, letter in enumerate("RGB"):
        assert np.array_equal(volume.voxels[..., channel], stored[letter].reshape(volume.grid.shape))


def test_real_four_dimensional_scans_are_refused(shared_data: Path) -> None:
    with pytest.raises(UnreadableInputError, match="25 volumes"):
        read_nifti(shared_data / "mr/niivue/packages/niivue/demos/images/mpld_asl.nii.gz")
