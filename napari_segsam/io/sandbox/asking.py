"""Whom a question goes to: the reading process that waits, a new one, or, where there can be none, this one."""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.volume import Volume
from napari_segsam.io.sandbox.limits import memory_limit
from napari_segsam.io.sandbox.process import MODULE, GoneError, Question, ReadingProcess

T = TypeVar("T")

UNGUARDED = "This program brings no Python to start, so the file was read inside it and without a limit on memory."
"""Added to a volume's warnings where there can be no reading process."""

_waiting: dict[int, ReadingProcess] = {}
"""The process that waits for a question, by the id of the one that started it: a fork of that one must not ask it."""


def ask(kind: type[T], call: str, path: Path, **options: Any) -> T:
    """Have a question answered by a reading process; two threads that ask together get one each.

    Args:
        kind: type of the answer.
        call: one of :data:`napari_segsam.io.sandbox.child.CALLS`.
        path: what to read.
        options: of the call: texts, numbers, or dataclasses without arrays.

    Raises:
        SegsamError: what the call raises, as it raises it, or that the file ended, filled or hung the process.
    """
    question, python = Question(call, Path(path), options), _python()
    if python is None:
        return cast(T, _answered_here(question))
    limit = memory_limit()
    waiting = _waiting.pop(os.getpid(), None)
    if waiting is not None and waiting.limit == limit:
        with suppress(GoneError):  # nothing was asked for a while
            return _answered(waiting, kind, question)
    elif waiting is not None:
        waiting.end()
    try:
        return _answered(ReadingProcess(python, limit), kind, question)
    except GoneError as error:
        why = f"run {python} -m {MODULE} {limit} to see why"
        raise SegsamError(f"The process that reads files did not start ({error}); {why}.") from error


def _answered(process: ReadingProcess, kind: type[T], question: Question) -> T:
    """The answer; the process is kept for the next question, unless it has ended or another one waits already."""
    try:
        return process.ask(kind, question)
    finally:
        if not process.ended and _waiting.setdefault(os.getpid(), process) is not process:
            process.end()


def _answered_here(question: Question) -> Any:
    from napari_segsam.io.sandbox.child import reading

    found = reading(question.call)(question.path, **question.options)
    return replace(found, warnings=(*found.warnings, UNGUARDED)) if isinstance(found, Volume) else found


def _python() -> str | None:
    """The interpreter to start; None in a program that has it built in and would start itself once more."""
    if not getattr(sys, "frozen", False):
        for found in (Path(sys.executable or ""), Path(sys.prefix, "bin", "python3"), Path(sys.prefix, "python.exe")):
            if found.name.lower().startswith("python") and found.is_file():
                return str(found)
    return None


@atexit.register
def end_waiting() -> None:
    """End the process that waits for a question, if there is one."""
    waiting = _waiting.pop(os.getpid(), None)
    if waiting is not None:
        waiting.end()
