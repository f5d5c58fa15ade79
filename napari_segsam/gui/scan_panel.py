"""The group "Scan and model": what is looked at, by which model, through which window. A magicgui form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, Container
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QShowEvent
from qtpy.QtWidgets import QFileDialog, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_segsam.core.model_choice import ModelChoice
from napari_segsam.core.volume import MODALITIES, Window
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.protocols import Predictor
from napari_segsam.engine.session import Session
from napari_segsam.gui.actions import open_beside, toggle_layers
from napari_segsam.gui.file_buttons import OpenButton
from napari_segsam.gui.key_button import key_button
from napari_segsam.gui.marks import UNKNOWN, row_of
from napari_segsam.gui.model_note import WEIGHTS, ModelNote
from napari_segsam.gui.model_rows import NOT_HERE, facts, here, missing
from napari_segsam.gui.orthogonal import OrthogonalViews
from napari_segsam.gui.windows import AS_OPENED, contrast_limits, windows_of
from napari_segsam.gui.workbench import Workbench
from napari_segsam.io.registry import registry

DEVICES = ("auto", "cpu", "cuda")
_OTHER_MODEL = "Other file…"
_IDLY = 900  # after whatever a person waits for
THREE_PLANES = "The other two planes beside the canvas. Shift and move, or a click in them, moves the point they share."


class ScanPanel(QWidget):
    """Shows and forwards the choice of scan, modality, model, device and window.

    The window changes the display only; the model sees it where a person ticks the box below it.
    """

    def __init__(self, workbench: Workbench, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workbench = workbench
        self._here: frozenset[str] | None = None  # names of models whose files are here; None until that is known
        self.open = OpenButton(workbench)
        self.scan = ComboBox(
            label="Scan", choices=self._scan_choices, nullable=True, tooltip="The image layer that is segmented"
        )
        self.modality = ComboBox(label="Modality", choices=MODALITIES, tooltip="What the model takes the scan for")
        self.model = ComboBox(label="Model", choices=self._model_choices, value=workbench.model.name)
        self.note = ModelNote(workbench, self._look_for_models)
        self.device = ComboBox(label="Device", choices=DEVICES, tooltip="auto: the GPU where there is one")
        self.window_preset = ComboBox(
            label="Window", choices=self._window_choices, tooltip="Contrast of the display; voxels stay as they are"
        )
        self.model_sees = CheckBox(text="Model sees this window", tooltip="Off: the model chooses its own window")
        self.views = OrthogonalViews(workbench)
        self.three_planes = CheckBox(text="Three planes", tooltip=THREE_PLANES)
        shown = [self.window_preset, self.model_sees, self.three_planes]
        self._form = Container(widgets=[self.scan, self.modality, self.model, self.device, *shown])
        self.next_scan = key_button("next scan", "Next scan", back="previous scan")
        self.layers = key_button("layers", "Layers on/off")
        self._lay_out()
        self._connect()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Line the form up: magicgui measures labels before napari's style has set their font."""
        super().showEvent(event)
        labels = self._form.native.findChildren(QLabel)
        widest = max(label.sizeHint().width() for label in labels)
        for label in labels:
            label.setMinimumWidth(widest)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._form.margins = (0, 0, 0, 0)
        layout.addWidget(self.open)
        layout.addWidget(self._form.native)
        layout.addWidget(self.note)
        layout.addLayout(row_of(self.next_scan, self.layers))
        for widget in self._form:
            # A long layer name must not widen the dock.
            widget.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def _connect(self) -> None:
        self.next_scan.clicked.connect(lambda: open_beside(self._workbench, 1))
        self.layers.clicked.connect(lambda: toggle_layers(self._workbench))
        self.scan.changed.connect(self._scan_chosen)
        self.modality.changed.connect(self._workbench.set_modality)
        self.model.changed.connect(self._model_chosen)
        self.device.changed.connect(self._model_chosen)
        self.window_preset.changed.connect(self._window_chosen)
        self.model_sees.changed.connect(self._window_chosen)
        self.three_planes.changed.connect(self.views.show)
        self.views.changed.connect(self._show_planes)
        self._workbench.started.connect(self._follow)
        self._workbench.scan_changed.connect(self.show_scan)
        self._workbench.scans_changed.connect(self.show_scan)

    def _follow(self, controller: Controller) -> None:
        controller.predictor_changed.connect(self._model_ready)
        controller.predictor_refused.connect(self._model_refused)
        self._look_for_models()

    def _model_ready(self, predictor: Predictor) -> None:
        self._workbench.model.arrived()
        self._show_model()
        self.note.describe(predictor)

    def _model_refused(self) -> None:
        """Show what goes on answering, and ask where the file did not say all."""
        refused, undecided = self._workbench.model.refused()
        self._show_model()
        if undecided is not None:
            self.note.ask(undecided, refused)

    def _show_model(self) -> None:
        with self.model.changed.blocked(), self.device.changed.blocked():
            self.model.native.clear()  # magicgui would put rows whose text changes behind all others
            self.model.reset_choices()
            used = self._workbench.model
            self.model.value, self.device.value = used.name, used.device
        self._describe_models()

    def _look_for_models(self) -> None:
        """Which models are here; in the background, since at first that loads what reads the hub's cache."""
        ignore: Callable[[BaseException], None] = lambda _: None  # noqa: E731 - then none is marked
        self._workbench.executor.submit(here, self._found_models, ignore, key="models here", priority=_IDLY)

    def _found_models(self, names: frozenset[str]) -> None:
        self._here = names
        self._show_model()

    def _describe_models(self) -> None:
        """A tooltip for each row of the list, grey where the file is not here."""
        rows = self.model.native
        for at, (_, name) in enumerate(self._model_choices(None)):
            if name in registry():
                is_here = self._here is None or name in self._here
                rows.setItemData(at, facts(registry()[name], is_here), Qt.ItemDataRole.ToolTipRole)
                rows.setItemData(at, None if is_here else QColor(UNKNOWN), Qt.ItemDataRole.ForegroundRole)

    def show_scan(self) -> None:
        """Another scan is open, or the list of scans changed."""
        scan, controller = self._workbench.scan, self._workbench.controller
        with self.scan.changed.blocked():
            self.scan.reset_choices()
            self.scan.value = scan
        for widget in (self.modality, self.window_preset, self.model_sees):
            widget.enabled = scan is not None
        self.next_scan.setEnabled(scan is not None and len(self._workbench.scans) > 1)
        self.layers.setEnabled(scan is not None)
        self.three_planes.enabled = self.views.possible
        if scan is not None and controller is not None:
            self._show_session(controller.session)

    def _show_planes(self) -> None:
        with self.three_planes.changed.blocked():
            self.three_planes.value = self.views.shown

    def _show_session(self, session: Session) -> None:
        with self.modality.changed.blocked():
            self.modality.value = session.volume.modality
        with self.window_preset.changed.blocked(), self.model_sees.changed.blocked():
            self.window_preset.reset_choices()
            self.model_sees.value = session.window is not None
            self.model_sees.enabled = self.window_preset.value != AS_OPENED

    def _scan_choices(self, _widget: object) -> list[tuple[str, Any]]:
        return [(scan.name, scan) for scan in self._workbench.scans]

    def _window_choices(self, _widget: object) -> list[tuple[str, Window]]:
        controller = self._workbench.controller
        return windows_of(controller.session.volume) if controller else [(AS_OPENED.name, AS_OPENED)]

    def _model_choices(self, _widget: object) -> list[tuple[str, str]]:
        """What the registry has, and the file that is used if it is none of these."""
        names, used = list(registry()), self._workbench.model.name
        files = [(_file_name(used), used)] if used not in names else []
        away = frozenset(names) - (frozenset(names) if self._here is None else self._here)
        return [*((f"{n} ({NOT_HERE})" if n in away else n, n) for n in names), *files, (_OTHER_MODEL, _OTHER_MODEL)]

    def _scan_chosen(self, layer: Any) -> None:
        if layer is not None:
            self._workbench.open_scan(layer)

    def _model_chosen(self, _value: str) -> None:
        chosen = self.model.value
        if chosen == _OTHER_MODEL:
            self._choose_file()
        elif (away := missing(chosen)) is not None:
            self._workbench.refused.emit("")  # why the last one was refused says nothing of this one
            self.note.offer(away, chosen)
            self._show_model()
        else:
            self._workbench.use_model(chosen, self.device.value)

    def _window_chosen(self, _value: object) -> None:
        window: Window = self.window_preset.value
        with self.model_sees.changed.blocked():
            self.model_sees.enabled = window != AS_OPENED
            self.model_sees.value = self.model_sees.value and window != AS_OPENED
        self._show_on_canvas(window)
        seen = window if self.model_sees.value else None
        self._workbench.do(lambda controller: controller.set_window(seen))

    def _show_on_canvas(self, window: Window) -> None:
        """Set the display's contrast; never touches a voxel."""
        layer, controller = self._workbench.scan, self._workbench.controller
        if layer is not None and controller is not None and not controller.session.volume.is_rgb:
            opened = contrast_limits(controller.session.volume)
            layer.contrast_limits = opened if window == AS_OPENED else window.limits

    def _choose_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Weights of a model", "", WEIGHTS)
        if path:
            self._workbench.use_model(path, self.device.value)
        self._show_model()


def _file_name(model: str) -> str:
    """A model's file, and what was said of it, but for where its base lies."""
    choice = ModelChoice.of(model)
    return str(replace(choice, model=Path(choice.model).name, base=None))
