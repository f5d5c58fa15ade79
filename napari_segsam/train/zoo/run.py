"""Fine-tuning from a scan and its labels to the tensors of a file, by the kind of file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from napari_segsam.core.errors import BadCheckpointError
from napari_segsam.core.labels import LabelMap
from napari_segsam.core.volume import Volume
from napari_segsam.model.zoo import ma_sam as ma_sam_model
from napari_segsam.model.zoo import med_sa as med_sa_model
from napari_segsam.model.zoo import samed as samed_model
from napari_segsam.model.zoo import table
from napari_segsam.model.zoo.accounts import ModelFileError
from napari_segsam.model.zoo.family import Preparation, Tensors
from napari_segsam.model.zoo.files.published import opened
from napari_segsam.train.zoo import ma_sam, med_sa, samed
from napari_segsam.train.zoo.annotated import annotated_slices, numbered
from napari_segsam.train.zoo.fitting import AnnotatedSlices, Course, Pace, Watch

Learn = Callable[[Tensors, AnnotatedSlices, int, Course], dict[str, Tensor]]


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        learn: a SAM's tensors, annotated slices, how many classes they have, the course -> the file's tensors.
        preparation: of its slices.
        pace: the published one.
        knows_classes: it holds one mask for each class.
    """

    learn: Learn
    preparation: Preparation
    pace: Pace
    knows_classes: bool = True


def _samed(*, small: bool) -> Learn:
    return lambda base, slices, n, course: samed.fine_tune(base, slices, n, course, small=small).published()


def _med_sa(*, rank: int) -> Learn:
    return lambda base, slices, _, course: med_sa.fine_tune(base, slices, course, rank=rank).skill()


def _ma_sam(*, boxes: bool) -> Learn:
    return lambda base, slices, n, course: ma_sam.fine_tune(base, slices, n, course, boxes=boxes).published()


_SAMED, _SKILL, _MA_SAM = (f.preparation({}) for f in (samed_model.FAMILY, med_sa_model.SKILL, ma_sam_model.FAMILY))
_BOXED = replace(_MA_SAM, window_hu=ma_sam_model.BOXED_HU)
KINDS = {
    "samed": Kind(_samed(small=False), _SAMED, samed.PACE),
    "samed_s": Kind(_samed(small=True), _SAMED, samed.PACE),
    "med_sa": Kind(_med_sa(rank=0), _SKILL, med_sa.PACE, knows_classes=False),
    "med_sa_lora": Kind(_med_sa(rank=med_sa.RANK), _SKILL, med_sa.PACE, knows_classes=False),
    "ma_sam": Kind(_ma_sam(boxes=False), _MA_SAM, ma_sam.PACE),
    "ma_sam_boxes": Kind(_ma_sam(boxes=True), _BOXED, ma_sam.PACE, knows_classes=False),
}
"""What ``segsam finetune --kind`` takes."""


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
        BadCheckpointError: ``base`` is no plain SAM, or one for pictures of another size.
        GridMismatchError: the labels lie on another grid.
        UnreadableInputError: nothing is labelled.
        TrainingError: the loss is not finite.
    """
    try:
        with opened(base) as file:
            table.find_base(file.shapes, "sam")
            tensors = file.read()
    except ModelFileError as error:
        raise BadCheckpointError(f"{base.name} is no SAM to begin from: {error}.") from error
    return _of(tensors, volume, labels, choices, watch)


def _of(base: Tensors, volume: Volume, labels: LabelMap, choices: Choices, watch: Watch | None) -> Made:
    values, kinds = numbered(labels.voxels)
    kind = KINDS[choices.kind]
    pace = replace(kind.pace, steps=choices.steps or kind.pace.steps, rate=choices.rate or kind.pace.rate)
    slices = annotated_slices(volume, values, choices.axis, kind.preparation)
    course = Course(pace, choices.seed, device=choices.device, watch=watch)
    names = {k: labels.labels[v].name if v in labels.labels else f"label {v}" for k, v in enumerate(kinds, 1)}
    return Made(
        kind.learn(base, slices, len(kinds), course), names if kind.knows_classes else None, len(slices.pictures)
    )
