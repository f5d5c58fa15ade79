"""Damaged, cut and hostile files: a sentence each, and the rest of the folder stays usable."""

import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGLSLossless, RLELossless

from napari_segsam.core.errors import SegsamError, UnreadableInputError
from napari_segsam.io.dicom import parse
from napari_segsam.io.dicom.read import list_dicom, read_dicom
from tests.io.dicom.dicom_files import ct_series, frame_item, multi_frame, save, slice_file, slice_set

PIXELS = np.arange(960, dtype=np.int16).reshape(24, 40)


def raw_file(path: Path, elements: bytes, syntax: bytes = b"1.2.840.10008.1.2.1\0") -> Path:
    """A CT file of hand-made explicit little endian elements."""
    kind = b"1.2.840.10008.5.1.4.1.1.2\0"
    meta = b"".join(struct.pack("<HH2sH", 2, n, b"UI", len(v)) + v for n, v in ((2, kind), (0x10, syntax)))
    length = struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta))
    path.write_bytes(b"\0" * 128 + b"DICM" + length + meta + elements)
    return path


def element(group: int, number: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """One explicit little endian element."""
    size = len(value) if length is None else length
    long = vr in (b"OW", b"OB", b"SQ", b"UN", b"UT")
    tag = struct.pack("<HH2s", group, number, vr)
    return tag + (struct.pack("<HI", 0, size) if long else struct.pack("<H", size)) + value


def image(rows: bytes, cols: bytes, pixels: bytes) -> bytes:
    """The elements of an 8 bit image."""
    values = ((2, 1), (0x100, 8), (0x101, 8), (0x103, 0))
    bits = b"".join(element(0x28, n, b"US", struct.pack("<H", v)) for n, v in values)
    return element(0x28, 4, b"CS", b"MONOCHROME2 ") + rows + cols + bits + pixels


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2", RLELossless, JPEGLSLossless])
def test_a_slice_cut_anywhere_is_refused_and_the_others_are_listed(tmp_path: Path, syntax: str) -> None:
    ct_series(tmp_path / "good", count=2, SeriesInstanceUID="1.2.3")
    whole = save(slice_set(PIXELS, (0, 0, 0)), tmp_path / "whole.dcm", syntax).read_bytes()
    (tmp_path / "whole.dcm").unlink()
    path = tmp_path / "cut.dcm"
    end = len(whole) - (8 if syntax in (RLELossless, JPEGLSLossless) else 0)  # all but the closing delimiter
    for length in range(0, end, 13):
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableInputError):
            read_dicom(path)
    assert "1.2.3" in {i.uid for i in list_dicom(tmp_path)}


@settings(max_examples=60)
@given(at=st.integers(128, 1100), value=st.integers(0, 255), packed=st.booleans())
def test_any_byte_gives_an_image_or_a_sentence(
    at: int, value: int, packed: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    path = save(slice_set(PIXELS, (0, 0, 0)), folder / "a.dcm", RLELossless if packed else "1.2.840.10008.1.2.1")
    whole = bytearray(path.read_bytes())
    whole[min(at, len(whole) - 1)] = value
    path.write_bytes(whole)
    for read in (read_dicom, list_dicom):
        try:
            read(path)
        except SegsamError as error:
            assert "Secret" not in str(error)


def test_a_damaged_header_in_the_folder_is_said(tmp_path: Path) -> None:
    folder = ct_series(tmp_path)
    (folder / "000.dcm").write_bytes((folder / "001.dcm").read_bytes()[:600])
    (said,) = read_dicom(folder).warnings
    assert said.startswith("1 file that cannot be read was left out, because 000.dcm: the")
    assert list_dicom(folder)[0].warnings == (said,)


def test_a_slice_with_short_pixels_is_named_beside_the_gap_that_it_leaves(tmp_path: Path) -> None:
    folder = ct_series(tmp_path)
    for name, cut in (("003.dcm", 2), ("001.dcm", 4)):
        (folder / name).write_bytes((folder / name).read_bytes()[:-cut])
    with pytest.raises(UnreadableInputError, match=r"5\.00 mm between .* 2 files .* 001\.dcm is cut short: 20 of 24"):
        read_dicom(folder)
    refused = [i.refused for i in list_dicom(folder)]
    assert len(refused) == 3 and all(refused)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"Rows": 4000}, "cut short: 1920 of 320000 bytes"),
        ({"Rows": 0}, "claims 0 rows and 40 columns"),
        ({"NumberOfFrames": 10**9}, "cut short: 1920 of 1920000000000 bytes"),
        ({"NumberOfFrames": -3}, "claims -3 frames"),
        ({"BitsAllocated": 12}, "claims 12 bits a voxel"),
        ({"BitsStored": 17}, "claims 17 of 16 bits"),
        ({"BitsStored": 12, "HighBit": 15}, r"went out of use \(High Bit 15\)"),
        ({"SamplesPerPixel": 4}, "has 4 samples of kind MONOCHROME2"),
        ({"PhotometricInterpretation": "HSV"}, "has 1 samples of kind HSV"),
        ({"RescaleSlope": 0}, "Rescale Slope 0"),
    ],
)
def test_what_cannot_be_true_is_refused_by_name(tmp_path: Path, fields: dict[str, object], why: str) -> None:
    path = slice_file(tmp_path / "a", PIXELS, (0, 0, 0), **fields)
    with pytest.raises(UnreadableInputError, match=why):
        read_dicom(path)
    with pytest.raises(UnreadableInputError, match=why):
        list_dicom(path)


