"""SAM's mask decoder with exactly its published names, for the families that extend it."""

from __future__ import annotations

import torch
from segment_anything.modeling import MaskDecoder, TwoWayTransformer
from torch import Tensor

_DIM, _LAYERS, _HEADS, _MLP_DIM = 256, 2, 8, 2048


class SamDecoder(MaskDecoder):  # type: ignore[misc]  # segment_anything has no types
    """Every mask at once, for prompts on different images.

    Args:
        masks: how many mask tokens there are: 4 in SAM, classes and one in SAMed.
    """

    def __init__(self, masks: int = 4) -> None:
        transformer = TwoWayTransformer(depth=_LAYERS, embedding_dim=_DIM, num_heads=_HEADS, mlp_dim=_MLP_DIM)
        super().__init__(transformer_dim=_DIM, transformer=transformer, num_multimask_outputs=masks - 1)

    @property
    def own(self) -> Tensor:
        """(1 + M, C) the decoder's tokens: predicted IoU, then the masks; a family may append its own."""
        return torch.cat([self.iou_token.weight, self.mask_tokens.weight])

    def forward(
        self, tokens: Tensor, pe: Tensor, sparse: Tensor, dense: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Answer P prompts.

        Args:
            tokens: (P, C, h, w) each prompt's image embedding, or (1, C, h, w) that of all.
            pe: (1, C, h, w) positional encoding.
            sparse: (P, n, C) prompt tokens; n may be 0.
            dense: (P, C, h, w) embedding of the last mask.

        Returns:
            (P, M, 4h, 4w) logits, (P, M) predicted IoU, (P, C/8, 4h, 4w) the pixels that masks are read from, and
            what became of the tokens after that of the IoU: (P, M, C), and more where :attr:`own` has more.
        """
        own, image = self.own, tokens + dense
        hs, seen = self.transformer(image, pe, torch.cat([own.expand(len(sparse), -1, -1), sparse], dim=1))
        pixels = self.output_upscaling(seen.transpose(1, 2).reshape(image.shape))
        drawing = hs[:, 1 : len(own)]
        kernels = [mlp(drawing[:, i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)]
        logits = torch.einsum("pmc,pchw->pmhw", torch.stack(kernels, dim=1), pixels)
        return logits, self.iou_prediction_head(hs[:, 0]), pixels, drawing
