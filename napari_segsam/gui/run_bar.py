"""RunBar: how far something is that goes on through the slices, a button to stop it, and in the end why it ended."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QSizePolicy, QStackedWidget, QWidget

from napari_segsam.engine.through.run import Progress
from napari_segsam.gui.few_lines import FewLines
from napari_segsam.gui.keys import printed
from napari_segsam.gui.marks import plain_button

_LINES = 3
_IDLE = "Propagate carries the object from this slice to its neighbours, until the model is in doubt."


class RunBar(QStackedWidget):
    """One height, whatever it shows, so that it moves no button."""

    def __init__(self) -> None:
        super().__init__()
        self.reason = FewLines(_LINES)
        self.reason.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.reason.setMinimumHeight(self.reason.height_of(_LINES))
        self.reason.show_text(_IDLE)
        self.bar = QProgressBar()
        self.bar.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.stop = plain_button(
            f"Stop  {printed('cancel')}", f"Go no further; what was drawn stays ({printed('cancel')})"
        )
        self._running = QWidget()
        line = QHBoxLayout(self._running)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.bar, 1)
        line.addWidget(self.stop)
        self.addWidget(self.reason)
        self.addWidget(self._running)

    def rest(self) -> None:
        """Something else was done: how the last one ended is old."""
        self.reason.show_text(_IDLE)
        self.reason.setToolTip("")

    def show_progress(self, progress: Progress) -> None:
        """Show how far it is, or how it ended."""
        self.setCurrentWidget(self.reason if progress.is_over else self._running)
        if progress.is_over:
            text = f"{progress.title[0].upper()}{progress.title[1:]}: {progress.reason}"
            self.reason.show_text(text)
            self.reason.setToolTip(text)
            return
        self.bar.setRange(0, progress.planned)  # 0, 0 is Qt's "who knows"
        self.bar.setValue(progress.done)
        self.bar.setFormat(str(progress))
