"""What a pickle describes, without making it: a reader that calls nothing and imports nothing, whatever the file says.

A pickle is a program for a small stack machine. ``pickletools.genops`` (Python's library reference) takes it apart into
operations without running any. This module keeps the stack, and wherever the program would import or call, it writes
down what was asked for instead: an import becomes a :class:`Global`, a call a :class:`Call`, both inert.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import IO, Any

MOST_BYTES = 4 << 20
"""Of one pickle, which says where the tensors lie and holds none of them."""
MOST_STEPS = 1_000_000
_MAPPINGS = {"collections OrderedDict", "collections defaultdict", "__builtin__ dict", "builtins dict"}
_MARK = object()
_DAMAGE = (ValueError, IndexError, KeyError, TypeError, OverflowError, DeprecationWarning)
"""What taking a damaged pickle apart may raise; the last one, where warnings are errors, for a stray backslash."""


class PickleError(ValueError):
    """A pickle that is cut short, too long, or no pickle; the message is a clause."""


@dataclass(frozen=True, eq=False)
class Global:
    """What a file would import: ``module name``."""

    name: str


@dataclass(frozen=True, eq=False)
class Call:
    """What a file would call, and what with."""

    what: object
    arguments: object


@dataclass(frozen=True, eq=False)
class Reference:
    """What a file keeps outside of its pickle; the format of ``key`` is the file's."""

    key: object


class _Bounded:
    """A stream of which no more than ``left`` bytes are given out, whatever length the file claims."""

    def __init__(self, stream: IO[bytes], left: int) -> None:
        self.stream, self.left = stream, left

    def read(self, n: int, /) -> bytes:
        return self._counted(self.stream.read(min(n, self.left)))

    def readline(self) -> bytes:
        return self._counted(self.stream.readline(self.left))

    def _counted(self, data: bytes) -> bytes:
        self.left -= len(data)
        return data


@dataclass(frozen=True)
class Description:
    """What a pickle describes.

    Attributes:
        root: numbers, text, lists, tuples, dicts, and the inert rest.
        references: all of them, wherever in ``root`` they are.
    """

    root: object
    references: tuple[Reference, ...]


def describe(stream: IO[bytes], most: int = MOST_BYTES) -> Description:
    """What the pickle at the stream's position describes.

    Of a dict only the entries under text are kept: no name of a tensor is anything else.

    Args:
        stream: left behind the pickle's end.
        most: bytes that the pickle may have.

    Raises:
        PickleError: cut short, longer than that, or no pickle.
    """
    machine = _Machine()
    bounded = _Bounded(stream, most)
    try:
        for operation, argument, _ in pickletools.genops(bounded):  # type: ignore[arg-type]
            if operation.name == "STOP":
                return Description(machine.pop(), tuple(machine.references))
            machine.do(operation.name, argument)
    except _DAMAGE as error:
        if bounded.left == 0:
            raise PickleError(f"its table of contents is longer than {most} bytes") from error
        raise PickleError("its table of contents is damaged") from error
    raise PickleError("its table of contents is cut short")


