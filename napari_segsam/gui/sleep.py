"""Sleep: a layer that shows nothing is hidden, and comes back as visible as the person wants it.

For Shapes: napari takes longer to draw an empty one than the scan below it, and would with every scroll. Hiding a layer
takes about as long as scrolling once, so those that are cheaper stay. While one sleeps, its metadata keep what the eye
in the layer list said.
"""

from __future__ import annotations

from napari.layers import Layer

_EYE = "segsam_eye"


def sleep(layer: Layer) -> None:
    """It has nothing to show."""
    if _EYE not in layer.metadata:
        layer.metadata[_EYE] = layer.visible
        layer.visible = False


def wake(layer: Layer) -> None:
    """It has something to show, and is drawn unless the person hid it. Fill it first: waking draws it."""
    if _EYE in layer.metadata:
        wanted = layer.metadata.pop(_EYE)
        if wanted and not layer.visible:
            layer.visible = True


def is_on(layer: Layer) -> bool:
    """Whether the person wants to see what it shows, even where that is nothing now."""
    return bool(layer.visible or layer.metadata.get(_EYE, False))


def switch(layer: Layer, on: bool) -> None:
    """As the eye in the layer list, for one that may sleep."""
    sleeps = _EYE in layer.metadata
    if sleeps:
        layer.metadata[_EYE] = on
    if not on or not sleeps:
        layer.visible = on
