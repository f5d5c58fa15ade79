"""PromptMouse: clicks and drags on the canvas, while a tool is armed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Protocol

import numpy as np

Tool = Literal["point", "box", "lasso", "scribble"]
World = Sequence[float]
_STILL_PX = 4
"""A press that moves less than this many canvas pixels before its release is a click, else a drag."""
_LEFT, _RIGHT = 1, 2


class Drag(Protocol):
    """What is being drawn or moved; positions are napari world coordinates."""

    def move(self, position: World) -> None:
        """The mouse is here now: show it."""

    def drop(self, position: World, moved: bool) -> None:
        """The button was let go here; unless it ``moved``, it was a click."""

    def cancel(self) -> None:
        """It shall not have been: show what was there before."""


class MouseListener(Protocol):
    """Who hears what the mouse meant; ``zoom`` is canvas pixels for each unit of the world."""

    def clicked(self, position: World) -> None:
        """A left click with the point tool."""

    def right_clicked(self, position: World, zoom: float) -> None:
        """A right click with any tool."""

    def pressed(self, tool: Tool, position: World, zoom: float) -> Drag | None:
        """What a left drag from here does; None where it is the camera's."""

    def hovered(self, tool: Tool, position: World, zoom: float) -> bool:
        """Whether there is something here that a left drag would move."""

    def collecting(self, with_ctrl: bool) -> None:
        """A prompt comes next; whether Ctrl is held."""


class PromptMouse:
    """A plain left button prompts, a right click means something where the listener says so; all else is napari's.

    napari takes Alt+drag for its zoom box, a right drag for zooming and Ctrl+wheel for scrolling; those stay. With the
    point tool a drag on empty space pans, as everywhere in napari; with the others Shift+drag does. A brush or another
    drawing mode of the active layer goes first.
    """

    def __init__(self, viewer: Any, listener: MouseListener) -> None:
        self._viewer = viewer
        self._listener = listener
        self._naparis_double_click: list[Any] = []
        self._drag: Drag | None = None
        self._points_at_grip = False
        self.tool: Tool | None = None

    @property
    def is_dragging(self) -> bool:
        """Whether something is being drawn or moved."""
        return self._drag is not None

    def arm(self, tool: Tool | None) -> None:
        """Listen with this tool; None gives the mouse back to napari."""
        self.cancel()
        viewer = self._viewer
        if tool is not None and self.tool is None:
            viewer.mouse_drag_callbacks.append(self._pressed)
            viewer.mouse_move_callbacks.append(self._moved)
            # napari zooms on a double click; two points placed quickly must not.
            self._naparis_double_click = list(viewer.mouse_double_click_callbacks)
            viewer.mouse_double_click_callbacks[:] = [self._double_clicked]
        if tool is None and self.tool is not None:
            viewer.mouse_drag_callbacks.remove(self._pressed)
            viewer.mouse_move_callbacks.remove(self._moved)
            viewer.mouse_double_click_callbacks[:] = self._naparis_double_click
            self._point(False)
        self.tool = tool

    def cancel(self) -> bool:
        """Drop what is being dragged; whether there was anything."""
        drag, self._drag = self._drag, None
        if drag is not None:
            drag.cancel()
        return drag is not None

    # -- what napari calls

    def _pressed(self, _viewer: Any, event: Any) -> Iterator[None]:
        if self.cancel() and event.button != _LEFT:  # another button in the middle of a drag
            return
        if self.tool is None or not self._is_ours(event):
            return
        if event.button == _RIGHT and not event.modifiers:
            yield from self._click(event, lambda: self._listener.right_clicked(event.position, event.camera_zoom))
        elif event.button == _LEFT and tuple(event.modifiers) == ("Shift",) and self.tool != "point":
            yield from self._pan(event)
        elif event.button == _LEFT and tuple(event.modifiers) in ((), ("Control",)):
            yield from self._prompt(event, self.tool)

    def _prompt(self, event: Any, tool: Tool) -> Iterator[None]:
        drag = self._listener.pressed(tool, tuple(event.position), event.camera_zoom)
        if drag is None:
            yield from self._click(event, lambda: self._click_here(event))
        else:
            yield from self._drag_on(event, drag)

    def _click(self, event: Any, then: Callable[[], None]) -> Iterator[None]:
        """Do ``then`` on release, unless the mouse has moved; the camera may have the drag."""
        start, moved = np.array(event.pos), 0.0
        yield
        while event.type == "mouse_move":
            moved = max(moved, _distance(event, start))
            yield
        if moved < _STILL_PX:
            then()

    def _drag_on(self, event: Any, drag: Drag) -> Iterator[None]:
        start, moved = np.array(event.pos), False
        self._drag = drag
        event.handled = True  # or the camera pans under it
        yield
        while event.type == "mouse_move":
            event.handled = True
            moved = moved or _distance(event, start) >= _STILL_PX
            if self._drag is drag:
                drag.move(tuple(event.position))
            yield
        if self._drag is drag:
            self._drag = None
            self._listener.collecting("Control" in event.modifiers)
            drag.drop(tuple(event.position), moved or _distance(event, start) >= _STILL_PX)

    def _pan(self, event: Any) -> Iterator[None]:
        """Move the picture; the camera itself does so only without modifiers."""
        camera, start = self._viewer.scene.camera, np.array(event.pos)
        centre = np.array(camera.center, float)
        down, right = camera.orientation2d
        signs = np.array([1 if str(down) == "down" else -1, 1 if str(right) == "right" else -1])
        event.handled = True
        yield
        while event.type == "mouse_move":
            event.handled = True
            moved = np.zeros_like(centre)
            moved[-2:] = signs * (np.array(event.pos) - start)[::-1] / camera.zoom  # what is below the cursor stays so
            camera.center = tuple(centre - moved)
            yield

    def _double_clicked(self, _viewer: Any, event: Any) -> None:
        ours = event.button == _LEFT and tuple(event.modifiers) in ((), ("Control",))
        if self.tool == "point" and ours and self._is_ours(event):
            self._click_here(event)

    def _moved(self, _viewer: Any, event: Any) -> None:
        if self.tool is not None:
            on_grip = self._is_ours(event) and self._listener.hovered(self.tool, event.position, event.camera_zoom)
            self._point(on_grip)

    def _click_here(self, event: Any) -> None:
        self._listener.collecting("Control" in event.modifiers)
        self._listener.clicked(tuple(event.position))

    def _point(self, at_grip: bool) -> None:
        """Show by the cursor that a drag from here moves something."""
        if at_grip != self._points_at_grip:
            self._points_at_grip = at_grip
            self._viewer.cursor.style = "pointing" if at_grip else "standard"

    def _is_ours(self, event: Any) -> bool:
        """A flat canvas whose active layer is not drawing by itself."""
        active = self._viewer.layers.selection.active
        drawing = active is not None and str(active.mode) != "pan_zoom"
        return len(event.dims_displayed) == 2 and not drawing


def _distance(event: Any, start: Any) -> float:
    """From where the button was pressed, in canvas pixels."""
    return float(np.linalg.norm(np.array(event.pos) - start))
