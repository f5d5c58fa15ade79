"""Who hears what: people read standard error, programs read standard output."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import typer

from napari_segsam.core.errors import one_line

T = TypeVar("T")

_PLAIN_EVERY_S = 10.0


def say(message: str) -> None:
    """One line for a person, on standard error; a file's name may hold what would make it several."""
    typer.echo(one_line(message), err=True)


def answer(value: object) -> None:
    """One line of JSON for a program, on standard output."""
    typer.echo(json.dumps(value, allow_nan=False))


def track(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Pass ``items`` on and show how far they are: a bar on a terminal, a plain line now and then elsewhere."""
    return _bar(items, total, what) if sys.stderr.isatty() else _lines(items, total, what)


def _bar(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import track as rich_track

    yield from rich_track(items, what, total=total, console=Console(stderr=True), transient=True)


def _lines(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    said = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - said >= _PLAIN_EVERY_S:
            said = time.monotonic()
            say(f"{what}: {done} of {total}")
