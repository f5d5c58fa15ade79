"""How a data set's picture and mask files are read, for training and for evaluation alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.train.data.sample import dataset_of

_DEEP = ("I", "F")
"""Beginnings of Pillow's modes with more than 8 bits."""
INVERTED = ("ichallenge_adam_task2",)
"""Data sets whose published masks show everything but the object."""
_MASKS_AS_PICTURES = ("Brain_PTM",)
"""Data sets some of whose published pictures are masks."""
_DAMAGE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow raises on a file that is no picture, damaged, or of a size that no slice has."""


def read_picture(path: Path) -> NDArray[np.uint8]:
    """(rows, cols) grey or (rows, cols, 3) RGB; deeper greys are spread over 8 bits, and opacity is dropped.

    A picture whose three channels are the same is grey, however it was saved: its modality hangs on that.

    Raises:
        UnreadableInputError: no picture, a damaged one, one of a single row or column, or a known fault of the
            published data set.
    """
    pixels, mode = _pixels(path, colour="RGB")
    if min(pixels.shape[:2]) < 2:
        raise UnreadableInputError(f"{path.name}: a picture of one row or column")
    if dataset_of(path.name) in _MASKS_AS_PICTURES and len(np.unique(pixels)) <= 2:
        raise UnreadableInputError(f"{path.name}: the picture is a mask itself, a known fault")
    if mode.startswith(_DEEP):
        return _eight_bit(pixels.astype(np.float64))
    return np.asarray(pixels[..., 0] if _grey_in_colour(pixels) else pixels, np.uint8)


def read_mask(path: Path) -> NDArray[np.bool_]:
    """(rows, cols), all components: every pixel that is not black, since some data sets write 1 and some 255.

    Masks of a data set that is known for inverted ones are turned round where they cover more than half the picture.

    Raises:
        UnreadableInputError: no picture, or a damaged one.
    """
    mask = np.asarray(_pixels(path, colour="L")[0] > 0)
    return ~mask if dataset_of(path.name) in INVERTED and mask.mean() > 0.5 else mask


def picture_bytes(path: Path, masks: int) -> int:
    """Memory that the picture and its masks, one bit a pixel, would take at most, from its header; 0 without one."""
    try:
        with Image.open(path) as image:
            pixels, grey = image.width * image.height, image.mode.startswith((*_DEEP, "L", "1"))
    except _DAMAGE:
        return 0
    return pixels * (1 if grey else 3) + masks * pixels // 8


def _pixels(path: Path, colour: str) -> tuple[NDArray[Any], str]:
    """The pixels, and the file's own mode: deep greys as they are, other greys as ``L``, the rest as ``colour``.

    The pixels of a mask with a palette are its indices: 1 stands for the object, however dark it is painted.
    """
    try:
        with Image.open(path) as image:
            if image.mode.startswith(_DEEP) or (image.mode == "P" and colour == "L"):
                return np.asarray(image), image.mode
            return np.asarray(image.convert("L" if image.mode in ("L", "1") else colour)), image.mode
    except _DAMAGE as error:
        said = f"{path.name}: cannot be read as a picture ({type(error).__name__}); copy the data set again."
        raise UnreadableInputError(said) from error


def _grey_in_colour(pixels: NDArray[Any]) -> bool:
    return pixels.ndim == 3 and bool((pixels == pixels[..., :1]).all())


def _eight_bit(deep: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.asarray((deep - deep.min()) * (255 / max(np.ptp(deep), 1e-9)), np.uint8)
