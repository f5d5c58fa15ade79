"""The one loop in which any published model is fitted to a few annotated slices."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segsam.model.image_encoder import ViTSizes
from napari_segsam.model.zoo.family import Tensors
from napari_segsam.model.zoo.sam import shapes_of, vit_sizes
from napari_segsam.train.augment import Bend
from napari_segsam.train.trainer import TrainingError

M = TypeVar("M", bound=nn.Module)
_BENT = 0.5
"""Share of steps on which the slice is turned, stretched and sheared a little."""


@dataclass(frozen=True)
class AnnotatedSlices:
    """Annotated slices as the model sees them.

    Attributes:
        pictures: (n, 3, S, S) prepared as the family has it, or (n, d, 3, S, S) with d - 1 neighbours of each.
        labels: (n, S, S) integers, 0 for the background; every slice holds some class. With neighbours (n, d, S, S),
            every middle one holds some, and -1 is on those of which nothing is known.
    """

    pictures: Tensor
    labels: Tensor

    def drawn(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """A slice at random, bent or as it is: (1, ...) of the pictures and (...) of the labels.

        With neighbours the middle one holds some class, for it is what is asked about.
        """
        i = int(rng.integers(len(self.pictures)))
        picture, labels = self.pictures[i], self.labels[i]
        if rng.random() < _BENT:
            how = Bend.drawn(rng)
            bent = _bent(labels, how)
            if (middle_of(bent) > 0).any():  # not everything was moved out of the picture
                picture, labels = how(picture.reshape(-1, *picture.shape[-2:])).view_as(picture), bent
        return picture.unsqueeze(0), labels


def middle_of(labels: Tensor) -> Tensor:
    """(S, S), or (d, S, S) with neighbours -> (S, S)."""
    return labels[len(labels) // 2] if labels.ndim == 3 else labels


def _bent(labels: Tensor, how: Bend) -> Tensor:
    """(..., S, S) integers -> the same, bent; 0 where nothing is."""
    values = torch.tensor([0, *(int(v) for v in np.unique(labels.numpy()) if v)])
    planes = labels.reshape(-1, *labels.shape[-2:])
    return torch.stack([values[how((p == values.reshape(-1, 1, 1)).float()).argmax(0)] for p in planes]).view_as(labels)


@dataclass(frozen=True)
class Pace:
    """How fast is learned.

    Attributes:
        steps: slices that are shown.
        rate: the highest learning rate.
        warm_up: steps on which the rate rises to it; a quarter of all at most.
        decay: AdamW's weight decay.
        power: of the remaining share of steps, by which the rate falls afterwards.
    """

    steps: int
    rate: float
    warm_up: int = 0
    decay: float = 0.0
    power: float = 0.9

    def at(self, step: int) -> float:
        """The learning rate on a step."""
        warm = min(self.warm_up, self.steps // 4)
        if step < warm:
            return self.rate * (step + 1) / warm
        left: float = 1 - (step - warm) / (self.steps - warm)
        return self.rate * math.pow(left, self.power)


Watch = Callable[[Iterator[int], int], Iterator[int]]
"""Given the steps and how many they are, passes them on, so that it can show progress."""


@dataclass(frozen=True)
class Course:
    """How a model is fine-tuned.

    Attributes:
        pace: how fast and how long.
        seed: of what begins at random and of the order.
        sizes: of the encoder, None for the published ones.
        device: where to learn.
        watch: shows progress.
    """

    pace: Pace
    seed: int = 0
    sizes: ViTSizes | None = None
    device: str = "cpu"
    watch: Watch | None = None

    def sizes_of(self, base: Tensors) -> ViTSizes:
        """Of the encoder of a SAM.

        Raises:
            ModelFileError: ``base`` has no ViT of a published size.
        """
        return vit_sizes(shapes_of(base)) if self.sizes is None else self.sizes


Wrong = Callable[[Tensor, Tensor, np.random.Generator], Tensor]
"""A picture on the device and its labels, see :meth:`AnnotatedSlices.drawn` -> the loss; may draw what is asked."""


def fine_tuned(model: M, names: Sequence[str], wrong: Wrong, slices: AnnotatedSlices, course: Course) -> M:
    """The model once the parameters of these names have learned, on the CPU and in evaluation mode.

    Raises:
        TrainingError: the loss is not finite.
    """
    model.to(course.device).train()
    rng = np.random.default_rng(course.seed)

    def loss() -> Tensor:
        picture, labels = slices.drawn(rng)
        return wrong(picture.to(course.device), labels, rng)

    fit(only(model, names), loss, course.pace, course.watch)
    return model.cpu().eval()


def fit(
    learned: Sequence[nn.Parameter], loss: Callable[[], Tensor], pace: Pace, watch: Watch | None = None
) -> list[float]:
    """Step after step of AdamW; returns each step's loss.

    Args:
        learned: what changes.
        loss: draws a slice and says how wrong the model is on it.
        pace: see there.
        watch: see there.

    Raises:
        TrainingError: the loss is not finite.
    """
    optimiser = torch.optim.AdamW(learned, lr=pace.rate, weight_decay=pace.decay)
    said = []
    steps = iter(range(pace.steps))
    for step in steps if watch is None else watch(steps, pace.steps):
        for group in optimiser.param_groups:
            group["lr"] = pace.at(step)
        wrong = loss()
        said.append(wrong.item())
        if not math.isfinite(said[-1]):
            raise TrainingError(f"The loss is {said[-1]} at step {step}; fine-tune with a lower rate.")
        optimiser.zero_grad(set_to_none=True)
        wrong.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return said


def one_of(labels: Tensor, rng: np.random.Generator) -> Tensor:
    """(S, S) labels -> the mask of one of their classes."""
    there = [int(value) for value in np.unique(labels.numpy()) if value > 0]
    return labels == there[int(rng.integers(len(there)))]


def shrunk(labels: Tensor, size: Sequence[int]) -> Tensor:
    """(S, S) integers -> (h, w), each cell as its middle has it."""
    return F.interpolate(labels[None, None].float(), tuple(size), mode="nearest-exact")[0, 0].long()


def only(model: nn.Module, names: Sequence[str]) -> list[nn.Parameter]:
    """Let these parameters of ``model`` learn and no others; the names of buffers are passed over."""
    model.requires_grad_(False)
    learned = [p for name, p in model.named_parameters() if name in set(names)]
    for parameter in learned:
        parameter.requires_grad_(True)
    return learned
