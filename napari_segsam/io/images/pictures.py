"""Photographs and ultrasound stills: PNG, JPEG, TIFF, BMP through pillow."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume
from napari_segsam.io.intensities import Voxels, finite, narrowed

_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, UnidentifiedImageError, Image.DecompressionBombError)
_GREY = ("L", "I", "F", "1", "LA", "I;16", "I;16B", "I;16L")


def read_picture(path: Path) -> Volume:
    """Read a 2D picture as (columns, rows, 1) grey or (columns, rows, 1, 3) RGB voxels of 1 mm.

    Columns run to the left, rows to posterior, as on a radiological axial slice, so that it is shown upright.

    Raises:
        UnreadableInputError: damaged, cut short, several pages, or no picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # unusual metadata; pillow's words may quote it
            pixels = _pixels(path)
    except _DAMAGE as error:
        raise UnreadableInputError(
            f"{path.name} could not be read as a picture; it is damaged or cut short."
        ) from error
    voxels, warned = finite(narrowed(pixels), path.name)
    grid = Grid((voxels.shape[1], voxels.shape[0], 1), np.eye(4))
    voxels = voxels[np.newaxis].transpose(2, 1, 0, *range(3, voxels.ndim + 1))
    modality = "rgb" if voxels.ndim == 4 else "unknown"
    warning = "A picture has no millimetres and no patient: a millimetre is a pixel here."
    return Volume(grid, voxels, modality=modality, name=path.stem, warnings=(warning, *warned))


def _pixels(path: Path) -> Voxels:
    """(rows, columns) or (rows, columns, 3), turned as the camera was held."""
    with Image.open(path) as image:
        if getattr(image, "n_frames", 1) > 1:
            raise UnreadableInputError(f"{path.name} has several pages; save them as single pictures.")
        image.load()
        upright = ImageOps.exif_transpose(image)
        if upright.mode in ("LA", "1"):
            upright = upright.convert("L")
        return np.array(upright if upright.mode in _GREY else upright.convert("RGB"))
