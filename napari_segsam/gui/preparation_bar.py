"""PreparationBar: how much of the volume the model has looked at in advance, and a button to stop that."""

from __future__ import annotations

from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

from napari_segsam.engine.controller import Controller
from napari_segsam.engine.preparation import Progress
from napari_segsam.gui.marks import plain_button

_WHY = "The model looks at the other slices while nothing else is to be done, so that they answer a click at once."


class PreparationBar(QWidget):
    """One line at the dock's foot, there only while slices are prepared."""

    def __init__(self) -> None:
        super().__init__()
        self.text = QLabel()
        self.text.setToolTip(f"<p>{_WHY}</p>")
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.cancel = plain_button("Cancel", "Prepare no more slices of this scan")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 0, 4, 0)
        layout.addWidget(self.text, 1)
        layout.addWidget(self.cancel)
        self.hide()

    def follow(self, controller: Controller) -> None:
        """Show what this controller prepares; it begins now."""
        controller.preparation_changed.connect(self._show)
        self.cancel.clicked.connect(lambda: controller.prepare_volume(False))
        controller.prepare_volume()

    def _show(self, progress: Progress | None) -> None:
        self.setVisible(progress is not None and not progress.is_over)
        self.text.setText("" if progress is None else str(progress))
