"""What each row of the key table does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from napari_segsam.engine.controller import Controller
from napari_segsam.gui.keys import printed
from napari_segsam.gui.scans import turned

if TYPE_CHECKING:
    from napari_segsam.gui.workbench import Workbench


def actions(bench: Workbench) -> dict[str, Callable[[], bool | None]]:
    """By the actions of :data:`napari_segsam.gui.keys.KEYS`; False: it was not ours to act on, see there."""
    return {
        "point": lambda: bench.arm("point"),
        "box": lambda: bench.arm("box"),
        "lasso": lambda: bench.arm("lasso"),
        "scribble": lambda: bench.arm("scribble"),
        "sign": lambda: bench.set_positive(not bench.positive),
        "mask": lambda: bench.do(Controller.use_mask),
        "cancel": lambda: cancel(bench),
        "candidate": lambda: bench.choice.step(1),
        "candidate back": lambda: bench.choice.step(-1),
        **{f"class {rank}": partial(bench.class_pressed.emit, rank) for rank in range(1, 10)},
        "commit": lambda: bench.do(Controller.commit),
        "next": lambda: bench.do(Controller.next_object),
        **{action: partial(bench.through_pressed.emit, action) for action in ("back", "forward", "interpolate")},
        "accept": bench.choice.accept,
        "remove": lambda: remove(bench),
        "undo": lambda: bench.do(Controller.undo),
        "redo": lambda: bench.do(Controller.redo),
        "layers": lambda: toggle_layers(bench),
        "next scan": lambda: open_beside(bench, 1),
        "previous scan": lambda: open_beside(bench, -1),
    }


def remove(bench: Workbench) -> None:
    """Reject the chosen suggestion; where none is chosen, take the last prompt back."""
    if not bench.choice.reject():
        bench.do(Controller.remove_last_prompt)


def cancel(bench: Workbench) -> bool:
    """Drop what is being drawn, else stop what goes on, else drop the choice of a suggestion; whether there was any."""
    if bench.canvas is not None and bench.canvas.prompts.mouse.cancel():
        return True
    if bench.controller is not None and bench.controller.through.progress is not None:
        bench.controller.through.cancel()
        return True
    was_chosen = bench.choice.suggestion is not None
    if was_chosen:
        bench.choice.choose(None)
    return was_chosen


def toggle_layers(bench: Workbench) -> None:
    """Hide our layers, or show them again."""
    if bench.canvas is not None:
        shown = bench.canvas.toggle_layers()
        bench.told.emit("" if shown else f"Our layers are hidden. {printed('layers')} shows them again.")


def open_beside(bench: Workbench, step: int) -> None:
    """Work on the next scan in the viewer, or with -1 the previous one; round past the last."""
    scan, controller = bench.scan, bench.controller
    if scan is None or controller is None:
        return
    if len(bench.scans) == 1:
        bench.told.emit("This is the only scan in the viewer. Open another one to go on to it.")
        return
    controller.after_stroke(lambda: bench.open_scan(turned(bench.viewer.layers, bench.scans, scan, step)))
