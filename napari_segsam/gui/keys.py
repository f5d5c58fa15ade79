"""The keys: one table, from which buttons take their letters, layers their bindings and the documentation its list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from napari.utils.key_bindings import coerce_keybinding

_NINE = "1..9"
Group = Literal["Tools", "This object", "Through the slices", "Suggestions", "History", "View"]

_THROUGH: Group = "Through the slices"


@dataclass(frozen=True)
class Key:
    """One row of the table.

    Attributes:
        action: what :class:`KeyBindings` calls.
        press: in napari's notation; one that ends in ``1..9`` stands for nine keys, whose actions end in the number.
        text: what it does, for a tooltip and the documentation.
        on_labels: false where napari's own brush key on a Labels layer stays, since the brush is wanted there.
        group: of the documentation's table.
    """

    action: str
    press: str
    text: str
    on_labels: bool = True
    group: Group = "This object"

    @property
    def each(self) -> tuple[tuple[str, str], ...]:
        """(action, press) of every key that the row stands for."""
        if not self.press.endswith(_NINE):
            return ((self.action, self.press),)
        stem = self.press.removesuffix(_NINE)
        return tuple((f"{self.action} {n}", f"{stem}{n}") for n in range(1, 10))


KEYS = (
    Key("point", "P", "Point tool: click an object; drag a point to move it", on_labels=False, group="Tools"),
    Key("box", "B", "Box tool: drag a box around an object; drag an edge to move it", on_labels=False, group="Tools"),
    Key("lasso", "L", "Lasso tool: draw a line round an object", on_labels=False, group="Tools"),
    Key("scribble", "S", "Scribble tool: draw a line over an object", group="Tools"),
    Key("sign", "T", "Turn prompts between positive (this) and negative (not this)", group="Tools"),
    Key("mask", "U", "Mask as prompt: have the model redraw what is committed or painted here", group="Tools"),
    Key("remove", "Backspace", "Remove the last prompt; where a suggestion is chosen, reject it", group="Tools"),
    Key("cancel", "Escape", "Drop what is drawn or moved; then stop propagating; then choose nothing", group="Tools"),
    Key("candidate", "Tab", "Show the model's next outline; after the last, choose a suggestion"),
    Key("candidate back", "Shift-Tab", "The same the other way round"),
    Key("class", "Alt-1..9", "Choose the class of that rank"),
    Key("commit", "C", "Commit the object into the layer 'labels'"),
    Key("next", "M", "Next object: keep what is committed, start afresh"),
    Key("back", "J", "Propagate the object to the slices before, for as long as it is found", group=_THROUGH),
    Key("forward", "K", "Propagate the object to the slices after, for as long as it is found", group=_THROUGH),
    Key("interpolate", "G", "Interpolate: fill the gaps between the object's slices in this plane", group=_THROUGH),
    Key("accept", "Enter", "Accept the suggestion that is chosen", group="Suggestions"),
    Key("undo", "Ctrl-Z", "Undo", group="History"),
    Key("redo", "Ctrl-Shift-Z", "Redo", group="History"),
    Key("layers", "V", "Hide our layers, or show them again", group="View"),
    Key("next scan", "N", "Work on the next scan in the viewer", group="View"),
    Key("previous scan", "Shift-N", "Work on the previous scan in the viewer", group="View"),
)
BY_ACTION = {key.action: key for key in KEYS}
_SYMBOLS = {"Backspace": "⌫", "Enter": "⏎", "-": "+"}


def printed(action: str) -> str:
    """How a button prints the action's key, e.g. ``Ctrl+Z``."""
    text = BY_ACTION[action].press
    for long, short in _SYMBOLS.items():
        text = text.replace(long, short)
    return text


class KeyBindings:
    """Our keys on the viewer and on layers while a session is live.

    A layer's bindings win over the viewer's, and an Image layer owns C, so the viewer alone is not enough. Where an
    action returns False there was nothing for it to act on, and what napari has on that key there is done instead.
    """

    def __init__(self, actions: Mapping[str, Callable[[], bool | None]]) -> None:
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
                for action, press in key.each:
                    before = provider.bind_key(press, None)
                    provider.bind_key(press, self._handler(action, press))
                    self._bound.append((provider, press, before))

    def unbind(self, provider: Any = None) -> None:
        """Give the keys of one provider, or of all, back to whom they belonged."""
        for held in [b for b in self._bound if provider is None or b[0] is provider]:
            owner, press, before = held
            owner.bind_key(press, before, overwrite=True)
            self._bound.remove(held)

    def _handler(self, action: str, press: str) -> Callable[[Any], None]:
        run = self._actions[action]

        def handle(provider: Any) -> None:
            if run() is False:
                _naparis_own(provider, press)

        return handle


def _naparis_own(provider: Any, press: str) -> None:
    """What a kind of layer, or the viewer, does by itself on a key."""
    binding = coerce_keybinding(press)
    for kind in type(provider).__mro__:
        own = getattr(kind, "class_keymap", {}).get(binding)
        if own is not None and own is not Ellipsis:
            own(provider)
            return
