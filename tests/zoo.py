"""A published model of a few lines: it echoes the picture, and draws what was prompted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from napari_segsam.engine.zoo.predictor import ZooPredictor
from napari_segsam.model.prompt_tokens import BOX_MIN, NEGATIVE, POSITIVE, PromptBatch
from napari_segsam.model.zoo.family import NO_PROMPTS, Abilities, Family, Features, Masks, Preparation

M = TypeVar("M", bound=nn.Module)
KEY = "echo.weight"
PLAIN = Preparation(side=64, mean=(0, 0, 0), std=(255, 255, 255))
RADIUS = 6


class Echo(nn.Module):
    """Answers a box with the box and points with disks of 6 px, the negative ones cut out; keeps what it was asked."""

    def __init__(self, side: int = 64, masks: int = 4, slices: int = 1) -> None:
        super().__init__()
        self.echo = nn.Linear(1, 1, bias=False)
        self.side, self.masks, self.slices, self.mask_side = side, masks, slices, side // 4
        self.asked: PromptBatch | None = None
        self.seen: Tensor | None = None

    def encode(self, images: Tensor) -> Features:
        self.seen = images
        middle = images[:, self.slices // 2] if self.slices > 1 else images
        return {"picture": middle, "half": middle.to(torch.bfloat16)}

    def answer(self, features: Features, prompts: PromptBatch) -> Masks:
        self.asked = prompts
        rows, cols = torch.meshgrid(torch.arange(self.side), torch.arange(self.side), indexing="ij")
        drawn = torch.full((self.side, self.side), -1.0)
        for n, ((x, y), label) in enumerate(
            zip(prompts.points_xy[0].tolist(), prompts.labels[0].tolist(), strict=True)
        ):
            near = (rows - y) ** 2 + (cols - x) ** 2 <= RADIUS**2
            if label == POSITIVE:
                drawn[near] = 1
            elif label == NEGATIVE:
                drawn[near] = -1
            elif label == BOX_MIN:
                right, bottom = prompts.points_xy[0, n + 1].tolist()
                drawn[(rows >= y - 0.5) & (rows <= bottom + 0.5) & (cols >= x - 0.5) & (cols <= right + 0.5)] = 1
        # Masks 1 to 3 grow, and the middle one is said to be the best.
        logits = torch.stack([drawn + 0.1 * n for n in range(self.masks)])[None]
        return Masks(logits, torch.tensor([[0.6, 0.5, 0.9, 0.7][: self.masks]]))


def by_brightness(features: Features) -> Tensor:
    """Dark is background, then come two classes."""
    grey = features["picture"].mean(1)
    levels = torch.tensor([0.1, 0.5, 0.9]).reshape(1, 3, 1, 1)
    return -20 * (grey.unsqueeze(1) - levels).abs()


class Labeller(nn.Module):
    """Takes no prompt; keeps how often it labelled."""

    def __init__(self) -> None:
        super().__init__()
        self.echo = nn.Linear(1, 1, bias=False)
        self.labelled = 0

    def encode(self, images: Tensor) -> Features:
        return {"picture": images}

    def semantic(self, features: Features) -> Tensor:
        self.labelled += 1
        return by_brightness(features)


class Both(Echo):
    """Takes prompts and labels the slice."""

    def semantic(self, features: Features) -> Tensor:
        return by_brightness(features)


class Silent(Echo):
    """Predicts no IoU."""

    def answer(self, features: Features, prompts: PromptBatch) -> Masks:
        return Masks(super().answer(features, prompts).logits, None)


def build(tensors: Mapping[str, Tensor], base: Mapping[str, Tensor] | None) -> Echo:
    return filled(Echo(), tensors)


def filled(model: M, tensors: Mapping[str, Tensor]) -> M:
    """The model with a file's tensors."""
    model.load_state_dict(dict(tensors))
    return model.eval()


FAMILY = Family(
    name="echo",
    title="Echo",
    recognises=lambda shapes: set(shapes) == {KEY},
    build=build,
    preparation=lambda _shapes: PLAIN,
    abilities=Abilities(),
    limits="It draws what was prompted.",
    source="https://example.org/echo",
    licence="CC0",
)
BOXES = replace(FAMILY, name="boxes", title="Boxes", abilities=Abilities(points=False, mask_prompt="none", iou=False))
NAMING = replace(
    FAMILY,
    name="naming",
    title="Naming",
    build=lambda tensors, base: filled(Labeller(), tensors),
    abilities=NO_PROMPTS,
    names=lambda _shapes: ("liver", "Left kidney"),
)


def predictor(
    family: Family = FAMILY, model: Echo | Labeller | None = None, how: Preparation = PLAIN, **given: Any
) -> ZooPredictor:
    """A predictor over an Echo as large as its preparation says, or over a Labeller where the family is NAMING."""
    chosen = replace(family, preparation=lambda _shapes: how)
    made: Echo | Labeller = Labeller() if family is NAMING else Echo(how.side, slices=how.slices)
    return ZooPredictor(
        (made if model is None else model).eval(), chosen, {}, **{"name": "echo", "sha256": "e" * 64, **given}
    )


def written(folder: Path, name: str = "echo.safetensors") -> Path:
    """A file that families which recognise Echo can build."""
    save_file({KEY: torch.ones(1, 1)}, folder / name)
    return folder / name
