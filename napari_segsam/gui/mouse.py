"""PromptMouse: clicks and drags on the canvas, while a tool is armed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Tool = Literal["point", "box"]
World = Sequence[float]
_STILL_PX = 4
"""A press that moves less than this many canvas pixels before its release is a click, else a drag."""


@dataclass(frozen=True)
class MouseListener:
    """Who hears what the mouse meant; positions are napari world coordinates."""

    clicked: Callable[[World], None]
    box_dragging: Callable[[World, World], None]
    box_dropped: Callable[[World, World], None]
    box_cancelled: Callable[[], None]


class PromptMouse:
    """Left clicks become points and, with the box tool, drags become boxes; everything else stays napari's.

    With the point tool a drag pans, as everywhere in napari. A brush or another drawing mode of the active layer goes
    first.
    """

    def __init__(self, viewer: Any, listener: MouseListener) -> None:
        self._viewer = viewer
        self._listener = listener
        self._naparis_double_click: list[Any] = []
        self.tool: Tool | None = None

    def arm(self, tool: Tool | None) -> None:
        """Listen with this tool; None gives the mouse back to napari."""
        if tool is not None and self.tool is None:
            self._viewer.mouse_drag_callbacks.append(self._pressed)
            # napari zooms on a double click; two points placed quickly must not.
            self._naparis_double_click = list(self._viewer.mouse_double_click_callbacks)
            self._viewer.mouse_double_click_callbacks[:] = [self._double_clicked]
        if tool is None and self.tool is not None:
            self._viewer.mouse_drag_callbacks.remove(self._pressed)
            self._viewer.mouse_double_click_callbacks[:] = self._naparis_double_click
        self.tool = tool

    def _pressed(self, _viewer: Any, event: Any) -> Iterator[None]:
        if not self._is_ours(event):
            return
        if self.tool == "box":
            yield from self._drag_box(event)
        else:
            yield from self._click(event)

    def _click(self, event: Any) -> Iterator[None]:
        start = np.array(event.pos)
        yield
        moved = 0.0
        while event.type == "mouse_move":
            moved = max(moved, float(np.linalg.norm(np.array(event.pos) - start)))
            yield
        if moved < _STILL_PX:
            self._listener.clicked(tuple(event.position))

    def _drag_box(self, event: Any) -> Iterator[None]:
        start_px, start = np.array(event.pos), tuple(event.position)
        event.handled = True  # or the camera pans under the box
        yield
        while event.type == "mouse_move":
            event.handled = True
            self._listener.box_dragging(start, tuple(event.position))
            yield
        if np.linalg.norm(np.array(event.pos) - start_px) < _STILL_PX:
            self._listener.box_cancelled()
        else:
            self._listener.box_dropped(start, tuple(event.position))

    def _double_clicked(self, _viewer: Any, event: Any) -> None:
        if self.tool == "point" and self._is_ours(event):
            self._listener.clicked(tuple(event.position))

    def _is_ours(self, event: Any) -> bool:
        """A plain left button on a canvas whose active layer is not drawing by itself."""
        active = self._viewer.layers.selection.active
        drawing = active is not None and str(active.mode) != "pan_zoom"
        return event.button == 1 and not event.modifiers and len(event.dims_displayed) == 2 and not drawing
