"""SAM's prompt encoder, for batches in which some prompts are boxes and others clicks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from segment_anything.modeling import PromptEncoder
from torch import Tensor

PAD, NEGATIVE, POSITIVE, BOX_MIN, BOX_MAX = -1, 0, 1, 2, 3
"""Meaning of a prompt point: SAM's two click labels and two box corners; PAD is SAM's "not a point"."""


@dataclass
class PromptBatch:
    """P prompts in the frame that masks are drawn on (the padded slice, or the crop).

    Attributes:
        points_xy: (P, n, 2) pixels, integer = pixel centre.
        labels: (P, n) PAD, NEGATIVE, POSITIVE, BOX_MIN or BOX_MAX.
        mask_logits: (P, 1, 4h, 4w) low-resolution logits of the last mask, or None.
        has_mask: (P,) bool: which rows of mask_logits count.
    """

    points_xy: Tensor
    labels: Tensor
    mask_logits: Tensor | None = None
    has_mask: Tensor | None = None

    def __len__(self) -> int:
        return len(self.points_xy)

    def to(self, device: torch.device, non_blocking: bool = False) -> PromptBatch:
        """The same on another device; ``non_blocking`` as torch has it."""
        there = {k: v.to(device, non_blocking=non_blocking) for k, v in vars(self).items() if v is not None}
        return PromptBatch(**there)


class PromptTokens(PromptEncoder):  # type: ignore[misc]  # segment_anything has no types
    """SAM's prompt encoder with its weights' names; a box is two labelled points, as in SAM's own sum."""

    def sparse(self, prompts: PromptBatch) -> Tensor:
        """(P, n, 2) points -> (P, n, C) tokens t_p."""
        points, labels = prompts.points_xy, prompts.labels.unsqueeze(-1)
        with torch.autocast(points.device.type, enabled=False):  # bfloat16 cannot tell pixels apart
            encoded: Tensor = self.pe_layer.forward_with_coords(points + 0.5, self.input_image_size)
        encoded = torch.where(labels == PAD, torch.zeros_like(encoded) + self.not_a_point_embed.weight, encoded)
        for meaning, embedding in enumerate(self.point_embeddings):
            encoded = encoded + (labels == meaning) * embedding.weight
        return encoded

    def dense(self, prompts: PromptBatch) -> Tensor:
        """(P, C, h, w) embedding of the last mask, SAM's "no mask" where there is none."""
        h, w = self.image_embedding_size
        empty: Tensor = self.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(len(prompts), -1, h, w)
        if prompts.mask_logits is None or prompts.has_mask is None:
            return empty
        embedded = self._embed_masks(prompts.mask_logits)
        return torch.where(prompts.has_mask.reshape(-1, 1, 1, 1), embedded, empty)
