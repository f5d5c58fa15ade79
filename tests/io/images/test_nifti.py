"""NIfTI in: exact intensities of whatever shape and type, and nothing damaged gets through."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segsam.core.errors import SegsamError, UnknownNameError, UnreadableInputError
from napari_segsam.io.formats import read_volume
from napari_segsam.io.images.image import list_image
from napari_segsam.io.images.nifti_header import nifti_layout
from tests.io.images.nifti_files import saved, with_type

SHAPES = [(7,), (2, 3), (1, 1, 7), (1, 5, 1), (4, 1, 1), (1, 1, 1), (2, 3, 4), (2, 3, 4, 1), (2, 3, 1, 1, 1, 1, 1)]
KINDS = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", "<>")
def test_every_shape_type_and_byte_order_is_read(tmp_path: Path, kind: str, order: str) -> None:
    for shape in SHAPES:
        array = np.arange(1, 1 + np.prod(shape)).reshape(shape).astype(np.dtype(kind).newbyteorder(order))
        image = nib.Nifti1Image(array, np.eye(4), nib.Nifti1Header(endianness=order), dtype=array.dtype)
        image.header.set_data_dtype(array.dtype)
        (tmp_path / "scan.nii").write_bytes(image.to_bytes())
        volume = read_volume(tmp_path / "scan.nii")
        assert volume.grid.shape == (*shape, 1, 1)[:3]
        assert volume.voxels.dtype.isnative and np.array_equal(volume.voxels.ravel(), array.ravel())


def test_integers_stay_integers_and_a_slope_is_applied(tmp_path: Path) -> None:
    array = np.array([[[-1024, 0, 3000]]], np.int16)
    assert read_volume(saved(tmp_path / "a.nii", array)).voxels.dtype == np.int16
    whole = read_volume(saved(tmp_path / "b.nii", array, scl_slope=2, scl_inter=-24)).voxels
    assert whole.dtype == np.int16 and whole.ravel().tolist() == [-2072, -24, 5976]
    real = read_volume(saved(tmp_path / "c.nii", array, scl_slope=0.1, scl_inter=1)).voxels
    assert real.dtype == np.float32 and np.allclose(real.ravel(), [-101.4, 1.0, 301.0])


@pytest.mark.parametrize("slope", [0.0, np.nan, np.inf, -np.inf])
def test_a_slope_that_is_none_scales_nothing(tmp_path: Path, slope: float) -> None:
    array = np.array([[[-1024, 0, 3000]]], np.int16)
    for intercept in (7.0, np.nan):
        volume = read_volume(saved(tmp_path / "scan.nii", array, scl_slope=slope, scl_inter=intercept))
        assert np.array_equal(volume.voxels, array) and volume.warnings == ()


def test_an_intercept_that_is_no_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInputError, match="intercept"):
        read_volume(saved(tmp_path / "scan.nii", np.zeros((2, 2, 2), np.int16), scl_slope=1, scl_inter=np.nan))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_2_is_read(tmp_path: Path, suffix: str) -> None:
    for order in "<>":
        array = np.arange(24).reshape(2, 3, 4).astype("u1")
        image = nib.Nifti2Image(array, np.eye(4), nib.Nifti2Header(endianness=order))
        nib.save(image, tmp_path / f"scan{suffix}")
        assert np.array_equal(read_volume(tmp_path / f"scan{suffix}").voxels, array)


@pytest.mark.parametrize(("code", "colours"), [(128, 3), (2304, 4)])
def test_colours_are_kept_and_transparency_is_said(tmp_path: Path, code: int, colours: int) -> None:
    stored = np.random.default_rng(0).integers(0, 256, (2, 3, 4, colours)).astype(np.uint8)
    path = with_type(tmp_path / "scan.nii", code, stored.transpose(3, 0, 1, 2).tobytes(order="F"), (2, 3, 4))
    volume = read_volume(path)
    assert volume.modality == "rgb" and np.array_equal(volume.voxels, stored[..., :3])
    assert len(volume.warnings) == (colours == 4)


@pytest.mark.parametrize(
    ("code", "width", "name"),
    [
        (32, 8, "complex64"),
        (1792, 16, "complex128"),
        (2048, 32, "complex256"),
        (1536, 16, "128-bit floats"),
        (1, 1, "bits"),
    ],
)
def test_other_numbers_are_refused_by_name(tmp_path: Path, code: int, width: int, name: str) -> None:
    with pytest.raises(UnreadableInputError, match=name):
        read_volume(with_type(tmp_path / "scan.nii", code, bytes(8 * width)))
    with pytest.raises(UnreadableInputError, match="unknown NIfTI type 77"):
        read_volume(with_type(tmp_path / "scan.nii", 77, bytes(8 * width)))


def test_several_volumes_are_refused_until_one_is_named(tmp_path: Path) -> None:
    array = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5).astype(np.int16)
    path = saved(tmp_path / "bold.nii.gz", array, xyzt_units=10, pixdim=[1, 1, 1, 1, 2.5, 0, 0, 0], toffset=1.0)
    with pytest.raises(UnreadableInputError, match=r"bold\.nii\.gz holds 5 volumes; name one .* '#1' to '#5'"):
        read_volume(path)
    for wanted in ("#6", "#0", "#", "3", "#-1", "# 1", "#01", "x" * 5000):
        with pytest.raises(UnknownNameError, match="Did you mean"):
            read_volume(path, series=wanted)
    listed = list_image(nifti_layout(path))
    assert [s.uid for s in listed] == ["#1", "#2", "#3", "#4", "#5"]
    assert listed[2].description == "bold: time 3 of 5, 6 s" and listed[2].shape == (2, 3, 4)
    for n, info in enumerate(listed):
        volume = read_volume(path, series=info.uid)
        assert volume.name == f"bold {info.uid}" and np.array_equal(volume.voxels, array[..., n])


@pytest.mark.parametrize(
    ("shape", "fields", "said"),
    [
        ((2, 2, 2, 3), {}, "volume 2 of 3"),
        ((2, 2, 2, 3), {"xyzt_units": 2 | 16, "pixdim": [1, 1, 1, 1, 30, 0, 0, 0]}, "time 2 of 3, 30 ms"),
        ((2, 2, 2, 3), {"xyzt_units": 2 | 8, "pixdim": [1, 1, 1, 1, 0, 0, 0, 0]}, "time 2 of 3"),
        ((2, 2, 2, 1, 3), {"intent_code": 1007}, "vector component 2 of 3"),
        ((2, 2, 2, 2, 3), {"intent_code": 1006}, "volume 2 of 2, vector component 1 of 3"),
    ],
)
def test_a_volume_is_called_what_the_header_says(
    tmp_path: Path, shape: tuple[int, ...], fields: dict[str, object], said: str
) -> None:
    array = np.random.default_rng(0).random(shape).astype(np.float32)
    layout = nifti_layout(saved(tmp_path / "scan.nii", array, **fields))
    assert list_image(layout)[1].description == f"scan: {said}"
    for n, at in enumerate(np.ndindex(shape[:2:-1])):  # the fourth axis runs fastest
        assert np.array_equal(read_volume(layout.path, series=f"#{n + 1}").voxels, array[(..., *at[::-1])])


def test_numbers_that_are_not_finite_are_replaced_and_said(tmp_path: Path) -> None:
    array = np.array([[[np.nan, -5.0, np.inf, 9.0, -np.inf]]], np.float32)
    volume = read_volume(saved(tmp_path / "scan.nii", array))
    assert volume.voxels.ravel().tolist() == [-5, -5, 9, 9, -5]
    assert "3 voxels" in volume.warnings[0]
    with pytest.raises(UnreadableInputError, match="every voxel"):
        read_volume(saved(tmp_path / "nothing.nii", np.full((2, 2, 2), np.nan, np.float32)))


def test_ct_is_inferred(tmp_path: Path) -> None:
    assert read_volume(saved(tmp_path / "ct.nii", np.full((2, 2, 2), -900, np.int16))).modality == "ct"
    assert read_volume(saved(tmp_path / "mr.nii", np.full((2, 2, 2), 900, np.int16))).modality == "unknown"


def test_the_content_says_whether_it_is_gzip_and_not_the_name(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    plain, packed = saved(tmp_path / "a.nii", array), saved(tmp_path / "b.nii.gz", array)
    (tmp_path / "c.nii.gz").write_bytes(plain.read_bytes())
    (tmp_path / "d.nii").write_bytes(packed.read_bytes())
    for name in ("c.nii.gz", "d.nii"):
        assert np.array_equal(read_volume(tmp_path / name).voxels, array)


@pytest.mark.parametrize(
    "dims", [[8, 2, 2, 2, 1, 1, 1, 1], [0] * 8, [-3, 2, 2, 2, 1, 1, 1, 1], [3, 2, -2, 2, 1, 1, 1, 1]]
)
def test_impossible_dimensions_are_refused(tmp_path: Path, dims: list[int]) -> None:
    with pytest.raises(UnreadableInputError, match="impossible dimensions"):
        read_volume(saved(tmp_path / "scan.nii", np.zeros((2, 2, 2), np.int16), dim=dims))


def test_more_volumes_than_can_be_told_apart_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInputError, match="holds 900000000 volumes"):
        nifti_layout(saved(tmp_path / "scan.nii", np.zeros((2, 2, 2), np.int16), dim=[5, 2, 2, 2, 30000, 30000, 1, 1]))


@pytest.mark.parametrize("offset", [0, 347, 352.5, -352, np.nan, np.inf, 1e12, 400, 100000])
def test_voxels_that_start_elsewhere_than_in_the_file_are_refused(tmp_path: Path, offset: float) -> None:
    with pytest.raises(UnreadableInputError, match=r"start at byte|shorter"):
        read_volume(saved(tmp_path / "scan.nii", np.zeros((2, 2, 2), np.int16), vox_offset=offset))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("small")
    array = np.random.default_rng(1).integers(-1000, 1000, (3, 4, 5)).astype(np.int16)
    return {n: saved(folder / n, array).read_bytes() for n in ("scan.nii", "scan.nii.gz")}


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
def test_a_file_cut_at_any_byte_is_refused(tmp_path: Path, small: dict[str, bytes], name: str) -> None:
    path = tmp_path / name
    for length in range(0, len(small[name]), 3):
        path.write_bytes(small[name][:length])
        with pytest.raises(UnreadableInputError):
            read_volume(path)


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
def test_bytes_behind_the_end_are_refused(tmp_path: Path, small: dict[str, bytes], name: str) -> None:
    for junk in (b"junk behind the end", b"\x1f", b"x", small["scan.nii.gz"]):
        (tmp_path / name).write_bytes(small[name] + junk)
        with pytest.raises(UnreadableInputError):
            read_volume(tmp_path / name)


def test_members_and_padding_of_gzip_are_read(tmp_path: Path, small: dict[str, bytes]) -> None:
    (tmp_path / "scan.nii").write_bytes(small["scan.nii"])
    whole, path = read_volume(tmp_path / "scan.nii"), tmp_path / "scan.nii.gz"
    members = [gzip.compress(small["scan.nii"][n : n + 100]) for n in range(0, len(small["scan.nii"]), 100)]
    for content in (b"".join(members), small["scan.nii.gz"] + bytes(700), (b"\0" * 9).join([*members, b""])):
        path.write_bytes(content)
        assert np.array_equal(read_volume(path).voxels, whole.voxels)
    path.write_bytes(b"".join(members[:-1]))
    with pytest.raises(UnreadableInputError, match="shorter"):
        read_volume(path)


def test_a_flipped_byte_in_gzip_is_refused(tmp_path: Path, small: dict[str, bytes]) -> None:
    path, whole = tmp_path / "scan.nii.gz", small["scan.nii.gz"]
    original = nib.Nifti1Image.from_bytes(gzip.decompress(whole))
    for at in range(10, len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            volume = read_volume(path)
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
        volume = read_volume(path)
    except SegsamError as error:
        assert len(str(error)) < 250
    else:
        assert np.isfinite(volume.voxels).all()


def test_something_else_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"hello", b"\x1f\x8b", b"\0" * 600, gzip.compress(b"hello" * 500)):
        (tmp_path / "scan.nii.gz").write_bytes(content)
        with pytest.raises(UnreadableInputError):
            read_volume(tmp_path / "scan.nii.gz")
