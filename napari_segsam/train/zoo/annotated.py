"""From a scan and a person's labels on it to the slices that a published model learns from."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from napari_segsam.core.errors import GridMismatchError, UnreadableInputError
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Volume
from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.engine.zoo.preparing import frame_for, neighbours, square, values_of, window_for
from napari_segsam.model.zoo.family import Preparation
from napari_segsam.train.zoo.fitting import AnnotatedSlices, middle_of


def annotated_slices(volume: Volume, labels: NDArray[np.integer], axis: int, how: Preparation) -> AnnotatedSlices:
    """Every slice on which something is labelled, prepared as a family has it; on the others nothing is known.

    Where the family sees neighbours, they come with each slice. A slice whose labels are lost when it is made smaller
    is no example.

    Args:
        volume: the scan.
        labels: (ni, nj, nk) on its grid, 0 for the background.
        axis: voxel axis across the slices.
        how: the family's.

    Raises:
        GridMismatchError: ``labels`` has another shape than the scan.
        UnreadableInputError: nothing is labelled, or nothing that is left on the family's square.
    """
    if labels.shape != volume.grid.shape:
        raise GridMismatchError(f"The labels have {labels.shape} voxels and the scan {volume.grid.shape}.")
    across = tuple(a for a in range(3) if a != axis)
    indices = np.flatnonzero((labels != 0).any(axis=across))
    if not indices.size:
        raise UnreadableInputError("Nothing is labelled on this scan; label a few slices first.")
    known = frozenset(indices.tolist())
    pairs = [_prepared(SliceView(volume, axis, i), labels, how, known) for i in sorted(known)]
    pairs = [(picture, truth) for picture, truth in pairs if (middle_of(truth) > 0).any()]
    if not pairs:
        raise UnreadableInputError(
            f"What is labelled is too small to be seen on {how.side} pixels a side; label larger things."
        )
    pictures, truths = zip(*pairs, strict=True)
    return AnnotatedSlices(torch.stack(pictures), torch.stack(truths))


def _prepared(
    view: SliceView, labels: NDArray[np.integer], how: Preparation, known: frozenset[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    frame = frame_for(view, how)
    picture = square(values_of(view, window_for(view, None, None, how), how), frame, how)
    truths = [_truth(each, labels, frame, how, each.index in known) for each in neighbours(view, how.slices)]
    return picture, torch.stack(truths) if how.slices > 1 else truths[0]


def _truth(
    view: SliceView, labels: NDArray[np.integer], frame: PictureFrame, how: Preparation, known: bool
) -> torch.Tensor:
    """(S, S) what is labelled on a slice, -1 where nothing is known of it."""
    if not known:
        return torch.full((how.side, how.side), -1)
    truth = torch.from_numpy(np.ascontiguousarray(view.of(labels)).astype(np.int64))
    size = (frame.height, frame.width)
    resized = F.interpolate(truth[None, None].double(), size, mode="nearest-exact")[0, 0].long()
    return F.pad(resized, (0, how.side - frame.width, 0, how.side - frame.height))


def numbered(labels: NDArray[np.integer]) -> tuple[NDArray[np.int64], list[int]]:
    """Any label values -> 1 to C in their order, and the values that these stand for."""
    values = [int(v) for v in np.unique(labels) if v]
    found = np.searchsorted([0, *values], labels)
    return np.asarray(found, np.int64), values
