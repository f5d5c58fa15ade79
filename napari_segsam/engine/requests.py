"""Which answers are still wanted: each request carries a ticket, and only the newest of its kind counts."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import count

from napari_segsam.engine.cache import ViewKey


@dataclass(frozen=True)
class Ticket:
    """A request: what for, its number, and the scene that it was made in (None: any will do).

    A scene is all that an answer depends on besides its prompts: a slice, the window asked for, the weights in use.
    """

    kind: Hashable
    number: int
    scene: ViewKey | None


class Requests:
    """The outstanding requests, at most one of each kind."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._open: dict[Hashable, Ticket] = {}

    def __bool__(self) -> bool:
        return bool(self._open)

    def __contains__(self, kind: Hashable) -> bool:
        return kind in self._open

    @property
    def kinds(self) -> tuple[Hashable, ...]:
        """Of the outstanding requests, oldest first."""
        return tuple(self._open)

    def issue(self, kind: Hashable, scene: ViewKey | None) -> Ticket:
        """A new request; an older one of the same kind is no longer wanted."""
        self._open.pop(kind, None)
        self._open[kind] = Ticket(kind, next(self._numbers), scene)
        return self._open[kind]

    def cancel(self, *kinds: Hashable) -> None:
        """Answers of these kinds are no longer wanted."""
        for kind in kinds:
            self._open.pop(kind, None)

    def close(self, ticket: Ticket, scene: ViewKey | None) -> bool:
        """An answer came: whether it is still wanted, now that the scene is ``scene``."""
        if self._open.get(ticket.kind) != ticket:
            return False
        del self._open[ticket.kind]
        return ticket.scene is None or ticket.scene == scene
