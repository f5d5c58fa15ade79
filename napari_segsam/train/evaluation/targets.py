"""Which masks an evaluation asks for: a data set in the SA-Med2D layout, its split, and an even draw from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import UnknownNameError, UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume, Window
from napari_segsam.train.data import pictures
from napari_segsam.train.data.layout import CLASSES, read_json
from napari_segsam.train.data.listing import SAMed2D
from napari_segsam.train.data.sample import Sample, volume_modality
from napari_segsam.train.draws import lot

SPLITS = ("train", "val", "all")
# Pictures in the data set were windowed when they were made; this window shows every one of their 256 greys.
_EIGHT_BIT = Window(127.5, 255.0, "8-bit picture")


@dataclass(frozen=True, slots=True)
class Target:
    """One mask that the model shall find; small, since a data set may have millions.

    Attributes:
        sample: its picture, with every mask that is annotated on it.
        index: which of them.
        annotates: every class that the data set annotates on any picture.
    """

    sample: Sample
    index: int
    annotates: frozenset[str]

    @property
    def dataset(self) -> str:
        """The data set's name, e.g. "IBSI_STS"."""
        return self.sample.dataset

    @property
    def modality(self) -> str:
        """The beginning of the picture's name, e.g. "ct"."""
        return self.sample.modality

    @property
    def image(self) -> Path:
        """The picture's file."""
        return self.sample.path

    @property
    def mask(self) -> Path:
        """The mask's file."""
        return self.sample.masks[self.index].path

    @property
    def name(self) -> str:
        """The mask's name in the listing; draws and random prompts hang on it."""
        return self.mask.relative_to(self.sample.root).as_posix()

    @property
    def class_name(self) -> str:
        """As the data set calls it."""
        return self.sample.masks[self.index].class_name


def list_targets(
    root: Path, split: str = "all", datasets: Collection[str] | None = None
) -> tuple[tuple[Target, ...], tuple[str, ...]]:
    """Every mask of a folder in the SA-Med2D layout in the listing's order, and why entries were left out.

    Args:
        root: holds SAMed2D_v1.json, the class mapping, images/ and masks/.
        split: "train" or "val", which ``root``/split.json defines, or "all", which needs no such file.
        datasets: names of those to ask about, None for all.

    Raises:
        UnreadableInputError: a file of the layout is missing or says something else, or the split is empty.
        UnknownNameError: the split has another name, or no picture of one of ``datasets``.
    """
    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    data = SAMed2D(root, split, datasets=datasets)
    mapping = read_json(root / CLASSES)  # has been read and found in order
    annotates = {dataset: frozenset(names) for dataset, names in mapping.items()}
    targets = tuple(
        Target(sample, index, annotates[sample.dataset])
        for sample in data.samples
        for index in range(len(sample.masks))
    )
    return targets, tuple(data.skipped)


def draw(targets: Iterable[Target], limit: int | None, seed: int) -> tuple[Target, ...]:
    """``limit`` targets spread evenly over the data sets: the same ones for every model and kind of prompt.

    The order within a data set hangs on each mask's name and the seed alone, so a larger limit only adds masks.
    """
    by_dataset: dict[str, list[Target]] = defaultdict(list)
    for target in targets:
        by_dataset[target.dataset].append(target)
    queues = [
        sorted(by_dataset[d], key=lambda t: lot(t.name, seed)) for d in sorted(by_dataset, key=lambda d: lot(d, seed))
    ]
    rounds = range(max(map(len, queues), default=0))
    dealt = [queue[r] for r in rounds for queue in queues if r < len(queue)]
    return tuple(dealt if limit is None else dealt[:limit])


def random_for(name: str, seed: int) -> np.random.Generator:
    """The random numbers that belong to one mask: the same in every run and on every machine."""
    return np.random.default_rng(lot(name, seed))


def read_mask(path: Path, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The (rows, cols) mask, whole, with all its components.

    Raises:
        UnreadableInputError: no picture, empty, or of another size than its image.
    """
    mask = pictures.read_mask(path)
    if mask.shape != shape:
        raise UnreadableInputError(f"{path}: its size {mask.shape} is not the image's {shape}.")
    if not mask.any():
        raise UnreadableInputError(f"{path}: the mask is empty.")
    return mask


def read_picture(sample: Sample) -> tuple[Volume, Window | None]:
    """An 8-bit picture as a Volume of one slice, so that it takes the product's own path, and the window to ask for.

    Raises:
        UnreadableInputError: no picture, or one that training leaves out as well, see ``pictures.read_picture``.
    """
    pixels = pictures.read_picture(sample.path)
    voxels = np.ascontiguousarray(pixels.swapaxes(0, 1)[:, :, None])  # (cols, rows, 1[, 3]): i is the column
    rgb = pixels.ndim == 3
    modality = volume_modality(sample.modality, rgb)
    grid = Grid((voxels.shape[0], voxels.shape[1], 1), np.eye(4))
    return Volume(grid, voxels, modality, name=sample.path.name), None if rgb else _EIGHT_BIT
