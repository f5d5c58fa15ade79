"""A PNG of 16-bit grey with transparency, whose grey pillow would cut to 8 bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_segsam.io.images.tiff import Picture
from napari_segsam.io.intensities import Voxels

_CUT, _WHOLE = "LA;16B", "RGBA"  # how pillow unpacks its four bytes a pixel, and how it leaves four bytes as they are
_OPAQUE = 0xFFFF


def keep_sixteen_bits(picture: Picture) -> bool:
    """Have the bytes of such a picture unpacked as they are stored, before it is loaded; whether it is one."""
    tiles: list[Any] = picture.tile
    if picture.format != "PNG" or [tile[3] for tile in tiles] != [_CUT]:
        return False
    picture.tile = [(*tiles[0][:3], _WHOLE)]
    return True


def sixteen_bits(picture: Picture) -> tuple[Voxels, bool]:
    """(rows, columns) big-endian uint16 grey of what was unpacked so, and whether a pixel is transparent."""
    stored = np.array(picture).view(">u2")  # (rows, columns, 4) bytes -> (rows, columns, 2) grey and opacity
    return stored[..., 0], bool((stored[..., 1] < _OPAQUE).any())
