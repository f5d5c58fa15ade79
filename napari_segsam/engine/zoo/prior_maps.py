"""SAMAug: what SAM finds by itself on a picture, as two more channels for a network that learns from few pictures.

Source: Zhang et al., "Input Augmentation with SAM" (MedAGI at MICCAI 2023).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries
from torch.nn import functional as F

from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.engine.zoo.automatic_masks import SAMAUG, Grid, automatic_masks
from napari_segsam.model.prompt_tokens import PromptBatch
from napari_segsam.model.zoo.family import Masks

Map = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PriorMaps:
    """Two (rows, cols) float32 maps of one picture.

    Attributes:
        stability: sum of the stabilities of the masks that cover a pixel; above 1 where masks overlap.
        boundary: 1 on the boundary of any mask, two pixels thick (both sides of it), else 0.
    """

    stability: Map
    boundary: Map

    @classmethod
    def of(cls, masks: Sequence[NDArray[np.bool_]], stabilities: Sequence[float], shape: tuple[int, int]) -> PriorMaps:
        """The maps of some masks.

        Args:
            masks: each (rows, cols).
            stabilities: one for each mask.
            shape: (rows, cols) of the picture, for there may be no mask.

        Raises:
            ValueError: another number of stabilities than of masks, or a mask of another size.
        """
        stability, boundary = np.zeros(shape, np.float32), np.zeros(shape, bool)
        for mask, stable in zip(masks, stabilities, strict=True):
            if mask.shape != shape:
                raise ValueError(f"a mask is {mask.shape}, the picture {shape}")
            stability[mask] += np.float32(stable)
            boundary |= find_boundaries(mask, mode="thick")  # type: ignore[no-untyped-call]
        return cls(stability, boundary.astype(np.float32))


def prior_maps(
    answer: Callable[[PromptBatch], Masks], side: int, frame: PictureFrame, grid: Grid = SAMAUG
) -> PriorMaps:
    """Click everywhere on a slice and make maps of what is found.

    Args:
        answer: see :func:`napari_segsam.engine.zoo.automatic_masks.automatic_masks`.
        side: of the model's square, in pixels.
        frame: where the slice lies in it.
        grid: which clicks, and which masks are kept.

    Returns:
        Maps in the slice's (rows, cols).
    """
    found = automatic_masks(answer, side, (frame.height, frame.width), grid)
    masks = []
    for logits in found.logits:  # one at a time: slices may be large
        full = F.interpolate(logits[None, None], (side, side), mode="bilinear", align_corners=False)[0]
        masks.append((frame.back(full[:, : frame.height, : frame.width])[0] > 0).numpy())
    return PriorMaps.of(masks, found.stability.tolist(), (frame.rows, frame.cols))


def augmented(picture: Map, maps: PriorMaps) -> Map:
    """The picture with the stability map added to its second channel and the boundary map to its third.

    Nothing is clipped or scaled, as published: the values reach beyond 1.

    Args:
        picture: (rows, cols) or (rows, cols, 3) in 0..1.
        maps: of this picture.

    Returns:
        (rows, cols, 3) float32.
    """
    rgb = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    nothing = np.zeros_like(maps.stability)
    return (rgb + np.stack([nothing, maps.stability, maps.boundary], axis=2)).astype(np.float32)


def most_certain(answers: Sequence[NDArray[np.floating]]) -> int:
    """Which of several answers has the least entropy by SAMAug's measure; the first of equals.

    Args:
        answers: probabilities, any shape; SAMAug asks about the raw and about the augmented picture.

    Returns:
        The index of the answer whose probabilities are farthest from 1/2 in the mean.
    """
    return int(np.argmax([np.abs(p - 0.5).mean() for p in answers]))
