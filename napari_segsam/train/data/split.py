"""Which cases of a data set are for training and which for validation."""

from __future__ import annotations

import json
from pathlib import Path

from napari_segsam.core.errors import SegsamError, WriteError
from napari_segsam.io.atomic import replacing
from napari_segsam.train.data.layout import SPLIT
from napari_segsam.train.data.listing import SAMed2D
from napari_segsam.train.data.sample import Sample
from napari_segsam.train.draws import lot


def split_by_case(root: Path, share: float = 0.1, seed: int = 0) -> tuple[int, int]:
    """Write ``root``/split.json: all pictures of a case go to the same side, since neighbouring slices look alike.

    A case's side hangs on its name, its data set's and the seed alone, so cases that are added later move no other.

    Args:
        root: a folder in the SA-Med2D layout.
        share: of the cases that go to ``val``, 0..1.
        seed: another one draws others.

    Returns:
        How many pictures are for training and for validation.

    Raises:
        SegsamError: ``share`` is no share.
        UnreadableInputError: no such folder.
        WriteError: there is a split already, or the disk is full.
    """
    if not 0 <= share <= 1:
        raise SegsamError(f"{share:g} of the cases cannot be for validation; choose a share from 0 to 1, such as 0.1.")
    path = root / SPLIT
    if path.exists():
        raise WriteError(f"{path} is there already, and models were perhaps trained by it; remove it first.")
    split: dict[str, list[str]] = {"train": [], "val": []}
    for sample in SAMed2D(root).samples:
        split["val" if _share(sample, seed) < share else "train"].append(sample.name)
    with replacing(path) as (part,):
        part.write_text(json.dumps(split), encoding="utf-8")
    return len(split["train"]), len(split["val"])


def _share(sample: Sample, seed: int) -> float:
    """A number of 0..1 for a case."""
    return lot(f"{sample.dataset}:{sample.case}", seed) / 2**64
