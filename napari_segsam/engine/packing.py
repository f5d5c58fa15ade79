"""Packing: the frozen values of a history as JSON and bytes, each object once, so that one object stays one object."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.labels import Label, Patch, Tracking
from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.terminology import Code, Coding
from napari_segsam.engine.history import State
from napari_segsam.engine.objects import CurrentObject, Footprint, Quality
from napari_segsam.engine.standing import Standing
from napari_segsam.engine.suggest import Settled

KINDS: Mapping[str, type[Any]] = {
    kind.__name__: kind
    for kind in (State, CurrentObject, Footprint, Quality, Standing, Settled, Prompts, Click, Box, Patch, Label,
                 Tracking, Coding, Code)
}  # fmt: skip
"""Dataclasses that a step is made of, by the name that files have. A step with another one cannot be journalled."""

Json = Any
_LENGTH = struct.Struct("<I")
_AT_ONCE = 1 << 20


class BadParcelError(ValueError):
    """What was packed by other code than this; no damage, which the journal's own digests find first."""


@dataclass
class Parcel:
    """One record on its way to a file.

    Attributes:
        head: ready for JSON.
        new: objects that no earlier parcel had, each after those that it refers to.
    """

    head: dict[str, Json]
    new: list[Json] = field(default_factory=list)
    _bytes: list[Iterable[bytes | memoryview]] = field(default_factory=list)

    def chunks(self) -> Iterator[bytes | memoryview]:
        """The parcel piece by piece: the length of the head, the head, the arrays of its new objects."""
        head = json.dumps({**self.head, "new": self.new}, separators=(",", ":")).encode("ascii")
        yield _LENGTH.pack(len(head))
        yield head
        for array in self._bytes:
            yield from array

    def add_array(self, array: NDArray[Any]) -> None:
        """A new object that is an array."""
        code, extra, data = _coded(array)
        self.new.append(["array", _dtype(array).str, list(array.shape), code, extra])
        self._bytes.append(data)


class Packer:
    """Writes objects into parcels; one that it has seen before becomes its number.

    Args:
        known: what an :class:`Unpacker` read from the parcels before.
    """

    def __init__(self, known: Sequence[object] = ()) -> None:
        self._objects = list(known)  # held, so that no id is given to another object
        self._numbers = {id(o): n for n, o in enumerate(self._objects)}

    def pack(self, value: object, parcel: Parcel) -> Json:
        """A value as JSON: plain ones as they are, any other as ``[number]``.

        Raises:
            TypeError: its type is not one of `KINDS`, nor a tuple, mapping or array.
        """
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, np.generic):
            return value.item()
        if id(value) not in self._numbers:
            self._add(value, parcel)
            self._numbers[id(value)] = len(self._objects)
            self._objects.append(value)
        return [self._numbers[id(value)]]

    def _add(self, value: object, parcel: Parcel) -> None:
        if isinstance(value, np.ndarray):
            parcel.add_array(value)
        elif isinstance(value, tuple):
            parcel.new.append(["tuple", [self.pack(v, parcel) for v in value]])
        elif isinstance(value, Mapping):
            parcel.new.append(["map", [[self.pack(k, parcel), self.pack(v, parcel)] for k, v in value.items()]])
        elif type(value) is KINDS.get(type(value).__name__):
            held = {f.name: self.pack(getattr(value, f.name), parcel) for f in fields(value)}  # type: ignore[arg-type]
            parcel.new.append([type(value).__name__, held])
        else:
            raise TypeError(f"A {type(value).__name__} cannot be journalled; add it to packing.KINDS.")


def head_of(payload: bytes) -> dict[str, Json]:
    """What is plain in a parcel.

    Raises:
        BadParcelError: it is no parcel.
    """
    try:
        (length,) = _LENGTH.unpack_from(payload)
        return dict(json.loads(payload[_LENGTH.size : _LENGTH.size + length]))
    except (ValueError, TypeError, struct.error) as error:
        raise BadParcelError(str(error)) from error


