"""Holding: what would change the labels waits its turn while a person draws there."""

from __future__ import annotations

from collections.abc import Callable

from napari_segsam.core.errors import SegsamError

Act = Callable[[], None]


class Holding:
    """Does what it is given, in this order: at once, or where it holds, when it no longer does."""

    def __init__(self) -> None:
        self._holds = False
        self._waiting: list[Act] = []

    def check_free(self) -> None:
        """For what a person does meanwhile, and would wonder at if it came later.

        Raises:
            SegsamError: it holds.
        """
        if self._holds:
            raise SegsamError("A stroke is being drawn on the layer 'labels': let go of the mouse button first.")

    def hold(self, holds: bool) -> None:
        """Keep what comes from now on; False: do what was kept."""
        self._holds = holds
        self._go_on()

    def do(self, act: Act) -> None:
        """Now or later; an act that should not be done any more has to know so itself."""
        self._waiting.append(act)
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and not self._holds:
            self._waiting.pop(0)()
