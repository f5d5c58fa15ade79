"""The encoder's features as plain arrays, and which code made them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_segsam.model.zoom_encoder import SliceFeatures

_MADE_BY = (
    "look.py",
    "on_device.py",
    "predictor.py",
    "preprocess.py",
    "slice_look.py",
    "stored_features.py",
    "zoom.py",
    "zoom_look.py",
)
"""Files of ``engine`` beside all of ``model`` on which the encoder's features depend."""


def to_arrays(features: SliceFeatures) -> dict[str, NDArray]:  # type: ignore[type-arg]
    """Name -> array for the features that there are."""
    each = {"tokens": features.tokens, "detail": features.detail, "local": features.local}
    return {name: array_of(tensor) for name, tensor in each.items() if tensor is not None}


def from_arrays(arrays: Mapping[str, NDArray]) -> SliceFeatures:  # type: ignore[type-arg]
    """The inverse of :func:`to_arrays`, on the CPU."""
    each = {name: tensor_of(array) for name, array in arrays.items()}
    return SliceFeatures(each["tokens"], each.get("detail"), each.get("local"))


def tensor_of(array: NDArray) -> Tensor:  # type: ignore[type-arg]
    """The inverse of :func:`array_of`, on the CPU."""
    tensor = torch.tensor(array)  # a copy: arrays of a file are read-only
    return tensor.view(torch.bfloat16) if tensor.dtype == torch.int16 else tensor


def array_of(tensor: Tensor) -> NDArray:  # type: ignore[type-arg]
    """Floating numbers as an array; numpy has no bfloat16, so its bits are given as int16."""
    plain = tensor.detach().cpu().contiguous()
    array: NDArray = (plain.view(torch.int16) if plain.dtype == torch.bfloat16 else plain).numpy()  # type: ignore[type-arg]
    return array


@cache
def code_version(made_by: tuple[str, ...] = _MADE_BY) -> str:
    """SHA-256 of the code between a scan's pixels and what is made of them: no number that somebody forgets to raise.

    Args:
        made_by: files of ``engine`` that count beside all of ``model``.
    """
    package = files("napari_segsam")
    sources = [*_modules(package.joinpath("model")), *(package.joinpath("engine", name) for name in made_by)]
    digest = sha256()
    for source in sorted(sources, key=str):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()


def _modules(folder: Traversable) -> Iterator[Traversable]:
    """All modules in a folder and in those below it."""
    for item in folder.iterdir():
        if item.is_dir():
            yield from _modules(item)
        elif item.name.endswith(".py"):
            yield item
