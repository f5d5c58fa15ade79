"""Small marks that the panels share: how a class is coloured, and how sure a score is."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

GOOD, DOUBTFUL, POOR, UNKNOWN = "#2ea36a", "#d99a1c", "#d9534f", "#8a8a8a"
"""Readable on napari's dark and light themes."""
_GOOD_FROM, _DOUBTFUL_FROM = 0.85, 0.7


def swatch(rgb: tuple[float, float, float]) -> QIcon:
    """A small square of this colour (0..1)."""
    pixmap = QPixmap(12, 12)
    pixmap.fill(QColor.fromRgbF(*rgb))
    return QIcon(pixmap)


def mark_colour(score: float) -> str:
    """Green, amber or red for a score in 0..1."""
    if score >= _GOOD_FROM:
        return GOOD
    return DOUBTFUL if score >= _DOUBTFUL_FROM else POOR


def note(text: str) -> QLabel:
    """What to do next, where there is nothing to show yet."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setEnabled(False)
    return label


def plain_button(text: str, tooltip: str) -> QPushButton:
    """A button that leaves letters and Space to the canvas."""
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button


def row_of(*widgets: QWidget) -> QHBoxLayout:
    """Widgets of equal width in a line."""
    row = QHBoxLayout()
    row.setSpacing(4)
    for widget in widgets:
        row.addWidget(widget, 1)
    return row


class ScoreMark(QWidget):
    """A name, a number in 0..1 and a dot whose colour says whether to look twice; a dash where there is none."""

    def __init__(self, title: str, tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTip(tooltip)
        self._value = QLabel()
        self._value.setTextFormat(Qt.TextFormat.RichText)
        self._value.setAlignment(Qt.AlignmentFlag.AlignRight)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel(title))
        layout.addWidget(self._value)
        self.show_score(None)

    @property
    def text(self) -> str:
        """The number as shown."""
        return self._number

    def show_score(self, score: float | None) -> None:
        """Show a score, or that there is none."""
        self._number = "–" if score is None else f"{score:.2f}"
        colour = UNKNOWN if score is None else mark_colour(score)
        self._value.setText(f'{self._number} <span style="color:{colour}">●</span>')
