"""Which masks an evaluation asks for: a data set in the SA-Med2D layout, its split, and an even draw from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import UnknownNameError, UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume, Window
from napari_segsam.train import pictures
from napari_segsam.train.dataset import SAMed2D, Sample, volume_modality

SPLITS = ("train", "val", "all")
# Pictures in the data set were windowed when they were made; this window shows every one of their 256 greys.
_EIGHT_BIT = Window(127.5, 255.0, "8-bit picture")


@dataclass(frozen=True)
class Target:
    """One mask that the model shall find.

    Attributes:
        dataset: the data set's name, e.g. "IBSI_STS".
        modality: the beginning of the picture's name, e.g. "ct".
        image, mask: files.
        name: the mask's name in the listing; draws and random prompts hang on it.
        class_name: as the data set calls it.
        annotated: every class that is annotated on the picture.
    """

    dataset: str
    modality: str
    image: Path
    mask: Path
    name: str
    class_name: str
    annotated: frozenset[str]


def list_targets(root: Path, split: str = "all") -> tuple[tuple[Target, ...], tuple[str, ...]]:
    """Every mask of a folder in the SA-Med2D layout in the listing's order, and why entries were left out.

    Args:
        root: holds SAMed2D_v1.json, the class mapping, images/ and masks/.
        split: "train" or "val", which ``root``/split.json defines, or "all", which needs no such file.

    Raises:
        UnreadableInputError: a file of the layout is missing or says something else, or the split is empty.
        UnknownNameError: the split has another name.
    """
    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    data = SAMed2D(root, split)
    return tuple(t for sample in data.samples for t in _targets(root, sample)), tuple(data.skipped)


def _targets(root: Path, sample: Sample) -> Iterable[Target]:
    annotated = frozenset(m.class_name for m in sample.masks)
    for mask in sample.masks:
        name = mask.path.relative_to(root).as_posix()
        yield Target(sample.dataset, sample.modality, sample.path, mask.path, name, mask.class_name, annotated)


def draw(targets: Iterable[Target], limit: int | None, seed: int) -> tuple[Target, ...]:
    """``limit`` targets spread evenly over the data sets: the same ones for every model and kind of prompt.

    The order within a data set hangs on each mask's name and the seed alone, so a larger limit only adds masks.
    """
    by_dataset: dict[str, list[Target]] = defaultdict(list)
    for target in targets:
        by_dataset[target.dataset].append(target)
    queues = [
        sorted(by_dataset[d], key=lambda t: _lot(t.name, seed)) for d in sorted(by_dataset, key=lambda d: _lot(d, seed))
    ]
    rounds = range(max(map(len, queues), default=0))
    dealt = [queue[r] for r in rounds for queue in queues if r < len(queue)]
    return tuple(dealt if limit is None else dealt[:limit])


def _lot(name: str, seed: int) -> bytes:
    return blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()


def random_for(name: str, seed: int) -> np.random.Generator:
    """The random numbers that belong to one mask: the same in every run and on every machine."""
    return np.random.default_rng(int.from_bytes(_lot(name, seed), "big"))


def read_mask(target: Target, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The (rows, cols) mask, whole, with all its components.

    Raises:
        UnreadableInputError: no picture, empty, or of another size than its image.
    """
    mask = pictures.read_mask(target.mask)
    if mask.shape != shape:
        raise UnreadableInputError(f"{target.mask}: its size {mask.shape} is not the image's {shape}.")
    if not mask.any():
        raise UnreadableInputError(f"{target.mask}: the mask is empty.")
    return mask


def read_picture(target: Target) -> tuple[Volume, Window | None]:
    """An 8-bit picture as a Volume of one slice, so that it takes the product's own path, and the window to ask for.

    Raises:
        UnreadableInputError: no picture.
    """
    pixels = pictures.read_picture(target.image)
    voxels = np.ascontiguousarray(pixels.swapaxes(0, 1)[:, :, None])  # (cols, rows, 1[, 3]): i is the column
    rgb = pixels.ndim == 3
    modality = volume_modality(target.modality, rgb)
    grid = Grid((voxels.shape[0], voxels.shape[1], 1), np.eye(4))
    return Volume(grid, voxels, modality, name=target.image.name), None if rgb else _EIGHT_BIT
