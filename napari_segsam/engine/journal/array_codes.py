"""Arrays as few bytes: how each is written into a journal, and read again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Json = Any
_AT_ONCE = 1 << 20


class Bytes:
    """What follows a head, taken from front to back."""

    def __init__(self, payload: bytes, start: int) -> None:
        self._payload, self._at = memoryview(payload), start

    def take(self, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        """(count,) values, read-only.

        Raises:
            ValueError: there are fewer.
        """
        start, self._at = self._at, self._at + dtype.itemsize * count
        if self._at > len(self._payload):
            raise ValueError("an array is longer than its bytes")
        return np.frombuffer(self._payload[start : self._at], dtype)


def coded(array: NDArray[Any]) -> tuple[str, Json, Iterable[bytes | memoryview]]:
    """The shortest of few ways: one value for all, bits, differences of neighbours, or the bytes as they are.

    Returns:
        The name of the way, what else is plain, and the bytes.
    """
    if array.ndim == 1 and array.size and bool((array == array[0]).all()):
        return "same", array[0].item(), ()
    if array.dtype == bool:
        return "bits", None, (np.packbits(array.reshape(-1)).tobytes(),)
    if array.ndim == 1 and array.dtype == np.int64:
        width = _width(array)
        return "steps", [int(array[0]), width.str] if array.size else None, _steps(array, width)
    plain = np.ascontiguousarray(array, stored_dtype(array))
    return "plain", None, (plain.reshape(-1).data.cast("B"),) if plain.size else ()


def decoded(dtype: str, shape: list[int], code: str, extra: Json, rest: Bytes) -> NDArray[Any]:
    """What `coded` was given.

    Raises:
        ValueError: it never was.
    """
    kind, count = np.dtype(dtype), math.prod(shape)
    if kind.kind not in "buif" or any(type(n) is not int or n < 0 for n in shape):
        raise ValueError(f"no array of {dtype}")
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
    raise ValueError(f"no way to write arrays is called {code}")


def stored_dtype(array: NDArray[Any]) -> np.dtype[Any]:
    """Its dtype, little-endian."""
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
