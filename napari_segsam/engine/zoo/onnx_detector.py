"""A YOLO detector that a person trained and exported as ONNX, run by onnxruntime and decoded by us.

Source of the formats: the documentation of ultralytics' export (docs.ultralytics.com/modes/export) and of its
end-to-end models (docs.ultralytics.com/guides/end2end-detection). Nothing of ultralytics is needed.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_segsam.core.errors import BadCheckpointError, SegsamError
from napari_segsam.core.terminology import told_apart
from napari_segsam.model.boxes import Boxes, best_boxes

_GREY = 114 / 255
"""What YOLO's own preparation puts round a picture that is no square."""
_SIDE = 640
"""Of an exported model that takes any size."""
_LONGEST = 100_000
"""Characters of a text that is read as Python's literals; the names of 1,000 classes need some 20,000."""

Floats = NDArray[np.float32]


class Session(Protocol):
    """As much of an ``onnxruntime.InferenceSession`` as we use."""

    def get_inputs(self) -> list[Any]:
        """Name, shape and type of each input."""

    def get_modelmeta(self) -> Any:
        """With ``custom_metadata_map``: what the export wrote beside the model, as text."""

    def run(self, output_names: None, input_feed: Mapping[str, Floats]) -> list[Floats]:
        """All outputs."""


@dataclass(frozen=True)
class Letterbox:
    """A picture in the middle of a larger one, its proportions kept.

    Attributes:
        shape: (rows, cols) of the picture.
        size: (height, width) of the larger one.
        inside: (height, width) of the picture in it.
    """

    shape: tuple[int, int]
    size: tuple[int, int]
    inside: tuple[int, int]

    @classmethod
    def of(cls, shape: tuple[int, int], size: tuple[int, int]) -> Letterbox:
        """For a picture of (rows, cols)."""
        scale = min(size[0] / shape[0], size[1] / shape[1])
        return cls(shape, size, (max(round(shape[0] * scale), 1), max(round(shape[1] * scale), 1)))

    @property
    def corner(self) -> tuple[int, int]:
        """(x, y) of the picture's upper left corner."""
        return (self.size[1] - self.inside[1]) // 2, (self.size[0] - self.inside[0]) // 2

    def fit(self, picture: NDArray[np.uint8]) -> Tensor:
        """(rows, cols) or (rows, cols, 3) in 0..255 -> (1, 3, height, width) in 0..1."""
        values = torch.from_numpy(np.ascontiguousarray(picture, np.float32)) / 255
        planes = values.expand(3, -1, -1) if values.ndim == 2 else values.permute(2, 0, 1)
        resized = F.interpolate(planes[None], self.inside, mode="bilinear", align_corners=False)
        (left, top), (height, width) = self.corner, self.inside
        return F.pad(resized, (left, self.size[1] - left - width, top, self.size[0] - top - height), value=_GREY)

    def back(self, corners: Tensor) -> Tensor:
        """(N, 4) x0, y0, x1, y1 in the larger picture -> in the picture."""
        across, down = self.shape[1] / self.inside[1], self.shape[0] / self.inside[0]
        return (corners - torch.tensor([*self.corner, *self.corner])) * torch.tensor([across, down, across, down])


class OnnxDetector:
    """See :class:`napari_segsam.engine.zoo.box_proposals.Finder`."""

    def __init__(self, session: Session) -> None:
        """``session`` holds a model with one picture (1, 3, height, width) as its input.

        Raises:
            ValueError: it has another input, or is no detector.
        """
        self._session = session
        said = session.get_modelmeta().custom_metadata_map
        self.names = told_apart(_names(said))
        self._input, self._size = _input(session, said)

    def find(self, picture: NDArray[np.uint8], at: float) -> Boxes:
        """See ``Finder``.

        Raises:
            BadCheckpointError: the model's answer is no detector's.
        """
        shape = (picture.shape[0], picture.shape[1])
        letterbox = Letterbox.of(shape, self._size)
        answer = self._session.run(None, {self._input: letterbox.fit(picture).numpy()})[0]
        found = decoded(torch.from_numpy(np.asarray(answer, np.float32)), len(self.names), at)
        return Boxes(letterbox.back(found.corners), found.scores, found.classes)


