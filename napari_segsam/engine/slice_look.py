"""How a model without zoom answers prompts: on the whole slice, as SAM does."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segsam.engine import zoom
from napari_segsam.engine.look import Look, PicturePrompts, checked, mask_order
from napari_segsam.engine.prompting import prompt_batch
from napari_segsam.engine.zoom import Square
from napari_segsam.model.prompt_tokens import PromptBatch
from napari_segsam.model.segsam import SegSam, SegSamOutput
from napari_segsam.model.zoo.family import Masks
from napari_segsam.model.zoom_encoder import SliceFeatures

_MEAN, _STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""SAM's pixel normalisation, for RGB in 0..255."""


def sam_pixels(square: Tensor, covered: tuple[int, int]) -> Tensor:
    """(3, side, side) in [-1, 1] -> SAM's normalisation; outside the ``covered`` rows and columns zero, as SAM pads."""
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (_MEAN, _STD))
    normalised = ((square + 1) * 127.5 - mean) / std
    normalised[:, covered[0] :], normalised[:, :, covered[1] :] = 0, 0
    return normalised


class SliceLook:
    """Prompts and masks on the padded square that the encoder saw."""

    def __init__(self, model: SegSam) -> None:
        self.model = model
        self.side = model.config.img_size
        self.mask_side = model.prompt_encoder.mask_input_size[0]

    def normalise(self, square: Tensor, picture: Tensor) -> Tensor:
        """(3, side, side) in [-1, 1] -> what the encoder reads."""
        return sam_pixels(square, zoom.fitted(picture, self.side))

    def answer(self, picture: Tensor, features: SliceFeatures, scale: float, prompts: PicturePrompts) -> Look:
        """See ``ZoomLook.answer``; the square is the padded slice, so its own side says the ``scale``."""
        del scale
        square = Square(0, 0, max(picture.shape[1:]))
        batch = prompt_batch([prompts.in_square(square, self.side)], self.mask_side)
        output: SegSamOutput = self.model(features, batch.to(features.tokens.device))
        output = checked(output.to(torch.float32).to(torch.device("cpu")))
        output.mask_logits = self._full(output.mask_logits)
        output.semantic.mask_logits = self._full(output.semantic.mask_logits)
        return Look(square, output, mask_order(output, prompts.is_lone_click))

    def masks(self, picture: Tensor, features: SliceFeatures, scale: float, batch: PromptBatch) -> Masks:
        """See ``ZoomLook.masks``; all prompts at once, masks as the decoder draws them."""
        del picture, scale
        here = features.tokens.device
        rows = features.of(torch.zeros(len(batch), dtype=torch.long, device=here))
        said: SegSamOutput = self.model(rows, batch.to(here))
        output = checked(said.to(torch.float32).to(torch.device("cpu")))
        return Masks(output.mask_logits, output.iou)

    def _full(self, logits: Tensor) -> Tensor:
        return F.interpolate(logits, (self.side, self.side), mode="bilinear", align_corners=False)
