"""PromptActs: what a person points at. All of it is of the current object, on the visible slice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.terminology import spoken
from napari_segsam.engine import gestures
from napari_segsam.engine.acting import Acting
from napari_segsam.engine.objects import named
from napari_segsam.engine.telling import told

Corner = tuple[float, float]


class PromptActs(Acting):
    """The prompts; (row, col) in the display frame, integers at pixel centres. Each act is one entry of the history."""

    @told
    def click(self, row: float, col: float, positive: bool = True) -> None:
        """A point."""
        self._add_clicks((Click(float(row), float(col), positive),), _signed("point", positive))

    @told
    def box(self, corner_a: Corner, corner_b: Corner) -> None:
        """A box; replaces the slice's last one. It says anew where the object is, so no mask is corrected."""
        self._prompt(replace(self.session.prompts, box=Box.between(corner_a, corner_b), mask=None), "box")

    @told
    def lasso(self, path: ArrayLike, positive: bool = True) -> None:
        """An (n, 2) path of (row, col) round the object, or round what is not the object.

        Round the object it says anew where that is: points that were made before stay, box and last mask go. Round what
        the object is not, it takes that from the mask that is corrected.
        """
        view, old = self.session.view, self.session.prompts
        drawn = gestures.lasso(path, view.shape, view.spacing_mm)
        if positive:
            self._prompt(Prompts((*old.clicks, *drawn.clicks), mask=drawn.mask), gestures.LASSO)
            return
        last = self.session.mask_to_correct
        left = None if last is None or drawn.mask is None else last & ~drawn.mask
        clicks = (*old.clicks, *(replace(c, positive=False) for c in drawn.clicks))
        mask = left if left is not None and left.any() else None
        self._prompt(Prompts(clicks, old.box, mask), _signed(gestures.LASSO, positive))

    @told
    def scribble(self, path: ArrayLike, positive: bool = True) -> None:
        """An (n, 2) path of (row, col) over what belongs to the object, or does not."""
        view = self.session.view
        clicks = gestures.scribble(path, view.shape, view.spacing_mm, positive)
        self._add_clicks(clicks, _signed("scribble", positive))

    @told
    def use_mask(self) -> None:
        """What was committed and brushed of the object on this slice, to be drawn anew; other prompts here go."""
        view, value = self.session.view, self.session.value
        committed = np.asarray(view.of(self.session.labels.voxels) == value)
        if not committed.any():
            name, where = spoken(self.session.name_of(value)), named(self.session.place)
            raise BadPromptsError(f"{name} has no mask on {where}; commit one, or paint on the layer 'labels'.")
        self._prompt(gestures.of_mask(committed, view.spacing_mm), "mask as prompt")

    @told
    def move_click(self, index: int, row: float, col: float) -> None:
        """Put the ``index``-th point elsewhere.

        A mask that came of it at its old place is not corrected, for it would bring the old answer back; the newest
        point goes on correcting what it corrected.
        """
        old, moved = self.session.prompts, self._click_at(index)
        clicks = list(old.clicks)
        clicks[index] = replace(moved, row=float(row), col=float(col))
        is_newest = index == len(clicks) - 1
        self._prompt(replace(old, clicks=tuple(clicks), mask=old.mask if is_newest else None), "move point")

    @told
    def remove_click(self, index: int) -> None:
        """The ``index``-th point goes, and no mask that came of it is corrected."""
        self._click_at(index)
        old = self.session.prompts
        self._prompt(Prompts(old.clicks[:index] + old.clicks[index + 1 :], old.box), "remove point")

    @told
    def move_box(self, corner_a: Corner, corner_b: Corner) -> None:
        """Put the box's corners elsewhere."""
        self._check_box()
        self._prompt(replace(self.session.prompts, box=Box.between(corner_a, corner_b), mask=None), "move box")

    @told
    def remove_box(self) -> None:
        """The box goes."""
        self._check_box()
        self._prompt(Prompts(self.session.prompts.clicks), "remove box")

    @told
    def remove_last_prompt(self) -> None:
        """The newest point goes, or the box where there is no point."""
        old = self.session.prompts
        if old.clicks:
            self._prompt(Prompts(old.clicks[:-1], old.box), "remove point")
        elif old.box:
            self._prompt(Prompts(), "remove box")

    @told
    def clear_prompts(self) -> None:
        """All prompts on this slice go; committed voxels stay."""
        if self.session.prompts.clicks or self.session.prompts.box:
            self._prompt(Prompts(), "clear prompts")

    def collect(self, collects: bool) -> None:
        """Keep prompts without asking the model, until this is called with False: then ask once for all of them."""
        self._conversation.collect(collects)
        if collects:
            self._tell.say("Collecting prompts; let go of Ctrl and the model answers.")

    def _add_clicks(self, clicks: tuple[Click, ...], name: str) -> None:
        """More points; they correct the mask that is there."""
        old = self.session.prompts
        self._prompt(replace(old, clicks=(*old.clicks, *clicks), mask=self.session.mask_to_correct), name)

    def _prompt(self, prompts: Prompts, name: str) -> None:
        prompts.check_inside(self.session.view.shape)
        self._follow(self.session.change_prompts(prompts, name))
        if prompts.clicks and not prompts:
            self._tell.say("That point says what the object is not; add a positive point on the object first.")

    def _click_at(self, index: int) -> Click:
        clicks = self.session.prompts.clicks
        if not 0 <= index < len(clicks):
            raise BadPromptsError(
                f"There is no point {index + 1} on {named(self.session.place)} any more; choose another."
            )
        return clicks[index]

    def _check_box(self) -> None:
        if self.session.prompts.box is None:
            raise BadPromptsError(f"There is no box on {named(self.session.place)} any more; drag a new one.")


def _signed(name: str, positive: bool) -> str:
    return name if positive else f"negative {name}"
