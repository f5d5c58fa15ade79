"""From a folder of annotated pictures to a detector's file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file

from napari_segsam.core.prompts import Box
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.io.atomic import replacing
from napari_segsam.model.boxes import STRIDES
from napari_segsam.model.detector import DetectorHeader, save_detector
from napari_segsam.model.zoo.family import Tensors
from napari_segsam.train.components import components
from napari_segsam.train.data.dataset import LoadedSample, SAMed2D, load
from napari_segsam.train.detector import Example, train_detector

SIDE, STEPS = 256, 1000
_PARTS, _LEAST = 16, 0.05
"""Parts of a mask that get a box of their own, and of which share of its largest part they must be."""
_BACKBONE = "image_encoder.backbone."


def teach_detector(
    data: SAMed2D,
    out: Path,
    *,
    side: int = SIDE,
    steps: int = STEPS,
    seed: int = 0,
    done: Callable[[int, float], None] = lambda step, loss: None,
) -> DetectorHeader:
    """Train a detector of all classes that ``data`` annotates and write it; it starts from ``nano``'s backbone.

    Args:
        data: pictures and masks.
        out: the ``.safetensors`` file to write.
        side: of the square that pictures are fitted to, a multiple of 32.
        steps: of eight pictures each.
        seed: of weights, draws and augmentation.
        done: told each step's number and loss.

    Raises:
        ValueError: a side that is no multiple of 32.
        WriteError: ``out`` could not be written.
    """
    if side <= 0 or side % STRIDES[-1]:
        raise ValueError(f"the side is a multiple of {STRIDES[-1]}, not {side}")
    vocabulary = vocabulary_of(data)
    examples = [example_of(sample, side) for sample in load(data, vocabulary)]
    names = vocabulary.names
    model = train_detector(examples, len(names), steps=steps, backbone=nano_backbone(), seed=seed, done=done)
    header = DetectorHeader(names, side)
    with replacing(out) as (beside,):
        save_detector(beside, model, header)
    return header


def vocabulary_of(data: SAMed2D) -> Vocabulary:
    """All classes that the data annotates; spellings that a vocabulary takes for one are one."""
    said = {name for sample in data.samples for name in sample.classes}
    return Vocabulary(tuple(sorted({re.sub(r"[\W_]+", "_", name.lower()).strip("_") for name in said})))


def example_of(sample: LoadedSample, side: int) -> Example:
    """A sample with a box round each part of each of its objects that has a class."""
    boxes = [(box, k - 1) for i, k in enumerate(sample.class_ids) if k for box in boxes_of(sample.mask(i))]
    return Example.of(sample.picture, [box for box, _ in boxes], [k for _, k in boxes], side)


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
