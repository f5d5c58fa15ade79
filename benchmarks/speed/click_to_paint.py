"""From a click on the canvas to its painted outline, beside a repaint that changes nothing.

    xvfb-run -a -s "-screen 0 1400x900x24" python benchmarks/speed/click_to_paint.py
        [--clicks 100] [--model nano] [--json FILE]

The slice is embedded before. A click is a press and a release of the mouse; it has arrived when the canvas has been
drawn with the outline that answers it. The decoder's own time, on its thread, is reported apart and not
counted. Clicks and repaints take turns in one process, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ["NAPARI_CONFIG"] = ""
os.environ["SEGSAM_STATE"] = tempfile.mkdtemp()  # no journal of this is offered to anybody later

import napari
import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_segsam.engine.controller import Controller
from napari_segsam.gui.demo import open_on_sample

AIM = 1.5
_WARM_UP = 5
_KEPT = (0.36, 0.5), (0.4, 0.55)
"""Where clicks fall, as parts of the canvas's width and height: on organs."""


class Screen:
    """A viewer's canvas, and when it was drawn."""

    def __init__(self, viewer: napari.Viewer) -> None:
        canvas = viewer.window._qt_viewer.canvas  # noqa: SLF001 - napari has no public way to it
        self.widget: Any = canvas.native
        self.drawn = 0
        canvas._scene_canvas.events.draw.connect(self._count, position="last")  # noqa: SLF001

    def _count(self, _event: object) -> None:
        self.drawn += 1

    def until_drawn(self, ready: Callable[[], bool]) -> float:
        """Run the event loop until ``ready`` and drawn after it; the seconds that took."""
        began = time.perf_counter()
        while not ready():
            QTest.qWait(1)  # a loop without a pause would take a core from the model
        before = self.drawn
        while self.drawn == before:
            QTest.qWait(1)
        return time.perf_counter() - began

    def repaint(self) -> float:
        """Seconds of drawing what is there again."""
        self.widget.update()
        return self.until_drawn(lambda: True)

    def click(self, place: QPoint, answered: Callable[[], bool]) -> float:
        """Seconds from the press to the picture of the answer."""
        began = time.perf_counter()
        QTest.mouseClick(self.widget, Qt.MouseButton.LeftButton, pos=place)
        self.until_drawn(answered)
        return time.perf_counter() - began


@contextmanager
def decoder_timed(controller: Controller) -> Iterator[list[float]]:
    """Seconds of each answer on the model's thread."""
    predictor, seconds = controller.predictor, list[float]()
    predict = predictor.predict

    def timed(*args: Any) -> Any:
        began = time.perf_counter()
        answer = predict(*args)
        seconds.append(time.perf_counter() - began)
        return answer

    predictor.predict = timed
    yield seconds
    del predictor.predict


def measure(clicks: int) -> dict[str, list[float]]:
    """Milliseconds of each click without its decoder, of the decoder, and of each empty repaint."""
    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window.resize(1280, 840)
    dock = open_on_sample(viewer)
    controller = dock.workbench.controller
    assert controller is not None
    screen, rng = Screen(viewer), np.random.default_rng(0)
    while controller.predictor is None or controller.busy:
        QTest.qWait(50)
    QTest.qWait(3000)  # all slices are embedded
    found: dict[str, list[float]] = {"click": [], "decoder": [], "repaint": []}
    with decoder_timed(controller) as decoder:
        for _ in range(clicks + _WARM_UP):
            controller.clear_prompts()
            while controller.busy:
                QTest.qWait(1)
            screen.repaint()  # without the last outline
            found["repaint"].append(screen.repaint())
            part = [rng.uniform(*span) for span in _KEPT]
            place = QPoint(round(part[0] * screen.widget.width()), round(part[1] * screen.widget.height()))
            answers = len(decoder) + 1
            whole = screen.click(place, lambda: len(decoder) >= answers and controller.session.answered)  # noqa: B023
            found["decoder"].append(decoder[-1])
            found["click"].append(whole - decoder[-1])
    viewer.close()
    QApplication.processEvents()
    return {name: [1000 * s for s in seconds[_WARM_UP:]] for name, seconds in found.items()}


def main() -> None:
    """Print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clicks", type=int, default=100)
    parser.add_argument("--model", help="registry name or file; the default model without it")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.model:
        os.environ["SEGSAM_MODEL"] = given.model
    found = measure(given.clicks)
    for name, ms in found.items():
        print(f"{name:8s} median {np.median(ms):6.1f} ms, 95th percentile {np.percentile(ms, 95):6.1f} ms")
    ratios = np.array(found["click"]) / found["repaint"]
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    print(f"click without its decoder / repaint: {middle:.2f} ({low:.2f}-{high:.2f}); aim {AIM:g}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
