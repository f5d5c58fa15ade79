"""The encoder's features as plain arrays, and which code made them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files

import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_segsam.model.zoom_encoder import SliceFeatures

_MADE_BY = ("preprocess.py", "zoom.py", "predictor.py", "slice_look.py", "zoom_look.py", "stored_features.py")
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


@lru_cache(maxsize=2)
def code_version(folders: tuple[str, ...] = ("model", "model/zoo"), made_by: tuple[str, ...] = _MADE_BY) -> str:
    """SHA-256 of the code between a scan's pixels and its features: no number that somebody forgets to raise.

    Args:
        folders: of this package, all of whose modules count.
        made_by: files of ``engine`` beside these.
    """
    package = files("napari_segsam")
    sources = [p for folder in folders for p in package.joinpath(folder).iterdir() if p.name.endswith(".py")]
    sources += [package.joinpath("engine", name) for name in made_by]
    digest = sha256()
    for source in sorted(sources, key=str):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()
