"""MetaImage: what its text says and no more than that, packed or not, in one file or two."""

import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.formats import read_volume
from napari_segsam.io.images.image import list_image
from napari_segsam.io.images.layout import UNPLACED
from napari_segsam.io.images.nrrd import text_layout
from napari_segsam.io.images.units import NO_SPACING, NO_UNIT
from tests.io.images.text_files import ARRAY, meta

RAW = ARRAY.tobytes(order="F")


def test_an_image_is_what_itk_reads(tmp_path: Path) -> None:
    place = "TransformMatrix = 0.6 0.8 0 -0.8 0.6 0 0.1 0 1\nOffset = 5 6 7\nElementSpacing = 2 3 4"
    path = meta(tmp_path / "scan.mha", "AnatomicalOrientation = RAI", "CenterOfRotation = 9 9 9", place=place)
    volume, image = read_volume(path), sitk.ReadImage(str(path))
    assert np.array_equal(volume.voxels, sitk.GetArrayFromImage(image).T) and volume.warnings == ()
    for corner in ((0, 0, 0), (1, 0, 0), (0, 2, 0), (1, 2, 3)):
        assert np.abs(volume.grid.to_mm(corner) - image.TransformIndexToPhysicalPoint(corner)).max() < 1e-12


@pytest.mark.parametrize("matrix", ["TransformMatrix", "Orientation", "Rotation"])
@pytest.mark.parametrize("origin", ["Offset", "Position", "Origin"])
@pytest.mark.parametrize("size", ["ElementSpacing", "ElementSize"])
def test_every_name_of_a_field_is_known(tmp_path: Path, matrix: str, origin: str, size: str) -> None:
    place = f"{matrix}=0 1 0 -1 0 0 0 0 1\n{origin} = 5 6 7\n{size} = 2 3 4"
    path = meta(tmp_path / "scan.mha", place=place)
    volume, image = read_volume(path), sitk.ReadImage(str(path))
    assert np.array_equal(volume.grid.to_mm((1, 2, 3)), image.TransformIndexToPhysicalPoint((1, 2, 3)))
    assert volume.warnings == ()


def test_what_the_header_leaves_out_is_said(tmp_path: Path) -> None:
    turned, moved, spaced = "TransformMatrix = 1 0 0 0 1 0 0 0 1", "Offset = 0 0 0", "ElementSpacing = 1 1 1"
    for place, said in (
        ("", (UNPLACED, NO_SPACING)),
        (f"{turned}\n{moved}", (NO_SPACING,)),
        (f"{turned}\n{spaced}", (UNPLACED,)),
        (f"{moved}\n{spaced}", (UNPLACED,)),
        (f"{turned}\n{moved}\n{spaced}\nDistanceUnits = ?", (NO_UNIT,)),
    ):
        volume = read_volume(meta(tmp_path / "scan.mha", place=place))
        assert volume.warnings == said and np.array_equal(volume.grid.affine, np.eye(4))
    microns = read_volume(meta(tmp_path / "scan.mha", "DistanceUnits = um"))
    assert np.allclose(microns.grid.spacing_mm, (0.002, 0.003, 0.004)) and len(microns.warnings) == 1


@pytest.mark.parametrize("order", ["BinaryDataByteOrderMSB", "ElementByteOrderMSB"])
def test_big_endian_is_read(tmp_path: Path, order: str) -> None:
    swapped = ARRAY.astype(">i2").tobytes(order="F")
    assert np.array_equal(read_volume(meta(tmp_path / "a.mha", f"{order} = True", data=swapped)).voxels, ARRAY)


def test_a_long_has_four_bytes(tmp_path: Path) -> None:
    path = meta(tmp_path / "a.mha", data=ARRAY.astype("<i4").tobytes(order="F"))
    path.write_bytes(path.read_bytes().replace(b"MET_SHORT", b"MET_LONG"))
    assert np.array_equal(read_volume(path).voxels, ARRAY)
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))).T, ARRAY)


@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress])
def test_packed_voxels_are_read_whether_or_not_their_length_is_said(tmp_path: Path, pack: object) -> None:
    data = pack(RAW)  # type: ignore[operator]
    for lines in (("CompressedData = True",), ("CompressedData = True", f"CompressedDataSize = {len(data)}")):
        assert np.array_equal(read_volume(meta(tmp_path / "a.mha", *lines, data=data)).voxels, ARRAY)
        for damaged in (data[:-1], data + b"x", b"", data[:-3] + b"abc"):
            with pytest.raises(UnreadableInputError):
                read_volume(meta(tmp_path / "a.mha", *lines, data=damaged))


def test_voxels_in_text_are_read(tmp_path: Path) -> None:
    text = "".join(f"{n} " for n in ARRAY.ravel(order="F")).encode()
    assert np.array_equal(read_volume(meta(tmp_path / "a.mha", "BinaryData = False", data=text)).voxels, ARRAY)


