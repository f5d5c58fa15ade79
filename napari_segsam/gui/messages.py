"""What the dock says in words: an error, a notice or the status at its top, and what the cursor is on at its foot."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]  # qtpy's own gap
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QStackedWidget, QToolButton
from superqt import QElidingLabel

from napari_segsam.gui.readout import Reading

ABOUT_POSITION = (
    "Millimetres in the patient, in DICOM's frame LPS: x grows to the patient's left, y to the back, z to the head. "
    "The voxel's indices (i, j, k) and its stored intensity are those of the file."
)
_LINES, _MARGIN_PX = 3, 18


class PositionBar(QLabel):
    """Two lines below the dock's column: where the cursor is, and what is there."""

    def __init__(self) -> None:
        super().__init__()
        self.setContentsMargins(8, 2, 4, 2)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setToolTip(f"<p>{ABOUT_POSITION}</p>")
        self.show_reading(None)

    def show_reading(self, reading: Reading | None) -> None:
        """Show a voxel of a scan, or that the cursor is on none."""
        self.setText("–\n" if reading is None else f"{reading.position_text}\n{reading.voxel_text}")


class Message(QFrame):
    """One sentence for a person, with a button that takes it away; the tooltip has all of it."""

    said = Signal()

    def __init__(self, colour: str) -> None:
        super().__init__()
        self.setObjectName("message")
        self.setStyleSheet(f"#message {{ border: 1px solid {colour}; border-left: 5px solid {colour}; }}")
        self._label = QElidingLabel()
        self._label.setWordWrap(True)
        close = QToolButton()
        close.setText("×")
        close.setAutoRaise(True)
        close.clicked.connect(lambda: self.say(""))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 2, 4, 2)
        layout.addWidget(self._label, 1)
        layout.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)

    @property
    def text(self) -> str:
        """What is said."""
        return self._label.text()

    def say(self, text: str) -> None:
        """Say a sentence; an empty one takes the last one away."""
        if text == self.text:
            return
        self._label.setText(text)
        self.setToolTip(f"<p>{escape(text)}</p>" if text else "")
        self.said.emit()


class MessageArea(QStackedWidget):
    """Error, else notice, else status, at one height, so that no message moves the buttons below it."""

    def __init__(self, error: Message, notice: Message, status: QLabel) -> None:
        super().__init__()
        self._messages, self._status = (error, notice), status
        for message in self._messages:
            message.said.connect(self._choose)
            self.addWidget(message)
        self.addWidget(status)
        self._choose()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Napari's style has set the font by now."""
        super().showEvent(event)
        self.setFixedHeight(_LINES * self.fontMetrics().lineSpacing() + _MARGIN_PX)

    def _choose(self) -> None:
        self.setCurrentWidget(next((m for m in self._messages if m.text), self._status))
