"""The ``segsam`` program. It imports nothing of ours or others' before Ctrl+C is looked after."""

from __future__ import annotations

import signal
import sys

INTERRUPTED = 130
INTERRUPTED_MESSAGE = "segsam: interrupted; nothing was left half-written."


def main() -> None:
    """The console script: Ctrl+C and a termination end it alike, even while it is still importing."""
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        from napari_segsam.cli.commands import app

        app(prog_name="segsam")
    except KeyboardInterrupt:
        sys.stderr.write(f"{INTERRUPTED_MESSAGE}\n")
        raise SystemExit(INTERRUPTED) from None
