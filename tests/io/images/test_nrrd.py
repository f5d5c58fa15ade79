"""NRRD: every encoding, every way to point at the voxels, what ITK reads too, and nothing cut gets through."""

import bz2
import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_segsam.core.errors import SegsamError, UnreadableInputError
from napari_segsam.io.formats import read_volume
from napari_segsam.io.images.image import list_image
from napari_segsam.io.images.nrrd import text_layout
from tests.io.images.text_files import ARRAY, nrrd

RAW = ARRAY.tobytes(order="F")
NUMBERS = "".join(f"{n} " for n in ARRAY.ravel(order="F"))


def image(shape: tuple[int, ...] = (4, 5, 6)) -> sitk.Image:
    array = np.arange(np.prod(shape)).reshape(shape).astype(np.int16)
    made = sitk.GetImageFromArray(array, isVector=False)
    if len(shape) == 3:
        made.SetSpacing((0.5, 1.5, 2.5))
        made.SetOrigin((-7, 8, 9))
        made.SetDirection((0, 1, 0, -1, 0, 0, 0, 0, 1))
    return made


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".nhdr", ".mhd"])
def test_every_kind_that_simpleitk_writes_is_read(tmp_path: Path, suffix: str, packed: bool) -> None:
    made = image()
    sitk.WriteImage(made, str(tmp_path / f"scan{suffix}"), useCompression=packed)
    volume = read_volume(tmp_path / f"scan{suffix}")
    assert np.array_equal(volume.voxels, sitk.GetArrayFromImage(made).transpose(2, 1, 0))
    assert np.allclose(volume.grid.to_mm((5, 4, 3)), made.TransformIndexToPhysicalPoint((5, 4, 3)))
    assert volume.name == "scan" and volume.voxels.dtype == np.int16 and volume.warnings == ()


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
def test_every_type_is_read_flat_and_solid_as_simpleitk_reads_it(tmp_path: Path, suffix: str, kind: str) -> None:
    path = tmp_path / f"scan{suffix}"
    random = np.random.default_rng(0)
    for shape in [(5,) * 3, (2, 3, 4), (1, 1, 7), (7, 1, 1), (3, 4), (1, 1)]:
        made = sitk.GetImageFromArray((random.random(shape) * 100).astype(kind))
        turn, _ = np.linalg.qr(random.normal(size=(len(shape),) * 2))
        made.SetDirection(turn.ravel())
        made.SetSpacing(random.uniform(0.3, 4.0, len(shape)))
        sitk.WriteImage(made, str(path))
        volume = read_volume(path)
        expected = sitk.GetArrayFromImage(made).T.squeeze()
        assert np.array_equal(volume.voxels.squeeze(), expected.astype("f4") if kind == "f8" else expected)
        corner = [n - 1 for n in shape[::-1]]
        far = volume.grid.to_mm((*corner, 0)[:3])[: len(shape)]
        assert np.abs(far - made.TransformIndexToPhysicalPoint(corner)).max() < 1e-9


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("raw", RAW),
        ("gzip", gzip.compress(RAW, mtime=0)),
        ("GZ", gzip.compress(RAW[:9], mtime=0) + gzip.compress(RAW[9:], mtime=0)),
        ("bz2", bz2.compress(RAW)),
        ("bzip2", bz2.compress(RAW[:9]) + bz2.compress(RAW[9:])),
        ("hex", RAW.hex().encode()),
        ("hex", RAW.hex(" ", 2).upper().encode() + b"\n"),
        ("ascii", NUMBERS.encode()),
        ("text", NUMBERS.replace(" ", "\r\n\t").encode()),
    ],
)
def test_every_encoding_is_read_and_one_cut_or_added_to_is_not(tmp_path: Path, encoding: str, data: bytes) -> None:
    path = tmp_path / "scan.nrrd"
    assert np.array_equal(read_volume(nrrd(path, encoding=encoding, data=data)).voxels, ARRAY)
    for damaged in (*(data[:n] for n in range(len(data.rstrip()))), data + b"7 ", data + data[:5]):
        with pytest.raises(UnreadableInputError):
            read_volume(nrrd(path, encoding=encoding, data=damaged))


