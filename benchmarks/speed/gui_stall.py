"""How long the window stands still: napari alone, while the model loads, while it embeds under scrolling and clicks.

    xvfb-run -a -s "-screen 0 1400x900x24" python benchmarks/speed/gui_stall.py
        [--slices 40] [--model nano] [--json FILE]

A timer of the GUI thread is due every 2 ms; a stall is how much later than that it comes. Drawing a slice is a stall of
napari's own, so the same scrolling without our dock is measured in the same process and is what ours stands beside.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["NAPARI_CONFIG"] = ""
os.environ["SEGSAM_STATE"] = tempfile.mkdtemp()  # no journal of this is offered to anybody later

import napari
import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume
from napari_segsam.gui.dock import Dock
from napari_segsam.gui.layer_data import layer_of
from napari_segsam.io.phantom.sample import torso_phantom

_DUE_MS = 2
_STEP_MS = 120
AIM_MS = 50.0


class Heartbeat:
    """Times between the ticks of the GUI thread's timer."""

    def __init__(self) -> None:
        self.late_ms: list[float] = []
        self._last = 0.0
        self._timer = QTimer()
        self._timer.setInterval(_DUE_MS)
        self._timer.timeout.connect(self._tick)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.late_ms.append(max(0.0, (now - self._last) * 1000 - _DUE_MS))
        self._last = now

    def during(self, work: Callable[[], None]) -> dict[str, float]:
        """Longest and 99th percentile of the stalls while ``work`` runs its event loop."""
        self.late_ms = []
        self._last = time.perf_counter()
        self._timer.start()
        work()
        self._timer.stop()
        return {"longest_ms": max(self.late_ms), "p99_ms": float(np.percentile(self.late_ms, 99))}


def large_phantom(slices: int) -> Volume:
    """The sample, repeated to 504 x 432 voxels a slice, which is the size of a clinical CT."""
    sample = torso_phantom()
    voxels = sample.voxels[:, :, :slices].repeat(3, axis=0).repeat(3, axis=1)
    return Volume(Grid(voxels.shape, np.diag([0.8, 0.8, 5.0, 1.0])), voxels, modality="ct", name="phantom")


def scroll(viewer: napari.Viewer, slices: int, at_each: Callable[[], None] = lambda: None) -> None:
    """One slice every 120 ms, through the whole scan."""
    for index in range(slices):
        viewer.dims.set_current_step(0, index)
        at_each()
        QTest.qWait(_STEP_MS)


def wait_until(ready: Callable[[], bool], seconds: float = 300.0) -> None:
    """Run the event loop until ``ready``."""
    end = time.monotonic() + seconds
    while not ready() and time.monotonic() < end:
        QTest.qWait(20)


def click_middle(dock: Dock) -> None:
    """A point in the middle of the visible slice, as the canvas would ask for it."""
    dock.workbench.do(lambda c: c.click(c.session.view.shape[0] * 0.45, c.session.view.shape[1] * 0.35))


def measure(slices: int) -> dict[str, dict[str, float]]:
    """The three situations, in one process."""
    viewer, beat = napari.Viewer(show_welcome_screen=False), Heartbeat()
    viewer.window.resize(1280, 840)
    data, kwargs, _ = layer_of(large_phantom(slices))
    viewer.add_image(data, **kwargs)
    QTest.qWait(1000)
    found = {"napari alone, scrolling": beat.during(lambda: scroll(viewer, slices))}
    opened: list[Dock] = []

    def open_dock() -> None:
        opened.append(viewer.window.add_plugin_dock_widget("napari-segsam", "SEG-SAM")[1])

    found["opening the dock"] = beat.during(lambda: (open_dock(), QTest.qWait(50))[1])
    dock = opened[0]
    controller = dock.workbench.controller
    assert controller is not None
    found["loading the model"] = beat.during(
        lambda: wait_until(lambda: controller.predictor is not None or bool(dock.error.text))
    )
    if dock.error.text:
        raise SystemExit(dock.error.text)

    def work() -> None:
        scroll(viewer, slices, lambda: click_middle(dock))
        wait_until(lambda: not controller.busy)

    found["embedding, scrolling and clicking"] = beat.during(work)
    viewer.close()
    QApplication.processEvents()
    return found


def main() -> None:
    """Print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=40)
    parser.add_argument("--model", help="registry name or file; the default model without it")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.model:
        os.environ["SEGSAM_MODEL"] = given.model
    found = measure(given.slices)
    print(f"Aim: the longest stall while embedding at most {AIM_MS:g} ms above napari's own.")
    print(f"{'GUI thread stalls':36s} {'longest (ms)':>13s} {'p99 (ms)':>9s}")
    for name, stall in found.items():
        print(f"{name:36s} {stall['longest_ms']:13.1f} {stall['p99_ms']:9.1f}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
