"""What the dock says in words: an error, a notice or the status at its top, and what the cursor is on at its foot."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import QEvent, Qt, Signal  # type: ignore[attr-defined]  # qtpy's own gap
from qtpy.QtGui import QFont, QResizeEvent, QShowEvent, QTextLayout, QTextOption
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QStackedWidget, QToolButton, QVBoxLayout

from napari_segsam.core.errors import one_line
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


class FewLines(QLabel):
    """A text in a few lines, which end in an ellipsis where it needs more.

    It breaks words that are wider than itself, such as UIDs.
    """

    laid = Signal()

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most, self._whole, self._all = most, "", False
        self.needed = 0
        """Lines that the whole text takes."""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setIndent(0)  # else it is half an x, which nothing says

    @property
    def whole(self) -> str:
        """The text, of which a part may be shown."""
        return self._whole

    @property
    def is_short(self) -> bool:
        """Whether a few lines are enough."""
        return self.needed <= self._most

    def show_text(self, text: str, *, all_of_it: bool = False) -> None:
        """Show as much of a text as goes into a few lines, or all of it."""
        self._whole, self._all = text, all_of_it
        self._lay()

    def height_of(self, lines: int) -> int:
        """Pixels that so many lines take when they are painted, which are more than their spacing says."""
        return self.fontMetrics().size(0, "\n".join("x" * lines)).height()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Other words fit now."""
        super().resizeEvent(event)
        self._lay()

    def changeEvent(self, event: QEvent | None) -> None:
        """A style sheet may bring another font."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._lay()

    def _lay(self) -> None:
        width = self.contentsRect().width()
        lines = _wrapped(self._whole, self.font(), width)
        self.needed = len(lines)
        if not (self._all or self.is_short):
            kept, rest = lines[: self._most - 1], "".join(lines[self._most - 1 :])
            lines = [*kept, self.fontMetrics().elidedText(rest, Qt.TextElideMode.ElideRight, width)]
        self.setText("\n".join(lines))
        self.laid.emit()


def _wrapped(text: str, font: QFont, width: int) -> list[str]:
    """The text in lines of at most ``width`` pixels."""
    layout = QTextLayout(text, font)
    layout.setTextOption(_breaking_anywhere())
    layout.beginLayout()
    lines: list[str] = []
    while (line := layout.createLine()).isValid():
        line.setLineWidth(max(width, 1))
        lines.append(text[line.textStart() : line.textStart() + line.textLength()])
    layout.endLayout()
    return lines


def _breaking_anywhere() -> QTextOption:
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    return option


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