@pytest.mark.parametrize("encoding", ["zrl", "", "rle", "gzip2"])
def test_an_unknown_encoding_is_named(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(UnreadableInputError, match=f"encoding '{encoding}' is not known"):
        read_volume(nrrd(tmp_path / "scan.nrrd", encoding=encoding))


@pytest.mark.parametrize("data", [b"1 2 x", b"1_0 " * 24, b"1.5 " * 24, b"40000 " * 24])
def test_numbers_that_are_not_of_the_type_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UnreadableInputError, match="damaged"):
        read_volume(nrrd(tmp_path / "scan.nrrd", encoding="ascii", data=data))


def test_big_endian_and_floats_in_text(tmp_path: Path) -> None:
    swapped = nrrd(tmp_path / "scan.nrrd", data=ARRAY.astype(">i2").tobytes(order="F"))
    swapped.write_bytes(swapped.read_bytes().replace(b"endian: little", b"endian: big"))
    assert np.array_equal(read_volume(swapped).voxels, ARRAY)
    floats = nrrd(
        tmp_path / "f.nrrd", array=ARRAY.astype("f8"), encoding="ascii", data=NUMBERS.replace("7", "7e0").encode()
    )
    assert np.array_equal(read_volume(floats).voxels, ARRAY)


@pytest.mark.parametrize(
    ("line", "encoding", "data"),
    [
        ("line skip: 2", "raw", b"one\ntwo\n" + RAW),
        ("byte skip: 5", "raw", b"12345" + RAW),
        ("line skip: 1\nbyte skip: 3", "raw", b"line\n123" + RAW),
        ("lineskip: 1\nbyteskip: -1", "raw", b"line\nwhatever comes before" + RAW),
        ("line skip: 1", "gzip", b"line\n" + gzip.compress(RAW, mtime=0)),
        ("byte skip: 5", "gzip", gzip.compress(b"12345" + RAW, mtime=0)),
        ("byte skip: 5", "bzip2", bz2.compress(b"12345" + RAW)),
    ],
)
def test_lines_and_bytes_before_the_voxels_are_skipped(tmp_path: Path, line: str, encoding: str, data: bytes) -> None:
    path = nrrd(tmp_path / "scan.nrrd", line, encoding=encoding, data=data)
    assert np.array_equal(read_volume(path).voxels, ARRAY)
    if "bz" not in encoding:  # which ITK does not know
        assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))).T, ARRAY)


@pytest.mark.parametrize("line", ["byte skip: -2", "line skip: -1", "byte skip: x", "byte skip: 9", "line skip: 99"])
def test_a_skip_that_leads_nowhere_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(UnreadableInputError):
        read_volume(nrrd(tmp_path / "scan.nrrd", line))


def detached(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    header = nrrd(folder / "scan.nhdr", f"data file: {name}", data=b"")
    header.write_bytes(header.read_bytes().rstrip(b"\n"))  # a detached header may end with its file
    return header


@pytest.mark.parametrize("name", ["scan.raw", "./scan.raw", "below/scan.raw", "below/../scan.raw", "two words.raw"])
def test_voxels_beside_the_header_or_below_it_are_found(tmp_path: Path, name: str) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / name).write_bytes(RAW)
    header = detached(tmp_path, name)
    assert np.array_equal(read_volume(header).voxels, ARRAY)
    assert text_layout(header).files == (header, (tmp_path / name).resolve())


