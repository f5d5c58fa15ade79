"""Lookup tables: palettes of every make become the colours that they stand for."""

import struct
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.dicom.read import read_dicom
from tests.io.dicom.dicom_files import save, slice_set

INDICES = np.array([[0, 1, 2, 3, 9]], np.uint8)
BACKWARDS = {"Red": (10, 20, 30, 40), "Green": (50, 60, 70, 80), "Blue": (90, 100, 110, 120)}


def coloured(
    path: Path, tables: dict[str, bytes], descriptor: list[int], syntax: str = ExplicitVRLittleEndian, *,
    pixels: np.ndarray = INDICES, segmented: bool = False,
) -> Path:  # type: ignore[type-arg]  # fmt: skip
    """Write a palette image."""
    ds = slice_set(pixels, (0, 0, 0), PhotometricInterpretation="PALETTE COLOR", RescaleSlope=None)
    for colour, data in tables.items():
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", descriptor)
        setattr(ds, f"{'Segmented' if segmented else ''}{colour}PaletteColorLookupTableData", data)
    return save(ds, path, syntax)


def seen(path: Path) -> list[list[int]]:
    """The red, green and blue of the image's row."""
    volume = read_dicom(path)
    assert volume.is_rgb and volume.voxels.dtype == np.uint8
    return volume.voxels[:, 0, 0].tolist()  # type: ignore[no-any-return]


def rgb(*entries: int) -> list[list[int]]:
    """The colours of these entries of the table above."""
    return [[BACKWARDS[c][n] for c in ("Red", "Green", "Blue")] for n in entries]


def test_entries_of_8_bits(tmp_path: Path) -> None:
    tables = {c: bytes(v) for c, v in BACKWARDS.items()}
    assert seen(coloured(tmp_path / "a", tables, [4, 0, 8])) == rgb(0, 1, 2, 3, 3)


def test_a_dark_colour_of_16_bits_stays_dark_beside_bright_ones(tmp_path: Path) -> None:
    tables = {"Red": (0, 65535), "Green": (0, 65535), "Blue": (0, 250)}
    path = coloured(tmp_path / "a", {c: struct.pack("<2H", *v) for c, v in tables.items()}, [2, 0, 16])
    assert seen(path)[1] == [255, 255, 0]


def test_an_odd_number_of_entries_of_8_bits(tmp_path: Path) -> None:
    tables = {c: bytes((*v[:3], 0)) for c, v in BACKWARDS.items()}
    assert seen(coloured(tmp_path / "a", tables, [3, 0, 8])) == rgb(0, 1, 2, 2, 2)


@pytest.mark.parametrize(("syntax", "order"), [(ExplicitVRLittleEndian, "<"), (ExplicitVRBigEndian, ">")])
def test_entries_of_16_bits_in_both_byte_orders(tmp_path: Path, syntax: str, order: str) -> None:
    tables = {c: struct.pack(f"{order}4H", *(256 * n + 255 - n for n in v)) for c, v in BACKWARDS.items()}
    assert seen(coloured(tmp_path / "a", tables, [4, 0, 16], syntax)) == rgb(0, 1, 2, 3, 3)


def test_entries_that_say_16_bits_and_use_8(tmp_path: Path) -> None:
    tables = {c: struct.pack("<4H", *v) for c, v in BACKWARDS.items()}
    assert seen(coloured(tmp_path / "a", tables, [4, 0, 16])) == rgb(0, 1, 2, 3, 3)


def test_a_table_that_does_not_begin_at_zero(tmp_path: Path) -> None:
    tables = {c: bytes(v) for c, v in BACKWARDS.items()}
    assert seen(coloured(tmp_path / "a", tables, [4, 2, 8])) == rgb(0, 0, 0, 1, 3)


def test_pixels_of_16_bits_into_a_long_table(tmp_path: Path) -> None:
    """More entries than 8 bits can count, which is where an index in the table's own type would overflow."""
    ramp = np.arange(1000) % 251
    tables = dict.fromkeys(("Red", "Green", "Blue"), ramp.astype(np.uint8).tobytes())
    pixels = np.array([[0, 250, 251, 300, 999]], np.uint16)
    found = seen(coloured(tmp_path / "a", tables, [1000, 0, 8], pixels=pixels))
    assert [colour[0] for colour in found] == [0, 250, 0, 49, 246]


def test_segments_are_runs_lines_and_repetitions(tmp_path: Path) -> None:
    """PS3.3 C.7.9.2: two entries as they are, a line to 40 in two steps; then the first segment again."""
    words = (0, 2, 10, 20, 1, 2, 40, 2, 1, 0, 0, 0)
    tables = dict.fromkeys(("Red", "Green", "Blue"), bytes(words) + b"\0")
    pixels = np.array([[0, 1, 2, 3, 4, 5]], np.uint8)
    found = seen(coloured(tmp_path / "a", tables, [6, 0, 8], pixels=pixels, segmented=True))
    assert [colour[0] for colour in found] == [10, 20, 30, 40, 10, 20]


def test_segments_of_16_bits_point_by_bytes(tmp_path: Path) -> None:
    words = (0, 1, 0x0A00, 0, 2, 0x1400, 0x1E00, 2, 1, 6, 0)
    tables = dict.fromkeys(("Red", "Green", "Blue"), struct.pack(f"<{len(words)}H", *words))
    found = seen(coloured(tmp_path / "a", tables, [5, 0, 16], pixels=INDICES[:, :4], segmented=True))
    assert [colour[0] for colour in found] == [10, 20, 30, 20]


@pytest.mark.parametrize(
    "words",
    [
        (1, 2, 40, 0),
        (0, 200, 10, 20),
        (7, 1, 0, 0),
        (0, 1, 10, 2, 1, 3, 0, 0),
        (0, 0, 0, 0),
        (0, 1, 9, 0, *(2, 255, 0, 0, 0, 0) * 300),
    ],
)
def test_segments_that_make_no_table_are_refused(tmp_path: Path, words: tuple[int, ...]) -> None:
    tables = dict.fromkeys(("Red", "Green", "Blue"), bytes(words))
    with pytest.raises(UnreadableInputError, match="damaged or cut short"):
        read_dicom(coloured(tmp_path / "a", tables, [256, 0, 8], segmented=True))


def test_a_table_cut_short_is_refused(tmp_path: Path) -> None:
    tables = {c: bytes(v) for c, v in BACKWARDS.items()}
    with pytest.raises(UnreadableInputError, match="damaged or cut short"):
        read_dicom(coloured(tmp_path / "a", tables, [5, 0, 8]))
