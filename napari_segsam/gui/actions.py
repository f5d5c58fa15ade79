"""What each row of the key table does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_segsam.engine.controller import Controller

if TYPE_CHECKING:
    from napari_segsam.gui.workbench import Workbench


def actions(bench: Workbench) -> dict[str, Callable[[], None]]:
    """By the actions of :data:`napari_segsam.gui.keys.KEYS`."""
    return {
        "point": lambda: bench.arm("point"),
        "box": lambda: bench.arm("box"),
        "sign": lambda: bench.set_positive(not bench.positive),
        "candidate": bench.show_next_candidate,
        "commit": lambda: bench.do(Controller.commit),
        "next": lambda: bench.do(Controller.next_object),
        "undo": lambda: bench.do(Controller.undo),
        "redo": lambda: bench.do(Controller.redo),
    }
