"""Fold: a titled part of the dock that a click on its title closes, so that the rest fits on the screen."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]  # qtpy's own gap
from qtpy.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget

_MARGINS = (6, 2, 6, 6)


class Fold(QWidget):
    """A title and what is below it.

    Args:
        title: for a person.
        content: shown while the fold is open.
        is_open: at first.

    Signals:
        toggled(bool): it was opened or closed.
    """

    toggled = Signal(bool)

    def __init__(self, title: str, content: QWidget, *, is_open: bool = True) -> None:
        super().__init__()
        self.title = QToolButton()
        self.title.setText(title)
        self.title.setToolTip("Click to fold or unfold")
        self.title.setCheckable(True)
        self.title.setChecked(is_open)
        self.title.setAutoRaise(True)
        self.title.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.title.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.title.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        room = QWidget()
        inside = QVBoxLayout(room)
        inside.setContentsMargins(*_MARGINS)
        inside.addWidget(content)
        self._room = room
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.title)
        layout.addWidget(room)
        self.title.toggled.connect(self._show)
        self._show(is_open)

    @property
    def is_open(self) -> bool:
        """Whether the content can be seen."""
        return self.title.isChecked()

    def _show(self, is_open: bool) -> None:
        self.title.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        self._room.setVisible(is_open)
        self.toggled.emit(is_open)
