"""Voxels: exact intensities in the smallest type, however they are stored and packed."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.dicom.read import read_dicom
from tests.io.dicom.dicom_files import item, save, slice_file, slice_set

SYNTAXES = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)
STORED = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32)


def ramp(kind: type) -> NDArray[np.generic]:
    """(24, 40) numbers from the smallest of a type to its largest."""
    ends = np.iinfo(kind)
    return np.linspace(ends.min, ends.max, 960).round().astype(np.int64).astype(kind).reshape(24, 40)


@pytest.mark.parametrize(
    ("syntax", "kind"),
    [(s, k) for s in SYNTAXES for k in STORED if np.dtype(k).itemsize <= 2 or s not in (JPEGLSLossless, RLELossless)],
    ids=lambda value: value.name.split(" (")[0] if isinstance(value, UID) else value.__name__,
)
def test_every_stored_type_in_every_encoding_gives_its_own_numbers(tmp_path: Path, syntax: str, kind: type) -> None:
    pixels = ramp(kind)
    voxels = read_dicom(save(slice_set(pixels, (0, 0, 0)), tmp_path / "a", syntax)).voxels
    beyond = np.float32 if kind is np.uint32 else np.int32 if kind is np.int32 else np.uint16
    assert voxels.dtype == (np.int16 if kind in (np.int8, np.uint8, np.int16) else beyond)
    assert np.array_equal(voxels[:, :, 0].T, pixels.astype(voxels.dtype))


def test_rescale_is_applied_slice_by_slice(tmp_path: Path) -> None:
    pixels = np.full((3, 4), 10, np.int16)
    for k, (slope, intercept) in enumerate([(1, -1024), (2, 5), (-3, 0)]):
        slice_file(tmp_path / f"{k}", pixels, (0, 0, k), RescaleSlope=slope, RescaleIntercept=intercept)
    whole = read_dicom(tmp_path)
    assert whole.voxels[0, 0].tolist() == [-1014, 25, -30] and whole.voxels.dtype == np.int16
    slice_file(tmp_path / "2", pixels, (0, 0, 2), RescaleSlope="0.125")
    real = read_dicom(tmp_path).voxels
    assert real.dtype == np.float32 and real[0, 0].tolist() == [-1014, 25, 1.25]


@pytest.mark.parametrize(
    ("values", "intercepts", "kind"),
    [
        ((65535, 7), (-32768, -7), np.int16),
        ((40000, 65535), (0, 0), np.uint16),
        ((65535, 7), (0, -1024), np.int32),
        ((7, 65535), (-1024, 0), np.int32),
        ((32768, 0), (2**31, 0), np.float32),
    ],
)
def test_the_first_type_that_holds_every_slice_is_taken(
    tmp_path: Path, values: tuple[int, int], intercepts: tuple[int, int], kind: type
) -> None:
    for k, (value, intercept) in enumerate(zip(values, intercepts, strict=True)):
        slice_file(tmp_path / f"{k}", np.full((3, 4), value, np.uint16), (0, 0, k), RescaleIntercept=intercept)
    voxels = read_dicom(tmp_path).voxels
    assert voxels.dtype == kind and voxels[0, 0].tolist() == [a + b for a, b in zip(values, intercepts, strict=True)]


@pytest.mark.parametrize("slope", [2, -3, 65536])
def test_large_slopes_do_not_wrap_round(tmp_path: Path, slope: int) -> None:
    pixels = np.array([[-32768, 32767, 0, 1]], np.int16)
    voxels = read_dicom(slice_file(tmp_path / "a", pixels, (0, 0, 0), RescaleSlope=slope, RescaleIntercept=5)).voxels
    assert voxels[:, 0, 0].tolist() == (pixels[0].astype(float) * slope + 5).tolist()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize(("kind", "wanted"), [(np.uint16, [0x123, 0xFFF, 0]), (np.int16, [0x123, -1, 0])])
def test_bits_above_those_stored_are_no_intensity(tmp_path: Path, syntax: str, kind: type, wanted: list[int]) -> None:
    """An overlay in the unused bits."""
    pixels = np.array([[0xA123, 0x8FFF, 0xF000]], np.uint16).view(kind)
    path = save(slice_set(pixels, (0, 0, 0), BitsStored=12, HighBit=11), tmp_path / "a", syntax)
    assert read_dicom(path).voxels[:, 0, 0].tolist() == wanted


@pytest.mark.parametrize(("keyword", "kind"), [("FloatPixelData", np.float32), ("DoubleFloatPixelData", np.float64)])
def test_fractions_stay_fractions(tmp_path: Path, keyword: str, kind: type) -> None:
    """A parametric map keeps its numbers even where slope and intercept are whole."""
    pixels = (np.arange(12).reshape(3, 4) + 0.25).astype(kind)
    bits = {"BitsAllocated": kind().itemsize * 8, keyword: pixels.tobytes()}
    unused = dict.fromkeys(("PixelData", "BitsStored", "HighBit", "PixelRepresentation"))
    volume = read_dicom(slice_file(tmp_path / "map", pixels, (0, 0, 0), **bits, **unused))
    assert volume.voxels.dtype == np.float32 and np.array_equal(volume.voxels[:, :, 0].T, pixels)


def test_a_series_may_mix_packed_and_plain_slices(tmp_path: Path) -> None:
    for k, syntax in enumerate(SYNTAXES):
        save(slice_set(np.full((24, 40), k, np.int16), (0, 0, k)), tmp_path / str(k), syntax)
    assert read_dicom(tmp_path).voxels[0, 0].tolist() == [0, 1, 2, 3, 4, 5]


def test_monochrome1_changes_no_voxel(tmp_path: Path) -> None:
    pixels = np.arange(12, dtype=np.int16).reshape(3, 4)
    light = read_dicom(slice_file(tmp_path / "2", pixels, (0, 0, 0)))
    dark = read_dicom(slice_file(tmp_path / "1", pixels, (0, 0, 0), PhotometricInterpretation="MONOCHROME1"))
    assert (light.inverted, dark.inverted) == (False, True) and np.array_equal(light.voxels, dark.voxels)


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_colours_are_8_bit_rgb(tmp_path: Path, planar: int, kind: type) -> None:
    colours = np.arange(36).reshape(3, 4, 3).astype(np.uint8)
    stored = colours.astype(kind) << (8 * np.dtype(kind).itemsize - 8)
    fields = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": planar}
    ds = slice_set(stored.transpose(2, 0, 1) if planar else stored, (0, 0, 0), **fields, Rows=3, Columns=4)
    volume = read_dicom(save(ds, tmp_path / "a"))
    assert volume.is_rgb and volume.voxels.dtype == np.uint8 and volume.modality == "ct"
    assert np.array_equal(volume.voxels[:, :, 0].transpose(1, 0, 2), colours)


def test_luminance_and_chrominance_become_red_green_and_blue(tmp_path: Path) -> None:
    """PS3.3 C.7.6.3.1.2: (81, 91, 240) and (76, 85, 255) are red."""
    grey_and_red = np.array([[[128, 128, 128], [76, 85, 255]]], np.uint8)
    fields = {"SamplesPerPixel": 3, "PlanarConfiguration": 0}
    full = slice_file(tmp_path / "a", grey_and_red, (0, 0, 0), PhotometricInterpretation="YBR_FULL", **fields)
    shared = slice_set(grey_and_red, (0, 0, 0), PhotometricInterpretation="YBR_FULL_422", **fields)
    shared.PixelData = bytes((76, 76, 85, 255))
    for path, wanted in ((full, [[128] * 3, [254, 0, 0]]), (save(shared, tmp_path / "b"), [[254, 0, 0]] * 2)):
        assert read_dicom(path).voxels[:, 0, 0].tolist() == wanted


def test_shared_colours_that_are_not_shared_are_refused(tmp_path: Path) -> None:
    fields = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "YBR_FULL_422"}
    with pytest.raises(UnreadableInputError, match="has bytes for one each"):
        read_dicom(slice_file(tmp_path / "a", np.zeros((3, 4, 3), np.uint8), (0, 0, 0), **fields))


def test_a_film_has_its_frames_along_k(tmp_path: Path) -> None:
    frames = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    fields = {"Modality": "US", "NumberOfFrames": 2, "PixelData": frames.tobytes()}
    volume = read_dicom(slice_file(tmp_path / "a", frames[0], (0, 0, 0), **fields))
    assert np.array_equal(volume.voxels.transpose(2, 1, 0), frames) and "in time" in volume.warnings[-1]


def test_single_bits_are_unpacked(tmp_path: Path) -> None:
    bits = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "PixelData": bytes((0b10100101, 0b0110))}
    voxels = read_dicom(slice_file(tmp_path / "a", np.zeros((3, 4), np.uint8), (0, 0, 0), **bits)).voxels
    assert voxels[:, :, 0].T.tolist() == [[1, 0, 1, 0], [0, 1, 0, 1], [0, 1, 1, 0]]


def test_a_modality_table_makes_the_intensities(tmp_path: Path) -> None:
    table = item(LUTDescriptor=[3, 1, 16], LUTData=[10, 500, 60000], ModalityLUTType="US")
    pixels = np.array([[0, 1, 2, 3, 9]], np.uint16)
    rescale = {"RescaleSlope": None, "RescaleIntercept": None}
    ds = slice_set(pixels, (0, 0, 0), **rescale)
    ds.ModalityLUTSequence = [table]
    ds.ModalityLUTSequence[0]["LUTData"].VR = "US"
    volume = read_dicom(save(ds, tmp_path / "a"))
    assert volume.voxels[:, 0, 0].tolist() == [10, 10, 500, 60000, 60000] and volume.voxels.dtype == np.uint16
