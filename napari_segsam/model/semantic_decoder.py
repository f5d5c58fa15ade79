"""The semantic-aware decoder (Dec_saw), independent of SAM's: what is prompted, and what else is there."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import Self

import torch
from segment_anything.modeling.mask_decoder import MLP
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segsam.model.binary_decoder import BinaryDecoder
from napari_segsam.model.config import SegSamConfig
from napari_segsam.model.scene import Scene
from napari_segsam.model.text_to_vision import cosine_logits

_MOST_MASKS = 20
"""Classes that ``k_masks`` is offered for: each is a mask of every prompt, in training with its gradients."""


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
        class_masks: (P, K, H, W) a mask of each class, None unless the config's class head is ``k_masks``.
    """

    mask_logits: Tensor
    class_logits: Tensor
    class_masks: Tensor | None = None


class KernelOfEachClass(nn.ModuleList):
    """K hyper-networks that read the same token, which so becomes the mask kernels of K classes."""

    def forward(self, token: Tensor) -> Tensor:
        """(P, C) -> (P, K, C/8)."""
        return torch.stack([kernel(token) for kernel in self], dim=1)


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
        """Begin as a copy of ``twin``'s transformer, upscaling and first mask.

        Raises:
            ValueError: more classes than ``k_masks`` is offered for.
        """
        super().__init__()
        if config.cls_head == "k_masks" and config.n_classes > _MOST_MASKS:
            raise ValueError(
                f"cls_head 'k_masks' draws a mask for each class and is for {_MOST_MASKS} classes at most, not "
                f"{config.n_classes}; choose 'cosine' or 'linear', or leave data sets out."
            )
        independent = config.decoders == "independent"
        self.transformer = copy.deepcopy(twin.transformer) if independent else None
        self.output_upscaling = copy.deepcopy(twin.output_upscaling) if independent else None
        first, several = twin.output_hypernetworks_mlps[0], config.cls_head == "k_masks"
        kernels = [copy.deepcopy(first) for _ in range(config.n_classes if several else 1)]
        self.hypernetwork = KernelOfEachClass(kernels) if several else kernels[0]
        self.so_token = nn.Embedding(1, config.dim, _weight=twin.mask_tokens.weight[:1].detach().clone())
        self.co_tokens = nn.Embedding(config.n_queries, config.dim)
        self.classes = ClassHead(config)
        self.prior_trust = nn.Parameter(torch.tensor(0.5))
        draws = config.co_masks and config.co in ("hungarian", "class_queries")
        # On the crop's scale a mask kernel means something else than on the slice's, and t_co draw one mask each.
        self.co_hypernetwork = copy.deepcopy(first) if draws and (config.zoom or several) else None
        self.co_masks, self.co = draws, config.co

    @torch.no_grad()
    def start_from(self, twin: BinaryDecoder) -> None:
        """Take over the weights of ``twin`` in every part that it has too, as this decoder was built from one."""
        several = isinstance(self.hypernetwork, KernelOfEachClass)
        kernels = [*(self.hypernetwork if several else [self.hypernetwork]), self.co_hypernetwork]
        pairs = [(self.transformer, twin.transformer), (self.output_upscaling, twin.output_upscaling)]
        pairs += [(kernel, twin.output_hypernetworks_mlps[0]) for kernel in kernels]
        for own, other in pairs:
            if own is not None:
                own.load_state_dict(other.state_dict())
        self.so_token.weight.copy_(twin.mask_tokens.weight[:1])

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
        kernels, each = self.hypernetwork(so), None
        if isinstance(self.hypernetwork, KernelOfEachClass):
            each = torch.einsum("pkc,pchw->pkhw", kernels, pixels).float()
            mask = any_class(each)
        else:
            mask = torch.einsum("pc,pchw->phw", kernels, pixels).unsqueeze(1)
        mask = scene.with_prior(mask, self.prior_trust)
        return SemanticOutput(
            co_class_logits=self._name(co, cards),
            co_mask_logits=self._draw(co, pixels if slice_detail is None else slice_detail),
            mask_logits=mask,
            class_logits=self.classes(so, cards)[:, :-1] if each is None else log_mass(each, mask),
            class_masks=each,
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
        kernels = self.hypernetwork if self.co_hypernetwork is None else self.co_hypernetwork
        return torch.einsum("pnc,pchw->pnhw", kernels(co), pixels)


def any_class(each: Tensor) -> Tensor:
    """(P, K, H, W) logits of K classes' masks -> (P, 1, H, W) logit that a pixel is of one of them.

    That of a softmax over the classes and a background of logit log K, so that K equal masks are the mask that each is.
    """
    return each.logsumexp(1, keepdim=True) - math.log(each.shape[1])


def log_mass(each: Tensor, mask: Tensor) -> Tensor:
    """(P, K, H, W) classes' logits in a (P, 1, H, W) mask's -> (P, K) log of the pixels that each class has of it.

    A softmax over them is each class's share of the mask.
    """
    return (each.log_softmax(1) + F.logsigmoid(mask)).logsumexp((2, 3))


def presence(logits: Tensor) -> Tensor:
    """(P, K) logit that each class is there -> (P, K, K + 1) as if K queries stood for one class each.

    A softmax over row k is then a sigmoid of its logit, so that whoever reads t_co need not know how they were asked.
    """
    k = logits.shape[1]
    rows = logits.new_full((len(logits), k, k + 1), float("-inf"))
    rows[..., -1] = 0
    rows.diagonal(dim1=1, dim2=2).copy_(logits)
    return rows
