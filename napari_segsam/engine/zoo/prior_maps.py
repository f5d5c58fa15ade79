"""SAMAug: what SAM finds by itself on a picture, as two more channels for a network that learns from few pictures.

Source: Zhang et al., "Input Augmentation with SAM" (MedAGI at MICCAI 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries
from torch import Tensor
from torch.nn import functional as F

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Window
from napari_segsam.engine.drawing import Drawing
from napari_segsam.engine.predictor import SegSamPredictor
from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.engine.protocols import Embedding, Predictor, bare
from napari_segsam.engine.stored_features import code_version
from napari_segsam.engine.zoo.automatic_masks import SAMAUG, SEGSAM, Answer, Parts, PointGrid, finding
from napari_segsam.engine.zoo.predictor import ZooPredictor

MADE_BY = (
    "look.py",
    "on_device.py",
    "predictor.py",
    "preprocess.py",
    "prompting.py",
    "protocols.py",
    "slice_embedding.py",
    "slice_look.py",
    "zoom.py",
    "zoom_look.py",
    "zoo/automatic_masks.py",
    "zoo/embedding.py",
    "zoo/predictor.py",
    "zoo/prior_maps.py",
)
"""Files of ``engine`` between a slice's features and its maps, beside all of ``model``."""


@dataclass(frozen=True, eq=False)
class PriorMaps:
    """Two (rows, cols) float32 maps of one picture.

    Attributes:
        stability: sum of the stabilities of the masks that cover a pixel; above 1 where masks overlap.
        boundary: 1 on the boundary of any mask, two pixels thick (both sides of it), else 0.
    """

    stability: NDArray[np.float32]
    boundary: NDArray[np.float32]

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
        maps = cls.empty(shape)
        for mask, stable in zip(masks, stabilities, strict=True):
            maps.draw(mask, stable)
        return maps

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> PriorMaps:
        """Of a (rows, cols) picture on which nothing was found."""
        return cls(np.zeros(shape, np.float32), np.zeros(shape, np.float32))

    def draw(self, mask: NDArray[np.bool_], stable: float) -> None:
        """Add one (rows, cols) mask to both maps; for whoever makes them.

        Raises:
            ValueError: a mask of another size.
        """
        if mask.shape != self.stability.shape:
            raise ValueError(f"a mask is {mask.shape}, the picture {self.stability.shape}")
        self.stability[mask] += np.float32(stable)
        self.boundary[find_boundaries(mask, mode="thick")] = 1  # type: ignore[no-untyped-call]


def mapping(answer: Answer, side: int, frame: PictureFrame, grid: PointGrid = SAMAUG) -> Parts[PriorMaps]:
    """Click everywhere on a slice and make maps of what is found, in the slice's (rows, cols), part by part.

    Args:
        answer: what the model says to some prompts on the slice.
        side: of the model's square, in pixels.
        frame: where the slice lies in it.
        grid: which clicks, and which masks are kept.
    """
    maps = PriorMaps.empty((frame.rows, frame.cols))

    def draw(logits: Tensor, stable: float) -> None:
        full = F.interpolate(logits[None, None], (side, side), mode="bilinear", align_corners=False)[0]
        maps.draw((frame.back(full[:, : frame.height, : frame.width])[0] > 0).numpy(), stable)

    yield from finding(answer, side, (frame.height, frame.width), draw, grid)
    return maps


def maps_of(predictor: Predictor, embedding: Embedding, points: int = SAMAUG.points) -> Parts[PriorMaps]:
    """What a model finds everywhere on the slice that it has embedded, part by part.

    Args:
        predictor: of a model that takes points.
        embedding: its own.
        points: clicks along each side of the slice.

    Raises:
        BadPromptsError: the model takes no points.
    """
    drawing, grid = clickable(predictor), grid_of(predictor, points)
    return mapping(partial(drawing.masks, embedding), drawing.side, drawing.frame_of(embedding), grid)


def grid_of(predictor: Predictor, points: int) -> PointGrid:
    """Where a model is clicked, and which of its masks are kept.

    Raises:
        BadPromptsError: the model takes no points.
    """
    return replace(SEGSAM if isinstance(clickable(predictor), SegSamPredictor) else SAMAUG, points=points)


def maps_version(predictor: Predictor, view: SliceView, window: Window | None, points: int) -> str:
    """SHA-256 of all that the maps of a slice depend on: the picture, the model, the clicks and the code.

    Raises:
        BadPromptsError: the model takes no points.
    """
    made_by = predictor.digest(view, window), grid_of(predictor, points), code_version(MADE_BY)
    return sha256(str(made_by).encode()).hexdigest()


def clickable(predictor: Predictor) -> Drawing:
    """The predictor of the model itself, as one that can be clicked everywhere.

    Raises:
        BadPromptsError: the model takes no points.
    """
    model = bare(predictor)
    if isinstance(model, SegSamPredictor) or (isinstance(model, ZooPredictor) and model.family.abilities.points):
        return model
    raise BadPromptsError(
        f"{predictor.name} takes no points, so it cannot be clicked everywhere for prior maps; choose one that does."
    )


def augmented(picture: NDArray[np.float32], maps: PriorMaps) -> NDArray[np.float32]:
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
