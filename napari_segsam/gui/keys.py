"""The keys: one table, from which buttons take their letters, layers their bindings and the documentation its list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Key:
    """One row of the table.

    Attributes:
        action: what :class:`KeyBindings` calls.
        press: in napari's notation.
        text: what it does, for a tooltip.
        on_labels: false where napari's own brush key on a Labels layer stays, since the brush is wanted there.
    """

    action: str
    press: str
    text: str
    on_labels: bool = True


KEYS = (
    Key("point", "P", "Point tool: click an object", on_labels=False),
    Key("box", "B", "Box tool: drag a box around an object", on_labels=False),
    Key("sign", "T", "Turn the point between positive (this) and negative (not this)"),
    Key("candidate", "Tab", "Show the next of the model's alternative outlines"),
    Key("commit", "C", "Commit the object into the layer 'labels'"),
    Key("next", "M", "Next object: keep what is committed, start afresh"),
    Key("undo", "Ctrl-Z", "Undo"),
    Key("redo", "Ctrl-Shift-Z", "Redo"),
)
BY_ACTION = {key.action: key for key in KEYS}


def printed(action: str) -> str:
    """How a button prints the action's key, e.g. ``Ctrl+Z``."""
    return BY_ACTION[action].press.replace("-", "+")


class KeyBindings:
    """Our keys on the viewer and on layers while a session is live.

    A layer's bindings win over the viewer's, and an Image layer owns C, so the viewer alone is not enough.
    """

    def __init__(self, actions: Mapping[str, Callable[[], None]]) -> None:
        self._actions = dict(actions)
        self._bound: list[tuple[Any, str, Any]] = []

    def bind(self, provider: Any, *, is_committed_labels: bool = False) -> None:
        """Bind every key on a viewer or layer, remembering what was there.

        Args:
            provider: anything with napari's ``bind_key``.
            is_committed_labels: leave napari's own brush keys.
        """
        for key in KEYS:
            if key.on_labels or not is_committed_labels:
                before = provider.bind_key(key.press, None)
                provider.bind_key(key.press, self._handler(key.action))
                self._bound.append((provider, key.press, before))

    def unbind(self, provider: Any = None) -> None:
        """Give the keys of one provider, or of all, back to whom they belonged."""
        for held in [b for b in self._bound if provider is None or b[0] is provider]:
            owner, press, before = held
            owner.bind_key(press, before, overwrite=True)
            self._bound.remove(held)

    def _handler(self, action: str) -> Callable[[Any], None]:
        run = self._actions[action]
        return lambda _provider: run()