def test_a_header_is_not_followed_out_of_its_folder(tmp_path: Path) -> None:
    outside, inside = tmp_path / "scan.raw", tmp_path / "in"
    outside.write_bytes(RAW)
    inside.mkdir()
    (inside / "link.raw").symlink_to(outside)
    (inside / "loop.raw").symlink_to(inside / "loop.raw")
    (inside / "folder.raw").mkdir()
    names = ("../scan.raw", str(outside), "link.raw", "loop.raw", "folder.raw", "gone.raw", "in\0side", "x" * 300)
    for name in (*names, "./../in/../scan.raw", "~/scan.raw", "", "."):
        with pytest.raises(UnreadableInputError, match=r"which is not beside it; copy both"):
            read_volume(detached(inside, name))


@pytest.mark.parametrize("name", ["LIST", "LIST 2", "scan%03d.raw 1 9 1"])
def test_voxels_in_several_files_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadableInputError, match="several files; save it as one"):
        read_volume(detached(tmp_path, name))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".nhdr", ".mhd"])
def test_a_file_cut_at_any_byte_is_refused(tmp_path: Path, suffix: str, packed: bool) -> None:
    sitk.WriteImage(image(), str(tmp_path / f"scan{suffix}"), useCompression=packed)
    first = read_volume(tmp_path / f"scan{suffix}")
    for path in text_layout(tmp_path / f"scan{suffix}").files:
        whole = path.read_bytes()
        for length in range(0, len(whole), 3 if len(whole) < 1000 else 7):
            path.write_bytes(whole[:length])
            try:
                volume = read_volume(tmp_path / f"scan{suffix}")
            except UnreadableInputError:
                continue
            assert volume.grid.matches(first.grid, 0.0) and np.array_equal(volume.voxels, first.voxels), length
        path.write_bytes(whole)


def test_a_damaged_checksum_is_refused(tmp_path: Path) -> None:
    for suffix, at in ((".nrrd", -6), (".mha", -2)):
        path = tmp_path / f"labels{suffix}"
        sitk.WriteImage(image(), str(path), useCompression=True)
        whole = bytearray(path.read_bytes())
        whole[at] ^= 0xFF
        path.write_bytes(whole)
        with pytest.raises(UnreadableInputError, match="damaged"):
            read_volume(path)


def test_a_header_that_says_something_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInputError, match="says 'sizes' twice"):
        read_volume(nrrd(tmp_path / "scan.nrrd", "sizes: 4 3 2"))


@pytest.mark.parametrize("field", ["type", "dimension", "sizes", "endian", "encoding"])
@pytest.mark.parametrize("value", [None, "", "x", "-1", "0", "99999999999999999999", "\xb2 3 4", "block"])
def test_a_field_that_is_needed_must_be_good(tmp_path: Path, field: str, value: str | None) -> None:
    path = nrrd(tmp_path / "scan.nrrd")
    kept = [line for line in path.read_bytes().split(b"\n") if not line.startswith(f"{field}:".encode())]
    added = [] if value is None else [f"{field}: {value}".encode()]
    path.write_bytes(b"\n".join([kept[0], *added, *kept[1:]]))
    with pytest.raises(UnreadableInputError, match=r"scan\.nrrd.*(convert|save)"):
        read_volume(path)


def colours(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (count, 2, 3, 4)).astype(np.uint8)


