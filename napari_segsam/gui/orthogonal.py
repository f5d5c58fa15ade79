"""OrthogonalViews: the two planes that the main canvas does not show, through a point that all three share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]  # qtpy's own gap

from napari_segsam.gui.orthogonal_crosshair import Crosshair
from napari_segsam.gui.orthogonal_dock import PlanesDock
from napari_segsam.gui.orthogonal_plane import SidePlane, is_pointing
from napari_segsam.gui.workbench import Workbench


class OrthogonalViews(QObject):
    """Shows and hides two more canvases beside the main one, and keeps the three together.

    Whatever scrolls the main canvas moves the point that they share, and the other way round. The side planes are those
    that the main canvas does not show, upright. In 3D they stay as they are.

    Signals:
        changed(): `shown` changed.
    """

    changed = Signal()

    def __init__(self, workbench: Workbench) -> None:
        super().__init__()
        self._workbench, self._viewer = workbench, workbench.viewer
        self._dock: PlanesDock | None = None
        self._crosshair: Crosshair | None = None
        self._planes: tuple[SidePlane, ...] = ()
        self._point: tuple[float, ...] = (0.0, 0.0, 0.0)
        self._followed = self._point  # the viewer's own, as it was last
        self._connected: list[tuple[Any, Callable[..., None]]] = []
        # Layers come and go in groups when a scan is opened; once they are through is soon enough.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._show_layers)
        workbench.scan_changed.connect(self._scan_changed)
        workbench.ended.connect(self._let_go)

    @property
    def possible(self) -> bool:
        """Whether a scan is open that has three planes; one slice has one."""
        scan = self._workbench.scan
        return scan is not None and scan.ndim == 3 and min(scan.data.shape[:3]) > 1

    @property
    def shown(self) -> bool:
        """Whether the planes are shown."""
        return bool(self._planes)

    @property
    def point(self) -> tuple[float, ...]:
        """The point that all planes go through, (3,) in napari's world coordinates, while they are shown."""
        return self._point

    @property
    def planes(self) -> tuple[SidePlane, ...]:
        """The two that are shown beside the main canvas, or none."""
        return self._planes

    def show(self, on: bool) -> None:
        """Show the planes, or take them away and give everything back."""
        if on and self.possible and not self.shown:
            self._open()
            self.changed.emit()
        elif not on and self.shown:
            self._close()
            self.changed.emit()

    # -- opening and closing

    def _open(self) -> None:
        self._dock = dock = PlanesDock(self._viewer)
        self._crosshair = Crosshair(dock.canvas, self._viewer)
        self._planes = tuple(SidePlane(self._viewer, dock.canvas) for _ in range(2))
        for plane in self._planes:
            dock.add(plane.widget)
        self._connect(dock)
        self._show_theme()
        self._show_sides()
        self._show_layers()
        self._point = self._followed = tuple(self._viewer.dims.point[-3:])
        self._turned()
        self._point_inside()

    def _close(self) -> None:
        """Take our widgets out of a window that goes on."""
        dock, crosshair, planes = self._dock, self._crosshair, self._planes
        self._let_go()
        for plane in planes:
            plane.widget.close()  # it deletes its canvas
        if crosshair is not None:
            crosshair.hide()
            crosshair.deleteLater()
        if dock is not None:
            dock.close()

    def _let_go(self) -> None:
        """Follow nothing any longer; what is in the window goes with the window."""
        self._soon.stop()
        for emitter, slot in self._connected:
            emitter.disconnect(slot)
        self._connected = []
        if self._crosshair is not None:
            self._viewer.mouse_move_callbacks.remove(self._hovered)
            self._crosshair.let_go()
        for plane in self._planes:
            plane.let_go()
        self._dock, self._crosshair, self._planes = None, None, ()

    def _connect(self, dock: PlanesDock) -> None:
        viewer, controller = self._viewer, self._workbench.controller
        layers, dims = viewer.layers.events, viewer.dims.events
        self._connected = [
            *((changed, self._layers_changed) for changed in (layers.inserted, layers.removed, layers.reordered)),
            *((turned, self._turned) for turned in (dims.order, dims.ndisplay)),
            (dims.point, self._scrolled),
            (viewer.events.theme, self._show_theme),
            (viewer.scene.camera.events.orientation, self._show_sides),
        ]
        if controller is not None:
            self._connected += [
                (controller.labels_changed, self._show_labels),
                (controller.semantic_changed, self._show_semantic),
            ]
        for emitter, slot in self._connected:
            emitter.connect(slot)
        for plane in self._planes:
            plane.pointed.connect(self._point_at)
            plane.chosen.connect(self._bring_in)
        dock.emptied.connect(self._dock_hidden)
        viewer.mouse_move_callbacks.append(self._hovered)

    # -- what the window and the workbench say

    def _scan_changed(self) -> None:
        if self.shown and not self.possible:
            self.show(False)
        elif self.shown:
            self._show_layers()
            self._point_inside()

    def _dock_hidden(self, _visible: bool) -> None:
        """The dock's own buttons hide or remove it; behind another tab it goes on."""
        if self._dock is not None and self._dock.hidden:
            self.show(False)

    def _layers_changed(self, _event: object = None) -> None:
        self._soon.start()

    def _show_layers(self) -> None:
        scan, controller = self._workbench.scan, self._workbench.controller
        if scan is not None and controller is not None:
            for plane in self._planes:
                plane.show_layers(scan, controller.session.volume)

    def _show_theme(self, _event: object = None) -> None:
        for plane in self._planes:
            plane.model.theme = self._viewer.theme

    def _show_sides(self, _event: object = None) -> None:
        """The patient's right lies where it lies in the main canvas."""
        for plane in self._planes:
            plane.model.scene.camera.orientation = self._viewer.scene.camera.orientation

    def _show_labels(self, _patch: object) -> None:
        if self._workbench.controller is not None:
            self._repaint(self._workbench.controller.session.labels.voxels)

    def _show_semantic(self) -> None:
        if self._workbench.controller is not None:
            self._repaint(self._workbench.controller.session.semantic.voxels)

    def _repaint(self, voxels: NDArray[np.uint16]) -> None:
        for plane in self._planes:
            plane.repaint(voxels)

    # -- the point that all share

    def _turned(self, _event: object = None) -> None:
        """Show the planes that the main canvas does not show, and in that the slice through the point."""
        dims = self._viewer.dims
        first, across = dims.ndim - 3, self._across()
        if across is not None and first >= 0:
            for plane, axis in zip(self._planes, (a for a in range(3) if a != across), strict=True):
                plane.cut_across(axis)
            dims.set_point(first + across, self._point[across])
        self._show_point()

    def _across(self) -> int | None:
        """The one of the scan's axes that the main canvas does not show, None where it is not one."""
        dims = self._viewer.dims
        hidden = [axis - (dims.ndim - 3) for axis in dims.not_displayed if axis >= dims.ndim - 3]
        return hidden[0] if len(hidden) == 1 else None

    def _scrolled(self, _event: object = None) -> None:
        """Take over what changed in the viewer's own point; the rest of it may be older than ours."""
        before, now = self._followed, tuple(self._viewer.dims.point[-3:])
        if len(now) == 3:  # fewer while the last layer is being taken away
            self._point = tuple(n if n != b else p for n, b, p in zip(now, before, self._point, strict=True))
            self._followed = now
            self._show_point()

    def _point_at(self, point: Sequence[float]) -> None:
        """Scroll the main canvas across its slices only: along them napari would cut the visible one again."""
        dims, across = self._viewer.dims, self._across()
        limits = np.array([(low, high) for low, high, _ in dims.range[-3:]])
        self._point = tuple(float(x) for x in np.clip(point, *limits.T))
        if across is not None:
            dims.set_point(dims.ndim - 3 + across, self._point[across])
        self._show_point()

    def _point_inside(self) -> None:
        """Of a scan that lies elsewhere than the last one the middle is shown."""
        scan = self._workbench.scan
        if scan is not None:
            low, high = scan.extent.world
            outside = (self._point < low) | (self._point > high)
            self._point_at(np.where(outside, (low + high) / 2, self._point).tolist())

    def _show_point(self) -> None:
        for plane in self._planes:
            plane.look_at(self._point)
        if self._crosshair is not None:
            self._crosshair.show_at((*self._viewer.dims.point[:-3], *self._point))

    def _hovered(self, viewer: Any, event: Any) -> None:
        if viewer.dims.ndisplay == 2 and len(event.position) >= 3 and is_pointing(event):
            self._point_at(event.position[-3:])

    def _bring_in(self, order: tuple[int, int, int]) -> None:
        """Show a side plane in the main canvas, where prompts and brush work on it."""
        first = self._viewer.dims.ndim - 3
        self._viewer.dims.order = (*range(first), *(first + axis for axis in order))
