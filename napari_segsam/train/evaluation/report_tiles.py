"""The worst cases of an evaluation as small pictures: the prompt, the true outline and the answer's."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from napari_segsam.core.prompts import Box, Prompts
from napari_segsam.train.evaluation.asking import Attempt
from napari_segsam.train.evaluation.picture import Picture
from napari_segsam.train.evaluation.rows import Row
from napari_segsam.train.evaluation.run import Evaluation, attempts, is_baseline
from napari_segsam.train.evaluation.stream import is_online
from napari_segsam.train.evaluation.targets import random_for

Colour = tuple[int, int, int]

TRUTH: Colour = (86, 180, 233)
ANSWER: Colour = (230, 120, 0)  # Okabe and Ito: distinct to every eye
PROMPT: Colour = (255, 255, 255)
_NOT_HERE: Colour = (255, 60, 60)
WORST = 12
_OF_ONE_KIND = 2
_SIDE = 240
_MARGIN = 0.25
_LEAST_SHOWN = 48


@dataclass(frozen=True)
class Tile:
    """One case.

    Attributes:
        row: its result.
        png: (240, 240) picture of the surroundings of truth and answer.
    """

    row: Row
    png: bytes


def worst_cases(run: Evaluation, kind: str) -> Iterator[Tile]:
    """The answers of one kind with the lowest Dice, see :func:`worst_rows`; they are asked for once more.

    None of a kind that learns: what it answered then it would not answer now.

    Args:
        run: done, with the predictor that was asked.
        kind: of prompt.
    """
    if is_online(kind):
        return
    targets = {t.mask.name: t for t in run.targets}
    for row in worst_rows(r for r in run.rows if r.prompt == kind):
        target = targets[row.mask]
        picture = Picture.of(target.sample, None if is_baseline(kind) else run.predictor)
        truth = picture.truth(target.mask)
        asked = attempts(kind, picture, truth, picture.ask(), random_for(target.name, run.seed))
        attempt = next(a for a in asked if a.mode == row.mode)
        yield Tile(row, draw_tile(np.asarray(picture.view.pixels), truth, attempt))


def worst_rows(rows: Iterable[Row]) -> list[Row]:
    """Twelve rows with the lowest Dice, at most two of a data set and two of a class, the worst first."""
    taken: Counter[tuple[str, str]] = Counter()
    worst: list[Row] = []
    for row in sorted(rows, key=lambda r: r.dice):
        kinds = ("data set", row.dataset), ("class", row.class_name)
        if len(worst) < WORST and all(taken[k] < _OF_ONE_KIND for k in kinds):
            taken.update(kinds)
            worst.append(row)
    return worst


def draw_tile(pixels: NDArray[np.uint8], truth: NDArray[np.bool_], attempt: Attempt) -> bytes:
    """A PNG of what lies round truth and answer, with both outlines and the prompts.

    Args:
        pixels: (rows, cols) or (rows, cols, 3).
        truth: (rows, cols).
        attempt: what was asked and answered.
    """
    top, left, side = _square_around(truth | attempt.mask)
    shown = (left, top, left + side, top + side)  # Pillow fills with black what lies outside
    tile = Image.fromarray(pixels).convert("RGB").crop(shown).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    for mask, colour in ((truth, TRUTH), (attempt.mask, ANSWER)):
        large = Image.fromarray(mask).crop(shown).resize(tile.size, Image.Resampling.NEAREST)
        inside = np.asarray(large)
        tile.paste(colour, mask=Image.fromarray(inside & ~ndimage.binary_erosion(inside, iterations=2)))
    draw, scale = ImageDraw.Draw(tile), _SIDE / side
    for prompts in attempt.prompts:
        _draw_prompts(draw, prompts, (top, left), scale)
    stream = io.BytesIO()
    tile.save(stream, "PNG")
    return stream.getvalue()


def _square_around(mask: NDArray[np.bool_]) -> tuple[int, int, int]:
    """First row, first column and side of a square with a margin round the mask, within the picture where it can be."""
    box = Box.around(mask)
    height, width = box.row_max - box.row_min + 1, box.col_max - box.col_min + 1
    side: int = min(max(round(max(height, width) * (1 + 2 * _MARGIN)), _LEAST_SHOWN), max(mask.shape))

    def first(low: float, high: float, n: int) -> int:
        spare = n - side  # negative where the picture is narrower than the square and lies within it
        return min(max(round((low + high + 1 - side) / 2), min(spare, 0)), max(spare, 0))

    rows, cols = mask.shape
    return first(box.row_min, box.row_max, rows), first(box.col_min, box.col_max, cols), side


def _draw_prompts(draw: ImageDraw.ImageDraw, prompts: Prompts, origin: tuple[int, int], scale: float) -> None:
    """Boxes as frames, clicks as discs, negative ones in red; the middle of a pixel is half a pixel further."""

    def place(row: float, col: float) -> tuple[float, float]:
        return (col + 0.5 - origin[1]) * scale, (row + 0.5 - origin[0]) * scale

    if prompts.box is not None:
        box = prompts.box
        corners = place(box.row_min - 0.5, box.col_min - 0.5), place(box.row_max + 0.5, box.col_max + 0.5)
        draw.rectangle(corners, outline=PROMPT)
    for click in prompts.clicks:
        colour = PROMPT if click.positive else _NOT_HERE
        draw.circle(place(click.row, click.col), 4, fill=colour, outline=(0, 0, 0))
