"""The connected parts of a mask, corners included."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_EIGHT_NEIGHBOURS = np.ones((3, 3), bool)


def components(mask: NDArray[np.bool_], most: int) -> list[NDArray[np.bool_]]:
    """The ``most`` largest 8-connected components of a (rows, cols) mask, the largest first."""
    numbered, n = ndimage.label(mask, _EIGHT_NEIGHBOURS)
    sizes = np.bincount(numbered.reshape(-1), minlength=n + 1)[1:]
    return [numbered == number + 1 for number in np.argsort(-sizes, kind="stable")[:most]]
