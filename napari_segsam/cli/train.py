"""``segsam train``: train a model as a configuration file says."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from napari_segsam.cli.console import say, track
from napari_segsam.core.errors import UnreadableInputError

T = TypeVar("T")


def train(
    config: Annotated[Path, typer.Argument(help="A training configuration in TOML.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in its folder stopped.")] = False,
) -> None:
    """Train; checkpoint, log and curves appear in the run's folder."""
    if not config.is_file():
        raise UnreadableInputError(f"{config}: there is no such configuration file; check its name.")
    from napari_segsam.train.loop import train as run

    if os.environ.get("RANK", "0") != "0":  # of several processes the first one speaks
        run(config, resume)
        return
    with _logged_aloud():
        checkpoint = run(config, resume, _bar if sys.stderr.isatty() else None)
    say(f"done: {checkpoint}")


def _bar(steps: Iterator[T], left: int) -> Iterator[T]:
    """Only on a terminal: elsewhere a line every fiftieth step says more."""
    return track(steps, left, "training")


class _Say(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record))


@contextmanager
def _logged_aloud() -> Iterator[None]:
    """Say what training logs: hours without a word would look like a hang."""
    logger, handler = logging.getLogger("napari_segsam.train"), _Say()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
