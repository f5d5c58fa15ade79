"""How long the window stands still: napari alone, while the model loads, while it embeds under scrolling and clicks.

    xvfb-run -a -s "-screen 0 1400x900x24" python benchmarks/speed/gui_stall.py
        [--slices 300] [--clicks 200] [--model nano] [--json FILE]

A timer of the GUI thread is due every 2 ms; a stall is how much later than that it comes. Drawing a slice is a stall of
napari's own, so the same scrolling without our dock is measured in the same process and is what ours stands beside:
the scan alone, and below two empty label maps, as whoever annotates has them.
Clicks are mouse events on the canvas; while they come, all slices are being embedded in the background.
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
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume
from napari_segsam.gui.dock import Dock
from napari_segsam.gui.layer_data import layer_of
from napari_segsam.io.phantom.sample import torso_phantom

_DUE_MS = 2
_STEP_MS = 120
AIM_MS = {"longest_ms": 16.0, "p99_ms": 4.0}


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
    """The sample, repeated to 504 x 432 voxels a slice, which is the size of a clinical CT, and to and fro in depth."""
    sample = torso_phantom()
    there = np.arange(sample.voxels.shape[2])
    k = np.resize(np.concatenate([there, there[::-1]]), slices)
    voxels = sample.voxels[:, :, k].repeat(3, axis=0).repeat(3, axis=1)
    return Volume(Grid(voxels.shape, np.diag([0.8, 0.8, 5.0, 1.0])), voxels, modality="ct", name="phantom")


def viewer_on_scan(slices: int) -> napari.Viewer:
    """A window of napari's with the scan in it."""
    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window.resize(1280, 840)
    data, kwargs, _ = layer_of(large_phantom(slices))
    viewer.add_image(data, **kwargs)
    return viewer


def scroll(viewer: napari.Viewer, slices: int, at_each: Callable[[int], None] = lambda _: None) -> None:
    """One slice every 120 ms, through the whole scan, and ``at_each`` in the middle between two."""
    for index in range(slices):
        viewer.dims.set_current_step(0, index)
        QTest.qWait(_STEP_MS // 2)
        at_each(index)
        QTest.qWait(_STEP_MS // 2)


def wait_until(ready: Callable[[], bool], seconds: float = 600.0) -> None:
    """Run the event loop until ``ready``."""
    end = time.monotonic() + seconds
    while not ready() and time.monotonic() < end:
        QTest.qWait(20)


def click_organ(viewer: napari.Viewer) -> None:
    """A left click on the canvas, where the liver lies on most slices."""
    canvas = viewer.window._qt_viewer.canvas.native  # noqa: SLF001 - napari has no public way to it
    place = QPoint(round(canvas.width() * 0.42), round(canvas.height() * 0.47))
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=place)


def measure(slices: int, clicks: int) -> dict[str, dict[str, float]]:
    """The situations, in one process."""
    viewer, beat = viewer_on_scan(slices), Heartbeat()
    QTest.qWait(1000)
    found = {"napari alone, idle": beat.during(lambda: QTest.qWait(3000))}
    found["napari alone, scrolling"] = beat.during(lambda: scroll(viewer, slices))
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
    answers, done = [], []
    controller.prediction_changed.connect(lambda prediction: answers.append(prediction))
    controller.preparation_changed.connect(lambda progress: done.append(progress))
    due = set(np.linspace(0, slices - 1, clicks).astype(int).tolist())
    controller.prepare_volume()
    found["embedding, scrolling and clicking"] = beat.during(
        lambda: scroll(viewer, slices, lambda index: click_organ(viewer) if index in due else None)
    )
    wait_until(lambda: not controller.busy)
    found["what came of it"] = {
        "clicks": len(due),
        "answers": sum(answer is not None for answer in answers),
        "slices embedded": max((p.done for p in done if p is not None), default=0),
    }
    viewer.close()
    QApplication.processEvents()
    found["napari alone, scrolling with labels"] = with_labels(slices, beat)
    return found


def with_labels(slices: int, beat: Heartbeat) -> dict[str, float]:
    """Scrolling the scan below two empty label maps, without our dock; last, since napari's first one takes seconds."""
    viewer = viewer_on_scan(slices)
    scan = viewer.layers[0]
    for _ in range(2):
        viewer.add_labels(np.zeros(scan.data.shape, np.uint16), scale=scan.scale, units=scan.units)
    QTest.qWait(1000)
    stalls = beat.during(lambda: scroll(viewer, slices))
    viewer.close()
    QApplication.processEvents()
    return stalls


def main() -> None:
    """Print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--clicks", type=int, default=200)
    parser.add_argument("--model", help="registry name or file; the default model without it")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.model:
        os.environ["SEGSAM_MODEL"] = given.model
    found = measure(given.slices, given.clicks)
    came = found.pop("what came of it")
    print(f"Aim, above napari scrolling alone: {AIM_MS['longest_ms']:g} ms (longest), {AIM_MS['p99_ms']:g} ms (p99).")
    print(f"{'GUI thread stalls':42s} {'longest (ms)':>13s} {'p99 (ms)':>9s}")
    for name, stall in found.items():
        print(f"{name:42s} {stall['longest_ms']:13.1f} {stall['p99_ms']:9.1f}")
    ours = found["embedding, scrolling and clicking"]
    for name in ("napari alone, scrolling", "napari alone, scrolling with labels"):
        above = (ours[k] - found[name][k] for k in AIM_MS)
        print(f"{'above ' + name:42s}", "".join(f"{ms:+10.1f}" for ms in above))
    print(", ".join(f"{count:.0f} {what}" for what, count in came.items()))
    if given.json:
        given.json.write_text(json.dumps(found | {"what came of it": came}, indent=1))


if __name__ == "__main__":
    main()
