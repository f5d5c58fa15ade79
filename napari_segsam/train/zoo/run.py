"""Fine-tuning from a scan and its labels to the tensors of a file, by the kind of file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from napari_segsam.core.errors import BadCheckpointError
from napari_segsam.core.labels import LabelMap
from napari_segsam.core.volume import Volume
from napari_segsam.model.zoo import med_sa as med_sa_model
from napari_segsam.model.zoo import samed as samed_model
from napari_segsam.model.zoo import table
from napari_segsam.model.zoo.accounts import ModelFileError
from napari_segsam.model.zoo.family import Tensors
from napari_segsam.model.zoo.files.published import opened
from napari_segsam.train.zoo import med_sa, samed
from napari_segsam.train.zoo.annotated import annotated_slices, numbered
from napari_segsam.train.zoo.fitting import Watch

KINDS = ("samed", "samed_s", "med_sa")


@dataclass(frozen=True)
class Choices:
    """What a person chooses.

    Attributes:
        kind: of file, one of :data:`KINDS`.
        axis: voxel axis across the slices.
        steps: slices that are shown, None for as many as the kind has by itself.
        rate: the highest learning rate, None for the published one.
        seed: of what begins at random and of the order.
        device: where to learn.
    """

    kind: str = "samed"
    axis: int = 2
    steps: int | None = None
    rate: float | None = None
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True)
class Made:
    """What goes into a file.

    Attributes:
        tensors: under the published names.
        names: class from 1 on -> name; None where the file knows no classes.
        slices: how many were learned from.
    """

    tensors: dict[str, Tensor]
    names: Mapping[int, str] | None
    slices: int


def fine_tuned(base: Path, volume: Volume, labels: LabelMap, choices: Choices, watch: Watch | None = None) -> Made:
    """Learn from every slice on which something is labelled.

    Args:
        base: the file of a plain SAM.
        volume: the scan.
        labels: on its grid.
        choices: see there.
        watch: shows progress.

    Raises:
        BadCheckpointError: ``base`` is no plain SAM.
        GridMismatchError: the labels lie on another grid.
        UnreadableInputError: nothing is labelled.
        TrainingError: the loss is not finite.
    """
    try:
        with opened(base) as file:
            table.find(file.shapes, "sam")
            tensors = file.read()
    except ModelFileError as error:
        raise BadCheckpointError(f"{base.name} is no SAM to begin from: {error}.") from error
    return _of(tensors, volume, labels, choices, watch)


def _of(base: Tensors, volume: Volume, labels: LabelMap, choices: Choices, watch: Watch | None) -> Made:
    values, kinds = numbered(labels.voxels)
    family, pace = (med_sa_model.SKILL, med_sa.PACE) if choices.kind == "med_sa" else (samed_model.FAMILY, samed.PACE)
    pace = replace(pace, steps=choices.steps or pace.steps, rate=choices.rate or pace.rate)
    slices = annotated_slices(volume, values, choices.axis, family.preparation({}))
    n, seed, device = len(slices.pictures), choices.seed, choices.device
    if choices.kind == "med_sa":
        skill = med_sa.fine_tune(base, slices, pace, seed=seed, device=device, watch=watch)
        return Made(skill.adapters(), None, n)
    small = choices.kind == "samed_s"
    model = samed.fine_tune(base, slices, len(kinds), pace, small=small, seed=seed, device=device, watch=watch)
    names = {k: labels.labels[v].name if v in labels.labels else f"label {v}" for k, v in enumerate(kinds, 1)}
    return Made(model.published(), names, n)
