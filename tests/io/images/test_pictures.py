"""Pictures: upright, one millimetre a pixel, the numbers that the file holds, refused where damaged or absurd."""

import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_segsam.core.errors import UnknownNameError, UnreadableInputError
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Volume
from napari_segsam.io.images.image import TRANSPARENT
from napari_segsam.io.images.pictures import MOST_PIXELS, NO_MILLIMETRES, list_picture, read_picture

COLOURS = np.random.default_rng(0).integers(0, 255, (6, 9, 3)).astype(np.uint8)
GREY = np.arange(54).reshape(6, 9)


def pixels(volume: Volume) -> NDArray:  # type: ignore[type-arg]
    return SliceView(volume, 2, 0).pixels


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_a_picture_is_shown_as_it_is(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(COLOURS).save(tmp_path / f"a{suffix}")
    volume = read_picture(tmp_path / f"a{suffix}")
    assert volume.grid.shape == (9, 6, 1) and volume.modality == "rgb" and volume.name == "a"
    assert np.array_equal(pixels(volume), COLOURS) and volume.warnings == (NO_MILLIMETRES,)
    (info,) = list_picture(tmp_path / f"a{suffix}")
    assert (info.uid, info.shape, info.modality) == ("", (9, 6, 1), "rgb")


@pytest.mark.parametrize("resolution", [(300, 300), (72, 144)])
def test_what_a_printer_would_make_of_it_says_nothing_of_the_patient(
    tmp_path: Path, resolution: tuple[int, int]
) -> None:
    for suffix in (".png", ".tif", ".jpg", ".bmp"):
        Image.fromarray(COLOURS).save(tmp_path / f"a{suffix}", dpi=resolution)
        assert read_picture(tmp_path / f"a{suffix}").grid.spacing_mm == (1, 1, 1)


@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_grey_in_eight_and_sixteen_bits(tmp_path: Path, kind: str) -> None:
    grey = (GREY * (4 if kind == "u1" else 1200)).astype(kind)
    Image.fromarray(grey).save(tmp_path / "a.png")
    volume = read_picture(tmp_path / "a.png")
    assert volume.modality == "unknown" and np.array_equal(pixels(volume), grey)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "f4"])
def test_the_numbers_of_a_tiff_are_kept_or_it_is_refused(
    tmp_path: Path, kind: str, compression: str | None, order: str
) -> None:
    top = 4e9 if kind == "u4" else np.iinfo(kind).max if kind != "f4" else 1.0
    grey = (GREY / 53 * top).astype(kind) - np.array(0 if kind[0] == "u" else 20).astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", grey, compression=compression, byteorder=order)
    try:
        found = pixels(read_picture(tmp_path / "a.tif"))
    except UnreadableInputError as error:
        assert "save it as PNG" in str(error) and order == ">"
        assert kind == "u4" or (compression and kind in ("i2", "i4", "f4"))
    else:
        assert np.array_equal(found, grey)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", ["u1", "u2"])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_the_colours_of_a_tiff_are_kept_or_it_is_refused(
    tmp_path: Path, compression: str | None, planes: str, kind: str, order: str
) -> None:
    stored = COLOURS.astype(kind) * (1 if kind == "u1" else 257)  # of 16 bits the upper eight are kept
    stored = stored if planes == "contig" else np.moveaxis(stored, -1, 0).copy()
    options = {"photometric": "rgb", "planarconfig": planes, "compression": compression, "rowsperstrip": 4}
    tifffile.imwrite(tmp_path / "a.tif", stored, byteorder=order, **options)
    if kind == "u2" and planes == "separate":
        with pytest.raises(UnreadableInputError, match="save it as PNG"):
            read_picture(tmp_path / "a.tif")
    else:
        assert np.array_equal(pixels(read_picture(tmp_path / "a.tif")), COLOURS)


@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_bright_zeros_are_inverted_only_for_the_eye(tmp_path: Path, kind: str) -> None:
    grey = GREY.astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", grey, photometric="miniswhite")
    volume = read_picture(tmp_path / "a.tif")
    assert volume.inverted and np.array_equal(pixels(volume), grey)
    tifffile.imwrite(tmp_path / "b.tif", grey, photometric="minisblack")
    assert not read_picture(tmp_path / "b.tif").inverted


def test_palettes_and_transparency_become_plain_colours(tmp_path: Path) -> None:
    indexed = Image.fromarray(COLOURS).convert("P", palette=Image.Palette.ADAPTIVE)
    for name, image in {
        "p": indexed,
        "pa": indexed.convert("RGBA"),
        "rgba": Image.fromarray(np.dstack([COLOURS, GREY.astype(np.uint8)])),
    }.items():
        image.save(tmp_path / f"{name}.png")
        volume = read_picture(tmp_path / f"{name}.png")
        assert np.array_equal(pixels(volume), np.array(image.convert("RGB")))
        assert (TRANSPARENT in volume.warnings) == (name == "rgba")
    for mode, kind in (("LA", "u1"), ("1", "u1")):
        image = Image.fromarray(COLOURS).convert(mode)
        image.save(tmp_path / "grey.png")
        found = pixels(read_picture(tmp_path / "grey.png"))
        assert found.dtype == kind and np.array_equal(found, np.array(image.convert("L")))


