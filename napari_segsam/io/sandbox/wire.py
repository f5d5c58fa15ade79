"""Values from one process to another: their fields as JSON, their arrays as plain bytes, and never a pickle.

What is sent is given by the declared types of the dataclasses, so that a field added to one of them travels too. What
arrives is believed only as far as these types go: the other side may have read a hostile file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, BinaryIO, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

Array = NDArray  # type: ignore[type-arg]
_DTYPES = {np.dtype(code).str: np.dtype(code) for code in "?bBhHiIqQfd"}
_MOST_AXES = 4
_PART = 1 << 20


def pack(value: Any, kind: Any, arrays: list[Array]) -> Any:
    """``value`` of the declared type ``kind`` as JSON.

    Args:
        value: made of dataclasses, tuples, lists, dicts, arrays, text, numbers and None.
        kind: its declared type.
        arrays: receives the arrays in ``value``, whose place in it is taken by their number.

    Raises:
        TypeError: the value is not of that type, or the type is one that does not travel.
    """
    outer, inner = get_origin(kind) or kind, get_args(kind)
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return {f.name: pack(getattr(value, f.name), hints[f.name], arrays) for f in fields(kind)}
    if outer in (Union, UnionType) and len(inner) == 2 and NoneType in inner:
        return None if value is None else pack(value, _other_than_none(inner), arrays)
    if outer is np.ndarray and isinstance(value, np.ndarray):
        arrays.append(value)
        return len(arrays) - 1
    if outer in (tuple, list) and isinstance(value, outer):
        return [pack(v, k, arrays) for v, k in zip(value, _of_each(inner, len(value)), strict=True)]
    if outer is dict and isinstance(value, dict):
        return [[pack(k, inner[0], arrays), pack(v, inner[1], arrays)] for k, v in value.items()]
    if outer in (bool, int, float, str) and isinstance(value, (outer, np.generic) + (int,) * (outer is float)):
        return outer(value)
    raise TypeError(f"a {type(value).__name__} where {kind} is declared")


def unpack(packed: Any, kind: Any, arrays: list[Array]) -> Any:
    """The value of the declared type ``kind`` that :func:`pack` made into ``packed`` and ``arrays``.

    Raises:
        ValueError: it is of another type, or lacks something, or has something else.
        SegsamError: the value refuses to be made of these parts.
    """
    outer, inner = get_origin(kind) or kind, get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        names = [f.name for f in fields(kind)]
        if not isinstance(packed, dict) or sorted(packed) != sorted(names):
            raise ValueError(f"not the fields of a {kind.__name__}")
        return kind(**{name: unpack(packed[name], hints[name], arrays) for name in names})
    if outer in (Union, UnionType) and NoneType in inner:
        return None if packed is None else unpack(packed, _other_than_none(inner), arrays)
    if outer is np.ndarray and type(packed) is int and 0 <= packed < len(arrays):
        return arrays[packed]
    if outer in (tuple, list) and isinstance(packed, list):
        return outer(unpack(p, k, arrays) for p, k in zip(packed, _of_each(inner, len(packed)), strict=True))
    if outer is dict and isinstance(packed, list) and all(isinstance(p, list) and len(p) == 2 for p in packed):
        return {unpack(k, inner[0], arrays): unpack(v, inner[1], arrays) for k, v in packed}
    if outer in (bool, int, str) and type(packed) is outer:
        return packed
    if outer is float and type(packed) in (int, float):
        return float(packed)
    raise ValueError(f"a {type(packed).__name__} where {kind} is declared")


def _other_than_none(kinds: tuple[Any, ...]) -> Any:
    return kinds[kinds[0] is NoneType]


def _of_each(inner: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    """The types of ``count`` entries of a ``list[X]``, ``tuple[X, ...]`` or ``tuple[X, Y]``."""
    return (inner[0],) * count if len(inner) == 1 or inner[1] is Ellipsis else inner


def describe(array: Array) -> dict[str, Any]:
    """Type, shape and order in memory of an array, for :func:`described`.

    Raises:
        TypeError: its elements are no plain numbers.
    """
    dtype = array.dtype.newbyteorder("=").str
    if dtype not in _DTYPES:
        raise TypeError(f"an array of {array.dtype}")
    return {"dtype": dtype, "shape": list(array.shape), "order": _order(array)}


def parts(array: Array) -> Iterator[memoryview]:
    """The array's bytes in its own order in memory, about a megabyte at once, as what is not in one piece is copied."""
    whole = array.astype(array.dtype.newbyteorder("="), copy=False).transpose(_order(array))
    at_once = max(1, _PART * len(whole) // whole.nbytes)
    for first in range(0, len(whole), at_once):
        yield np.ascontiguousarray(whole[first : first + at_once]).data.cast("B")


def _order(array: Array) -> list[int]:
    """Axes from the slowest to the fastest."""
    return sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))


@dataclass(frozen=True)
class Described:
    """An array that will follow: its type, its shape, and its axes from the slowest to the fastest in memory."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def arranged(self, flat: Array) -> Array:
        """The elements in their order in memory as the array that they are."""
        slow_to_fast = flat.reshape([self.shape[axis] for axis in self.order])
        return slow_to_fast.transpose([self.order.index(axis) for axis in range(len(self.order))])


def described(said: Any) -> Described:
    """What :func:`describe` said of an array.

    Raises:
        ValueError, TypeError, KeyError: this describes no array of numbers.
    """
    shape, order = tuple(said["shape"]), tuple(said["order"])
    if not all(type(n) is int for n in (*shape, *order)) or not 1 <= len(shape) <= _MOST_AXES or min(shape) < 1:
        raise ValueError("no shape")
    if sorted(order) != list(range(len(shape))):
        raise ValueError("no order of axes")
    return Described(_DTYPES[said["dtype"]], shape, order)


def receive(stream: BinaryIO, one: Described) -> Array:
    """Read an array that follows into memory of its own.

    Raises:
        EOFError: the stream ended before the array.
        MemoryError: this process has no room for it.
    """
    flat = np.empty(one.size // one.dtype.itemsize, one.dtype)
    rest = flat.data.cast("B")
    while rest:
        count = stream.readinto(rest)  # type: ignore[attr-defined]
        if not count:
            raise EOFError("the array was cut short")
        rest = rest[count:]
    return one.arranged(flat)
