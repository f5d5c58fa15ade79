"""Packing: the frozen values of a history as JSON and bytes, each object once, so that one object stays one object.

What was packed before maps shared their entries, and masks and footprints took little memory, is still read; see
`Unpacker`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.labels import Label, Patch, Tracking
from napari_segsam.core.packed import PackedMask, PackedVoxels
from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.terminology import Code, Coding
from napari_segsam.engine.history import State
from napari_segsam.engine.journal.array_codes import Bytes, coded, decoded, stored_dtype
from napari_segsam.engine.objects import Footprint, Place, Quality, WorkedObject
from napari_segsam.engine.sharing import Map
from napari_segsam.engine.standing import Standing
from napari_segsam.engine.suggest import Settled

KINDS: Mapping[str, type[Any]] = {
    kind.__name__: kind
    for kind in (State, Footprint, Quality, WorkedObject, Standing, Settled, Prompts, Click, Box, Patch, Label,
                 Tracking, Coding, Code, PackedMask, PackedVoxels)
}  # fmt: skip
"""Dataclasses that a step is made of, by the name that files have. A step with another one cannot be journalled."""

_PLAIN = (type(None), bool, int, float, str)
_INLINE = (Click, Box, Quality, Standing)
"""Small values, of which two that are equal are as good as one: they have no number."""
_INLINE_BY_NAME = {kind.__name__: kind for kind in _INLINE}
_ONCE = (np.ndarray, Patch, PackedMask, PackedVoxels)
"""They are big, and what they are part of has a number: none of them is packed a second time."""

Json = Any
_LENGTH = struct.Struct("<I")


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
        code, extra, data = coded(array)
        self.add(["array", stored_dtype(array).str, list(array.shape), code, extra], data)

    def add(self, entry: Json, data: Iterable[bytes | memoryview]) -> None:
        """A new object with bytes of its own."""
        self.new.append(entry)
        self._bytes.append(data)


class Packer:
    """Writes objects into parcels; one that it has seen before becomes its number.

    Args:
        known: what an :class:`Unpacker` read from the parcels before.
    """

    def __init__(self, known: Sequence[object] = ()) -> None:
        self._count = len(known)
        again = [(n, o) for n, o in enumerate(known) if not isinstance(o, _ONCE)]
        self._held = [o for _, o in again]  # so that no id is given to another object
        self._numbers = {id(o): n for n, o in again}
        self._latest: dict[tuple[str, str, int], Map[Any, Any]] = {}

    def pack(self, value: object, parcel: Parcel) -> Json:
        """A value as JSON: plain ones as they are, small ones as ``{kind: parts}``, any other as ``[number]``.

        Raises:
            TypeError: its type is not one of `KINDS`, nor a tuple, mapping or array.
        """
        if isinstance(value, _PLAIN):
            return value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, _INLINE):
            return {type(value).__name__: [self.pack(part, parcel) for part in _parts(value).values()]}
        if isinstance(value, tuple) and all(isinstance(v, _PLAIN + _INLINE) for v in value):
            return {"tuple": [self.pack(v, parcel) for v in value]}
        number = self._numbers.get(id(value))
        if number is None:
            self._add(value, parcel)
            number = self._number(value)
        return [number]

    def _add(self, value: object, parcel: Parcel) -> None:
        if isinstance(value, np.ndarray):
            parcel.add_array(value)
        elif isinstance(value, tuple):
            parcel.new.append(["tuple", [self.pack(v, parcel) for v in value]])
        elif isinstance(value, Map):
            parcel.new.append(["map", [[self.pack(k, parcel), self.pack(v, parcel)] for k, v in value.items()]])
        elif type(value) is KINDS.get(type(value).__name__):
            self._add_parts(value, parcel)
        else:
            raise TypeError(f"A {type(value).__name__} cannot be journalled; add it to packing.KINDS.")

    def _add_parts(self, whole: object, parcel: Parcel) -> None:
        kind, held, data = type(whole).__name__, {}, list[bytes]()
        for name, part in _parts(whole).items():
            if isinstance(part, bytes):
                data.append(part)
                held[name] = {"bytes": len(part)}
            else:
                if isinstance(part, Map):
                    self._add_changes(part, (kind, name, getattr(whole, "value", 0)), parcel)
                held[name] = self.pack(part, parcel)
        parcel.add([kind, held], data)

    def _add_changes(self, new: Map[Any, Any], role: tuple[str, str, int], parcel: Parcel) -> None:
        """A map that differs little from the one which had its role in an object until now, as what differs."""
        old, self._latest[role] = self._latest.get(role), new
        if id(new) in self._numbers or old is None:
            return
        other = old.differing(new)
        if 2 * len(other) < len(new):
            put = [[self.pack(k, parcel), self.pack(new[k], parcel)] for k in other if k in new]
            parcel.new.append(
                ["changed", self.pack(old, parcel), put, [self.pack(k, parcel) for k in other - new.keys()]]
            )
            self._number(new)

    def _number(self, value: object) -> int:
        """The next one, for a value that was just added."""
        if not isinstance(value, _ONCE):
            self._numbers[id(value)] = self._count
            self._held.append(value)
        self._count += 1
        return self._count - 1


def _parts(value: Any) -> dict[str, Any]:
    """What a dataclass is made again of, by name."""
    if isinstance(value, Prompts):
        return {"clicks": value.clicks, "box": value.box, "mask": value.packed}
    return {f.name: getattr(value, f.name) for f in fields(value)}


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
        self._old_settled: dict[int, Map[Place, tuple[Settled, ...]]] = {}

    def open(self, payload: bytes) -> dict[str, Json]:
        """The head of a parcel, once its new objects are there for :meth:`value`.

        Raises:
            BadParcelError: it holds what this code does not know.
        """
        try:
            (length,) = _LENGTH.unpack_from(payload)
            head = json.loads(payload[_LENGTH.size : _LENGTH.size + length])
            rest = Bytes(payload, _LENGTH.size + length)
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
        if isinstance(packed, _PLAIN):
            return packed
        if isinstance(packed, dict):
            ((kind, parts),) = packed.items()
            values = [self.value(part) for part in parts]
            return tuple(values) if kind == "tuple" else _INLINE_BY_NAME[kind](*values)
        if not (isinstance(packed, list) and len(packed) == 1 and type(packed[0]) is int):
            raise BadParcelError("no number of an object")
        if not 0 <= packed[0] < len(self.objects):
            raise BadParcelError(f"there is no object {packed[0]}")
        return self.objects[packed[0]]

    def _made(self, kind: str, entry: list[Json], rest: Bytes) -> object:
        if kind == "array":
            dtype, shape, code, extra = entry
            return decoded(dtype, shape, code, extra, rest)
        if kind == "changed":
            return self._changed(*entry)
        (held,) = entry
        if kind == "tuple":
            return tuple(self.value(v) for v in held)
        if kind == "map":
            return Map([(self.value(k), self.value(v)) for k, v in held])
        return self._whole(kind, {name: self._part(v, rest) for name, v in held.items()})

    def _changed(self, packed: Json, put: Json, gone: Json) -> Map[Any, Any]:
        changed: Map[Any, Any] = self.value(packed)
        for key in gone:
            changed = changed.without(self.value(key))
        for key, value in put:
            changed = changed.put(self.value(key), self.value(value))
        return changed

    def _part(self, packed: Json, rest: Bytes) -> Any:
        if isinstance(packed, dict) and "bytes" in packed:
            return rest.take(np.dtype(np.uint8), packed["bytes"]).tobytes()
        return self.value(packed)

    def _whole(self, kind: str, held: dict[str, Any]) -> object:
        """An object of its parts, which may be those that its kind had once: a journal outlasts a version."""
        if kind == "CurrentObject":
            return WorkedObject(**held)
        if kind == "Footprint" and "indices" in held:
            voxels = PackedVoxels.of(held.pop("indices"), held.pop("under"))
            return Footprint(voxels, len(self.objects), **held)  # they came in the order of their commits
        if kind == "State" and isinstance(held["settled"], tuple):
            held["settled"] = self._by_slice(held["settled"])
        return KINDS[kind](**held)

    def _by_slice(self, settled: tuple[Settled, ...]) -> Map[Place, tuple[Settled, ...]]:
        """Of one tuple one map, since a step tells by that whether it settled anything."""
        if id(settled) not in self._old_settled:
            places = dict.fromkeys(one.place for one in settled)
            mapped = Map((place, tuple(s for s in settled if s.place == place)) for place in places)
            self._old_settled[id(settled)] = mapped
        return self._old_settled[id(settled)]
