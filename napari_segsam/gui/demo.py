"""``python -m napari_segsam.gui.demo``: the main job in a window, on the built-in sample, with one prompt answered."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import QTimer

from napari_segsam.core.prompts import Box
from napari_segsam.core.slices import SliceView
from napari_segsam.gui.dock import Dock
from napari_segsam.gui.plugin import open_sample
from napari_segsam.io.phantom.sample import torso_phantom_labels

ORGAN = "liver"
_SIZE = (1280, 840)
_POLL_MS = 100
_LATEST_S = 120.0


@dataclass(frozen=True)
class Options:
    """What the demo was asked for: a picture of its window, and when to close it (None: when the person does)."""

    screenshot: Path | None = None
    seconds: float | None = None


def run(options: Options) -> None:
    """Open napari with the dock and the sample, prompt the liver with a box, and stay open."""
    viewer = napari.Viewer(title="SEG-SAM demo", show_welcome_screen=False)
    viewer.window.resize(*_SIZE)
    dock = open_on_sample(viewer)
    viewer.reset_view()
    prompt_organ(viewer, dock)
    when_answered(dock, lambda: _answered(viewer, options))
    napari.run()


def open_on_sample(viewer: napari.Viewer) -> Dock:
    """The sample and the dock, as a person opens them."""
    open_sample(viewer)
    dock: Dock = viewer.window.add_plugin_dock_widget("napari-segsam", "SEG-SAM")[1]
    return dock


def prompt_organ(viewer: napari.Viewer, dock: Dock, organ: str = ORGAN, *, scroll: bool = True) -> None:
    """Draw the box around an organ of the sample that a person would.

    Args:
        viewer: shows the sample.
        dock: open on it.
        organ: a name of the sample's labels.
        scroll: to the organ's largest slice first, else draw on the visible one.
    """
    scan, controller = dock.workbench.scan, dock.workbench.controller
    if scan is None or controller is None:
        return
    truth = torso_phantom_labels()
    value = next(v for v, label in truth.labels.items() if label.name == organ)
    inside = truth.voxels == value
    if scroll:
        view = SliceView(controller.session.volume, 2, int(np.argmax(inside.sum(axis=(0, 1)))))
        point = list(viewer.dims.point)
        point[view.depth_axis] = scan.data_to_world([view.display_depth] * 3)[view.depth_axis]
        viewer.dims.point = tuple(point)
    box = Box.around(controller.session.view.of(inside))
    controller.box((box.row_min, box.col_min), (box.row_max, box.col_max))


def when_answered(dock: Dock, then: Callable[[], None], waited_s: float = 0.0) -> None:
    """Call ``then`` once the prompt is answered, refused, or has taken two minutes."""
    controller = dock.workbench.controller
    if dock.error.text or waited_s > _LATEST_S or (controller is not None and controller.session.answered):
        then()
    else:
        QTimer.singleShot(_POLL_MS, lambda: when_answered(dock, then, waited_s + _POLL_MS / 1000))


def _answered(viewer: napari.Viewer, options: Options) -> None:
    if options.screenshot is not None:
        viewer.screenshot(str(options.screenshot), canvas_only=False, flash=False)
    if options.seconds is not None:
        QTimer.singleShot(round(options.seconds * 1000), viewer.close)


def parse(arguments: list[str] | None = None) -> Options:
    """The command line's options."""
    parser = argparse.ArgumentParser(prog="python -m napari_segsam.gui.demo", description=__doc__)
    parser.add_argument("--screenshot", type=Path, help="write a picture of the window once the prompt is answered")
    parser.add_argument("--seconds", type=float, help="close the window this long after the answer")
    given = parser.parse_args(arguments)
    return Options(given.screenshot, given.seconds)


if __name__ == "__main__":
    run(parse())
