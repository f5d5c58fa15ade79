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
    """Name -> array for the features that there are; numpy has no bfloat16, so its bits are given as int16."""
    each = {"tokens": features.tokens, "detail": features.detail, "local": features.local}
    return {name: _to_array(tensor) for name, tensor in each.items() if tensor is not None}


def from_arrays(arrays: Mapping[str, NDArray]) -> SliceFeatures:  # type: ignore[type-arg]
    """The inverse of :func:`to_arrays`, on the CPU."""
    each = {name: torch.tensor(array) for name, array in arrays.items()}  # copies: arrays of a file are read-only
    each = {name: t.view(torch.bfloat16) if t.dtype == torch.int16 else t for name, t in each.items()}
    return SliceFeatures(each["tokens"], each.get("detail"), each.get("local"))


def _to_array(tensor: Tensor) -> NDArray:  # type: ignore[type-arg]
    plain = tensor.detach().cpu().contiguous()
    array: NDArray = (plain.view(torch.int16) if plain.dtype == torch.bfloat16 else plain).numpy()  # type: ignore[type-arg]
    return array


@lru_cache(maxsize=1)
def code_version() -> str:
    """SHA-256 of the code between a scan's pixels and its features: no number that somebody forgets to raise."""
    sources = [p for p in files("napari_segsam.model").iterdir() if p.name.endswith(".py")]
    sources += [files("napari_segsam.engine").joinpath(name) for name in _MADE_BY]
    digest = sha256()
    for source in sorted(sources, key=lambda p: p.name):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()
