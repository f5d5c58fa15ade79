"""One reading process, seen by the program that asks it and believes nothing that it says unseen."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from napari_segsam.core import errors
from napari_segsam.core.errors import SegsamError, UnreadableInputError
from napari_segsam.io.sandbox import memory, wire
from napari_segsam.io.sandbox.limits import came_to_no_end

T = TypeVar("T")

MODULE = "napari_segsam.io.sandbox.child"
"""What the process runs."""

_LONGEST_LINE = 1 << 26
_LONGEST_SENTENCE = 1 << 14
_LAST_BREATH_S = 5.0
_KILLED = -9  # Windows has no name for it
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), "1")
_KNOWN = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, SegsamError)}


@dataclass(frozen=True)
class Question:
    """What is asked for, and of which file."""

    call: str
    path: Path
    options: dict[str, Any]

    def line(self) -> bytes:
        """As the reading process takes it, which may have been started in another folder.

        Raises:
            UnreadableInputError: the folder that a relative path starts from is gone.
        """
        try:
            folder = "" if self.path.is_absolute() else str(Path.cwd())
        except OSError as error:
            raise UnreadableInputError.not_opened(self.path, error) from error
        options = {name: wire.pack(v, type(v), []) if is_dataclass(v) else v for name, v in self.options.items()}
        asked = {"call": self.call, "folder": folder, "path": str(self.path), "options": options}
        return json.dumps(asked).encode() + b"\n"


class GoneError(Exception):
    """The reading process had ended before it took a question up."""


class ReadingProcess:
    """One reading process.

    Attributes:
        limit: bytes of memory that reading may take in it.
        ended: whether it can be asked no more.
    """

    def __init__(self, python: str, limit: int) -> None:
        self.limit, self.ended, self._at = limit, False, ""
        # Modules are found where this program finds them, and never in the folder that it was started in (-P).
        found = os.pathsep.join(p for p in sys.path if isinstance(p, str) and p)
        self._socket: socket.socket | None = None
        theirs: socket.socket | None = None
        if memory.CAN_SHARE:
            self._socket, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [python, "-P", "-B", "-W", "ignore", "-m", MODULE, str(limit)],
                stdin=theirs.fileno() if theirs else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **_ONE_THREAD, "PYTHONPATH": found},
                start_new_session=True,  # Ctrl+C is for this program, which then ends that process
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            if self._socket:
                self._socket.close()
            raise GoneError((error.strerror or "the system refused").lower()) from error
        finally:
            if theirs:
                theirs.close()
        self._to = cast(BinaryIO, self._socket.makefile("wb") if self._socket else self._process.stdin)
        self._from = cast(BinaryIO, self._process.stdout)

    def ask(self, kind: type[T], question: Question) -> T:
        """The answer to a question; the process has ended if it gave none.

        Args:
            kind: type of the answer.
            question: of a call that gives such an answer.

        Raises:
            GoneError: it had ended before.
            SegsamError: what the call raises, or that the file ended, filled or hung the process.
        """
        self._at, name = "", question.path.name
        try:
            return self._answer(kind, question)
        except SegsamError:
            raise
        except (EOFError, OSError) as error:
            code = self._exit_code()
            if not self._at:
                raise GoneError(_how(code)) from error
            raise UnreadableInputError(_ended(self._where(name), code)) from error
        except MemoryError as error:
            self.end()
            raise UnreadableInputError(f"{name} needs more memory than is free; close programs or crop it.") from error
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            self.end()
            raise UnreadableInputError(_ended(self._where(name), 0)) from error
        except BaseException:  # Ctrl+C: nobody waits for the answer any more
            self.end()
            raise

    def _answer(self, kind: type[T], question: Question) -> T:
        self._to.write(question.line())
        self._to.flush()
        line = self._line()
        while "at" in line:
            self._at = _said(line["at"]) or question.path.name
            line = self._line()
        if "refused" in line:
            name, sentence = line["refused"]
            raise _KNOWN[name].__new__(_KNOWN[name], _said(sentence))  # some make their sentence of other arguments
        if "failed" in line:
            what, place = line["failed"]
            raise UnreadableInputError(_failed(self._where(question.path.name), _said(what), _said(place)))
        described = [wire.described(one) for one in line["arrays"]]
        return cast(T, wire.unpack(line["value"], kind, self._arrays(described) if described else []))

    def _arrays(self, described: list[wire.Described]) -> list[wire.Array]:
        size = memory.total(one.size for one in described)
        if size > self.limit:
            raise ValueError("more than the limit")
        if self._socket is None:
            return [wire.receive(self._from, one) for one in described]
        handle = memory.made(size)
        try:
            memory.send(self._socket, handle)
            if "filled" not in self._line():
                raise ValueError("not filled")
            return memory.taken(handle, described)
        finally:
            os.close(handle)

    def _line(self) -> dict[str, Any]:
        line = self._from.readline(_LONGEST_LINE)
        if not line:
            raise EOFError
        found = json.loads(line)
        if not isinstance(found, dict):
            raise ValueError("no answer")
        return found

    def _where(self, name: str) -> str:
        """The file that was opened last, and the folder that was asked for."""
        return self._at if name in ("", self._at) else f"{self._at} in {name}"

    def _exit_code(self) -> int:
        """Of the process, which has closed its end and is about to exit by itself."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_BREATH_S)
        self.end()
        return self._process.returncode

    def end(self) -> None:
        """End the process; it holds nothing that could be lost."""
        self.ended = True
        self._process.kill()
        self._process.wait()
        for stream in (self._to, self._from):
            with suppress(OSError):  # a question that was not taken is still in its buffer
                stream.close()
        if self._socket:
            self._socket.close()


def _said(words: object) -> str:
    if not isinstance(words, str) or len(words) > _LONGEST_SENTENCE:
        raise ValueError("no sentence")
    return words


def _ended(where: str, code: int) -> str:
    """What to say of the file that was the last that a reading process opened."""
    if came_to_no_end(code):
        return f"{where} was given up, as reading it came to no end; copy it to this computer or export it again."
    if code == _KILLED:
        return f"{where} was being read when the system killed that process; close programs, as memory may be short."
    return f"{where} ended the process that was reading it ({_how(code)}); it is probably damaged: export it again."


def _failed(where: str, what: str, place: str) -> str:
    return f"{where} could not be read, as the reader failed on it ({what} in {place}); report this and convert it."


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}" if code else "a wrong answer"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
