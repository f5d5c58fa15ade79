"""PromptActs: what a person points at. All of it is of the current object, on the visible slice."""

from __future__ import annotations

from dataclasses import replace

from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.engine.acting import Acting
from napari_segsam.engine.telling import told


class PromptActs(Acting):
    """The prompts; (row, col) in the display frame, integers at pixel centres."""

    @told
    def click(self, row: float, col: float, positive: bool = True) -> None:
        """A point."""
        prompts = replace(self.session.prompts, mask=self.session.mask_to_correct)
        click = Click(float(row), float(col), positive)
        self._prompt(prompts.with_click(click), "point" if positive else "negative point")
        if not self.session.prompts:
            self._tell.say("That point says what the object is not; add a positive point on the object first.")

    @told
    def box(self, corner_a: tuple[float, float], corner_b: tuple[float, float]) -> None:
        """A box; replaces the slice's last one. It says anew where the object is, so no mask is corrected."""
        self._prompt(replace(self.session.prompts, box=Box.between(corner_a, corner_b), mask=None), "box")

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

    def _prompt(self, prompts: Prompts, name: str) -> None:
        prompts.check_inside(self.session.view.shape)
        self._follow(self.session.change_prompts(prompts, name))
