"""Ways to prompt the next slice with what is known of the last two; the product's own is in ``engine/through``."""

from __future__ import annotations

from collections.abc import Callable

from napari_segsam.core.prediction import Prediction
from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.gestures import clicks_inside
from napari_segsam.engine.through.propagate import Ask, Carried, expected_box

Way = Callable[[Ask, SliceView, Carried], Prediction]
_MARGIN = 0.04


def box(ask: Ask, view: SliceView, last: Carried) -> Prediction:
    """The last mask's box."""
    return ask(view, Prompts(box=Box.around(last.mask)))


def wide_box(ask: Ask, view: SliceView, last: Carried) -> Prediction:
    """The same with a margin."""
    return ask(view, Prompts(box=_wide(Box.around(last.mask), view)))


def box_and_points(ask: Ask, view: SliceView, last: Carried) -> Prediction:
    """A box with a margin, and clicks well inside the last mask."""
    return ask(view, Prompts(_clicks(view, last), _wide(Box.around(last.mask), view)))


def box_and_mask(ask: Ask, view: SliceView, last: Carried) -> Prediction:
    """A box with a margin, and the last mask."""
    return ask(view, Prompts(box=_wide(Box.around(last.mask), view), mask=last.mask))


def points_and_mask(ask: Ask, view: SliceView, last: Carried) -> Prediction:
    """Clicks well inside the last mask, and the mask."""
    return ask(view, Prompts(_clicks(view, last), mask=last.mask))


def two_looks(ask: Ask, view: SliceView, last: Carried) -> Prediction:
    """The last mask's box with a margin, then the box and mask that this gave."""
    first = wide_box(ask, view, last)
    if not first.mask.any():
        return first
    return ask(view, Prompts(box=Box.around(first.mask), mask=first.mask))


def trend(ask: Ask, view: SliceView, last: Carried) -> Prediction:
    """The box moved on by the trend of the last two masks."""
    return ask(view, Prompts(box=expected_box(last)))


def trend_and_points(ask: Ask, view: SliceView, last: Carried) -> Prediction:
    """The same, and clicks well inside the last mask."""
    return ask(view, Prompts(_clicks(view, last), expected_box(last)))


WAYS: dict[str, Way] = {
    "box": box,
    "box with a margin": wide_box,
    "box and points": box_and_points,
    "box and mask": box_and_mask,
    "points and mask": points_and_mask,
    "two looks": two_looks,
    "box by trend": trend,
    "box by trend, points": trend_and_points,
}


def _clicks(view: SliceView, last: Carried) -> tuple[Click, ...]:
    return clicks_inside(last.mask, view.spacing_mm)


def _wide(box: Box, view: SliceView) -> Box:
    rows, cols = _MARGIN * (box.row_max - box.row_min + 1), _MARGIN * (box.col_max - box.col_min + 1)
    bottom, right = view.shape[0] - 1.0, view.shape[1] - 1.0
    return Box(
        max(box.row_min - rows, 0.0), max(box.col_min - cols, 0.0),
        min(box.row_max + rows, bottom), min(box.col_max + cols, right),
    )  # fmt: skip
