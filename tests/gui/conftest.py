"""A real viewer, the dock as napari opens it, and a person's hand on the canvas."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_segsam.core.volume import Volume
from napari_segsam.gui import plugin
from napari_segsam.gui.dock import Dock
from napari_segsam.gui.executor import ThreadExecutor
from napari_segsam.gui.layer_data import layer_of
from napari_segsam.gui.loading import keep_triton_from_mesa
from tests.fakes import FakePredictor, block_volume

HERE = Path(__file__).parent
LEFT, NO_KEYS = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Qt would end the whole run where there is no display."""
    lost = sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    for item in (i for i in items if HERE in i.path.parents):
        item.add_marker(pytest.mark.gui)
        if lost:
            item.add_marker(pytest.mark.skip(reason="no display; run the tests under xvfb-run"))


@pytest.fixture(autouse=True)
def no_widget_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """napari's own guard: a top-level widget that outlives its viewer fails the test."""
    monkeypatch.setenv("NAPARI_STRICT_QT", "raise")


@pytest.fixture(autouse=True)
def journals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's journals lie: no test finds another one's unfinished work."""
    monkeypatch.setenv("SEGSAM_STATE", str(tmp_path / "state"))
    return tmp_path / "state" / "journals"


@pytest.fixture(autouse=True)
def no_thread_leaks() -> Iterator[None]:
    """Our threads end with their viewers, and with what they read."""
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("segsam-"):
            thread.join(10)
            assert not thread.is_alive(), f"{thread.name} outlived its viewer"


@pytest.fixture
def predictor(monkeypatch: pytest.MonkeyPatch) -> FakePredictor:
    """The model that the dock will load."""
    fake = FakePredictor()
    monkeypatch.setattr(plugin, "load_model", lambda model, device: fake)
    return fake


@dataclass
class Hand:
    """What a person does to one viewer, in world coordinates, through real Qt events."""

    viewer: napari.Viewer
    qtbot: Any
    dock: Dock | None = None
    layers: list[Any] = field(default_factory=list)

    @property
    def canvas(self) -> Any:
        """The widget under the mouse; the one private thing that the tests need of napari."""
        return self.viewer.window._qt_viewer.canvas.native

    def open(self, volume: Volume) -> Any:
        """A scan as our reader adds it."""
        data, kwargs, _ = layer_of(volume)
        return self.viewer.add_image(data, **kwargs)

    def open_dock(self, ready: bool = True, patience_s: float = 10) -> Dock:
        """The dock through the manifest, as a person opens it from the menu."""
        _, self.dock = self.viewer.window.add_plugin_dock_widget("napari-segsam", "SEG-SAM")
        if ready:
            bench = self.dock.workbench
            self.wait(lambda: bench.controller is not None and bench.controller.predictor, patience_s)
            self.rest()
        return self.dock

    @property
    def session(self) -> Any:
        return self.dock.workbench.controller.session

    def layer(self, name: str) -> Any:
        return self.viewer.layers[name]

    def wait(self, until: Callable[[], object], patience_s: float = 10) -> None:
        self.qtbot.waitUntil(lambda: bool(until()), timeout=round(patience_s * 1000))

    def rest(self) -> None:
        """Until nobody computes or waits."""
        self.wait(lambda: not self.dock.workbench.controller.busy)
        QApplication.processEvents()

    def pixel(self, world: Any) -> QPoint:
        """Canvas pixel of a world position on the displayed plane; one that is a pixel already stays."""
        if isinstance(world, QPoint):
            return world
        camera = self.viewer.scene.camera
        shown = np.asarray(world, float)[list(self.viewer.dims.displayed)]
        offset = (shown - np.asarray(camera.center)[-2:]) * camera.zoom
        return QPoint(round(self.canvas.width() / 2 + offset[1]), round(self.canvas.height() / 2 + offset[0]))

    def world(self, scan: Any, ijk: Any) -> np.ndarray:
        """World position of a voxel of a scan layer."""
        volume = scan.metadata["segsam_volume"]
        display = volume.grid.display.display_index(np.asarray(ijk), volume.grid.shape)
        return np.asarray(scan.data_to_world(display))

    def look_at(self, scan: Any, ijk: Any) -> None:
        """Scroll so that the slice through a voxel is visible."""
        self.viewer.dims.point = self.world(scan, ijk)
        QApplication.processEvents()

    def click(self, world: Any, button: Any = LEFT, modifiers: Any = NO_KEYS) -> None:
        QTest.mouseClick(self.canvas, button, modifiers, self.pixel(world))
        QApplication.processEvents()

    def drag(self, start: Any, end: Any, modifiers: Any = NO_KEYS) -> None:
        """Press, move in steps, release; QTest's own moves carry no button."""
        start = np.asarray(start)
        self.draw([start + (np.asarray(end) - start) * t for t in np.linspace(0, 1, 6)], modifiers)

    def draw(self, path: Any, modifiers: Any = NO_KEYS) -> None:
        """A drag along world positions, as they lie on the canvas when it begins."""
        pixels = [self.pixel(place) for place in path]
        self.press(pixels[0], modifiers)
        for place in pixels[1:]:
            self.move(place, modifiers)
        self.release(pixels[-1], modifiers)

    def press(self, world: Any, modifiers: Any = NO_KEYS) -> None:
        """The left button goes down and stays there."""
        self._mouse(QEvent.Type.MouseButtonPress, self.pixel(world), LEFT, LEFT, modifiers)

    def move(self, world: Any, modifiers: Any = NO_KEYS, held: Any = LEFT) -> None:
        """The mouse goes there; vispy drops moves that follow each other in less than 10 ms."""
        self.qtbot.wait(12)
        self._mouse(QEvent.Type.MouseMove, self.pixel(world), Qt.MouseButton.NoButton, held, modifiers)

    def release(self, world: Any, modifiers: Any = NO_KEYS) -> None:
        """The left button comes up again."""
        self._mouse(QEvent.Type.MouseButtonRelease, self.pixel(world), LEFT, Qt.MouseButton.NoButton, modifiers)
        QApplication.processEvents()

    def key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.keyClick(self.canvas, key, modifiers)
        QApplication.processEvents()

    def _mouse(self, kind: QEvent.Type, place: QPoint, button: Any, held: Any, modifiers: Any = NO_KEYS) -> None:
        where = QPointF(place)
        event = QMouseEvent(kind, where, self.canvas.mapToGlobal(where), button, held, modifiers)
        QApplication.sendEvent(self.canvas, event)


@pytest.fixture
def hand(make_napari_viewer: Any, qtbot: Any, predictor: FakePredictor) -> Iterator[Hand]:
    """An empty viewer that is shown, and a hand on it."""
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1200, 800)
    QApplication.processEvents()
    keep_triton_from_mesa()  # a later test may be the first to import torch in this process
    made = Hand(viewer, qtbot)
    yield made
    made.dock = None
    qtbot.wait(10)  # Qt deletes dialogs as soon as there is an event loop again


@pytest.fixture
def ready(hand: Hand) -> Hand:
    """A viewer with a scan of three blocks and the dock open on it."""
    hand.layers = [hand.open(block_volume((48, 40, 12)))]
    hand.open_dock()
    return hand


@pytest.fixture
def executor(qtbot: Any) -> Iterator[ThreadExecutor]:
    """A thread that ends with the test."""
    made = ThreadExecutor()
    yield made
    made.shutdown()
    made.thread.join(10)
    assert not made.thread.is_alive()
