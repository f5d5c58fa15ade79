"""From annotated pictures, or a scan and the labels on it, to a detector's file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.labels import LabelMap
from napari_segsam.core.prompts import Box
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import Vocabulary, spelled
from napari_segsam.core.volume import Volume
from napari_segsam.engine.names import unnamed
from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.engine.zoo.slice_detector import picture_of
from napari_segsam.io.atomic import replacing
from napari_segsam.model.boxes import STRIDES
from napari_segsam.model.detector import Detector, DetectorHeader, save_detector
from napari_segsam.model.zoo.family import Tensors
from napari_segsam.train.average_precision import map50
from napari_segsam.train.components import components
from napari_segsam.train.data.dataset import LoadedSample, SAMed2D, load
from napari_segsam.train.detector import Example, Watch, train_detector, unwatched

T = TypeVar("T")

SIDE, STEPS, LIMIT = 256, 1000, 2000
_PARTS, _LEAST = 16, 0.05
"""Parts of a mask that get a box of their own, and of which share of its largest part they must be."""
_BACKBONE = "image_encoder.backbone."


@dataclass(frozen=True)
class Lesson:
    """What a detector learns from.

    Attributes:
        names: of the classes.
        side: of the square that the pictures are fitted to.
        examples: each with classes that count from 0 in ``names``.
    """

    names: tuple[str, ...]
    side: int
    examples: list[Example]

    @property
    def boxes(self) -> int:
        """On all pictures."""
        return sum(len(example.corners) for example in self.examples)


def lesson_of_data(
    data: SAMed2D, side: int = SIDE, names: tuple[str, ...] = (), *, limit: int = LIMIT, watch: Watch = unwatched
) -> Lesson:
    """Pictures in the SA-Med2D layout: a box round each part of each mask.

    Args:
        data: pictures and masks.
        side: of the square, a multiple of 32.
        names: of the classes to learn; all that the pictures show where there is none.
        limit: of the pictures, all of which are kept in memory; of more, so many are taken evenly over the listing.
        watch: shows how many are read.

    Raises:
        ValueError: a side that is no multiple of 32.
        UnreadableInputError: no picture can be used.
    """
    _check(side)
    some = copy(data)
    some.samples = spread(data.samples, limit)
    vocabulary = Vocabulary(names) if names else vocabulary_of(some)
    samples = load(some, vocabulary, memory=0)  # each picture is read once, and then fitted to the square
    read = (s for s in watch(samples, len(samples), "reading") if s.store(s.sample).usable)
    lesson = _lesson(vocabulary.names, side, (example_of(sample, side) for sample in read))
    data.left_out.tell(data.root.name)
    return lesson


def lesson_of_scan(
    volume: Volume,
    labels: LabelMap,
    axis: int,
    side: int = SIDE,
    *,
    limit: int = LIMIT,
    watch: Watch = unwatched,
) -> Lesson:
    """Each slice of a scan on which something is labelled: a box round each part of each object.

    Args:
        volume: the scan; in CT it is seen through the window for soft tissue, as where nothing is prompted.
        labels: on its grid.
        axis: voxel axis across the slices.
        side: of the square, a multiple of 32.
        limit: of the slices; of more, so many are taken evenly.
        watch: shows how many are seen.

    Raises:
        ValueError: a side that is no multiple of 32.
        UnreadableInputError: nothing is labelled.
    """
    _check(side)
    across = tuple(a for a in range(3) if a != axis)
    indices = spread(np.flatnonzero(labels.voxels.any(axis=across)).tolist(), limit)
    named = {int(v): labels.labels[v].name if v in labels.labels else unnamed(int(v)) for v in _values(labels.voxels)}
    names = tuple(sorted(set(named.values())))
    classes = {value: names.index(name) for value, name in named.items()}
    views = watch((SliceView(volume, axis, index) for index in indices), len(indices), "reading")
    return _lesson(names, side, (example_of_slice(view, view.of(labels.voxels), classes, side) for view in views))


def spread(items: Sequence[T], limit: int) -> list[T]:
    """At most so many of them, evenly from the first to the last."""
    return [items[i] for i in np.linspace(0, len(items) - 1, min(limit, len(items))).round().astype(int)]


def _lesson(names: tuple[str, ...], side: int, examples: Iterator[Example]) -> Lesson:
    lesson = Lesson(names, side, list(examples))
    if not lesson.boxes:
        raise UnreadableInputError("Nothing is labelled that a detector could learn; label a few objects first.")
    return lesson


def teach_detector(
    lesson: Lesson,
    out: Path,
    *,
    steps: int = STEPS,
    seed: int = 0,
    watch: Watch = unwatched,
) -> Detector:
    """Train a detector and write it; it starts from ``nano``'s backbone.

    Args:
        lesson: what it learns.
        out: the ``.safetensors`` file to write.
        steps: of eight pictures each.
        seed: of weights, draws and augmentation.
        watch: shows how many steps are done.

    Raises:
        WriteError: ``out`` could not be written.
    """
    backbone, names = nano_backbone(), lesson.names
    model = train_detector(lesson.examples, len(names), steps=steps, backbone=backbone, seed=seed, watch=watch)
    with replacing(out) as (beside,):
        save_detector(beside, model, DetectorHeader(names, lesson.side))
    return model


def measured(model: Detector, lesson: Lesson, watch: Watch = unwatched) -> float:
    """Mean average precision at IoU 0.5 on pictures that it did not learn from, see :func:`map50`."""
    return map50(model, watch(lesson.examples, len(lesson.examples), "measuring"), len(lesson.names))


def vocabulary_of(data: SAMed2D) -> Vocabulary:
    """All classes that the data annotates; spellings that a vocabulary takes for one are one."""
    said = {name for sample in data.samples for name in sample.classes}
    return Vocabulary(tuple(sorted({spelled(name) for name in said} - {""})))


def example_of(sample: LoadedSample, side: int) -> Example:
    """A sample with a box round each part of each of its objects that has a class."""
    boxes = [(box, k - 1) for i, k in enumerate(sample.class_ids) if k for box in boxes_of(sample.mask(i))]
    return Example.of(sample.picture, [box for box, _ in boxes], [k for _, k in boxes], side)


def example_of_slice(view: SliceView, labels: NDArray[np.uint16], classes: dict[int, int], side: int) -> Example:
    """A slice as a detector will see it, with a box round each part of each object.

    Args:
        view: the slice.
        labels: (rows, cols) values on it.
        classes: value -> class.
        side: of the square.
    """
    frame = PictureFrame.of(view)
    boxes = [(frame.box(box), classes[value]) for value in _values(labels) for box in boxes_of(labels == value)]
    picture = picture_of(view, None, frame)
    return Example.of(picture, [box for box, _ in boxes], [k for _, k in boxes], side)


def boxes_of(mask: NDArray[np.bool_]) -> Iterator[Box]:
    """Round each connected part of a (rows, cols) mask, the largest first; specks beside it are left out."""
    parts = components(mask, _PARTS)
    for part in parts:
        if part.sum() >= _LEAST * parts[0].sum():
            yield Box.around(part)


def nano_backbone() -> Tensors:
    """The backbone of the model that lies in the package, under MobileNetV2's own names."""
    with resources.as_file(resources.files("napari_segsam.weights") / "nano.safetensors") as path:
        return {k.removeprefix(_BACKBONE): t for k, t in load_file(path).items() if k.startswith(_BACKBONE)}


def _values(labels: NDArray[np.uint16]) -> list[int]:
    return [int(value) for value in np.unique(labels) if value]


def _check(side: int) -> None:
    if side <= 0 or side % STRIDES[-1]:
        raise ValueError(f"the side is a multiple of {STRIDES[-1]}, not {side}")
