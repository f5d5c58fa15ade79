"""Grips: what of the prompts lies under the cursor and can be moved, and where it is after that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_segsam.core.prompts import Box, Click, Prompts

Rc = tuple[float, float]
POINT_REACH_PX = 7.0
"""The radius that points are drawn with, in canvas pixels."""
EDGE_REACH_PX = 5.0


@dataclass(frozen=True)
class BoxGrip:
    """An edge or a corner of a box.

    Attributes:
        row, col: which side it is of: ``min``, ``max``, or None where it is of none.
    """

    row: str | None
    col: str | None


def click_at(prompts: Prompts, rc: Rc, px: Rc) -> Click | None:
    """The click that is drawn at (row, col), the newest of several.

    Args:
        prompts: of the slice.
        rc: the cursor's place.
        px: how many canvas pixels a row and a column are.
    """
    for click in reversed(prompts.clicks):
        if np.hypot((click.row - rc[0]) * px[0], (click.col - rc[1]) * px[1]) <= POINT_REACH_PX:
            return click
    return None


def box_grip_at(prompts: Prompts, rc: Rc, px: Rc) -> BoxGrip | None:
    """The edge or corner of the box at (row, col); see :func:`click_at`."""
    box = prompts.box
    if box is None:
        return None
    # The corner pixels belong to the box, so its outline runs half a pixel further out.
    row = _side(rc[0], box.row_min - 0.5, box.row_max + 0.5, EDGE_REACH_PX / px[0])
    col = _side(rc[1], box.col_min - 0.5, box.col_max + 0.5, EDGE_REACH_PX / px[1])
    near_rows = box.row_min - 0.5 - EDGE_REACH_PX / px[0] <= rc[0] <= box.row_max + 0.5 + EDGE_REACH_PX / px[0]
    near_cols = box.col_min - 0.5 - EDGE_REACH_PX / px[1] <= rc[1] <= box.col_max + 0.5 + EDGE_REACH_PX / px[1]
    return BoxGrip(row, col) if (row or col) and near_rows and near_cols else None


def stretched(box: Box, grip: BoxGrip, by: Rc) -> tuple[Rc, Rc]:
    """Two opposite corners (row, col) of the box after its grip was moved by so many rows and columns."""
    rows = {"min": box.row_min, "max": box.row_max}
    cols = {"min": box.col_min, "max": box.col_max}
    if grip.row:
        rows[grip.row] += by[0]
    if grip.col:
        cols[grip.col] += by[1]
    return (rows["min"], cols["min"]), (rows["max"], cols["max"])


def _side(at: float, low: float, high: float, reach: float) -> str | None:
    """The nearer of two sides that lies within reach."""
    to_low, to_high = abs(at - low), abs(at - high)
    if min(to_low, to_high) > reach:
        return None
    return "min" if to_low <= to_high else "max"
