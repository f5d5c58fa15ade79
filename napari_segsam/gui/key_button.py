"""Buttons with their keys printed on them."""

from __future__ import annotations

from qtpy.QtWidgets import QPushButton

from napari_segsam.gui.keys import BY_ACTION, printed
from napari_segsam.gui.marks import plain_button


def key_button(action: str, text: str, *, back: str | None = None) -> QPushButton:
    """A button for an action of the key table.

    Args:
        action: whose key and explanation it shows.
        text: on it, before the key.
        back: the action whose key does the same the other way round, for the tooltip.
    """
    keys = printed(action) if back is None else f"{printed(action)}; back: {printed(back)}"
    return plain_button(f"{text}  {printed(action)}", f"{BY_ACTION[action].text} ({keys})")


def tool_button(action: str, text: str) -> QPushButton:
    """One that stays down while its tool is armed."""
    button = key_button(action, text)
    button.setCheckable(True)
    return button
