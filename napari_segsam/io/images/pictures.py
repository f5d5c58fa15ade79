"""Photographs and stills (dermoscopy, endoscopy, fundus, ultrasound, X-ray): PNG, JPEG, TIFF and BMP through pillow."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume
from napari_segsam.io.images.image import TRANSPARENT
from napari_segsam.io.images.memory import too_large
from napari_segsam.io.images.png import keep_sixteen_bits, sixteen_bits
from napari_segsam.io.images.tiff import as_stored, each_page, misread, page_count, zeros_are_bright
from napari_segsam.io.intensities import Voxels, finite, narrowed
from napari_segsam.io.series_info import SeriesInfo, chosen

NO_MILLIMETRES = "A picture has no millimetres and no patient: a millimetre is a pixel here."
MOST_PIXELS = 1 << 27
"""Of one picture, 11585 pixels square; a larger one is refused before it is unpacked."""
_MOST_PER_BYTE = 4096
"""Bytes of pixels for each byte of a file; blank pictures were seen to reach 1028 in PNG and 2744 in TIFF (Group 4)."""

_FORMATS = ("PNG", "JPEG", "TIFF", "BMP")  # whatever the suffix says, nothing else is tried
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, KeyError, TypeError, ArithmeticError)
_GREY = ("L", "I", "F", "1", "LA", "I;16", "I;16B", "I;16L")
_COLOURS = ("RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "YCbCr")


def read_picture(path: Path, series: str | None = None) -> Volume:
    """Read a 2D picture as (columns, rows, 1) grey or (columns, rows, 1, 3) RGB voxels of 1 mm.

    Columns run to the left, rows to posterior, as on a radiological axial slice, so that it is shown upright. The
    orientation of the Exif standard is applied, so rows and columns are those that every viewer shows.

    Args:
        path: PNG, JPEG, TIFF or BMP.
        series: ``#1``, ``#2``, ... of a TIFF with several pages.

    Raises:
        UnknownNameError: no such page.
        UnreadableInputError: damaged, cut short, too large, several pages and none named, or no picture.
    """
    _check_sums(path)
    with _opened(path) as image:
        pages = page_count(image)
        page = chosen(series, pages, path.name)
        return _volume(image, page, path, path.stem if pages == 1 else f"{path.stem} #{page + 1}")


def list_picture(path: Path) -> list[SeriesInfo]:
    """The picture, or every page of a TIFF; each is unpacked, so that a damaged one is refused here.

    Raises:
        UnreadableInputError: as :func:`read_picture`.
    """
    _check_sums(path)
    with _opened(path) as image:
        pages = page_count(image)
        if pages == 1:
            return [SeriesInfo.of(_volume(image, 0, path, path.stem))]
        if sum(_least_bytes(image) for _ in each_page(image)) > _MOST_PER_BYTE * path.stat().st_size:
            raise ValueError("pages that are the same few bytes over and over")
        names = (f"{path.stem}: page {n + 1} of {pages}" for n in range(pages))
        return [SeriesInfo.of(_volume(image, n, path, name), f"#{n + 1}") for n, name in enumerate(names)]


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The picture by its header only; whatever pillow raises inside becomes one sentence.

    Raises:
        UnreadableInputError: it is damaged or larger than MOST_PIXELS.
    """
    file = path.open("rb")  # one that the system keeps back is not damaged
    try:
        with file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # unusual metadata; pillow's words may quote it
            with Image.open(file, formats=_FORMATS) as image:
                yield image
    except Image.DecompressionBombError as error:
        raise _too_many_pixels(path) from error
    except MemoryError as error:
        raise too_large(MOST_PIXELS * 4, path.name) from error
    except UnidentifiedImageError as error:
        raise UnreadableInputError(
            f"{path.name} is damaged or no picture that can be read (PNG, JPEG, TIFF, BMP); save it as PNG."
        ) from error
    except _DAMAGE as error:
        raise UnreadableInputError(
            f"{path.name} could not be read as a picture; it is damaged or cut short."
        ) from error


def _check_sums(path: Path) -> None:
    """A PNG carries checksums, which pillow compares only when asked to, and then shows no pixels."""
    with _opened(path) as image:
        if image.format == "PNG":
            image.verify()


def _volume(image: Any, page: int, path: Path, name: str) -> Volume:
    if image.format == "TIFF":
        image.seek(page)
    _check_claim(image, path)
    if misread(image):
        raise UnreadableInputError(f"{path.name} is a TIFF of a kind that pillow reads wrongly; save it as PNG.")
    inverted = zeros_are_bright(image)
    pixels, transparent = _pixels(image, path)
    voxels, warned = finite(narrowed(as_stored(image, pixels)), path.name)
    grid = Grid((voxels.shape[1], voxels.shape[0], 1), np.eye(4))
    voxels = voxels[np.newaxis].transpose(2, 1, 0, *range(3, voxels.ndim + 1))
    return Volume(
        grid,
        voxels,
        modality="rgb" if voxels.ndim == 4 else "unknown",
        name=name,
        inverted=inverted,
        placed=False,
        warnings=(NO_MILLIMETRES, *warned, *((TRANSPARENT,) if transparent else ())),
    )


def _check_claim(image: Any, path: Path) -> None:
    """Refuse a size that is absurd, or that a file of this length cannot hold, before memory is asked for.

    Pillow leaves black what the strips of a TIFF do not reach.
    """
    pixels = image.width * image.height
    if pixels > MOST_PIXELS:
        raise _too_many_pixels(path)
    reached = sum((x1 - x0) * (y1 - y0) for _, (x0, y0, x1, y1), *_ in image.tile)
    if _least_bytes(image) > _MOST_PER_BYTE * path.stat().st_size or reached < pixels or reached % pixels:
        raise ValueError("fewer pixels than the header says")


def _least_bytes(image: Any) -> int:
    """Of the pixels of a page, unpacked; a bit each or a byte each."""
    return int(image.width * image.height) // (8 if image.mode == "1" else 1)


def _pixels(image: Any, path: Path) -> tuple[Voxels, bool]:
    """(rows, columns) or (rows, columns, 3), turned as the camera was held; and whether any is transparent."""
    deep = keep_sixteen_bits(image)
    image.load()
    upright: Any = ImageOps.exif_transpose(image)
    if deep:
        return sixteen_bits(upright)
    transparent = "A" in upright.getbands() and upright.getchannel("A").getextrema()[0] < 255
    if upright.mode in ("LA", "1"):
        upright = upright.convert("L")
    if upright.mode in _GREY:
        return np.array(upright), transparent
    if upright.mode in _COLOURS:
        return np.array(upright.convert("RGB")), transparent
    raise UnreadableInputError(f"{path.name} has {upright.mode} colours, made for print; save it as RGB.")


def _too_many_pixels(path: Path) -> UnreadableInputError:
    return UnreadableInputError(
        f"{path.name} has more than {MOST_PIXELS} pixels, which is no single picture; crop it or make it smaller."
    )
