"""A published model of a few lines that can be clicked everywhere: it finds the region of one brightness."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn

from napari_segsam.engine.zoo.predictor import ZooPredictor
from napari_segsam.model.prompt_tokens import POSITIVE, PromptBatch
from napari_segsam.model.zoo.family import Features, Masks
from tests.zoo import FAMILY, PLAIN

_SURE = 9.0


class Regions(nn.Module):
    """Answers clicks with the brightness' region under them, all together; one mask, no IoU; keeps how many it got."""

    def __init__(self) -> None:
        super().__init__()
        self.echo = nn.Linear(1, 1, bias=False)
        self.mask_side, self.clicks = PLAIN.side // 4, 0

    def encode(self, images: Tensor) -> Features:
        return {"picture": images}

    def answer(self, features: Features, prompts: PromptBatch) -> Masks:
        grey = features["picture"][0].float().mean(0).numpy()
        steps = np.round(grey * 16)
        masks = [self._under(steps, x, y) for x, y in prompts.points_xy[:, 0].tolist()]
        self.clicks += int((prompts.labels == POSITIVE).sum())
        return Masks(torch.where(torch.from_numpy(np.stack(masks))[:, None], _SURE, -_SURE), None)

    def _under(self, steps: np.ndarray, x: float, y: float) -> np.ndarray:
        row, col = round(y), round(x)
        if not steps[row, col]:
            return np.zeros(steps.shape, bool)  # black is nothing
        regions, _ = ndimage.label(steps == steps[row, col])
        return np.asarray(regions == regions[row, col])


def predictor(**given: Any) -> ZooPredictor:
    """Regions behind the engine's protocol: takes points, names nothing."""
    plain = replace(PLAIN, resample="nearest")
    family = replace(FAMILY, title="Regions", preparation=lambda _shapes: plain)
    return ZooPredictor(Regions().eval(), family, {}, **{"name": "regions", "sha256": "c" * 64, **given})
