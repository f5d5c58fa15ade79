"""How a data set's picture and mask files are read, for training and for evaluation alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_segsam.core.errors import UnreadableInputError

_DEEP = ("I", "F")
"""Beginnings of Pillow's modes with more than 8 bits."""


def read_picture(path: Path) -> NDArray[np.uint8]:
    """(rows, cols) grey or (rows, cols, 3) RGB; deeper greys are spread over 8 bits.

    Raises:
        UnreadableInputError: no picture, or a damaged one.
    """
    pixels, mode = _pixels(path, colour="RGB")
    return _eight_bit(pixels.astype(np.float64)) if mode.startswith(_DEEP) else np.asarray(pixels, np.uint8)


def read_mask(path: Path) -> NDArray[np.bool_]:
    """(rows, cols), all components: every pixel that is not black, since some data sets write 1 and some 255.

    Raises:
        UnreadableInputError: no picture, or a damaged one.
    """
    return np.asarray(_pixels(path, colour="L")[0] > 0)


def _pixels(path: Path, colour: str) -> tuple[NDArray[Any], str]:
    """The pixels, and the file's own mode: deep greys as they are, other greys as ``L``, the rest as ``colour``."""
    try:
        with Image.open(path) as image:
            if image.mode.startswith(_DEEP):
                return np.asarray(image), image.mode
            return np.asarray(image.convert("L" if image.mode in ("L", "1") else colour)), image.mode
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises on a damaged file
        said = f"{path.name}: cannot be read as a picture ({type(error).__name__}); copy the data set again."
        raise UnreadableInputError(said) from error


def _eight_bit(deep: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.asarray((deep - deep.min()) * (255 / max(np.ptp(deep), 1e-9)), np.uint8)
