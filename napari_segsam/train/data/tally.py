"""What a data set holds that cannot be used, and why: counted, listed, and said in a few lines."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

log = logging.getLogger(__name__)


@dataclass
class Tally:
    """What was left out or mended: names by reason, each once."""

    names: dict[str, dict[str, None]] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str, name: str) -> None:
        """Note ``name``, which is a picture's or a mask's in the listing."""
        self.names.setdefault(reason, {})[name] = None

    def lines(self) -> list[str]:
        """``name: reason`` of everything."""
        return [f"{name}: {reason}" for reason, names in self.names.items() for name in names]

    def tell(self, what: str, now_and_then: bool = False) -> None:
        """One line in the log for each reason that has grown since it was told last.

        ``now_and_then`` waits for the first, tenth, hundredth ... name.
        """
        for reason, names in self.names.items():
            n = len(names)
            if n > self.told.get(reason, 0) and not (now_and_then and str(n).strip("0") != "1"):
                self.told[reason] = n
                log.warning("%s: %d left out: %s; first: %s", what, n, reason, next(iter(names)))
