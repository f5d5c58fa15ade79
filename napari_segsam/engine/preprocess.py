"""From a SliceView to the picture that the model sees, and from its logits back to the slice's pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Window

SOFT_TISSUE = Window(40, 400, "soft tissue")
LUNG = Window(-600, 1500, "lung")
BONE = Window(50, 700, "bone")
"""CT windows that ``nano`` was trained on, in Hounsfield units."""

_LONGEST = 1536
"""Pictures are not kept larger than this; a crop of 128 px shows 0.08 of it at full detail."""
_PATCH = 2
"""Half side, in pixels, of the patch round a click that says which CT window it wants."""


@dataclass(frozen=True)
class PictureFrame:
    """How the slice's (rows, cols) map to the picture's (H, W), which has square pixels."""

    rows: int
    cols: int
    height: int
    width: int

    @classmethod
    def of(cls, view: SliceView) -> PictureFrame:
        """Square pixels as fine as the finer of the two spacings, within a size that memory can hold."""
        (rows, cols), (row_mm, col_mm) = view.shape, view.spacing_mm
        fine = min(row_mm, col_mm)
        height, width = rows * row_mm / fine, cols * col_mm / fine
        shrink = min(_LONGEST / max(height, width), 1.0)
        return cls(rows, cols, max(round(height * shrink), 1), max(round(width * shrink), 1))

    @property
    def scale(self) -> tuple[float, float]:
        """Picture pixels per slice pixel, along rows and columns."""
        return self.height / self.rows, self.width / self.cols

    def click(self, click: Click) -> Click:
        """A click on the slice -> on the picture; pixel centres to pixel centres."""
        fr, fc = self.scale
        return Click((click.row + 0.5) * fr - 0.5, (click.col + 0.5) * fc - 0.5, click.positive)

    def box(self, box: Box) -> Box:
        """A box on the slice -> on the picture; the area of its corner pixels stays inside."""
        fr, fc = self.scale
        return Box(box.row_min * fr, box.col_min * fc, (box.row_max + 1) * fr - 1, (box.col_max + 1) * fc - 1)

    def box_back(self, box: Box) -> Box:
        """A box on the picture -> on the slice, within it; one that is thinner than a slice pixel is a line."""
        fr, fc = self.scale
        rows = _span(box.row_min / fr, (box.row_max + 1) / fr - 1, self.rows - 1)
        cols = _span(box.col_min / fc, (box.col_max + 1) / fc - 1, self.cols - 1)
        return Box(rows[0], cols[0], rows[1], cols[1])

    def mask(self, mask: NDArray[np.bool_]) -> Tensor:
        """(rows, cols) -> (1, H, W) 0..1."""
        return self.resize(torch.from_numpy(mask.astype(np.float32))[None], (self.height, self.width))

    def back(self, logits: Tensor) -> Tensor:
        """(M, H, W) logits -> (M, rows, cols)."""
        return self.resize(logits, (self.rows, self.cols))

    @staticmethod
    def resize(values: Tensor, size: tuple[int, int]) -> Tensor:
        """(M, h, w) -> (M, *size), edges to edges, smoothed where it shrinks."""
        if values.shape[-2:] == size:
            return values
        smaller = values.shape[-1] > size[1] or values.shape[-2] > size[0]
        return F.interpolate(values[None], size, mode="bilinear", align_corners=False, antialias=smaller)[0]


def _span(first: float, last: float, end: float) -> tuple[float, float]:
    """Centres of the first and the last pixel, within 0 and ``end``; both their middle where they crossed."""
    middle = (first + last) / 2
    return min(max(min(first, middle), 0.0), end), min(max(max(last, middle), 0.0), end)


def make_picture(view: SliceView, window: Window | None, frame: PictureFrame) -> Tensor:
    """(1 or 3, H, W) float32 intensities of the slice in its frame, see :func:`intensities`."""
    return PictureFrame.resize(intensities(view, window), (frame.height, frame.width))


def intensities(view: SliceView, window: Window | None) -> Tensor:
    """(1 or 3, rows, cols) float32: clipped to ``window`` if any, MONOCHROME1 turned light to dark."""
    pixels = np.array(view.pixels, dtype=np.float32, order="C")  # a copy: the scan's own voxels may be read-only
    if view.volume.is_rgb:
        channels = torch.from_numpy(pixels).permute(2, 0, 1)
    else:
        channels = torch.from_numpy(_without_padding(view, pixels))[None]
        if window is not None:
            channels = channels.clamp(*window.limits)
        if view.volume.inverted:
            channels = -channels
    return channels.contiguous()


def _without_padding(view: SliceView, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pixels that were never scanned take the darkest scanned intensity, so that they cannot stretch a percentile."""
    padded = view.volume.is_padding(pixels)
    if not padded.any() or padded.all():
        return pixels
    scanned = pixels[~padded]
    return np.where(padded, scanned.max() if view.volume.inverted else scanned.min(), pixels)


def choose_window(view: SliceView, prompts: Prompts | None, asked: Window | None) -> Window | None:
    """The window that the model sees: ``asked``; in CT by what lies in the prompted region; else None (percentiles)."""
    if asked is not None or view.volume.modality != "ct" or view.volume.is_rgb:
        return asked
    region = np.zeros(0) if prompts is None else _prompted_values(view, prompts)
    if not region.size:
        return SOFT_TISSUE
    if np.median(region) < -400:
        return LUNG
    return BONE if np.mean(region > 250) > 0.15 else SOFT_TISSUE


def _prompted_values(view: SliceView, prompts: Prompts) -> NDArray:  # type: ignore[type-arg]
    """Intensities inside the box's inner half, else round the positive clicks."""
    pixels, areas = view.pixels, []
    if prompts.box is not None:
        b = prompts.box
        inset_r, inset_c = (b.row_max - b.row_min) / 8, (b.col_max - b.col_min) / 8
        areas.append((b.row_min + inset_r, b.row_max - inset_r, b.col_min + inset_c, b.col_max - inset_c))
    else:
        areas += [
            (c.row - _PATCH, c.row + _PATCH, c.col - _PATCH, c.col + _PATCH) for c in prompts.clicks if c.positive
        ]
    cut = [
        pixels[max(round(r0), 0) : round(r1) + 1, max(round(c0), 0) : round(c1) + 1].ravel() for r0, r1, c0, c1 in areas
    ]
    values = np.concatenate(cut) if cut else np.zeros(0)
    return values[~view.volume.is_padding(values)]
