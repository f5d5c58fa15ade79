"""ScanList: the layers of a viewer that could be worked on, as they come and go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.layers import Image, Layer
from qtpy.QtCore import QObject, Qt, Signal  # type: ignore[attr-defined]  # qtpy's own gap

from napari_segsam.gui.scans import scan_layers


class ScanList(QObject):
    """Hears the viewer's list of layers until `close`.

    Args:
        viewer: napari's.
        owns: whether a layer is one of ours over the open scan, which is no scan and is not told of when it comes.

    Signals:
        changed(): layers came, went or were renamed.
        came(Layer): a layer was added, and napari is not done with that: it will still be made the active one.
        settled(Layer | None): napari is done; the scan that came last or that was expected, None where there is none.
        went(Layer): a layer was taken out, perhaps one of ours.
    """

    changed = Signal()
    came = Signal(object)
    settled = Signal(object)
    went = Signal(object)
    _soon = Signal()  # queued: once napari is done with adding or removing, layers may be added and removed

    def __init__(self, viewer: Any, owns: Callable[[Layer], bool]) -> None:
        super().__init__()
        self._viewer, self._owns = viewer, owns
        self._expected: Layer | None = None
        self._closed = False
        self._soon.connect(self._settle, Qt.ConnectionType.QueuedConnection)
        for emitter, slot in self._events():
            emitter.connect(slot)

    @property
    def scans(self) -> list[Image]:
        """Layers that could be worked on, in the viewer's order."""
        return [scan for scan in scan_layers(self._viewer.layers) if not self._owns(scan)]

    def settle(self) -> None:
        """Tell `settled` once napari is done with what it is doing."""
        self._soon.emit()

    def expect(self, scan: Layer | None) -> None:
        """Tell `settled` of this scan rather than of the one that came last; None: of none."""
        self._expected = scan
        if scan is not None:
            self.settle()

    def close(self) -> None:
        """Hear nothing any more."""
        self._closed = True
        for emitter, slot in self._events():
            emitter.disconnect(slot)

    def _events(self) -> list[tuple[Any, Callable[..., None]]]:
        events = self._viewer.layers.events
        return [(events.inserted, self._added), (events.removed, self._removed), (events.renamed, self._renamed)]

    def _added(self, event: Any) -> None:
        if self._owns(event.value):
            return
        self.changed.emit()
        if event.value in self.scans:
            self.expect(event.value)
        self.came.emit(event.value)

    def _removed(self, event: Any) -> None:
        was_ours = self._owns(event.value)
        self.went.emit(event.value)
        if not was_ours:
            self.changed.emit()

    def _renamed(self, _event: Any) -> None:
        self.changed.emit()

    def _settle(self) -> None:
        """Several may have come at once: all but the first find that none is expected any more."""
        scan, self._expected = self._expected, None
        if not self._closed:
            self.settled.emit(scan if scan in self.scans else None)