def deep_and_transparent(path: Path, grey: NDArray, alpha: NDArray, orientation: int = 1) -> None:  # type: ignore[type-arg]
    """A PNG of 16-bit grey and opacity, which pillow cannot write."""
    rows = np.dstack([grey, alpha]).astype(">u2")
    size = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], 16, 4, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    exif = Image.Exif()
    exif[0x0112] = orientation
    parts = {b"IHDR": size, b"eXIf": exif.tobytes().removeprefix(b"Exif\0\0"), b"IDAT": packed, b"IEND": b""}
    chunks = (struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in parts.items())
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def test_sixteen_bits_of_grey_are_kept_where_there_is_transparency(tmp_path: Path) -> None:
    grey, opaque = GREY * 1200, np.full_like(GREY, 0xFFFF)
    deep_and_transparent(tmp_path / "a.png", grey, opaque)
    volume = read_picture(tmp_path / "a.png")
    assert volume.modality == "unknown" and np.array_equal(pixels(volume), grey) and TRANSPARENT not in volume.warnings
    opaque[0, 0] = 0xFEFF  # its lower byte says nothing of it
    deep_and_transparent(tmp_path / "a.png", grey, opaque, orientation=6)
    volume = read_picture(tmp_path / "a.png")
    assert np.array_equal(pixels(volume), np.rot90(grey, -1)) and TRANSPARENT in volume.warnings


@pytest.mark.parametrize(("mode", "suffix"), [("CMYK", ".jpg"), ("CMYK", ".tif"), ("LAB", ".tif")])
def test_colours_made_for_print_are_refused_by_name(tmp_path: Path, mode: str, suffix: str) -> None:
    Image.fromarray(COLOURS).convert(mode).save(tmp_path / f"a{suffix}")
    with pytest.raises(UnreadableInputError, match=f"has {mode} colours, made for print; save it as RGB"):
        read_picture(tmp_path / f"a{suffix}")


@pytest.mark.parametrize(
    ("suffix", "kind"), [(".jpg", "u1"), (".png", "u1"), (".png", "u2"), (".tif", "u1"), (".tif", "u2")]
)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_stands_upright_however_the_camera_was_held(
    tmp_path: Path, suffix: str, orientation: int, kind: str
) -> None:
    stored = np.zeros((16, 24), kind)
    stored[:8, :8] = 200  # the corner of the first row and first column, of 8 by 8 so that JPEG keeps it
    image = Image.fromarray(stored)
    exif = Image.Exif()
    exif[274] = orientation
    image.save(tmp_path / f"a{suffix}", exif=exif, **({"quality": 100} if suffix == ".jpg" else {}))
    found = pixels(read_picture(tmp_path / f"a{suffix}"))
    # Exif 2.3, 4.6.4: where row 0 and column 0 of the stored picture are seen.
    row, column = [None, "tl", "tr", "br", "bl", "lt", "rt", "rb", "lb"][orientation] or "tl"
    top, left = ("t" in row + column), ("l" in row + column)
    assert found.shape == ((16, 24) if orientation < 5 else (24, 16))
    corner = found[:8] if top else found[-8:]
    assert np.abs((corner[:, :8] if left else corner[:, -8:]).astype(int) - 200).max() <= 2


def test_pages_of_a_tiff_are_volumes(tmp_path: Path) -> None:
    pages = [GREY.astype(np.uint16), np.full((4, 5), 9, np.uint8), COLOURS]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in pages:
            writer.write(page)
    with pytest.raises(UnreadableInputError, match=r"a\.tif holds 3 volumes; name one"):
        read_picture(tmp_path / "a.tif")
    with pytest.raises(UnknownNameError, match="#4"):
        read_picture(tmp_path / "a.tif", "#4")
    listed = list_picture(tmp_path / "a.tif")
    assert [(s.uid, s.shape, s.modality) for s in listed] == [
        ("#1", (9, 6, 1), "unknown"),
        ("#2", (5, 4, 1), "unknown"),
        ("#3", (9, 6, 1), "rgb"),
    ]
    assert listed[1].description == "a: page 2 of 3"
    for page, info in zip(pages, listed, strict=True):
        volume = read_picture(tmp_path / "a.tif", info.uid)
        assert volume.name == f"a {info.uid}" and np.array_equal(pixels(volume), page)


def test_a_preview_behind_a_jpeg_is_no_second_page(tmp_path: Path) -> None:
    first, second = Image.fromarray(COLOURS), Image.fromarray(COLOURS[:2, :2])
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    assert read_picture(tmp_path / "a.jpg").grid.shape == (9, 6, 1)


def small_pictures(folder: Path) -> list[Path]:
    image = Image.fromarray(COLOURS)
    image.save(folder / "a.png")
    image.save(folder / "b.jpg")
    image.save(folder / "c.bmp")
    image.save(folder / "d.tif")
    image.save(folder / "e.tif", compression="tiff_adobe_deflate")
    tifffile.imwrite(folder / "f.tif", GREY.astype(np.uint16))
    with tifffile.TiffWriter(folder / "g.tif") as writer:
        for page in (GREY.astype(np.uint8), COLOURS):
            writer.write(page)
    return sorted(folder.iterdir())


