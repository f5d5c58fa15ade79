"""``curves.png``: how a run's losses went, drawn from its log, so that a glance says whether it still learns."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_segsam.io.atomic import replacing

PANELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("weighted total", ("total",)),
    ("masks", ("binary", "semantic", "alignment")),
    ("prompted object: class and size", ("classes", "text", "size")),
    ("what else is on the slice", ("co_classes", "co_masks")),
)
"""Title and columns of the log; a column that is not there, or not finite, is left out."""

Values = NDArray[np.float64]
Colour = tuple[int, int, int]

_SMOOTHED = 40
"""Each point is the mean over this share of the steps: one part in so many."""
_COLOURS: tuple[Colour, ...] = ((0, 114, 178), (213, 94, 0), (0, 140, 100))  # Okabe and Ito: distinct to every eye
_INK, _FAINT, _PAPER = (60, 60, 60), (225, 225, 225), (255, 255, 255)
_FINE = 2
"""Drawn so many times larger and then reduced: Pillow's lines have hard edges."""
_WIDTH, _HEIGHT = 520 * _FINE, 330 * _FINE
_LEFT, _RIGHT, _TOP, _BOTTOM = 56 * _FINE, 20 * _FINE, 52 * _FINE, 48 * _FINE
_COLUMNS = 2


def write_curves(log: Path, picture: Path) -> None:
    """Draw the log of a run so far; the picture appears whole or not at all.

    Args:
        log: CSV with a column ``step`` and one column per loss term.
        picture: PNG file to write.

    Raises:
        WriteError: the disk is full or gone.
    """
    columns = _read(log)
    rows = math.ceil(len(PANELS) / _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * _WIDTH, rows * _HEIGHT), _PAPER)
    for number, (title, names) in enumerate(PANELS):
        shown = {n: curve for n in names if (curve := _curve(columns, n)) is not None}
        panel = _Panel.of(columns["step"], shown)
        sheet.paste(panel.drawn(title), (number % _COLUMNS * _WIDTH, number // _COLUMNS * _HEIGHT))
    with replacing(picture) as (beside,):
        sheet.reduce(_FINE).save(beside, "PNG")


def _read(log: Path) -> dict[str, Values]:
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in (rows[0] if rows else ["step"])}


def _curve(columns: dict[str, Values], name: str) -> tuple[Values, Values] | None:
    """Steps at which there was something to learn, and the smoothed loss there."""
    values = columns.get(name, np.empty(0))
    known = ~np.isnan(values)
    if not known.any() or not np.isfinite(values[known]).all():
        return None
    return columns["step"][known], smooth(values[known])


def smooth(values: Values) -> Values:
    """(n,) -> (n,) means over a window centred on each value, one part in 40 of all; at the ends it is cut short."""
    half = _half(len(values))
    sums = np.concatenate([[0.0], values.cumsum()])
    first = np.maximum(np.arange(len(values)) - half, 0)
    last = np.minimum(np.arange(len(values)) + half + 1, len(values))
    means: Values = (sums[last] - sums[first]) / (last - first)
    return means


def _half(n: int) -> int:
    """Half the width of the window over ``n`` steps."""
    return n // (2 * _SMOOTHED)


def ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) from ``low`` to ``high``, at most ``most``."""
    rough = (high - low) / (most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


@dataclass(frozen=True, eq=False)
class _Panel:
    """One pair of axes.

    Attributes:
        steps: (n,) along the x axis.
        shown: name -> steps and values of its curve.
        x, y: ends of both axes; losses start at 0, so that a fall looks as large as it is.
    """

    steps: Values
    shown: dict[str, tuple[Values, Values]]
    x: tuple[float, float]
    y: tuple[float, float]

    @classmethod
    def of(cls, steps: Values, shown: dict[str, tuple[Values, Values]]) -> _Panel:
        last = max(float(steps[-1]), 1.0) if len(steps) else 1.0
        highest = max((float(v.max()) for _, v in shown.values()), default=0.0)
        return cls(steps, shown, (0.0, last), (0.0, 1.05 * highest if highest > 0 else 1.0))

    def drawn(self, title: str) -> Image.Image:
        image = Image.new("RGB", (_WIDTH, _HEIGHT), _PAPER)
        draw = ImageDraw.Draw(image)
        self._draw_axes(draw, title)
        place = _LEFT
        for (name, (steps, values)), colour in zip(self.shown.items(), _COLOURS, strict=False):
            self._draw_line(draw, steps, values, colour)
            _text(draw, (place, _TOP - 10 * _FINE), name, colour, "ls")
            place += round(draw.textlength(name, _font())) + 14 * _FINE
        return image

    def _draw_axes(self, draw: ImageDraw.ImageDraw, title: str) -> None:
        bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
        for value in ticks(*self.y):
            y = self._at(0, value)[1]
            draw.line([(_LEFT, y), (right, y)], _FAINT, _FINE)
            _text(draw, (_LEFT - 6 * _FINE, y), f"{value:g}", _INK, "rm")
        for value in filter(float.is_integer, ticks(*self.x)):
            x = self._at(value, 0)[0]
            draw.line([(x, bottom), (x, bottom + 4 * _FINE)], _INK, _FINE)
            _text(draw, (x, bottom + 7 * _FINE), f"{value:g}", _INK, "mt")
        draw.line([(_LEFT, _TOP), (_LEFT, bottom), (right, bottom)], _INK, _FINE)
        _text(draw, ((_LEFT + right) / 2, _HEIGHT - 8 * _FINE), self._steps_label(), _INK, "ms")
        _text(draw, (_LEFT - 6 * _FINE, _TOP - 10 * _FINE), "loss", _INK, "rs")
        _text(draw, (_LEFT, _TOP - 30 * _FINE), title, _INK, "ls", larger=2)

    def _steps_label(self) -> str:
        apart = int(np.median(np.diff(self.steps))) if len(self.steps) > 1 else 1  # a log may hold means of so many
        width = (2 * _half(len(self.steps)) + 1) * apart
        return f"step (lines: mean over {width} steps)" if width > 1 else "step"

    def _draw_line(self, draw: ImageDraw.ImageDraw, steps: Values, values: Values, colour: Colour) -> None:
        points = [self._at(float(s), float(v)) for s, v in zip(steps, values, strict=True)]
        draw.line(points if len(points) > 1 else points * 2, colour, 2 * _FINE, joint="curve")

    def _at(self, step: float, value: float) -> tuple[float, float]:
        """Pixel of a point."""
        right = (step - self.x[0]) / (self.x[1] - self.x[0]) * (_WIDTH - _LEFT - _RIGHT)
        up = (value - self.y[0]) / (self.y[1] - self.y[0]) * (_HEIGHT - _TOP - _BOTTOM)
        return _LEFT + right, _HEIGHT - _BOTTOM - up


def _font(larger: int = 0) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default((12 + larger) * _FINE)


def _text(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, colour: Colour, anchor: str, larger: int = 0
) -> None:
    draw.text(at, text, colour, _font(larger), anchor)
