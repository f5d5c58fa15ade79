"""A slice with outlines and names drawn on it, as a PNG file."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from napari_segsam.core.colours import colour_of
from napari_segsam.core.prompts import Box
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Window

Objects = list[tuple[str, NDArray[np.bool_]]]

_LONGEST_SIDE = 1000
_TEXT_PIXELS = 18


def draw_slice(view: SliceView, window: Window, objects: Objects) -> bytes:
    """A PNG of the slice in true proportions, with each object's outline, box-side name and colour.

    Args:
        view: a slice of single intensities.
        window: what is shown as black to white.
        objects: names and (rows, cols) masks.
    """
    low, high = window.limits
    grey = np.clip((view.pixels.astype(np.float64) - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    rows_mm, cols_mm = (n * s for n, s in zip(view.shape, view.spacing_mm, strict=True))
    scale = _LONGEST_SIDE / max(rows_mm, cols_mm)
    size = round(cols_mm * scale), round(rows_mm * scale)
    picture = Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC).convert("RGB")
    for name, mask in objects:
        _outline(picture, mask, _colour(name))
    _write_names(picture, view.shape, objects)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def _colour(name: str, lighter: float = 0.0) -> tuple[int, int, int]:
    red, green, blue = (round(255 * (c + (1 - c) * lighter)) for c in colour_of(name))
    return red, green, blue


def _outline(picture: Image.Image, mask: NDArray[np.bool_], colour: tuple[int, int, int]) -> None:
    large = np.asarray(Image.fromarray(mask).resize(picture.size, Image.Resampling.NEAREST))
    edge = large & ~ndimage.binary_erosion(large, iterations=2)
    picture.paste(colour, mask=Image.fromarray(edge))


def _write_names(picture: Image.Image, shape: tuple[int, int], objects: Objects) -> None:
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(_TEXT_PIXELS)
    taken: list[tuple[float, float, float, float]] = []
    for name, mask in objects:
        if not mask.any():
            continue
        box = Box.around(mask)
        x = (box.col_min + box.col_max + 1) / 2 * picture.width / shape[1]
        y = (box.row_min + box.row_max + 1) / 2 * picture.height / shape[0]
        place = _free_place(draw.textbbox((x, y), name, font=font, anchor="mm"), taken)
        taken.append(place)
        middle = (place[0] + place[2]) / 2, (place[1] + place[3]) / 2
        draw.text(middle, name, fill=_colour(name, 0.6), font=font, anchor="mm", stroke_width=2, stroke_fill="black")


def _free_place(
    box: tuple[float, float, float, float], taken: list[tuple[float, float, float, float]]
) -> tuple[float, float, float, float]:
    """The box, moved down until it covers no name that is already there."""
    left, top, right, bottom = box
    while any(left < x1 and right > x0 and top < y1 and bottom > y0 for x0, y0, x1, y1 in taken):
        top, bottom = top + _TEXT_PIXELS / 2, bottom + _TEXT_PIXELS / 2
    return left, top, right, bottom
