"""DetectorPanel: boxes of a detector that the person chose, as suggestions; below the list of these."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QLabel, QSizePolicy, QSpinBox, QVBoxLayout, QWidget

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.terminology import spoken
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.proposals import AT_LEAST, LOWEST
from napari_segsam.engine.protocols import BoxDetector
from napari_segsam.gui.loading import load_detector
from napari_segsam.gui.marks import plain_button, row_of
from napari_segsam.gui.workbench import Workbench
from napari_segsam.io.last_detector import last_detector, remember_detector

LOG = logging.getLogger(__name__)
DETECTORS = "Detectors (*.safetensors *.onnx *.pt)"
_NONE = "Choose a detector first"
_PROPOSE = "Ask the detector for boxes on this slice; the model fills each, and you accept or reject it"
_STOP = "Fill no more boxes; what was suggested before stays"


class DetectorPanel(QWidget):
    """Which detector, the least score of a box, and a button that asks it about the visible slice.

    The file is read on the inference thread: when it is chosen, and in a later window when it is asked first.
    """

    def __init__(self, workbench: Workbench, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workbench = workbench
        self._path: Path | None = last_detector()
        self._detector: BoxDetector | None = None
        self._loading: object = None  # what tells the newest file that is being read from those before it
        self._proposing = False
        self.propose = plain_button("Propose boxes", _PROPOSE)
        self.choose = plain_button("Detector…", "A detector trained by segsam, or one exported as ONNX")
        self.at_least = QSpinBox()
        self.at_least.setRange(round(100 * LOWEST), 99)
        self.at_least.setValue(round(100 * AT_LEAST))
        self.at_least.setSuffix(" %")
        self.at_least.setToolTip("Propose boxes with at least this score")
        self.at_least.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.about.setTextFormat(Qt.TextFormat.PlainText)
        self.about.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row_of(self.propose, self.at_least, self.choose))
        layout.addWidget(self.about)
        self.choose.clicked.connect(self._choose_file)
        self.propose.clicked.connect(self._propose)
        workbench.started.connect(self._follow)
        self._show()

    def _follow(self, controller: Controller) -> None:
        controller.proposed.connect(self._choose_best)
        controller.proposing_changed.connect(self._show_proposing)

    def _show_proposing(self, goes_on: bool) -> None:
        self._proposing = goes_on
        self._show()

    def _show(self) -> None:
        self.propose.setEnabled(self._path is not None and self._loading is None)
        self.propose.setText("Stop" if self._proposing else "Propose boxes")
        self.propose.setToolTip(_NONE if self._path is None else _STOP if self._proposing else _PROPOSE)
        names = () if self._detector is None else self._detector.classes
        known = f": {', '.join(map(spoken, names))}" if names else ""
        self.about.setText("" if self._path is None else f"{self._path.name}{known}")
        self.about.setToolTip(str(self._path or ""))
        self.about.setVisible(self._path is not None)

    # -- the file

    def _choose_file(self) -> None:
        folder = "" if self._path is None else str(self._path.parent)
        path, _ = QFileDialog.getOpenFileName(self, "A detector", folder, DETECTORS)
        if path:
            self._workbench.do(Controller.drop_proposals)
            self._load(Path(path))

    def _load(self, path: Path, ask_about: object = None) -> None:
        """Read it on the inference thread; of several that were chosen in haste the last one counts.

        Args:
            path: of the file.
            ask_about: the slice that it is to be asked about then, where the person still looks at that.
        """
        self._loading = request = object()
        self._show()
        self.about.setText(f"Loading {path.name} …")
        self.about.show()
        loaded, failed = partial(self._loaded, request, path, ask_about), partial(self._failed, request, path)
        self._workbench.executor.submit(partial(load_detector, path), loaded, failed, key="detector")

    def _loaded(self, request: object, path: Path, ask_about: object, detector: BoxDetector) -> None:
        if request is not self._loading:
            return
        self._loading, self._path, self._detector = None, path, detector
        self._show()
        self._workbench.refused.emit("")  # what was said of the file before it
        try:
            remember_detector(path)
        except SegsamError as error:
            self._workbench.refused.emit(str(error))
        if ask_about is not None and ask_about == self._where():
            self._propose()

    def _failed(self, request: object, path: Path, error: BaseException) -> None:
        if request is not self._loading:
            return
        self._loading = None
        if not isinstance(error, SegsamError):
            LOG.error("a detector could not be loaded", exc_info=error)
            error = SegsamError(f"{path.name} stopped with {type(error).__name__}; the log has the details.")
        self._workbench.refused.emit(str(error))
        self._show()

    # -- its boxes

    def _propose(self) -> None:
        if self._proposing:
            self._workbench.do(Controller.drop_proposals)
        elif self._detector is not None:
            detector, least = self._detector, self.at_least.value() / 100
            self._workbench.do(lambda controller: controller.propose(detector, least))
        elif self._path is not None:
            self._load(self._path, self._where())

    def _where(self) -> object:
        """The scan and slice that the person looks at, None where there is none."""
        controller = self._workbench.controller
        if controller is None or self._workbench.scan is None:
            return None
        return controller.session.volume.id, controller.session.place

    def _choose_best(self) -> None:
        """Outline the best box's mask, so that Enter and Backspace on the canvas work through all of them."""
        controller = self._workbench.controller
        found = () if controller is None else controller.session.suggestions
        row = next((n for n, suggestion in enumerate(found) if suggestion.proposed is not None), None)
        if row is not None:
            self._workbench.choice.choose(row)
