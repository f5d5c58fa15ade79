"""Scene: what both decoders look at for a batch of prompts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass
class Scene:
    """P prompts' image tokens, of which the first ``h * w`` are the map that masks are drawn on.

    Attributes:
        tokens: (P, C, 1, N) image embedding plus dense prompt.
        pe: (P, C, 1, N) positional encoding of the tokens.
        focus: (h, w) of the map.
        detail: (P, C/8, H, W) fine features of the map, None where the encoder has none (SAM's ViT).
        prior: (P, 1, H, W) logits that the prompt alone suggests, None for none.
    """

    tokens: Tensor
    pe: Tensor
    focus: tuple[int, int]
    detail: Tensor | None = None
    prior: Tensor | None = None

    def focus_map(self, tokens: Tensor) -> Tensor:
        """(P, N, C) transformer output -> (P, C, h, w) the map's part of it."""
        h, w = self.focus
        return tokens[:, : h * w].transpose(1, 2).reshape(len(tokens), -1, h, w)

    def refine(self, upscaled: Tensor) -> Tensor:
        """(P, C/8, 4h, 4w) -> (P, C/8, H, W): add the encoder's fine features where it has them."""
        if self.detail is None:
            return upscaled
        return F.interpolate(upscaled, self.detail.shape[-2:], mode="bilinear", align_corners=False) + self.detail

    def with_prior(self, logits: Tensor, trust: Tensor) -> Tensor:
        """(P, M, H, W) logits plus the prompt's own prior times the learned scalar ``trust``."""
        return logits if self.prior is None else logits + trust * self.prior

    def attend(self, transformer: nn.Module, own: Tensor, prompts: Tensor | None) -> tuple[Tensor, Tensor]:
        """A decoder's tokens and the prompt's look at the scene, and the scene at them.

        Args:
            transformer: the decoder's.
            own: (n, C) the decoder's tokens.
            prompts: (P, m, C) prompt tokens, None for none.

        Returns:
            (P, n, C) what became of the decoder's tokens, and (P, N, C) of the scene's.
        """
        tokens = own.expand(len(self.tokens), -1, -1)
        if prompts is not None:
            tokens = torch.cat([tokens, prompts], dim=1)
        hs, image = transformer(self.tokens, self.pe, tokens)
        return hs[:, : len(own)], image

    def pixels(self, upscaling: nn.Module, image: Tensor) -> Tensor:
        """(P, N, C) what became of the scene's tokens -> (P, C/8, H, W) pixels that masks are read from."""
        return self.refine(upscaling(self.focus_map(image)))