def test_what_comes_before_the_voxels_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "scan.raw").write_bytes(b"12345" + RAW)
    for size in (5, -1):
        header = meta(tmp_path / "scan.mhd", f"HeaderSize = {size}", file="scan.raw", data=b"")
        assert np.array_equal(read_volume(header).voxels, ARRAY)
        assert text_layout(header).files == (header, tmp_path / "scan.raw")
    for size in ("5", "-2", "x"):
        with pytest.raises(UnreadableInputError, match="HeaderSize"):
            read_volume(meta(tmp_path / "scan.mha", f"HeaderSize = {size}", data=b"12345" + RAW))


def test_a_header_is_not_followed_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "scan.raw").write_bytes(RAW)
    for name in ("../scan.raw", str(tmp_path / "scan.raw"), ""):
        with pytest.raises(UnreadableInputError, match="not beside it"):
            read_volume(meta(tmp_path / "in" / "scan.mhd", file=name, data=b""))
    for name in ("LIST", "LIST 2", "scan%03d.raw 1 4 1"):
        with pytest.raises(UnreadableInputError, match="several files"):
            read_volume(meta(tmp_path / "in" / "scan.mhd", file=name, data=b""))


def test_an_intensity_function_is_applied_and_said(tmp_path: Path) -> None:
    lines = ("ElementToIntensityFunctionSlope = 2", "ElementToIntensityFunctionOffset = -1024")
    volume = read_volume(meta(tmp_path / "a.mha", *lines))
    assert np.array_equal(volume.voxels, ARRAY * 2 - 1024) and volume.voxels.dtype == np.int16
    assert "times 2 plus -1024" in volume.warnings[0]
    assert read_volume(meta(tmp_path / "a.mha", "ElementToIntensityFunctionSlope = 0")).warnings == ()


def test_channels_are_colours_where_they_are_bytes_and_volumes_elsewhere(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 255, (3, 2, 3, 4)).astype(np.uint8)
    path = meta(tmp_path / "a.mha", "ElementNumberOfChannels = 3", array=array, dims=3)
    assert np.array_equal(read_volume(path).voxels, np.moveaxis(array, 0, -1))
    path = meta(tmp_path / "a.mha", "ElementNumberOfChannels = 3", array=array.astype(np.float32), dims=3)
    assert [s.description for s in list_image(text_layout(path))] == [f"a: component {n} of 3" for n in (1, 2, 3)]
    assert np.array_equal(read_volume(path, series="#2").voxels, array[1])


def test_four_dimensions_are_volumes_at_one_place(tmp_path: Path) -> None:
    array = np.arange(120, dtype=np.int16).reshape(2, 3, 4, 5)
    place = "TransformMatrix = 1 0 0 0 0 1 0 0 0 0 1 {0} 0 0 0 1\nOffset = 5 6 7 8\nElementSpacing = 2 3 4 9"
    path = meta(tmp_path / "a.mha", array=array, place=place.format(0))
    assert np.array_equal(read_volume(path, series="#5").voxels, array[..., 4])
    assert read_volume(path, series="#5").grid.spacing_mm == (2, 3, 4)
    with pytest.raises(UnreadableInputError, match="volumes lie at different places"):
        read_volume(meta(tmp_path / "a.mha", array=array, place=place.format(0.5)), series="#5")


@pytest.mark.parametrize(
    "line",
    [
        "ObjectType = Mesh",
        "NDims = 1",
        "NDims = 99",
        "DimSize = 2 3",
        "DimSize = 2 3 0",
        "DimSize = 2 3 -4",
        "ElementType = MET_STRING",
        "ElementType = MET_OTHER",
        "ElementNumberOfChannels = 0",
        "TransformMatrix = 1 0 0 0 1 0 0 0",
        "TransformMatrix = 1 0 0 0 1 0 0 0 0",
        "TransformMatrix = 1 0 0 0 1 0 0 0 nan",
        "Offset = 1 2 x",
        "ElementSpacing = 0 1 1",
        "ElementSpacing = 1e300 1 1",
    ],
)
def test_a_field_that_is_needed_must_be_good(tmp_path: Path, line: str) -> None:
    key = line.split(" = ")[0].encode()
    kept = [one for one in meta(tmp_path / "scan.mha").read_bytes().split(b"\n") if not one.startswith(key)]
    (tmp_path / "scan.mha").write_bytes(b"\n".join([line.encode(), *kept]))
    with pytest.raises(UnreadableInputError, match=r"scan\.mha"):
        read_volume(tmp_path / "scan.mha")


def test_a_header_that_says_something_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInputError, match="says 'Offset' twice"):
        read_volume(meta(tmp_path / "scan.mha", "Offset = 0 0 0"))