@pytest.mark.parametrize("kind", ["RGB-color", "3-color", "vector", "RGBA-color"])
def test_colours_are_the_first_axis_or_the_last(tmp_path: Path, kind: str) -> None:
    array = colours(4 if kind == "RGBA-color" else 3)
    vectors = "(2,0,0) (0,3,0) (0,0,4)"
    first = f"space: RAS\nspace directions: none {vectors}\nkinds: {kind} domain domain domain"
    last = f"space: RAS\nspace directions: {vectors} none\nkinds: space space space {kind}"
    for place, stored in ((first, array), (last, np.moveaxis(array, 0, -1))):
        volume = read_volume(nrrd(tmp_path / "scan.nrrd", array=stored, place=place))
        assert volume.modality == "rgb" and np.array_equal(volume.voxels, np.moveaxis(array, 0, -1)[..., :3])
        assert volume.grid.shape == (2, 3, 4) and volume.grid.spacing_mm == (2, 3, 4)


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("kind", ["list", "time", "point", "vector"])
def test_volumes_are_chosen_wherever_their_axis_is(tmp_path: Path, at: int, kind: str) -> None:
    array = np.random.default_rng(0).random((2, 3, 4, 5)).astype(np.float32)
    vectors, kinds = ["(2,0,0)", "(0,3,0)", "(0,0,4)"], ["domain"] * 3
    vectors.insert(at, "none")
    kinds.insert(at, kind)
    place = f"space: LPS\nspace origin: (0,0,0)\nspace directions: {' '.join(vectors)}\nkinds: {' '.join(kinds)}"
    stored = np.moveaxis(array, 3, at)
    path = nrrd(
        tmp_path / "scan.nrrd", array=stored, place=place, encoding="gzip", data=gzip.compress(stored.tobytes("F"))
    )
    with pytest.raises(UnreadableInputError, match=r"holds 5 volumes"):
        read_volume(path)
    listed = list_image(text_layout(path))
    name = {"time": "time", "vector": "vector component"}.get(kind, "volume")
    assert [s.description for s in listed] == [f"scan: {name} {n} of 5" for n in range(1, 6)]
    for n, info in enumerate(listed):
        volume = read_volume(path, series=info.uid)
        assert np.array_equal(volume.voxels, array[..., n]) and volume.grid.spacing_mm == (2, 3, 4)
        assert volume.voxels.nbytes == 2 * 3 * 4 * 4 and volume.warnings == ()


def test_slicers_names_of_volumes_are_shown(tmp_path: Path) -> None:
    array = np.zeros((2, 2, 2, 3), np.int16)
    place = "space: LPS\nspace origin: (0,0,0)\nspace directions: (2,0,0) (0,3,0) (0,0,4) none"
    keys = (
        "MultiVolume.FrameIdentifyingDICOMTagName:=EchoTime",
        "MultiVolume.FrameIdentifyingDICOMTagUnits:=ms",
        "MultiVolume.FrameLabels:=10,20,30",
    )
    path = nrrd(tmp_path / "scan.nrrd", *keys, array=array, place=place)
    assert list_image(text_layout(path))[1].description == "scan: EchoTime 2 of 3, 20 ms"
    named = nrrd(tmp_path / "scan.nrrd", 'labels: "" "" "" "b-value"', array=array, place=place)
    assert list_image(text_layout(named))[1].description == "scan: b-value 2 of 3"


def test_what_simpleitk_writes_of_colours_and_four_dimensions_is_read(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 255, (2, 3, 4, 3)).astype(np.uint8)
    many = np.arange(120).reshape(2, 3, 4, 5).astype(np.int16)
    for suffix in (".nrrd", ".mha"):
        sitk.WriteImage(sitk.GetImageFromArray(array, isVector=True), str(tmp_path / f"rgb{suffix}"))
        assert np.array_equal(read_volume(tmp_path / f"rgb{suffix}").voxels, array.transpose(2, 1, 0, 3))
        sitk.WriteImage(sitk.GetImageFromArray(many, isVector=False), str(tmp_path / f"many{suffix}"))
        assert np.array_equal(read_volume(tmp_path / f"many{suffix}", series="#2").voxels, many[1].T)


def test_other_content_is_refused(tmp_path: Path) -> None:
    for content in (
        b"",
        b"hello",
        b"NRRD0004\n",
        b"NRRD0004\ntype: short\n\n",
        b"ObjectType = Image\n" * 9,
        b"NRRDxxxx\n\n",
    ):
        (tmp_path / "scan.nrrd").write_bytes(content)
        with pytest.raises(SegsamError):
            read_volume(tmp_path / "scan.nrrd")
