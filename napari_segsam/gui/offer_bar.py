"""OfferBar: the dock's one sentence about unfinished work, with a button for each answer. It blocks nothing."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from napari_segsam.gui.marks import UNKNOWN
from napari_segsam.gui.recovery import Recovery


class OfferBar(QFrame):
    """Hidden while there is nothing to say.

    Attributes:
        buttons: by answer.
    """

    def __init__(self, recovery: Recovery) -> None:
        super().__init__()
        self.setObjectName("offer")
        self.setStyleSheet(f"#offer {{ border: 1px solid {UNKNOWN}; border-left: 5px solid {UNKNOWN}; }}")
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.buttons = {
            "restore": _button("Restore", "Put this work back exactly as it was", recovery.restore),
            "discard": _button("Discard", "Offer this work no more", recovery.discard),
            "later": _button("Later", "Ask again in the next window that opens the scan", recovery.put_off),
            "read": _button("OK", "Take this message away", recovery.have_read),
        }
        row = QHBoxLayout()
        for button in self.buttons.values():
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 4)
        layout.addWidget(self.text)
        layout.addLayout(row)
        recovery.offered.connect(self._show)
        self.hide()

    def _show(self, text: str, answers: tuple[str, ...]) -> None:
        self.text.setText(text)
        for answer, button in self.buttons.items():
            button.setVisible(answer in answers)
        self.setVisible(bool(text))


def _button(text: str, tooltip: str, act: Callable[[], None]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    button.clicked.connect(lambda: act())
    return button
