"""Boxes round everything that a detector knows, for a person to correct and for any model of the zoo to fill."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_segsam.core.errors import BadCheckpointError
from napari_segsam.core.prediction import Proposal
from napari_segsam.core.prompts import Box
from napari_segsam.core.terminology import told_apart
from napari_segsam.engine import zoom
from napari_segsam.engine.zoo.onnx_detector import load_onnx_detector
from napari_segsam.model.boxes import Boxes
from napari_segsam.model.detector import Detector, DetectorHeader, load_detector
from napari_segsam.model.zoo.accounts import ModelFileError

Picture = NDArray[np.uint8]


class Finder(Protocol):
    """A detector: ours or an imported one; ``names`` as :func:`told_apart` makes them."""

    names: tuple[str, ...]

    def find(self, picture: Picture, at: float) -> Boxes:
        """The boxes of (rows, cols) or (rows, cols, 3) in 0..255 with a score of ``at`` or more, in its pixels."""


class OwnFinder:
    """A detector that was trained here."""

    def __init__(self, model: Detector, header: DetectorHeader) -> None:
        self.names, self._model, self._side = told_apart(header.names), model, header.side

    def find(self, picture: Picture, at: float) -> Boxes:
        """See :class:`Finder`."""
        square, scale = zoom.fit_slice(channels(picture), self._side)
        found = self._model.find(square, at)
        return Boxes(found.corners / scale, found.scores, found.classes)


def channels(picture: Picture) -> Tensor:
    """(rows, cols) or (rows, cols, 3) -> (3, rows, cols) float32."""
    values = torch.from_numpy(np.ascontiguousarray(picture, np.float32))
    return values.expand(3, -1, -1) if values.ndim == 2 else values.permute(2, 0, 1)


def propose(finder: Finder, picture: Picture, at: float = 0.25) -> tuple[Proposal, ...]:
    """What a detector finds on a picture, best first.

    Args:
        finder: see :func:`load_finder`.
        picture: (rows, cols) or (rows, cols, 3) in 0..255.
        at: least score.
    """
    found = finder.find(picture, at)
    rows, cols = picture.shape[:2]
    x0, y0, x1, y1 = found.corners.unbind(1)
    # Edges to pixel centres: a box from edge 0 to edge 1 holds pixel 0 alone. What reaches outside is cut off.
    sides = torch.stack([y0.clamp(min=0), x0.clamp(min=0), y1.clamp(max=rows) - 1, x1.clamp(max=cols) - 1], 1)
    return tuple(
        Proposal(Box(r0, c0, r1, c1), score, finder.names[int(k)])
        for (r0, c0, r1, c1), score, k in zip(
            sides.tolist(), found.scores.tolist(), found.classes.tolist(), strict=True
        )
        if r0 <= r1 and c0 <= c1
    )


def load_finder(path: Path) -> Finder:
    """A detector from its file: ours (``.safetensors``), or a YOLO that was exported as ``.onnx``.

    Raises:
        BadCheckpointError: no detector; says what to do.
        SegsamError: onnxruntime is needed and absent.
    """
    if path.suffix == ".onnx":
        return load_onnx_detector(path)
    if path.suffix == ".pt":
        raise BadCheckpointError(
            f"{path.name} is a program of ultralytics rather than a table of weights, and is not run here; "
            f"export it where it was trained: yolo export model={path.name} format=onnx"
        )
    try:
        return OwnFinder(*load_detector(path))
    except ModelFileError as error:
        raise BadCheckpointError(
            f"{path.name} is no detector that can be used here: {error}; train one, or export yours as .onnx."
        ) from error