def decoded(answer: Tensor, n_classes: int, at: float) -> Boxes:
    """A YOLO's answer to one picture -> its boxes.

    Args:
        answer: (1, 4 + K, A) centres, sizes and scores (YOLOv8 to 11), or (1, N, 6) corners, score and class of boxes
            that are already chosen (exported with ``nms=True``, or an end-to-end model).
        n_classes: K.
        at: least score.

    Raises:
        BadCheckpointError: another shape.
    """
    if answer.ndim == 3 and answer.shape[:2] == (1, 4 + n_classes):
        x, y, w, h = answer[0, :4]
        corners = torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1)
        return best_boxes(corners, answer[0, 4:].T, at=at)
    if answer.ndim == 3 and len(answer) == 1 and answer.shape[2] == 6:
        good = answer[0][answer[0, :, 4] >= at]
        good = good[good[:, 4].argsort(descending=True)]
        classes = good[:, 5].long()
        if not bool(((classes >= 0) & (classes < n_classes)).all()):
            raise BadCheckpointError(f"The detector named a class that is none of its {n_classes}; export it again.")
        return Boxes(good[:, :4], good[:, 4], classes)
    raise BadCheckpointError(
        f"The detector's answer is {tuple(answer.shape)}, not (1, {4 + n_classes}, n) or (1, n, 6); "
        "export a detection model for one picture at a time."
    )


def _names(said: Mapping[str, str]) -> tuple[str, ...]:
    """Class names from what the export wrote beside the model, in the order of the scores."""
    if said.get("task", "detect") != "detect":
        raise ValueError(f"its task is '{said['task']}', not 'detect'")
    try:
        names = _literal(said["names"])  # a dict as Python writes it: {0: 'polyp', 1: 'tool'}
        numbered = {int(str(k)): str(n) for k, n in (names.items() if isinstance(names, dict) else enumerate(names))}
    except (KeyError, SyntaxError, TypeError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError("it does not say the names of its classes") from error
    if not numbered:
        raise ValueError("it has no classes")
    missing = next((k for k in range(len(names)) if k not in numbered), None)
    if missing is not None:
        raise ValueError(f"of its {len(names)} classes none has the number {missing}")
    return tuple(numbered[k] for k in range(len(names)))


def _literal(text: str) -> Any:
    """What a text says as Python's literals; nothing in it is run.

    A stranger's file says how long the text is, and Python's parser takes some 500 bytes for each of its characters.

    Raises:
        ValueError: too long.
        SyntaxError, TypeError, RecursionError, MemoryError: no literals.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"it has {len(text)} characters")
    return ast.literal_eval(text)


def _input(session: Session, said: Mapping[str, str]) -> tuple[str, tuple[int, int]]:
    """Name, height and width of the one input."""
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type != "tensor(float)":
        raise ValueError("its input is not one picture of 32-bit numbers (1, 3, height, width)")
    batch, colours, height, width = inputs[0].shape
    if colours != 3 or (isinstance(batch, int) and batch != 1):
        raise ValueError(f"its input is {inputs[0].shape}, not one picture of three colours")
    if isinstance(height, int) and isinstance(width, int):
        return inputs[0].name, (height, width)
    return inputs[0].name, _said_size(said)


def _said_size(said: Mapping[str, str]) -> tuple[int, int]:
    """Height and width that a model for any size was exported with."""
    try:
        height, width = _literal(said.get("imgsz", f"[{_SIDE}, {_SIDE}]"))
        size = int(height), int(width)
    except (SyntaxError, TypeError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError("it does not say the size of its input") from error
    if min(size) < 32 or max(size) > 4096:
        raise ValueError(f"its input is said to be {size[0]} x {size[1]} pixels")
    return size


def load_onnx_detector(path: Path) -> OnnxDetector:
    """Open an exported detector; it runs on the CPU.

    Raises:
        SegsamError: onnxruntime is not installed.
        BadCheckpointError: the file is no such detector.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise SegsamError(f"{path.name} needs onnxruntime; run: pip install onnxruntime") from error
    try:
        # Its bytes and not its path: then the model cannot name other files to be read.
        session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    except Exception as error:  # each of onnxruntime's errors is an Exception of its own
        raise _unusable(path, error) from error
    try:
        return OnnxDetector(session)
    except ValueError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> BadCheckpointError:
    why = str(error).splitlines()[0] if str(error) else type(error).__name__
    return BadCheckpointError(
        f"{path.name} is no detector that can be used here ({why}); export a YOLO detection model as ONNX."
    )
