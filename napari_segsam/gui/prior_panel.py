"""The group "Prior maps": the model clicks everywhere on the visible slice, and what it finds is shown as two maps."""

from __future__ import annotations

from collections.abc import Generator

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QSizePolicy, QSpinBox, QVBoxLayout, QWidget

from napari_segsam.engine.controller import Controller
from napari_segsam.engine.everywhere import ClickEverywhere, FoundMaps, Maps
from napari_segsam.engine.objects import named, place_of
from napari_segsam.engine.protocols import Embedding, Predictor
from napari_segsam.gui.few_lines import FewLines
from napari_segsam.gui.marks import plain_button
from napari_segsam.gui.workbench import Workbench

_POINTS = 32
"""Clicks along each side, as SAM and SAMAug have them."""
_LINES = 3
_IDLE = "What the model finds on this slice when it is clicked everywhere: how stable, and where its boundaries are."
_PERCENT = 100


class PriorPanel(QWidget):
    """Shows how far the search is, and forwards what the person asks for."""

    def __init__(self, workbench: Workbench, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workbench = workbench
        self.make = plain_button("Prior maps", "Click everywhere on this slice; what is done meanwhile goes first")
        self.points = QSpinBox()
        self.points.setRange(4, 64)
        self.points.setValue(_POINTS)
        self.points.setSuffix(" clicks a side")
        self.points.setToolTip("Half as many take a quarter of the time and miss small things")
        self.points.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.points.editingFinished.connect(self.points.clearFocus)
        self.bar = QProgressBar()
        self.bar.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.bar.setRange(0, _PERCENT)
        self.stop = plain_button("Stop", "Look no further; maps that are shown stay")
        self.text = FewLines(_LINES)
        self.text.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.text.setMinimumHeight(self.text.height_of(_LINES))
        self.text.show_text(_IDLE)
        self._running = QWidget()
        self._lay_out()
        self.make.clicked.connect(lambda: workbench.do(lambda c: c.everywhere.look(_clicking(self.points.value()))))
        self.stop.clicked.connect(lambda: workbench.do(lambda c: c.everywhere.cancel()))
        workbench.started.connect(self._follow)
        workbench.scan_changed.connect(self._forget)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        asking = QHBoxLayout()
        asking.addWidget(self.make, 1)
        asking.addWidget(self.points)
        layout.addLayout(asking)
        line = QHBoxLayout(self._running)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.bar, 1)
        line.addWidget(self.stop)
        layout.addWidget(self._running)
        layout.addWidget(self.text)
        self._running.hide()

    def _follow(self, controller: Controller) -> None:
        controller.everywhere.progress_changed.connect(self._show_progress)
        controller.everywhere.found.connect(self._show_found)

    def _show_progress(self, share: float | None) -> None:
        self._running.setVisible(share is not None)
        self.bar.setValue(round(_PERCENT * (share or 0.0)))

    def _show_found(self, found: FoundMaps) -> None:
        where = named(place_of(found.view))
        what = "'stability' and 'boundary'" if found.maps.boundary.any() else "nothing was found"
        self.text.show_text(f"{where[0].upper()}{where[1:]}, {found.by}: {what}.")

    def _forget(self) -> None:
        """The maps of a scan go with it."""
        if self._workbench.scan is None and self._workbench.controller is not None:
            self._workbench.controller.everywhere.cancel()
        self.text.show_text(_IDLE)


def _clicking(points: int) -> ClickEverywhere:
    """Clicks in ``points`` rows of ``points``."""

    def click(predictor: Predictor, embedding: Embedding) -> Generator[float, None, Maps]:
        from napari_segsam.engine.zoo.prior_maps import maps_of  # with torch, which the inference thread loads

        return maps_of(predictor, embedding, points)

    return click
