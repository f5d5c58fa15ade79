"""CanvasPrompts: what the mouse means on the open scan, for the Controller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_segsam.core.slices import SliceView
from napari_segsam.engine.controller import Controller
from napari_segsam.gui.ctrl_key import CtrlKey
from napari_segsam.gui.drags import BoxDrag, BoxGripDrag, PathDrag, PointDrag, Slate
from napari_segsam.gui.grips import Rc, box_grip_at, click_at
from napari_segsam.gui.layers import ScanLayers
from napari_segsam.gui.mouse import Drag, PromptMouse, Tool, World
from napari_segsam.gui.placement import Placement, is_inside


class CanvasPrompts:
    """Hears a :class:`PromptMouse`, its own.

    Args:
        viewer: napari's.
        placement: the scan and its Image layer.
        layers: over it.
        controller: works on it.
        refuse: told what is wrong, in a sentence.
        follow: tells the Controller which slice is visible, and returns it; None where there is none.

    Attributes:
        mouse: arms and disarms the tools.
        positive: whether the next point, lasso or scribble says "this" or "not this".
        right_is_negative: whether a right click beside all prompts is a negative point.
    """

    def __init__(
        self,
        viewer: Any,
        placement: Placement,
        layers: ScanLayers,
        controller: Controller,
        refuse: Callable[[str], None],
        follow: Callable[[], SliceView | None],
    ) -> None:
        self._placement, self._layers, self._controller = placement, layers, controller
        self._refuse, self._follow = refuse, follow
        self._ctrl = CtrlKey(lambda: controller.collect(False))
        self.positive, self.right_is_negative = True, False
        self.mouse = PromptMouse(viewer, self)

    def let_go(self) -> None:
        """Listen no longer."""
        self.mouse.arm(None)
        self._ctrl.let_go()

    # -- what the mouse says

    def clicked(self, position: World) -> None:
        """A point."""
        self._click(position, self.positive)

    def right_clicked(self, position: World, zoom: float) -> None:
        """What is prompted there goes; beside all prompts it may be a negative point."""
        view = self._follow()
        if view is None:
            return
        rc, px, prompts = self._placement.rc(view, position), self._pixel(view, zoom), self._controller.session.prompts
        click = click_at(prompts, rc, px)
        if click is not None:
            self._controller.remove_click(next(i for i, c in enumerate(prompts.clicks) if c is click))
        elif box_grip_at(prompts, rc, px):
            self._controller.remove_box()
        elif self.right_is_negative:
            self._click(position, False)

    def pressed(self, tool: Tool, position: World, zoom: float) -> Drag | None:
        """What a drag from here does."""
        view = self._follow()
        if view is None:
            return None
        px = self._pixel(view, zoom)
        slate = Slate(view, px, self._placement, self._layers, self._controller, self._refuse)
        rc, prompts = slate.rc(position), self._controller.session.prompts
        click = click_at(prompts, rc, px) if tool == "point" else None
        if tool == "point" and click is None:
            return None  # napari pans
        self._layers.come_back()
        if click is not None:
            return PointDrag(slate, click, self.clicked)
        if tool == "lasso":
            return PathDrag(slate, position, lambda p: self._controller.lasso(p, self.positive), closed=True)
        if tool == "scribble":
            return PathDrag(slate, position, lambda p: self._controller.scribble(p, self.positive), closed=False)
        grip = box_grip_at(prompts, rc, px)
        if grip is not None and prompts.box is not None:
            return BoxGripDrag(slate, prompts.box, grip, position)
        return BoxDrag(slate, position)

    def hovered(self, tool: Tool, position: World, zoom: float) -> bool:
        """Whether there is a point, or an edge of a box, that this tool moves."""
        view, prompts = self._controller.session.view, self._controller.session.prompts
        if tool not in ("point", "box") or (not prompts.clicks and prompts.box is None):
            return False
        rc, px = self._placement.rc(view, position), self._pixel(view, zoom)
        return (click_at if tool == "point" else box_grip_at)(prompts, rc, px) is not None

    def collecting(self, with_ctrl: bool) -> None:
        """Prompts made with Ctrl held wait until it is let go."""
        if with_ctrl and not self._ctrl.held:
            self._ctrl.hold()
            self._controller.collect(True)
        elif not with_ctrl:
            self._ctrl.let_go()

    # -- where

    def _click(self, position: World, positive: bool) -> None:
        view = self._follow()
        if view is not None:
            row, col = self._placement.rc(view, position)
            if is_inside(view, (row, col)):
                self._layers.come_back()
                self._controller.click(row, col, positive)

    def _pixel(self, view: SliceView, zoom: float) -> Rc:
        """How many canvas pixels a row and a column of the slice are."""
        row, col = self._placement.pixel(view)
        return row * zoom, col * zoom