class Unpacker:
    """Reads parcels in the order in which they were packed.

    Attributes:
        objects: all that came so far, by number.
    """

    def __init__(self) -> None:
        self.objects: list[object] = []

    def open(self, payload: bytes) -> dict[str, Json]:
        """The head of a parcel, once its new objects are there for :meth:`value`.

        Raises:
            BadParcelError: it holds what this code does not know.
        """
        try:
            (length,) = _LENGTH.unpack_from(payload)
            head = json.loads(payload[_LENGTH.size : _LENGTH.size + length])
            rest = _Bytes(payload, _LENGTH.size + length)
            for kind, *entry in head.pop("new"):
                self.objects.append(self._made(kind, entry, rest))
        except BadParcelError:
            raise
        except (ValueError, TypeError, LookupError, AttributeError, struct.error, OverflowError) as error:
            raise BadParcelError(str(error)) from error
        return dict(head)

    def value(self, packed: Json) -> Any:
        """What :meth:`Packer.pack` made this of.

        Raises:
            BadParcelError: nothing that came so far.
        """
        if not isinstance(packed, (list, dict)):
            return packed
        if not (isinstance(packed, list) and len(packed) == 1 and type(packed[0]) is int):
            raise BadParcelError("no number of an object")
        if not 0 <= packed[0] < len(self.objects):
            raise BadParcelError(f"there is no object {packed[0]}")
        return self.objects[packed[0]]

    def _made(self, kind: str, entry: list[Json], rest: _Bytes) -> object:
        if kind == "array":
            dtype, shape, code, extra = entry
            return _decoded(dtype, shape, code, extra, rest)
        (held,) = entry
        if kind == "tuple":
            return tuple(self.value(v) for v in held)
        if kind == "map":
            return {self.value(k): self.value(v) for k, v in held}
        return KINDS[kind](**{name: self.value(v) for name, v in held.items()})


class _Bytes:
    """What follows a head, taken from front to back."""

    def __init__(self, payload: bytes, start: int) -> None:
        self._payload, self._at = memoryview(payload), start

    def take(self, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        """(count,) values, read-only."""
        start, self._at = self._at, self._at + dtype.itemsize * count
        if self._at > len(self._payload):
            raise BadParcelError("an array is longer than its bytes")
        return np.frombuffer(self._payload[start : self._at], dtype)


# -- arrays: (how, what it takes to know besides, bytes)


def _coded(array: NDArray[Any]) -> tuple[str, Json, Iterable[bytes | memoryview]]:
    """The shortest of few ways: one value for all, bits, differences of neighbours, or the bytes as they are."""
    if array.ndim == 1 and array.size and bool((array == array[0]).all()):
        return "same", array[0].item(), ()
    if array.dtype == bool:
        return "bits", None, (np.packbits(array.reshape(-1)).tobytes(),)
    if array.ndim == 1 and array.dtype == np.int64:
        width = _width(array)
        return "steps", [int(array[0]), width.str] if array.size else None, _steps(array, width)
    plain = np.ascontiguousarray(array, _dtype(array))
    return "plain", None, (plain.reshape(-1).data.cast("B"),) if plain.size else ()


def _decoded(dtype: str, shape: list[int], code: str, extra: Json, rest: _Bytes) -> NDArray[Any]:
    kind, count = np.dtype(dtype), math.prod(shape)
    if kind.kind not in "buif" or any(type(n) is not int or n < 0 for n in shape):
        raise BadParcelError(f"no array of {dtype}")
    if code == "same":
        return np.full(shape, extra, kind)
    if code == "bits":
        bits = rest.take(np.dtype(np.uint8), (count + 7) // 8)
        return np.unpackbits(bits, count=count).astype(bool).reshape(shape)
    if code == "steps":
        values = np.empty(count, kind)
        if count:
            values[0] = extra[0]
            np.cumsum(rest.take(np.dtype(extra[1]), count - 1), dtype=kind, out=values[1:])
            values[1:] += values[0]
        return values.reshape(shape)
    if code == "plain":
        return rest.take(kind, count).reshape(shape).astype(kind.newbyteorder("="))
    raise BadParcelError(f"no way to write arrays is called {code}")


def _dtype(array: NDArray[Any]) -> np.dtype[Any]:
    return array.dtype.newbyteorder("<")


def _width(array: NDArray[np.int64]) -> np.dtype[Any]:
    """The smallest integers that hold the differences of neighbours."""
    low = high = 0
    for part in _differences(array):
        low, high = min(low, int(part.min())), max(high, int(part.max()))
    return np.promote_types(np.min_scalar_type(low), np.min_scalar_type(high)).newbyteorder("<")


def _steps(array: NDArray[np.int64], width: np.dtype[Any]) -> Iterator[bytes]:
    for part in _differences(array):
        yield part.astype(width).tobytes()


def _differences(array: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """What each value but the first adds to the one before it, a million at a time: labels of a whole scan are many."""
    for start in range(0, len(array) - 1, _AT_ONCE):
        yield np.diff(array[start : start + _AT_ONCE + 1])
