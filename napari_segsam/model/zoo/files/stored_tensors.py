"""Tensors as a file of torch.save's describes them, checked against their own data before any is made."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_segsam.model.zoo.accounts import ModelFileError
from napari_segsam.model.zoo.files.pickled import Call, Global, Reference

_DTYPES = {
    "torch FloatStorage": torch.float32,
    "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16,
    "torch DoubleStorage": torch.float64,
    "torch LongStorage": torch.int64,
    "torch IntStorage": torch.int32,
    "torch ShortStorage": torch.int16,
    "torch CharStorage": torch.int8,
    "torch ByteStorage": torch.uint8,
}


@dataclass(frozen=True)
class Storage:
    """A run of numbers in a file.

    Attributes:
        key: its name there.
        dtype: of its numbers.
        numel: how many they are.
    """

    key: str
    dtype: torch.dtype
    numel: int

    @property
    def nbytes(self) -> int:
        """How long it must be."""
        return self.numel * self.dtype.itemsize


@dataclass(frozen=True)
class Stored:
    """A tensor as a file describes it: a view of a storage, which it does not leave."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse a view that leaves its storage, or is larger than it (a stride of zero repeats numbers for nothing).

        Raises:
            ModelFileError: such a view.
        """
        numbers = (self.offset, *self.shape, *self.stride)
        sound = all(type(n) is int and n >= 0 for n in numbers) and len(self.shape) == len(self.stride) <= 8
        if sound and 0 not in self.shape:
            last = self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.stride, strict=True))
            sound = last < self.storage.numel and math.prod(self.shape) <= self.storage.numel
        if not sound:
            raise ModelFileError("it describes a tensor that lies outside of its own data")

    def of(self, data: bytearray) -> Tensor:
        """The tensor itself, a view of its storage's bytes."""
        if 0 in self.shape:
            return torch.empty(self.shape, dtype=self.storage.dtype)
        return torch.frombuffer(data, dtype=self.storage.dtype).as_strided(self.shape, self.stride, self.offset)


def stored(value: object) -> Stored | None:
    """The tensor, or parameter, that a part of a description is; None for anything else.

    Raises:
        ModelFileError: a tensor that leaves its storage.
    """
    name, arguments = _call(value)
    if name == "torch._utils _rebuild_parameter" and arguments:
        name, arguments = _call(arguments[0])
    if name not in ("torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor") or len(arguments) < 4:
        return None
    reference, offset, shape, stride = arguments[:4]
    storage = _storage(reference) if isinstance(reference, Reference) else None
    if storage is None or not isinstance(offset, int) or not isinstance(shape, tuple) or not isinstance(stride, tuple):
        return None
    return Stored(storage, offset, shape, stride)


def _call(value: object) -> tuple[str, tuple[object, ...]]:
    """What is called by name, and with what; nothing for anything else."""
    if isinstance(value, Call) and isinstance(value.what, Global) and isinstance(value.arguments, tuple):
        return value.what.name, value.arguments
    return "", ()


def _storage(reference: Reference) -> Storage | None:
    """``("storage", type, key, device, numel)``, in the older format with None at its end; None for anything else."""
    key = reference.key
    if not isinstance(key, tuple) or len(key) not in (5, 6) or key[0] != "storage" or key[5:] not in ((), (None,)):
        return None
    kind, name, numel = key[1], key[2], key[4]
    if not isinstance(kind, Global) or kind.name not in _DTYPES or type(numel) is not int or not 0 <= numel < 1 << 40:
        return None
    if not isinstance(name, str) or not re.fullmatch(r"[0-9]{1,20}", name):
        return None
    return Storage(name, _DTYPES[kind.name], numel)


def one_kind_each(references: Iterable[Reference]) -> dict[str, Storage]:
    """The storages of all references by key.

    Raises:
        ModelFileError: one key, two kinds or lengths.
    """
    kinds: dict[str, Storage] = {}
    for storage in (s for s in map(_storage, references) if s is not None):
        if kinds.setdefault(storage.key, storage) != storage:
            raise ModelFileError("it describes one storage in two ways")
    return kinds
