"""The semantic-aware decoder (Dec_saw), independent of SAM's: what is prompted, and what else is there."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Self

import torch
from segment_anything.modeling.mask_decoder import MLP
from torch import Tensor, nn

from napari_segsam.model.binary_decoder import BinaryDecoder
from napari_segsam.model.config import SegSamConfig
from napari_segsam.model.scene import Scene
from napari_segsam.model.text_to_vision import cosine_logits


@dataclass
class Unprompted:
    """What Dec_saw says of the objects that nobody prompted, for P prompts or slices.

    Attributes:
        co_class_logits: (P, N_co, K + 1) classes; index K means no object.
        co_mask_logits: (P, N_co, h', w') masks on the slice, None where the config has none.
    """

    co_class_logits: Tensor
    co_mask_logits: Tensor | None

    def row(self, index: int) -> Self:
        """One prompt's or slice's, still with a batch axis."""
        return replace(self, **{k: v[index : index + 1] for k, v in vars(self).items() if v is not None})

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
        projected, no_object = self.project(tokens), self.no_object(tokens)
        if self.cosine:
            projected = cosine_logits(projected, cards, self.log_scale)
        return torch.cat([projected, no_object.to(projected)], dim=-1)


class SemanticDecoder(nn.Module):
    """One segmentation-oriented token t_so and N_co classification-oriented tokens t_co over their own transformer.

    With ``decoders="shared"`` it has tokens and heads only, which then join SAM's tokens in SAM's transformer.
    """

    def __init__(self, config: SegSamConfig, twin: BinaryDecoder) -> None:
        """Start from a copy of ``twin``'s transformer, upscaling and first mask token, as SAM's own knows most."""
        super().__init__()
        independent = config.decoders == "independent"
        self.transformer = copy.deepcopy(twin.transformer) if independent else None
        self.output_upscaling = copy.deepcopy(twin.output_upscaling) if independent else None
        self.hypernetwork = copy.deepcopy(twin.output_hypernetworks_mlps[0])
        self.so_token = nn.Embedding(1, config.dim, _weight=twin.mask_tokens.weight[:1].detach().clone())
        self.co_tokens = nn.Embedding(config.n_queries, config.dim)
        self.classes = ClassHead(config)
        self.prior_trust = nn.Parameter(torch.tensor(0.5))
        draws = config.co_masks and config.co in ("hungarian", "class_queries")
        # On the crop's scale a mask kernel means something else than on the slice's: own kernels for t_co.
        self.co_hypernetwork = copy.deepcopy(self.hypernetwork) if draws and config.zoom else None
        self.co_masks, self.co = draws, config.co

    @property
    def own(self) -> Tensor:
        """(1 + N_co, C) t_so, then t_co."""
        return torch.cat([self.so_token.weight, self.co_tokens.weight])

    def path(self, twin: BinaryDecoder) -> tuple[nn.Module, nn.Module]:
        """The transformer and the upscaling that the tokens go through: their own, or those of SAM's decoder."""
        own = self.transformer, self.output_upscaling
        return (twin.transformer, twin.output_upscaling) if own[0] is None or own[1] is None else (own[0], own[1])

    def read(
        self, scene: Scene, hs: Tensor, pixels: Tensor, cards: Tensor, slice_detail: Tensor | None = None
    ) -> SemanticOutput:
        """What became of :attr:`own` -> all answers.

        Args:
            scene: P prompts'.
            hs: (P, 1 + N_co, C).
            pixels: (P, C/8, H, W).
            cards: (K, A, C) projected cards.
            slice_detail: (P, C/8, h', w') the slice's fine features, None where masks of t_co lie on ``pixels``.
        """
        so, co = hs[:, 0], hs[:, 1:]
        mask = torch.einsum("pc,pchw->phw", self.hypernetwork(so), pixels).unsqueeze(1)
        return SemanticOutput(
            co_class_logits=self._name(co, cards),
            co_mask_logits=self._draw(co, pixels if slice_detail is None else slice_detail),
            mask_logits=scene.with_prior(mask, self.prior_trust),
            class_logits=self.classes(so, cards)[:, :-1],
        )

    def read_unprompted(self, hs: Tensor, pixels: Tensor, cards: Tensor) -> Unprompted:
        """(B, N_co, C) what became of t_co alone on B slices, (B, C/8, h', w') pixels -> what stands there."""
        return Unprompted(self._name(hs, cards), self._draw(hs, pixels))

    def _name(self, co: Tensor, cards: Tensor) -> Tensor:
        if self.co == "hungarian":
            named: Tensor = self.classes(co, cards)
            return named
        if self.co == "class_queries":
            return presence(self.classes(co, cards)[..., :-1].diagonal(dim1=1, dim2=2))
        if self.co == "pooled":
            return presence(self.classes(co.mean(1), cards)[..., :-1])
        return co.new_zeros(len(co), 0, len(cards) + 1)

    def _draw(self, co: Tensor, pixels: Tensor) -> Tensor | None:
        if not self.co_masks:
            return None
        kernels = (self.co_hypernetwork or self.hypernetwork)(co)
        return torch.einsum("pnc,pchw->pnhw", kernels, pixels)


def presence(logits: Tensor) -> Tensor:
    """(P, K) logit that each class is there -> (P, K, K + 1) as if K queries stood for one class each.

    A softmax over row k is then a sigmoid of its logit, so that whoever reads t_co need not know how they were asked.
    """
    k = logits.shape[1]
    rows = logits.new_full((len(logits), k, k + 1), float("-inf"))
    rows[..., -1] = 0
    rows.diagonal(dim1=1, dim2=2).copy_(logits)
    return rows