def test_a_picture_cut_at_any_byte_is_refused_or_the_same(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for path in small_pictures(tmp_path):
        whole, series = path.read_bytes(), "#1" if path.name == "g.tif" else None
        original = pixels(read_picture(path, series))
        for length in range(0, len(whole), 13):
            path.write_bytes(whole[:length])
            try:
                found = pixels(read_picture(path, series))
            except UnreadableInputError as error:
                assert path.name in str(error)
            else:
                assert np.array_equal(found, original), (path.name, length)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["a.png", "e.tif"])
def test_a_flipped_byte_of_packed_pixels_is_refused_or_harmless(tmp_path: Path, name: str) -> None:
    small_pictures(tmp_path)
    path = tmp_path / name
    whole = path.read_bytes()
    begin, end = (whole.index(b"IDAT"), whole.index(b"IEND")) if name == "a.png" else (8, 8 + 40)
    for at in range(begin, end):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            found = pixels(read_picture(path))
        except UnreadableInputError:
            continue
        assert np.array_equal(found, COLOURS), at


def test_other_content_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"GIF89a" + bytes(99), b"\x89PNG\r\n\x1a\n"):
        (tmp_path / "a.png").write_bytes(content)
        with pytest.raises(UnreadableInputError, match=r"a\.png"):
            read_picture(tmp_path / "a.png")


def with_size(whole: bytes, width: int, height: int) -> bytes:
    """A PNG that says another size, its checksum made right again."""
    header = b"IHDR" + width.to_bytes(4) + height.to_bytes(4) + whole[24:29]
    return whole[:12] + header + zlib.crc32(header).to_bytes(4) + whole[33:]


@pytest.mark.parametrize(
    ("width", "height", "said"),
    [
        (40_000, 40_000, "more than"),
        (12_000, 12_000, "more than"),
        (8_000, 8_000, "damaged"),
        (1 << 31, 9, "more than"),
    ],
)
def test_a_small_picture_of_an_absurd_size_is_refused_at_once(
    tmp_path: Path, width: int, height: int, said: str
) -> None:
    assert 8_000**2 < MOST_PIXELS < 12_000**2
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(with_size((tmp_path / "a.png").read_bytes(), width, height))
    began = time.process_time()
    with pytest.raises(UnreadableInputError, match=said):
        read_picture(tmp_path / "a.png")
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("mode", "name", "options"),
    [
        ("L", "a.png", {}),
        ("1", "a.png", {}),
        ("1", "a.tif", {"compression": "group4"}),
        ("L", "a.tif", {"compression": "tiff_lzw"}),
    ],
)
def test_a_blank_picture_is_no_bomb(tmp_path: Path, mode: str, name: str, options: dict[str, str]) -> None:
    Image.new(mode, (2000, 2000)).save(tmp_path / name, **options)
    assert read_picture(tmp_path / name).grid.shape == (2000, 2000, 1)


def test_pages_that_are_the_same_few_bytes_over_and_over_are_not_listed(tmp_path: Path) -> None:
    Image.new("L", (2000, 2000)).save(tmp_path / "a.tif", compression="tiff_adobe_deflate")
    whole = bytearray((tmp_path / "a.tif").read_bytes())
    at = int.from_bytes(whole[4:8], "little")
    end = at + 2 + 12 * int.from_bytes(whole[at : at + 2], "little")
    directory = whole[at:end]
    for _ in range(199):  # directories that all point to the pixels of the first
        whole[end : end + 4] = len(whole).to_bytes(4, "little")
        end = len(whole) + len(directory)
        whole += directory + bytes(4)
    (tmp_path / "a.tif").write_bytes(whole)
    began = time.process_time()
    with pytest.raises(UnreadableInputError, match="damaged"):
        list_picture(tmp_path / "a.tif")
    assert time.process_time() - began < 1
    assert read_picture(tmp_path / "a.tif", "#200").grid.shape == (2000, 2000, 1)


def test_a_tiff_whose_strips_do_not_reach_its_end_is_refused(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.tif")
    whole = (tmp_path / "a.tif").read_bytes()
    at = whole.index(b"\x01\x01\x04\x00\x01\x00\x00\x00") + 8  # ImageLength, which says 6
    (tmp_path / "a.tif").write_bytes(whole[:at] + (12).to_bytes(4, "little") + whole[at + 4 :])
    with pytest.raises(UnreadableInputError, match="damaged"):
        read_picture(tmp_path / "a.tif")


def test_real_pictures(shared_data: Path) -> None:
    found = [p for kind in ("rgb/kvasir", "us", "sam_med2d_demo") for p in sorted((shared_data / kind).rglob("*.*g"))]
    assert len(found) > 40
    for path in found[::4]:
        assert np.array_equal(pixels(read_picture(path)), np.array(Image.open(path)))
