"""The group "Through the slices": carry the object on, fill between its slices, tidy it."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_segsam.core.slices import SliceView
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.objects import Place, place_of
from napari_segsam.engine.through.run import Progress
from napari_segsam.engine.through.through import Act, Through
from napari_segsam.gui.keys import BY_ACTION, printed
from napari_segsam.gui.marks import plain_button, row_of
from napari_segsam.gui.run_bar import RunBar
from napari_segsam.gui.workbench import Workbench

_SLICE, _WHOLE = "this slice", "whole object"
_MM3_IN_ML = 1000.0
_SMOOTH_MM, _ISLAND_MM2, _ISLAND_ML = 2.0, 50.0, 0.5
_SMOOTH = "Round off what is finer than this; the edge moves by at most twice as much"
_HOLES = "Close what the object encloses; what other objects have in it stays theirs"
_ISLANDS = "Take away the object's parts that are smaller than this; the largest always stays"


class ThroughPanel(QWidget):
    """Shows what can be done with the current object on many slices, and what goes on."""

    def __init__(self, workbench: Workbench, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workbench = workbench
        self._through: Through | None = None
        self._followed: Place | None = None  # the slice that was scrolled to last; None: the person looks elsewhere
        self._refreshing = QTimer(self)  # once for all that is told in a row
        self._refreshing.setSingleShot(True)
        self.back = plain_button(f"◀ Propagate  {printed('back')}", "")
        self.forward = plain_button(f"Propagate ▶  {printed('forward')}", "")
        self.at_most = QSpinBox()
        self.follow = QCheckBox("Follow")
        self.interpolate = plain_button(f"Interpolate  {printed('interpolate')}", "")
        self.holes = plain_button("Fill holes", _HOLES)
        self.smooth, self.smooth_mm = plain_button("Smooth", _SMOOTH), QDoubleSpinBox()
        self.islands = plain_button("Remove islands", _ISLANDS)
        self.island_mm2, self.island_ml = QDoubleSpinBox(), QDoubleSpinBox()
        self.scope = QComboBox()
        self.run_bar = RunBar()
        self._set_up()
        self._lay_out()
        self._connect()
        self._refresh()

    # -- making it
    def _set_up(self) -> None:
        _number(self.at_most, 0, 999, 0, " slices")
        self.at_most.setPrefix("at most ")
        self.at_most.setSpecialValueText("until in doubt")
        self.at_most.setToolTip("Slices in one direction; with 0 only doubt, or the image's end, stops it")
        self.follow.setChecked(True)
        self.follow.setToolTip("Scroll to each slice as it is drawn, until you scroll elsewhere yourself")
        _number(self.smooth_mm, 0.1, 20.0, _SMOOTH_MM, " mm")
        _number(self.island_mm2, 0.1, 99_999.0, _ISLAND_MM2, " mm²")
        _number(self.island_ml, 0.001, 999.0, _ISLAND_ML, " ml", decimals=3)
        self.scope.addItems((_SLICE, _WHOLE))
        self.scope.setToolTip("What smoothing, filling holes and removing islands change")
        self.scope.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row_of(self.back, self.forward))
        how_far = QHBoxLayout()
        how_far.addWidget(self.at_most, 1)
        how_far.addWidget(self.follow)
        layout.addLayout(how_far)
        layout.addWidget(self.run_bar)
        layout.addWidget(self.interpolate)
        grid = QGridLayout()
        rows = ((self.scope, self.holes), (self.smooth, self.smooth_mm), (self.islands, self.island_mm2))
        for row, pair in enumerate(rows):
            for column, widget in enumerate(pair):
                grid.addWidget(widget, row, column)
        grid.addWidget(self.island_ml, len(rows) - 1, 1)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        layout.addLayout(grid)

    def _connect(self) -> None:
        bench = self._workbench
        self.back.clicked.connect(lambda: self._propagate(forward=False))
        self.forward.clicked.connect(lambda: self._propagate(forward=True))
        self.interpolate.clicked.connect(lambda: self._interpolate())
        self.holes.clicked.connect(lambda: self._act(lambda through: through.fill_holes(whole=self._is_whole)))
        self.smooth.clicked.connect(
            lambda: self._act(lambda through: through.smooth(self.smooth_mm.value(), whole=self._is_whole))
        )
        self.islands.clicked.connect(
            lambda: self._act(lambda through: through.remove_islands(self._island, whole=self._is_whole))
        )
        self.run_bar.stop.clicked.connect(lambda: self._act(lambda through: through.cancel()))
        self.scope.currentIndexChanged.connect(self._refresh)
        self._refreshing.timeout.connect(self._refresh)
        bench.through_pressed.connect(self._pressed)
        bench.started.connect(self._begin)
        bench.scan_changed.connect(self._scan_changed)

    def _begin(self, controller: Controller) -> None:
        self._through = controller.through
        controller.through.progress_changed.connect(self._show_progress)
        controller.through.drawn.connect(self._scroll_on)
        controller.went_on.connect(self._went_on)
        told = controller.history_changed, controller.prediction_changed, controller.predictor_changed
        for changed in told:
            changed.connect(self._soon)
        self._soon()

    # -- what the person wants
    @property
    def _is_whole(self) -> bool:
        return self.scope.currentText() == _WHOLE

    @property
    def _island(self) -> float:
        """mm² on a slice, mm³ of the whole object."""
        return self.island_ml.value() * _MM3_IN_ML if self._is_whole else self.island_mm2.value()

    def _act(self, act: Callable[[Through], None]) -> None:
        self._workbench.do(lambda controller: act(controller.through))

    def _propagate(self, *, forward: bool) -> None:
        """To the slices on the one side or the other of napari's slider."""

        def act(controller: Controller) -> None:
            session = controller.session
            if controller.through.progress is None:
                self._followed = session.place
            flipped = session.volume.grid.display.flips[session.view.depth_axis]
            controller.through.propagate(1 if forward != flipped else -1, self.at_most.value() or None)

        self._workbench.do(act)

    def _interpolate(self) -> None:
        self._followed = None  # the slice that is looked at is one of those that were drawn
        self._act(lambda through: through.interpolate())

    def _pressed(self, action: str) -> None:
        if action == "interpolate":
            self._interpolate()
        else:
            self._propagate(forward=action == "forward")

    # -- what goes on
    def _scroll_on(self, view: SliceView) -> None:
        """Scroll to what was drawn, as long as the person does nothing here and has not scrolled elsewhere since."""
        controller = self._workbench.controller
        if controller is None or not self.follow.isChecked() or self._is_at_work(controller):
            self._followed = None
            return
        self._workbench.look_at(place_of(view))
        self._followed = controller.session.place

    def _is_at_work(self, controller: Controller) -> bool:
        """Whether the person looks elsewhere, prompts what is visible, or has a mouse button down."""
        session, canvas = controller.session, self._workbench.canvas
        holds = QApplication.mouseButtons() != Qt.MouseButton.NoButton
        draws = canvas is not None and canvas.prompts.mouse.is_dragging
        return session.place != self._followed or session.uncommitted_here or holds or draws

    def _show_progress(self, progress: Progress) -> None:
        self.run_bar.show_progress(progress)
        self._soon()

    def _went_on(self) -> None:
        if self._through is not None and self._through.progress is None:
            self.run_bar.rest()

    def _scan_changed(self) -> None:
        """Nothing is drawn where nobody can see it."""
        if self._workbench.scan is None and self._through is not None:
            self._through.cancel()
        self._soon()

    # -- what can be done
    def _soon(self, _what: object = None) -> None:
        self._refreshing.start(0)

    def _refresh(self) -> None:
        tidy: Act = "tidy object" if self._is_whole else "tidy slice"
        self._allow("propagate", {self.back: BY_ACTION["back"].text, self.forward: BY_ACTION["forward"].text})
        self._allow("interpolate", {self.interpolate: BY_ACTION["interpolate"].text})
        self._allow(tidy, {self.holes: _HOLES, self.smooth: _SMOOTH, self.islands: _ISLANDS})
        self.island_mm2.setVisible(not self._is_whole)
        self.island_ml.setVisible(self._is_whole)

    def _allow(self, act: Act, buttons: dict[QWidget, str]) -> None:
        """Enable what can be done, and say of the rest why it cannot."""
        open_ = self._through is not None and self._workbench.scan is not None
        hindrance = self._through.hindrance(act) if self._through is not None and open_ else "Open a scan first."
        for button, does in buttons.items():
            button.setEnabled(not hindrance)
            button.setToolTip(hindrance or does)


def _number(
    box: QSpinBox | QDoubleSpinBox, least: float, most: float, value: float, suffix: str, decimals: int = 1
) -> None:
    """Set up a field that gives the keyboard back to the canvas after Enter."""
    if isinstance(box, QDoubleSpinBox):
        box.setDecimals(decimals)
        box.setRange(least, most)
        box.setValue(value)
    else:
        box.setRange(int(least), int(most))
        box.setValue(int(value))
    box.setSuffix(suffix)
    box.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
    box.editingFinished.connect(box.clearFocus)
