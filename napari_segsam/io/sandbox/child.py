"""The process that reads files for another.

    python -m napari_segsam.io.sandbox.child BYTES    of memory that reading may take

Questions come in on standard input and answers go out on standard output, a line of JSON each.
Before an answer come lines that name the file that is being opened, the first as soon as the question is taken up;
behind it come the bytes of its arrays, or (Linux) a line that says that the memory made for them is filled.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.machinery import all_suffixes
from pathlib import Path
from traceback import walk_tb
from typing import Any, BinaryIO, cast, get_type_hints

from napari_segsam.core import errors
from napari_segsam.core.errors import SegsamError, UnreadableInputError
from napari_segsam.io.sandbox import memory, wire
from napari_segsam.io.sandbox.limits import MEMORY_VARIABLE, end_after, give_up_rights

Call = Callable[..., Any]
"""Of a path and options; its annotations say what types these have, and the answer."""

CALLS = {
    "is_structure_set": "napari_segsam.io.labels.structures",
    "limits_here": "napari_segsam.io.sandbox.limits",
    "list_series": "napari_segsam.io.formats",
    "read_dicom_seg": "napari_segsam.io.labels.dicom_seg",
    "read_headers": "napari_segsam.io.dicom.headers",
    "read_labels": "napari_segsam.io.formats",
    "read_on_slices": "napari_segsam.io.labels.rtstruct",
    "read_volume": "napari_segsam.io.formats",
}
"""What can be asked for, and the module that has the function of this name."""

IDLE_S = 300.0
"""Without a question for so long the process ends."""
COMPUTING_S, COMPUTING_S_PER_MB = 120.0, 1.0
"""Processor time for one file: far more than the slowest codec needs, but not for ever."""
WAITING_S, WAITING_S_PER_MB = 600.0, 4.0
"""Time on the clock for one file: a slow disk or a busy machine is no hang."""

_PACKAGE = str(Path(__file__).parents[2])
_MODULES = tuple(all_suffixes())


def reading(name: str) -> Call:
    """Who answers the question of this name; imported when it is first asked, as no file needs all readers."""
    return cast(Call, getattr(import_module(CALLS[name]), name))


def main(find: Callable[[str], Call]) -> None:
    """Answer questions until standard input ends, nobody asks any more, or a file ends this process.

    Args:
        find: who answers the question of a name.
    """
    limit = int(sys.argv[1])
    questions, answers = _streams()
    give_up_rights(limit)
    progress = Progress(answers)
    sys.addaudithook(progress.heed)
    end_after(IDLE_S, IDLE_S)
    for line in questions:
        said, arrays = _answer(find, json.loads(line), limit, progress)
        _send(answers, said)
        if arrays and memory.comes_by(questions.fileno()):
            memory.fill(questions.fileno(), arrays)
            _send(answers, {"filled": True})
        elif arrays:
            answers.writelines(part for array in arrays for part in wire.parts(array))
            answers.flush()
        del arrays
        end_after(IDLE_S, IDLE_S)


def _streams() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output for questions and answers alone: what a codec prints goes nowhere."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    return questions, answers


class Progress:
    """Says which file is being opened, and gives each its time: a thousand files may take long, one may not."""

    def __init__(self, answers: BinaryIO) -> None:
        self._answers = answers
        self._below: str | None = None
        self._last = ""

    def begin(self, path: Path) -> None:
        """A question about ``path`` is taken up."""
        self._below, self._last = str((path if path.is_dir() else path.parent).absolute()), str(path)
        self._say(path)

    def end(self) -> None:
        """It is answered."""
        self._below = None

    def heed(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook, which Python tells of every file that is about to be opened (PEP 578)."""
        if event == "open" and self._below is not None and isinstance(arguments[0], str):
            name = arguments[0]
            if name == self._last or name.endswith(_MODULES):  # a library that this file is the first to need
                return
            if str(Path(name).absolute()).startswith(self._below):
                self._last = name
                self._say(Path(name))

    def _say(self, path: Path) -> None:
        megabytes = 0.0
        with suppress(OSError):
            megabytes = path.stat().st_size / 1e6
        end_after(WAITING_S + WAITING_S_PER_MB * megabytes, COMPUTING_S + COMPUTING_S_PER_MB * megabytes)
        _send(self._answers, {"at": path.name})


def _answer(
    find: Callable[[str], Call], question: dict[str, Any], limit: int, progress: Progress
) -> tuple[dict[str, Any], list[wire.Array]]:
    """The line that answers a question, and the arrays that follow it."""
    if question["folder"]:
        os.chdir(question["folder"])
    path = Path(question["path"])
    arrays: list[wire.Array] = []
    progress.begin(path)
    try:
        call = find(question["call"])
        kinds = get_type_hints(call)
        options = {name: wire.unpack(value, kinds[name], []) for name, value in question["options"].items()}
        value = wire.pack(call(path, **options), kinds["return"], arrays)
        return {"value": value, "arrays": [wire.describe(a) for a in arrays]}, arrays
    except SegsamError as error:
        return {"refused": [_known_class(error), str(error)]}, []
    except MemoryError:
        allowed = f"the {limit / 1e9:.1f} GB that reading may take"
        said = f"{path.name} needs more memory than {allowed}; crop it, or allow more with {MEMORY_VARIABLE}."
        return {"refused": [UnreadableInputError.__name__, said]}, []
    except Exception as error:  # noqa: BLE001 - not hidden: the other process says it, with its place
        return {"failed": [type(error).__name__, _place(error)]}, []
    finally:
        progress.end()


def _known_class(error: SegsamError) -> str:
    """The nearest of the error's classes that core.errors defines; the other process makes no others."""
    return next(c.__name__ for c in type(error).__mro__ if c.__module__ == errors.__name__)


def _place(error: Exception) -> str:
    """The innermost line of ours; the error's own words may quote what the file says of a patient."""
    lines = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    file, line = ([here for here in lines if here[0].startswith(_PACKAGE)] or lines)[-1]
    return f"{Path(file).name}:{line}"


def _send(answers: BinaryIO, line: dict[str, Any]) -> None:
    answers.write(json.dumps(line).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    main(reading)
