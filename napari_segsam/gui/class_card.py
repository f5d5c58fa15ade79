"""A class as a person reads it, in rich text: its colour, its card."""

from __future__ import annotations

from html import escape

from qtpy.QtGui import QColor

from napari_segsam.core.colours import colour_of
from napari_segsam.core.terminology import ASPECTS, ClassCard

NO_CARD = "Nobody has described this class."


def square(name: str) -> str:
    """The class's colour."""
    return f'<span style="color:{QColor.fromRgbF(*colour_of(name)).name()}">■</span>'


def card_text(card: ClassCard | None) -> str:
    """What it looks like, what it is taken for, its code."""
    if card is None:
        return NO_CARD
    said = dict(zip(ASPECTS, card.sentences, strict=True))
    looks = " ".join(escape(said[aspect]) for aspect in ASPECTS if aspect != "lookalike")
    parts = [looks, f"<i>Not to be taken for:</i> {escape(said['lookalike'])}"]
    if card.snomed:
        parts.append(f"SNOMED CT {escape(card.snomed[0])}, {escape(card.snomed[1])}")
    return "<br>".join(parts)
