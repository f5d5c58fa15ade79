"""What a drag on the canvas does: draw a box or a path, move a point or a box's edge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.controller import Controller
from napari_segsam.gui.grips import BoxGrip, Rc, stretched
from napari_segsam.gui.layers import ScanLayers
from napari_segsam.gui.mouse import World
from napari_segsam.gui.placement import Placement, clipped, overlaps

BOX_OUTSIDE = "The box lies outside the scan; draw it around the object."
PATH_OUTSIDE = "What was drawn lies outside the scan; draw on the object."
_STEP_PX = 3.0
"""A path gets a point whenever the mouse has gone so many canvas pixels."""


@dataclass(frozen=True)
class Slate:
    """The slice on which a drag began, and who is told.

    Attributes:
        px: canvas pixels for each row and column.
        refuse: told what is wrong, in a sentence.
    """

    view: SliceView
    px: Rc
    placement: Placement
    layers: ScanLayers
    controller: Controller
    refuse: Callable[[str], None]

    def rc(self, position: World) -> Rc:
        """(row, col) of a world position."""
        return self.placement.rc(self.view, position)

    def clear(self) -> None:
        """Show the prompts as they are."""
        self.layers.show_prompts(self.controller.session.prompts)


class BoxDrag:
    """A new box between two corners."""

    def __init__(self, slate: Slate, start: World) -> None:
        self._slate, self._start = slate, slate.rc(start)

    def move(self, position: World) -> None:
        """Show the box so far."""
        a, b = (clipped(self._slate.view, rc) for rc in (self._start, self._slate.rc(position)))
        self._slate.layers.show_box(Box.between(a, b))

    def drop(self, position: World, moved: bool) -> None:
        """Prompt with it."""
        end, view = self._slate.rc(position), self._slate.view
        if not moved:
            self.cancel()
        elif not overlaps(view, self._start, end):
            self.cancel()
            self._slate.refuse(BOX_OUTSIDE)
        else:
            self._slate.controller.box(clipped(view, self._start), clipped(view, end))

    def cancel(self) -> None:
        """Show the prompts as they are."""
        self._slate.clear()


class PathDrag:
    """A lasso or a scribble.

    Args:
        slate: where.
        start: of the path.
        done: gets its (n, 2) rows and columns.
        closed: whether its end is joined to its beginning; then a mere click draws nothing.
    """

    def __init__(
        self, slate: Slate, start: World, done: Callable[[NDArray[np.float64]], None], *, closed: bool
    ) -> None:
        self._slate, self._done, self._closed = slate, done, closed
        self._path = [slate.rc(start)]

    def move(self, position: World) -> None:
        """Show the path so far."""
        here, last, px = self._slate.rc(position), self._path[-1], self._slate.px
        if np.hypot((here[0] - last[0]) * px[0], (here[1] - last[1]) * px[1]) >= _STEP_PX:
            self._path.append(here)
            self._slate.layers.show_path(np.array(self._path), closed=self._closed)

    def drop(self, position: World, moved: bool) -> None:
        """Prompt with it."""
        path = np.array([*self._path, self._slate.rc(position)])
        self.cancel()
        if not overlaps(self._slate.view, path.min(0), path.max(0)):
            self._slate.refuse(PATH_OUTSIDE)
        elif moved or not self._closed:
            self._done(path)

    def cancel(self) -> None:
        """Show the prompts as they are."""
        self._slate.clear()


class PointDrag:
    """A point that is moved; let go without moving it was a click.

    Args:
        slate: where.
        click: the point.
        clicked: called with the position of a mere click.
    """

    def __init__(self, slate: Slate, click: Click, clicked: Callable[[World], None]) -> None:
        self._slate, self._click, self._clicked = slate, click, clicked

    def move(self, position: World) -> None:
        """Show it here."""
        prompts, row_col = self._slate.controller.session.prompts, clipped(self._slate.view, self._slate.rc(position))
        moved = replace(self._click, row=row_col[0], col=row_col[1])
        clicks = tuple(moved if c is self._click else c for c in prompts.clicks)
        self._slate.layers.show_prompts(Prompts(clicks, prompts.box))

    def drop(self, position: World, moved: bool) -> None:
        """Have it moved, if undo has not taken it away meanwhile."""
        places = [i for i, c in enumerate(self._slate.controller.session.prompts.clicks) if c is self._click]
        self.cancel()
        if not moved:
            self._clicked(position)
        elif places:
            self._slate.controller.move_click(places[0], *clipped(self._slate.view, self._slate.rc(position)))

    def cancel(self) -> None:
        """Show the prompts as they are."""
        self._slate.clear()


class BoxGripDrag:
    """An edge or a corner of a box that is moved."""

    def __init__(self, slate: Slate, box: Box, grip: BoxGrip, start: World) -> None:
        self._slate, self._box, self._grip, self._start = slate, box, grip, slate.rc(start)

    def move(self, position: World) -> None:
        """Show the box so far."""
        self._slate.layers.show_box(Box.between(*self._corners(position)))

    def drop(self, position: World, moved: bool) -> None:
        """Have it moved, if undo has not taken it away meanwhile."""
        is_there = self._slate.controller.session.prompts.box is self._box
        self.cancel()
        if moved and is_there:
            self._slate.controller.move_box(*self._corners(position))

    def cancel(self) -> None:
        """Show the prompts as they are."""
        self._slate.clear()

    def _corners(self, position: World) -> tuple[Rc, Rc]:
        row, col = self._slate.rc(position)
        a, b = stretched(self._box, self._grip, (row - self._start[0], col - self._start[1]))
        return clipped(self._slate.view, a), clipped(self._slate.view, b)