@pytest.mark.parametrize("fields", [{"Rows": 65535, "Columns": 65535}, {"NumberOfFrames": 10**9}])
def test_packed_pixels_may_not_claim_what_is_out_of_proportion(tmp_path: Path, fields: dict[str, int]) -> None:
    ds = slice_set(PIXELS, (0, 0, 0))
    path = save(ds, tmp_path / "a", RLELossless)
    for keyword, value in fields.items():
        setattr(ds, keyword, value)
    path.unlink()
    ds.file_meta.TransferSyntaxUID = RLELossless
    ds.save_as(path, enforce_file_format=True)
    with pytest.raises(UnreadableInputError, match=r"GB a frame|cannot hold the 1000000000 frames"):
        read_dicom(path)


def test_a_packed_frame_of_another_size_is_not_unpacked(tmp_path: Path) -> None:
    ds = slice_set(np.zeros((1000, 1000), np.int16), (0, 0, 0))
    path = save(ds, tmp_path / "a", JPEGLSLossless)
    ds.Rows = 10
    ds.save_as(path, enforce_file_format=True)
    with pytest.raises(UnreadableInputError, match="could not be unpacked"):
        read_dicom(path)


def test_rows_of_32_bits(tmp_path: Path) -> None:
    """CVE-2026-5442: sizes written as UL, which a product of 32 bits would wrap."""
    huge, one = (element(0x28, n, b"UL", struct.pack("<I", v)) for n, v in ((0x10, 2**32 - 1), (0x11, 1)))
    path = raw_file(tmp_path / "a", image(huge, one, element(0x7FE0, 0x10, b"OW", b"\0" * 8)))
    with pytest.raises(UnreadableInputError, match="claims 4294967295 rows and 1 columns"):
        read_dicom(path)
    two = (element(0x28, n, b"UL", struct.pack("<I", 2)) for n in (0x10, 0x11))
    small = raw_file(tmp_path / "b", image(*two, element(0x7FE0, 0x10, b"OB", bytes(range(4)))))
    assert read_dicom(small).voxels.size == 4


@pytest.mark.parametrize("length", [0xFFFFFFF0, 0x7FFFFFFF])
def test_a_length_of_gigabytes_in_a_small_file_asks_for_no_memory(tmp_path: Path, length: int) -> None:
    rows, cols = (element(0x28, n, b"US", struct.pack("<H", 2)) for n in (0x10, 0x11))
    path = raw_file(tmp_path / "a", element(8, 0x60, b"UN", b"CT", length) + image(rows, cols, b""))
    with pytest.raises(UnreadableInputError, match="damaged or cut short"):
        read_dicom(path)
    path = raw_file(tmp_path / "b", image(rows, cols, element(0x7FE0, 0x10, b"OW", b"\0\0", length)))
    with pytest.raises(UnreadableInputError, match="cut short: 2 of 4 bytes"):
        read_dicom(path)