class _Machine:
    """The stack and the memo; no operation of it calls what a file names."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, object] = {}
        self.references: list[Reference] = []
        self.done = 0

    def count(self, n: int) -> None:
        self.done += n
        if self.done > MOST_STEPS:
            raise ValueError("more work than a table of contents makes")

    def do(self, name: str, argument: Any) -> None:
        self.count(1)
        if name in _PUSH_ARGUMENT:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        else:
            _OPERATIONS[name](self, argument)

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value should be")
        return value

    def since_mark(self) -> list[Any]:
        values = []
        while (value := self.stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def remember(self, index: int) -> None:
        if not 0 <= index <= self.done:  # picklers count; anything else would make a slow dictionary of the memo
            raise ValueError("a number out of turn")
        self.memo[index] = self.stack[-1]

    def call(self, what: object, arguments: object) -> None:
        if isinstance(what, Global) and what.name in _MAPPINGS:
            pairs = _pairs(arguments)
            self.count(len(pairs))  # a remembered list can be asked for again and again
            self.stack.append(_texts(pairs))
        else:
            self.stack.append(Call(what, arguments))

    def refer(self, key: object) -> None:
        self.references.append(Reference(key))
        self.stack.append(self.references[-1])

    def extend(self, values: Iterable[object]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)

    def update(self, values: list[object]) -> None:
        if isinstance(self.stack[-1], dict):
            self.stack[-1].update(_texts(zip(values[::2], values[1::2], strict=True)))


def _texts(pairs: Iterable[tuple[object, object]]) -> dict[str, object]:
    return {key: value for key, value in pairs if isinstance(key, str)}


def _pairs(arguments: object) -> list[tuple[object, object]]:
    """What ``OrderedDict([[key, value], ...])`` is made of; the default of a ``defaultdict`` is left out."""
    pairs = arguments[0] if isinstance(arguments, tuple) and arguments else ()
    if not isinstance(pairs, list):
        return []
    return [(pair[0], pair[1]) for pair in pairs if isinstance(pair, list | tuple) and len(pair) == 2]


def _append(m: _Machine, _: object) -> None:
    value = m.pop()
    m.extend([value])


def _set_item(m: _Machine, _: object) -> None:
    value, key = m.pop(), m.pop()
    m.update([key, value])


def _set_items(m: _Machine, _: object) -> None:
    m.update(m.since_mark())


def _call_last(m: _Machine, _: object) -> None:
    arguments, what = m.pop(), m.pop()
    m.call(what, arguments)


def _call_with_keywords(m: _Machine, _: object) -> None:
    keywords, arguments, what = m.pop(), m.pop(), m.pop()
    m.stack.append(Call(what, (arguments, keywords)))


def _call_marked(m: _Machine, _: object) -> None:
    what, *arguments = m.since_mark()
    m.call(what, tuple(arguments))


def _name_from_stack(m: _Machine, _: object) -> None:
    name, module = m.pop(), m.pop()
    if not (isinstance(name, str) and isinstance(module, str)):
        raise TypeError("an import of what is no name")
    m.stack.append(Global(f"{module} {name}"))


def _tuple_of(n: int) -> Callable[[_Machine, object], None]:
    def make(m: _Machine, _: object) -> None:
        m.stack.append(tuple(m.pop() for _ in range(n))[::-1])

    return make


def _dict_marked(m: _Machine, _: object) -> None:
    values = m.since_mark()
    m.stack.append(_texts(zip(values[::2], values[1::2], strict=True)))


_PUSH_ARGUMENT = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
    ]
)
_CONSTANTS: dict[str, Callable[[], object]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_SET": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "MARK": lambda: _MARK,
}
_OPERATIONS: dict[str, Callable[[_Machine, Any], object]] = {
    "PROTO": lambda m, a: None,
    "FRAME": lambda m, a: None,
    "POP": lambda m, a: m.stack.pop(),
    "POP_MARK": lambda m, a: m.since_mark(),
    "DUP": lambda m, a: m.stack.append(m.stack[-1]),
    "MEMOIZE": lambda m, a: m.remember(len(m.memo)),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda m, a: m.remember(a)),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, a: m.stack.append(m.memo[a])),
    **dict.fromkeys(("LIST", "FROZENSET"), lambda m, a: m.stack.append(m.since_mark())),
    "TUPLE": lambda m, a: m.stack.append(tuple(m.since_mark())),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "DICT": _dict_marked,
    "APPEND": _append,
    **dict.fromkeys(("APPENDS", "ADDITEMS"), lambda m, a: m.extend(m.since_mark())),
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "GLOBAL": lambda m, a: m.stack.append(Global(a)),
    "STACK_GLOBAL": _name_from_stack,
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), lambda m, a: m.stack.append(Global(f"extension {a}"))),
    "REDUCE": _call_last,
    "NEWOBJ": _call_last,
    "NEWOBJ_EX": _call_with_keywords,
    "OBJ": _call_marked,
    "INST": lambda m, a: m.call(Global(a), tuple(m.since_mark())),
    "BUILD": lambda m, a: m.pop(),  # an object's state: of a dict nothing that is wanted, of all else inert
    "PERSID": lambda m, a: m.refer(a),
    "BINPERSID": lambda m, a: m.refer(m.pop()),
}
