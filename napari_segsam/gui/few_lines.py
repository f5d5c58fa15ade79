"""FewLines: a label whose text may be longer than there is room for, and says so."""

from __future__ import annotations

from qtpy.QtCore import QEvent, Qt, Signal  # type: ignore[attr-defined]  # qtpy's own gap
from qtpy.QtGui import QFont, QResizeEvent, QTextLayout, QTextOption
from qtpy.QtWidgets import QLabel, QSizePolicy


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
