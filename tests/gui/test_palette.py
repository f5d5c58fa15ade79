"""The colours of names on layers."""

import numpy as np
from napari.layers import Labels

from napari_segsam.core.colours import colour_of
from napari_segsam.gui.palette import name_values, palette


def test_a_name_has_its_colour_and_background_none():
    colours = palette({3: "liver", 300: "spleen"})
    assert np.allclose(colours[3], (*colour_of("liver"), 1.0))
    assert np.allclose(colours[300], (*colour_of("spleen"), 1.0))
    assert not colours[0].any()


def test_a_layer_shows_the_colour_of_each_name_and_says_it():
    layer = Labels(np.arange(12, dtype=np.uint16).reshape(3, 4))
    name_values(layer, {3: "liver"}, "class")
    assert np.allclose(layer.get_color(3), (*colour_of("liver"), 1.0), atol=1e-3)
    assert layer.get_color(0) is None or not np.any(layer.get_color(0))
    assert not np.allclose(layer.get_color(5), layer.get_color(6))
    assert "liver" in layer.get_status((0, 3))["value"]