def test_sequences_without_end_inside_each_other_are_refused(tmp_path: Path) -> None:
    opened = element(0x5200, 0x9230, b"SQ", b"", 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    rows, cols = (element(0x28, n, b"US", struct.pack("<H", 2)) for n in (0x10, 0x11))
    path = raw_file(tmp_path / "a", image(rows, cols, opened * 5000))
    with pytest.raises(UnreadableInputError, match="damaged or cut short"):
        read_dicom(path)


def test_a_deflated_bomb_is_not_inflated(tmp_path: Path) -> None:
    """A thousand bytes for each that is there: what it claims to need it could hold, what lies behind is left alone."""
    rows, cols = (element(0x28, n, b"US", struct.pack("<H", 2)) for n in (0x10, 0x11))
    header = image(rows, cols, element(0x7FE0, 0x10, b"OW", b"\x01\x02\x03\x04", 2**31))
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = packer.compress(header) + b"".join(packer.compress(b"\0" * 2**20) for _ in range(100)) + packer.flush()
    path = raw_file(tmp_path / "a", bomb, DeflatedExplicitVRLittleEndian.encode())
    began = time.perf_counter()
    assert read_dicom(path).voxels[:, :, 0].T.tolist() == [[1, 2], [3, 4]]
    assert time.perf_counter() - began < 5
    path.write_bytes(path.read_bytes()[:220])
    with pytest.raises(UnreadableInputError, match="cut short"):
        read_dicom(path)


def test_an_odd_number_of_bytes_is_read(tmp_path: Path) -> None:
    pixels = np.arange(9, dtype=np.uint8).reshape(3, 3)
    path = slice_file(tmp_path / "a", pixels, (0, 0, 0))
    path.write_bytes(path.read_bytes()[:-1])
    assert np.array_equal(read_dicom(path).voxels[:, :, 0].T, pixels)


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "\u202efdp.scan", "x" * 200, "a\udcffb"])
def test_hostile_file_names_are_shown_harmless(tmp_path: Path, name: str) -> None:
    whole = slice_file(tmp_path / "whole", PIXELS, (0, 0, 0)).read_bytes()
    path = tmp_path / name
    path.write_bytes(whole[:-2])
    with pytest.raises(UnreadableInputError) as refused:
        read_dicom(path)
    for shown in (str(refused.value), str(list_dicom(tmp_path)[-1].refused)):
        assert shown.isprintable() and len(shown) < 200 and "cut short" in shown


def test_hostile_descriptions_are_shown_harmless(tmp_path: Path) -> None:
    path = slice_file(tmp_path / "a", PIXELS, (0, 0, 0), SeriesDescription="bad\x1b[2J" + "x" * 40)
    assert list_dicom(path)[0].description == "bad?[2J" + "x" * 40


def test_an_unknown_syntax_is_refused_by_its_number(tmp_path: Path) -> None:
    rows, cols = (element(0x28, n, b"US", struct.pack("<H", 2)) for n in (0x10, 0x11))
    elements = image(rows, cols, element(0x7FE0, 0x10, b"OB", b"\0" * 4))
    path = raw_file(tmp_path / "a", elements, b"1.3.46.670589.33.1.4.1\0\0")
    assert "packed as 1.3.46.670589.33.1.4.1, which cannot be read" in str(list_dicom(path)[0].refused)
    path = raw_file(tmp_path / "b", elements, b"1.2.840.10008.1.2.4.100\0")
    assert "packed as MPEG2 Main Profile / Main Level (1.2.840.10008.1.2.4.100)" in str(list_dicom(path)[0].refused)
    with pytest.raises(UnreadableInputError, match="MPEG2 Main Profile"):
        read_dicom(path)


@pytest.mark.parametrize("table", [[0, 4], [4, 0], [0, 0], [0, 10**9], [0]])
def test_an_offset_table_that_points_elsewhere_is_refused(tmp_path: Path, table: list[int]) -> None:
    frames = np.stack([PIXELS, PIXELS + 1])
    ds = multi_frame(frames, [frame_item((0, 0, k)) for k in range(2)])
    path = save(ds, tmp_path / "a", RLELossless)
    good = ds.PixelData
    (length,) = struct.unpack_from("<I", good, 4)
    ds.PixelData = struct.pack("<HHI", 0xFFFE, 0xE000, 4 * len(table)) + struct.pack(f"<{len(table)}I", *table)
    ds.PixelData += good[8 + length :]
    ds.save_as(path, enforce_file_format=True)
    with pytest.raises(UnreadableInputError, match="could not be unpacked"):
        read_dicom(path)


@pytest.mark.parametrize(("order", "syntax"), [("<", b"1.2.840.10008.1.2.1\0"), (">", b"1.2.840.10008.1.2.2\0")])
def test_items_within_items_without_end_are_refused_before_they_are_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str, syntax: bytes
) -> None:
    opened = struct.pack(f"{order}HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    opened += struct.pack(f"{order}HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    path = raw_file(tmp_path / "deep.dcm", opened * 200, syntax)
    for search in ("_data_set", "_guessed"):
        monkeypatch.setattr(parse, search, lambda *_: pytest.fail("searched"))
    with pytest.raises(UnreadableInputError, match=r"deep\.dcm: the DICOM header is damaged"):
        read_dicom(path)
