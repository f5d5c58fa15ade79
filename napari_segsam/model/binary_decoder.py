"""SAM's own mask decoder (Dec_sag), batched over prompts of different images."""

from __future__ import annotations

from typing import Any

import torch
from segment_anything.modeling import MaskDecoder
from torch import Tensor, nn

from napari_segsam.model.scene import Scene


class BinaryDecoder(MaskDecoder):  # type: ignore[misc]  # segment_anything has no types
    """SAM's decoder with SAM's weights' names.

    The stock ``predict_masks`` repeats one image for all prompts and fails where each prompt has its own image;
    on one image this one gives the same numbers.
    """

    def __init__(self, **sizes: Any) -> None:
        super().__init__(**sizes)
        self.prior_trust = nn.Parameter(torch.tensor(0.5))

    @property
    def own(self) -> Tensor:
        """(5, C) SAM's original tokens t_o: predicted IoU, then four masks."""
        return torch.cat([self.iou_token.weight, self.mask_tokens.weight])

    def forward(self, scene: Scene, prompt_tokens: Tensor) -> tuple[Tensor, Tensor]:
        """A scene, (P, n, C) prompt tokens -> (P, 4, H, W) mask logits, (P, 4) predicted IoU."""
        hs, image = scene.attend(self.transformer, self.own, prompt_tokens)
        return self.read(scene, hs, scene.pixels(self.output_upscaling, image))

    def read(self, scene: Scene, hs: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(P, 5, C) what became of :attr:`own`, (P, C/8, H, W) pixels -> mask logits and predicted IoU.

        Mask 0 is SAM's answer to an unambiguous prompt, masks 1 to 3 are its answers to an ambiguous one.
        """
        kernels = torch.stack([mlp(hs[:, 1 + i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1)
        logits = torch.einsum("pmc,pchw->pmhw", kernels, pixels)
        return scene.with_prior(logits, self.prior_trust), self.iou_prediction_head(hs[:, 0])
