"""From a slice to the square that a published model reads, as its authors prepare their pictures.

What they resize is an array of pixels, once. So the slice is resized once too, straight from its own pixels into the
square. Their pictures have square pixels; a slice whose pixels are not square is therefore fitted by its millimetres.
"""

from __future__ import annotations

import math

import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Window
from napari_segsam.engine.preprocess import PictureFrame, choose_window, intensities
from napari_segsam.engine.zoom import percentile_limits
from napari_segsam.model.zoo.family import Preparation

_SAMED_SIDE = 224
"""SAMed cuts its training slices to this side before it enlarges them (its utils.py and README)."""


def frame_for(view: SliceView, how: Preparation) -> PictureFrame:
    """Where the slice lies in the square: the part of it, from the upper left corner, that its picture covers."""
    rows, cols = view.shape
    if how.fit == "squash":
        return PictureFrame(rows, cols, how.side, how.side)
    row_mm, col_mm = view.spacing_mm
    fine = min(row_mm, col_mm)
    sides = rows * (row_mm / fine), cols * (col_mm / fine)
    height, width = (max(math.floor(n * how.side / max(sides) + 0.5), 1) for n in sides)  # as SAM rounds
    return PictureFrame(rows, cols, height, width)


def window_for(
    view: SliceView, prompts: Prompts | None, asked: Window | None, how: Preparation, title: str = ""
) -> Window | None:
    """``asked``; in CT the family's own, else by the prompted region; None for all else.

    Unsigned voxels are no Hounsfield units, which reach far below zero in air, whatever the modality.
    """
    if asked is not None or view.volume.voxels.dtype.kind == "u":
        return asked
    if how.window_hu is None or view.volume.modality != "ct":
        return choose_window(view, prompts, None)
    low, high = how.window_hu
    return Window((low + high) / 2, high - low, title)


def square(values: Tensor, frame: PictureFrame, how: Preparation) -> Tensor:
    """(n, 1 or 3, rows, cols) from :func:`values_of` -> (3, side, side), or (n, 3, side, side) of several slices."""
    small = _resized(values, (frame.height, frame.width), how.resample)
    if how.intensities == "0..255":
        small = small.round().clamp(0, 255)  # they resize whole numbers
    else:
        low, high = small.aminmax()
        small = (small - low) / (high - low).clamp(min=1e-8)
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (how.mean, how.std))
    padded = F.pad((small - mean) / std, (0, how.side - frame.width, 0, how.side - frame.height))
    return padded if how.slices > 1 else padded[0]


def values_of(view: SliceView, window: Window | None, how: Preparation) -> Tensor:
    """(n, 1 or 3, rows, cols) what the model is told of each pixel of the slice and its neighbours.

    Args:
        view: the slice in the middle; of neighbours beyond the volume's ends, the outermost slice takes the place.
        window: what intensities are clipped to. Without one, 8-bit pictures stay as they are, as these models were
            fed with them, and all others are clipped to percentiles.
        how: the family's.
    """
    pixels = torch.stack([intensities(v, window) for v in neighbours(view, how.slices)])
    low, high = _limits(view, window, pixels)
    pixels = pixels.clamp(low, high)
    return pixels if how.intensities == "minmax" else ((pixels - low) * (255 / (high - low))).round()


def neighbours(view: SliceView, slices: int) -> list[SliceView]:
    """So many slices round a slice; of those beyond the volume's ends, the outermost slice takes the place."""
    last, reach = view.volume.grid.shape[view.axis] - 1, slices // 2
    indices = (min(max(view.index + offset, 0), last) for offset in range(-reach, reach + 1))
    return [SliceView(view.volume, view.axis, index) for index in indices]


def _limits(view: SliceView, window: Window | None, pixels: Tensor) -> tuple[float, float]:
    """Darkest and brightest that is told apart, of pixels that are turned light to dark already."""
    if window is None and view.volume.voxels.dtype != "uint8":
        return percentile_limits(pixels)
    low, high = (0.0, 255.0) if window is None else window.limits
    return (-high, -low) if view.volume.inverted else (low, high)


def _resized(values: Tensor, size: tuple[int, int], resample: str) -> Tensor:
    """(n, c, rows, cols) -> (n, c, *size), edges to edges, so that a pixel stays where it is in the picture."""
    if values.shape[-2:] == size and resample != "cubic_twice":
        return values
    if resample == "antialias":
        return F.interpolate(values, size, mode="bilinear", align_corners=False, antialias=True)
    if resample == "nearest":
        # OpenCV, which SAM-Med2D resizes with, takes a pixel left of and above the one in the middle of what a new one
        # covers, which would move the picture by up to half a pixel of the square.
        return F.interpolate(values, size, mode="nearest-exact")
    if resample == "area":
        rows, cols = (_covered(n, out) for n, out in zip(values.shape[-2:], size, strict=True))
        return rows @ values @ cols.T
    if resample == "bicubic":
        return _spline(values, size, smooth=True)
    return _spline(_spline(values, (_SAMED_SIDE, _SAMED_SIDE)), size)


def _covered(n: int, out: int) -> Tensor:
    """(out, n) share of each of ``n`` pixels in each of ``out`` new ones."""
    edges = torch.arange(out + 1, dtype=torch.float64) * (n / out)
    old = torch.arange(n, dtype=torch.float64)
    shared = torch.minimum(edges[1:, None], old + 1) - torch.maximum(edges[:-1, None], old)
    return (shared.clamp(min=0) * (out / n)).float()


def _spline(values: Tensor, size: tuple[int, int], smooth: bool = False) -> Tensor:
    """Cubic splines; with ``smooth``, blurred before it shrinks, both as skimage.transform.resize does."""
    return torch.stack([torch.stack([_spline_of(c, size, smooth) for c in picture]) for picture in values])


def _spline_of(channel: Tensor, size: tuple[int, int], smooth: bool) -> Tensor:
    pixels: NDArray = channel.numpy()  # type: ignore[type-arg]
    shrinks = [n / out for n, out in zip(pixels.shape, size, strict=True)]
    if smooth and max(shrinks) > 1:
        pixels = ndimage.gaussian_filter(pixels, [max((s - 1) / 2, 0.0) for s in shrinks], mode="mirror")
    resized = ndimage.zoom(pixels, [1 / s for s in shrinks], order=3, mode="mirror", grid_mode=True)
    return torch.from_numpy(resized).clamp(channel.min(), channel.max())
