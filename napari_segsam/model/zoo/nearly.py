"""What a file that no family claims lacks of the family that it is nearest to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

from napari_segsam.model.zoo.accounts import listed
from napari_segsam.model.zoo.family import Family, Shapes

_FEW = 8
"""Tensors; a file that lacks more is more likely something else."""


def lacking(shapes: Shapes, families: Iterable[Family]) -> str | None:
    """A clause that names the tensors and the family, None where the file is near to none.

    Args:
        shapes: the file's tensor names and shapes.
        families: those that it may be of; one without :attr:`Family.empty` is passed over.
    """
    near: list[tuple[int, str]] = []
    for family in families:
        for whole in _whole(family):
            missing = [name for name in whole if name not in shapes]
            if 0 < len(missing) <= min(_FEW, len(whole) // 10):
                near.append((len(whole.items() ^ shapes.items()), f"it lacks {listed(missing)} of {family.title}"))
    return min(near, key=lambda each: each[0])[1] if near else None


def _whole(family: Family) -> Iterator[Shapes]:
    """Names and shapes of the tensors of its files; nothing is allocated."""
    for make in family.empty:
        with torch.device("meta"):
            yield {name: tuple(t.shape) for name, t in make().state_dict().items()}
