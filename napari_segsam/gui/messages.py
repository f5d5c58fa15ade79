"""What the dock says in words: an error, a notice or the status at its top, and what the cursor is on at its foot."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]  # qtpy's own gap
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QStackedWidget, QToolButton, QVBoxLayout

from napari_segsam.core.errors import one_line
from napari_segsam.gui.few_lines import FewLines
from napari_segsam.gui.readout import Reading

ABOUT_POSITION = (
    "Millimetres in the patient, in DICOM's frame LPS: x grows to the patient's left, y to the back, z to the head. "
    "The voxel's indices (i, j, k) and its stored intensity are those of the file."
)
_LINES, _MARGIN_PX = 3, 12


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
    """A sentence for a person, with a button that takes it away, and where it is long one that shows all of it.

    The tooltip has all of it, too.
    """

    said = Signal()
    grown = Signal()

    def __init__(self, colour: str) -> None:
        super().__init__()
        self._is_all_shown = False
        self.setObjectName("message")
        self.setStyleSheet(f"#message {{ border: 1px solid {colour}; border-left: 5px solid {colour}; }}")
        self._label = FewLines(_LINES)
        self._label.laid.connect(self._laid)
        self.more = _flat_button("more")
        self.more.clicked.connect(self._show_all)
        policy = self.more.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # else the text would have another width with it, and other lines
        self.more.setSizePolicy(policy)
        close = _flat_button("×")
        close.clicked.connect(lambda: self.say(""))
        buttons = QVBoxLayout()
        buttons.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)
        buttons.addStretch(1)
        buttons.addWidget(self.more, 0, Qt.AlignmentFlag.AlignRight)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 2, 4, 2)
        layout.addWidget(self._label, 1)
        layout.addLayout(buttons)
        self._laid()

    @property
    def text(self) -> str:
        """What is said."""
        return self._label.whole

    @property
    def wanted_height(self) -> int:
        """Pixels that it takes as it is shown now."""
        lines = max(_LINES, self._label.needed) if self._is_all_shown else _LINES
        return self._label.height_of(lines) + _MARGIN_PX

    def say(self, text: str) -> None:
        """Say a sentence; an empty one takes the last one away."""
        text = one_line(text)
        if text == self.text:
            return
        self._is_all_shown = False
        self._label.show_text(text)
        self.setToolTip(f"<p>{escape(text)}</p>" if text else "")
        self.said.emit()

    def _show_all(self) -> None:
        self._is_all_shown = True
        self._label.show_text(self.text, all_of_it=True)

    def _laid(self) -> None:
        self.more.setVisible(not (self._label.is_short or self._is_all_shown))
        self.grown.emit()


def _flat_button(text: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setAutoRaise(True)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button


class MessageArea(QStackedWidget):
    """Error, else notice, else status, at one height, so that no message moves the buttons below it.

    Only a person does who wants to see more of a long one.
    """

    def __init__(self, error: Message, notice: Message, status: QLabel) -> None:
        super().__init__()
        self._messages, self._status = (error, notice), status
        for message in self._messages:
            message.said.connect(self._choose)
            message.grown.connect(self._fit)
            self.addWidget(message)
        self.addWidget(status)
        self._choose()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Napari's style has set the font by now."""
        super().showEvent(event)
        self._fit()

    def _choose(self) -> None:
        self.setCurrentWidget(next((m for m in self._messages if m.text), self._status))
        self._fit()

    def _fit(self) -> None:
        shown = self.currentWidget()
        self.setFixedHeight((shown if isinstance(shown, Message) else self._messages[0]).wanted_height)
