"""Map: a mapping that never changes, and shares with the one that it came from nearly all that does not differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import TypeVar, cast

K = TypeVar("K")
V = TypeVar("V")


class Map(Mapping[K, V]):
    """For a history that keeps all states: among n entries, a change of one takes memory for some sqrt(n) of them.

    Entries lie in about sqrt(n) dicts by their keys' hashes, and only one of these is copied. The entry that was set
    last, whose key is not None, is held beside them and hides what they have: a person clicks ten times on a slice
    before the next one, and so a dict is copied once and not ten times. Entries come in no order that means anything.
    Two maps are equal only if they are one: compare them as dicts.
    """

    __slots__ = ("_key", "_parts", "_size", "_value")

    def __init__(self, entries: Mapping[K, V] | Iterable[tuple[K, V]] = ()) -> None:
        """The same entries."""
        whole = dict(entries)
        self._parts, self._size = _spread(whole), len(whole)
        self._key: K | None = None
        self._value: V | None = None

    def put(self, key: K, value: V) -> Map[K, V]:
        """The same with another value of one key."""
        size = self._size + (key not in self)
        return self._changed(self._parts if key == self._key else self._all_parts(), size, key, value)

    def without(self, key: K) -> Map[K, V]:
        """The same without a key; itself where it has none such."""
        if key not in self:
            return self
        parts = self._all_parts()
        left = {k: v for k, v in _part_of(parts, key).items() if k != key}
        return self._changed(_exchanged(parts, key, left), self._size - 1)

    def differing(self, other: Map[K, V]) -> set[K]:
        """Keys that only one of both has, or that have another object as their value."""
        pairs = list(zip(self._all_parts(), other._all_parts(), strict=False))
        if len(self._parts) != len(other._parts):
            pairs = [(dict(self.items()), dict(other.items()))]
        return {k for a, b in pairs if a is not b for k in a.keys() | b.keys() if a.get(k) is not b.get(k)}

    def _changed(
        self, parts: tuple[dict[K, V], ...], size: int, key: K | None = None, value: V | None = None
    ) -> Map[K, V]:
        new: Map[K, V] = Map.__new__(Map)
        if size > 2 * len(parts) ** 2:
            parts = _spread(dict(chain.from_iterable(part.items() for part in parts)))
        new._parts, new._size, new._key, new._value = parts, size, key, value
        return new

    def _all_parts(self) -> tuple[dict[K, V], ...]:
        """With the last entry in its own."""
        if self._key is None:
            return self._parts
        return _exchanged(self._parts, self._key, _part_of(self._parts, self._key) | {self._key: cast(V, self._value)})

    def __getitem__(self, key: K) -> V:
        return cast(V, self._value) if key == self._key else _part_of(self._parts, key)[key]

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[K]:
        return chain.from_iterable(self._all_parts())

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"Map({dict(self)})"


def _spread(whole: dict[K, V]) -> tuple[dict[K, V], ...]:
    count = 1
    while len(whole) > count**2:
        count *= 2
    parts: tuple[dict[K, V], ...] = tuple({} for _ in range(count))
    for key, value in whole.items():
        _part_of(parts, key)[key] = value
    return parts


def _part_of(parts: tuple[dict[K, V], ...], key: K) -> dict[K, V]:
    return parts[hash(key) % len(parts)]


def _exchanged(parts: tuple[dict[K, V], ...], key: K, part: dict[K, V]) -> tuple[dict[K, V], ...]:
    at = hash(key) % len(parts)
    return (*parts[:at], part, *parts[at + 1 :])
