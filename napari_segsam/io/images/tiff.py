"""What of a TIFF differs from other pictures, and what pillow makes of it; of others every question has its answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from napari_segsam.io.images.layout import MOST_VOLUMES
from napari_segsam.io.intensities import Voxels

Picture = Any
"""A picture that pillow has opened; its tags have no types."""

_BITS, _PHOTOMETRIC, _PLANES, _SAMPLE_FORMAT = 258, 262, 284, 339  # TIFF 6.0
_WHITE_IS_ZERO, _APART, _UNSIGNED, _SIGNED = 0, 2, 1, 2


def page_count(picture: Picture) -> int:
    """Of a TIFF; what follows the first picture of a JPEG or PNG is a preview, a gain map or an animation.

    Raises:
        ValueError: more than can be told apart.
    """
    pages = int(picture.n_frames) if picture.format == "TIFF" else 1
    if pages > MOST_VOLUMES:
        raise ValueError("too many pages")
    return pages


def each_page(picture: Picture) -> Iterator[int]:
    """Turns to one page after the other."""
    for page in range(page_count(picture)):
        picture.seek(page)
        yield page


def zeros_are_bright(picture: Picture) -> bool:
    """Whether low values are bright, as in MONOCHROME1."""
    return _tag(picture, _PHOTOMETRIC, 1) == _WHITE_IS_ZERO


def misread(picture: Picture) -> bool:
    """Whether pillow 13 would mix up the bytes: of packed big-endian numbers, and of deep colours plane by plane."""
    if picture.format != "TIFF":
        return False
    packed_big_endian = picture.tile[0][0] == "libtiff" and picture.tag_v2.prefix == b"MM"
    planes_apart = _tag(picture, _PLANES, 1) == _APART
    return (packed_big_endian and picture.mode in ("I", "F")) or (planes_apart and _tag(picture, _BITS, 1) > 8)


def as_stored(picture: Picture, pixels: Voxels) -> Voxels:
    """What pillow makes of the grey pixels of a TIFF, undone: bytes turned around, signs dropped or given."""
    if picture.format != "TIFF" or pixels.ndim > 2:
        return pixels
    if pixels.dtype == np.uint8 and zeros_are_bright(picture):
        pixels = 255 - pixels
    format_ = _tag(picture, _SAMPLE_FORMAT, _UNSIGNED)
    if pixels.dtype == np.uint8 and format_ == _SIGNED:
        return pixels.view(np.int8)
    return pixels.view(np.uint32) if pixels.dtype == np.int32 and format_ == _UNSIGNED else pixels


def _tag(picture: Picture, tag: int, default: int) -> int:
    """A number of a TIFF page, the first of several; ``default`` where there is none or this is no TIFF."""
    found = picture.tag_v2.get(tag, default) if picture.format == "TIFF" else default
    return int(found[0] if isinstance(found, tuple) else found)
