"""The semantic-aware decoder (Dec_saw), independent of SAM's: what is prompted, and what else is there."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Self

import torch
from segment_anything.modeling.mask_decoder import MLP
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segsam.model.binary_decoder import BinaryDecoder
from napari_segsam.model.config import SegSamConfig
from napari_segsam.model.scene import Scene


@dataclass
class Unprompted:
    """What Dec_saw says of the objects that nobody prompted, for P prompts or slices.

    Attributes:
        co_class_logits: (P, N_co, K + 1) classes; index K means no object.
        co_mask_logits: (P, N_co, h', w') masks on the slice, None where the config has none.
    """

    co_class_logits: Tensor
    co_mask_logits: Tensor | None

    def to(self, where: torch.device | torch.dtype) -> Self:
        """The same on another device or in another precision."""
        moved = {k: v.to(where) for k, v in vars(self).items() if v is not None}
        return replace(self, **moved)


@dataclass
class SemanticOutput(Unprompted):
    """What Dec_saw says for P prompts.

    Attributes:
        mask_logits: (P, 1, H, W) mask of the prompted object.
        class_logits: (P, K) its class.
    """

    mask_logits: Tensor
    class_logits: Tensor


class ClassHead(nn.Module):
    """Token -> class logits: linear, or cosine to the projected class cards, which leaves the class list open."""

    def __init__(self, config: SegSamConfig) -> None:
        super().__init__()
        self.cosine = config.cls_head == "cosine"
        out = config.dim if self.cosine else config.n_classes
        self.project = MLP(config.dim, config.dim, out, 2)
        self.no_object = nn.Linear(config.dim, 1)
        self.log_scale = nn.Parameter(torch.tensor(2.5))

    def forward(self, tokens: Tensor, cards: Tensor) -> Tensor:
        """(..., C) tokens, (K, A, C) projected cards -> (..., K + 1) logits, the last one for no object."""
        projected = self.project(tokens)
        if self.cosine:
            meaning = F.normalize(cards.mean(1), dim=-1)  # (K, C)
            projected = self.log_scale.exp() * F.normalize(projected, dim=-1) @ meaning.T
        return torch.cat([projected, self.no_object(tokens)], dim=-1)


class SemanticDecoder(nn.Module):
    """One segmentation-oriented token t_so and N_co classification-oriented tokens t_co over their own transformer."""

    def __init__(self, config: SegSamConfig, twin: BinaryDecoder) -> None:
        """Start from a copy of ``twin``'s transformer, upscaling and first mask token, as SAM's own knows most."""
        super().__init__()
        self.transformer = copy.deepcopy(twin.transformer)
        self.output_upscaling = copy.deepcopy(twin.output_upscaling)
        self.hypernetwork = copy.deepcopy(twin.output_hypernetworks_mlps[0])
        self.so_token = nn.Embedding(1, config.dim, _weight=twin.mask_tokens.weight[:1].detach().clone())
        self.co_tokens = nn.Embedding(config.n_co, config.dim)
        self.classes = ClassHead(config)
        self.prior_trust = nn.Parameter(torch.tensor(0.5))
        # On the crop's scale a mask kernel means something else than on the slice's: own kernels for t_co.
        self.co_hypernetwork = copy.deepcopy(self.hypernetwork) if config.co_masks and config.zoom else None
        self.co_masks = config.co_masks

    def forward(
        self, scene: Scene, prompt_tokens: Tensor, cards: Tensor, slice_detail: Tensor | None = None
    ) -> SemanticOutput:
        """A scene, (P, n, C) prompt tokens, (K, A, C) cards, (P, C/8, h', w') slice detail -> all answers."""
        own = torch.cat([self.so_token.weight, self.co_tokens.weight])
        tokens = torch.cat([own.expand(len(prompt_tokens), -1, -1), prompt_tokens], dim=1)
        hs, src = self.transformer(scene.tokens, scene.pe, tokens)
        so, co = hs[:, 0], hs[:, 1 : len(own)]
        pixels = scene.refine(self.output_upscaling(scene.focus_map(src)))
        mask = torch.einsum("pc,pchw->phw", self.hypernetwork(so), pixels).unsqueeze(1)
        return SemanticOutput(
            co_class_logits=self.classes(co, cards),
            co_mask_logits=self._draw(co, pixels if slice_detail is None else slice_detail),
            mask_logits=scene.with_prior(mask, self.prior_trust),
            class_logits=self.classes(so, cards)[:, :-1],
        )

    def unprompted(self, scene: Scene, cards: Tensor, slice_detail: Tensor | None = None) -> Unprompted:
        """What stands on P slices that nobody prompted: t_co alone over (P, C, 1, N) slice tokens."""
        tokens = self.co_tokens.weight.expand(len(scene.tokens), -1, -1)
        co, src = self.transformer(scene.tokens, scene.pe, tokens)
        if slice_detail is None:
            slice_detail = scene.refine(self.output_upscaling(scene.focus_map(src)))
        return Unprompted(self.classes(co, cards), self._draw(co, slice_detail))

    def _draw(self, co: Tensor, pixels: Tensor) -> Tensor | None:
        if not self.co_masks:
            return None
        kernels = (self.co_hypernetwork or self.hypernetwork)(co)
        return torch.einsum("pnc,pchw->pnhw", kernels, pixels)
