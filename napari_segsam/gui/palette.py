"""One colour per name, wherever it is shown: on layers whose voxel values stand for names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import CyclicLabelColormap
from numpy.typing import NDArray

from napari_segsam.core.colours import colour_of
from napari_segsam.core.terminology import spoken

_AT_LEAST = 256


def name_values(layer: Labels, names: Mapping[int, str], column: str, hidden: Collection[int] = ()) -> None:
    """Colour each value by its name, and let the status bar say the name below the cursor.

    Args:
        layer: of uint16.
        names: voxel value -> name.
        column: what the status bar calls the name.
        hidden: values that are not shown.
    """
    # A cyclic map with a place for every value: napari builds a direct one value by value in Python, 65,536 of them.
    colours = palette(names)
    colours[[value for value in hidden if value < len(colours)]] = 0.0
    layer.colormap = CyclicLabelColormap(colors=colours)
    layer.features = {"index": [0, *names], column: [None, *map(spoken, names.values())]}


def palette(names: Mapping[int, str]) -> NDArray[np.float32]:
    """(n, 4) RGBA by voxel value; 0 is transparent, a value without a name has a colour of its own."""
    colours = _unnamed(max(_AT_LEAST, *names, 0) + 1).copy()
    for value, name in names.items():
        colours[value, :3] = colour_of(name)
    return colours


@lru_cache(maxsize=4)
def _unnamed(size: int) -> NDArray[np.float32]:
    colours = np.array([(*colour_of(f"object {value}"), 1.0) for value in range(size)], np.float32)
    colours[0] = 0.0
    return colours
