"""Family: one published architecture, and what the tool has to know to use a file of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from torch import Tensor, nn

from napari_segsam.model.prompt_tokens import PromptBatch

Shapes = Mapping[str, tuple[int, ...]]
"""Names of a file's tensors -> their shapes."""
Tensors = Mapping[str, Tensor]
Features = dict[str, Tensor]
"""What an image encoder made of one picture, by name; whatever the decoder reads, and nothing else."""

SAM_MEAN, SAM_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""SAM's normalisation of RGB in 0..255 (segment_anything, modeling/sam.py)."""


@dataclass(frozen=True)
class Preparation:
    """From a picture (grey or RGB, already clipped to its window) to the square that the encoder reads.

    The steps are always in this order: clip, resize, intensities, normalise, pad.

    Attributes:
        side: of the square, in pixels.
        fit: ``longest`` keeps the aspect and pads right and bottom with zeros after normalisation; ``squash`` does not.
        resample: how pixels are resized; ``antialias`` is bilinear smoothed where it shrinks (PIL's), ``area`` the mean
            of what a pixel covers, ``cubic_twice`` goes through 224 px (SAMed).
        intensities: ``0..255`` scales the window (or percentiles) to whole numbers 0..255, ``minmax`` the picture's own
            minimum and maximum to 0..1.
        mean, std: what is subtracted and divided by then, per channel; in the units of ``intensities``.
        window_hu: (low, high) that CT is clipped to where the family fixes it, None for the tool's own choice.
        slices: pictures in one input, neighbours along the scrolling axis, edges repeated; odd.
    """

    side: int
    fit: Literal["longest", "squash"] = "longest"
    resample: Literal["antialias", "nearest", "area", "bicubic", "cubic_twice"] = "antialias"
    intensities: Literal["0..255", "minmax"] = "0..255"
    mean: tuple[float, float, float] = SAM_MEAN
    std: tuple[float, float, float] = SAM_STD
    window_hu: tuple[float, float] | None = None
    slices: int = 1


@dataclass(frozen=True)
class Abilities:
    """What a family can be asked, and what it answers.

    Attributes:
        points, boxes: whether it takes them.
        mask_prompt: how it takes the last mask: as ``logits``, as probabilities (``sigmoid``), or not at all.
        best_of_three: the best of masks 1 to 3 answers a clear prompt too: it was not trained to draw mask 0.
        iou: it predicts the IoU of its masks; otherwise candidates keep their order and no figure is shown.
    """

    points: bool = True
    boxes: bool = True
    mask_prompt: Literal["logits", "sigmoid", "none"] = "logits"
    best_of_three: bool = False
    iou: bool = True


NO_PROMPTS = Abilities(points=False, boxes=False, mask_prompt="none", iou=False)
"""Of a family that labels the slice by itself."""


@dataclass
class Masks:
    """A decoder's answer to P prompts, on the whole square.

    Attributes:
        logits: (P, M, h, w); M = 4 in SAM's order (0 for a clear prompt, 1 to 3 for an ambiguous one), or 1.
        iou: (P, M) predicted IoU, None where the family predicts none.
    """

    logits: Tensor
    iou: Tensor | None


class Zoo(Protocol):
    """A built model of the zoo: an ``nn.Module`` in evaluation mode whose parameters have the published names."""

    def encode(self, images: Tensor) -> Features:
        """(1, 3, S, S) prepared picture, or (1, slices, 3, S, S), -> features; the slow step, once for each slice."""


@runtime_checkable
class Prompted(Zoo, Protocol):
    """One that answers prompts."""

    @property
    def mask_side(self) -> int:
        """Of the last mask as its prompt encoder reads it, in pixels."""

    def answer(self, features: Features, prompts: PromptBatch) -> Masks:
        """Masks for P prompts in pixels of the square."""


@runtime_checkable
class Labelling(Zoo, Protocol):
    """One that labels the slice by itself, without a prompt."""

    def semantic(self, features: Features) -> Tensor:
        """(1, C + 1, h, w) logits of the classes, the background first."""


Option = Callable[[Zoo, "Family"], tuple[Zoo, "Family"]]
"""Another way to use a built model: what it becomes, and its family where that takes or answers something else then."""


@dataclass(frozen=True)
class Family:
    """One row of the zoo.

    Attributes:
        name: short, lower case: ``sam``, ``sam_med2d``.
        title: as its authors write it.
        recognises: whether a file with tensors of these shapes is of this family; must not claim another's.
        build: the file's tensors, and the base's where ``base`` names one -> the model, every tensor accounted for
            (:func:`napari_segsam.model.zoo.accounts.load_exactly`).
        preparation: for a file of these shapes.
        abilities: what it can be asked.
        limits: what it cannot do, one sentence for a person.
        source: where its authors publish code and weights.
        licence: of the published weights, or that there are none.
        base: family of the file that this one is a difference to, None if it stands alone.
        names: of the C classes for a file of these shapes, background excluded.
        options: what a person may change of a built model: a word, lower case joined by ``_`` -> how it is done.
        empty: models whose tensors are called as in its files, one for each size, so that a file that lacks what
            ``recognises`` looks for can be told what that is; none where the files' names are others.
    """

    name: str
    title: str
    recognises: Callable[[Shapes], bool]
    build: Callable[[Tensors, Tensors | None], Zoo]
    preparation: Callable[[Shapes], Preparation]
    abilities: Abilities
    limits: str
    source: str
    licence: str
    base: str | None = None
    names: Callable[[Shapes], tuple[str, ...]] = field(default=lambda _shapes: ())
    options: Mapping[str, Option] = field(default_factory=dict)
    empty: tuple[Callable[[], nn.Module], ...] = ()
