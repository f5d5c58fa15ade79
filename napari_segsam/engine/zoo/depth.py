"""Classes of a whole volume from a model that sees neighbouring slices: the mean of all windows that see a slice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from napari_segsam.core.prediction import Suggestion
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Volume, Window
from napari_segsam.engine.look import refuse_unless_finite
from napari_segsam.engine.protocols import Predictor
from napari_segsam.engine.zoo import preparing, semantic
from napari_segsam.engine.zoo.predictor import ZooPredictor
from napari_segsam.model.zoo.depth_windows import averaged
from napari_segsam.model.zoo.ma_sam import MaSam

Found = tuple[SliceView, Window | None, tuple[Suggestion, ...]]


def through_depth(predictor: Predictor, volume: Volume, axis: int, asked: Window | None) -> Iterator[Found] | None:
    """What is on each slice of a volume, in their order, and what intensities were clipped to.

    Args:
        predictor: of any model.
        volume: the scan.
        axis: voxel axis across the slices.
        asked: the window that a person asked for.

    Returns:
        None for a model that sees one slice at a time.
    """
    if not isinstance(predictor, ZooPredictor) or not isinstance(predictor.model, MaSam):
        return None
    return _through(predictor, predictor.model, volume, axis, asked)


def _through(predictor: ZooPredictor, model: MaSam, volume: Volume, axis: int, asked: Window | None) -> Iterator[Found]:
    how, names = predictor.preparation, predictor.vocabulary.names
    views = [SliceView(volume, axis, index) for index in range(volume.grid.shape[axis])]
    window = predictor.window_for(views[len(views) // 2], None, asked)
    frame = preparing.frame_for(views[0], how)

    def prepare(indices: Sequence[int]) -> Tensor:
        values = preparing.values_of(views[indices[len(indices) // 2]], window, how)
        return preparing.square(values, frame, how).unsqueeze(0)

    def classify(images: Tensor) -> Tensor:
        logits = model.each_slice(model.encode(images.to(predictor.device))).float().cpu()
        refuse_unless_finite(logits)
        return logits

    chances = averaged(classify, prepare, len(views), how.slices)
    for view, chance in zip(views, chances, strict=True):
        yield view, window, semantic.named(torch.log(chance.clamp(min=1e-12)), names, frame)
