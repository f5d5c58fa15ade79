"""MAS-SAM (Yan et al., IJCAI 2024): SAM with LoRA and adapters, and a decoder that reads four depths of the ViT."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import cast

import torch
from segment_anything.modeling.mask_decoder import MLP
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segsam.model.adaptation import LoraQKV
from napari_segsam.model.image_encoder import PATCH, VIT_SIZES, Block, ImageEncoder
from napari_segsam.model.prompt_tokens import PromptTokens
from napari_segsam.model.zoo.accounts import load_exactly, shape_of
from napari_segsam.model.zoo.aggregation import Aggregation, ConvNorm
from napari_segsam.model.zoo.decoder import SamDecoder
from napari_segsam.model.zoo.family import NO_PROMPTS, Family, Features, Preparation, Shapes, Tensors

_DIM, _RANK, _BOTTLENECK = 256, 4, 64
_TAKEN = (2, 5, 8, 11)
"""Blocks whose output the decoder reads."""
_WAYS = {"a": "down", "b": "up"}
_READ = 32
"""Channels that a step's two logits are read from."""


class QuickGelu(nn.Module):
    """The quick approximation of GELU."""

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape -> the same."""
        return x * (1.702 * x).sigmoid()


class Adapter(nn.Module):
    """A normalised bottleneck round what a block's MLP says."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(width, _BOTTLENECK), QuickGelu(), nn.Linear(_BOTTLENECK, width))
        self.IN = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) -> the same."""
        adapted: Tensor = x + self.fc(self.IN(x))
        return adapted


class Head(nn.Module):
    """Two logits, background and object, from one step, after ``up`` where it has one."""

    def __init__(self, inputs: int, grows: bool) -> None:
        super().__init__()
        self.up = ConvNorm(inputs, _READ, 3) if grows else nn.Identity()
        self.pre = nn.Conv2d(_READ, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, 2, h, w)."""
        logits: Tensor = self.pre(self.up(x))
        return logits


def _coarse_head(inputs: int, times: int) -> nn.Sequential:
    return nn.Sequential(nn.UpsamplingBilinear2d(scale_factor=times), Head(inputs, grows=True))


class Desam(Aggregation):
    """The aggregated decoder with a head on each step, and one that weighs the four."""

    def __init__(self) -> None:
        super().__init__(VIT_SIZES["vit_b"].width, _DIM, compat_bug=True)
        self.pre4 = Head(_READ, grows=False)
        self.pre3, self.pre2, self.pre1 = _coarse_head(64, 2), _coarse_head(128, 4), _coarse_head(256, 8)
        self.pre_final = nn.Conv2d(8, 2, 1)

    def forward(self, source: Tensor, depths: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """As :meth:`steps`, -> five times (B, 2, 8h, 8w) logits: of the steps, fine to coarse, then of all together."""
        one, two, three, four = self.steps(source, depths)
        each = self.pre4(four), self.pre3(three), self.pre2(two), self.pre1(one)
        return *each, self.pre_final(torch.cat(each, 1))


class MasDecoder(SamDecoder):
    """SAM's decoder, whose transformer is used and whose own masks are not, and the aggregated one."""

    def __init__(self) -> None:
        super().__init__(masks=2)
        self.iou_prediction_head = MLP(_DIM, _DIM, 4, 3)  # as published: four figures beside two masks, all unread
        self.desam = Desam()


class LoraSam(nn.Module):
    """SAM's three parts, the ViT with low-rank updates."""

    def __init__(self, side: int) -> None:
        super().__init__()
        cells = side // PATCH
        self.image_encoder = ImageEncoder(VIT_SIZES["vit_b"], side)
        for block in cast(Iterable[Block], self.image_encoder.blocks):
            block.attn.qkv = LoraQKV(block.attn.qkv, _RANK)
        self.prompt_encoder = PromptTokens(_DIM, (cells, cells), (side, side), 16)
        self.mask_decoder = MasDecoder()


class MasSam(nn.Module):
    """The whole model, under its published names but for those of the updates, see :func:`name_here`."""

    def __init__(self, side: int) -> None:
        super().__init__()
        sizes = VIT_SIZES["vit_b"]
        self.side = side
        self.adapter = nn.ModuleList(Adapter(sizes.width) for _ in range(sizes.depth))
        self.sam = LoraSam(side)

    def encode(self, images: Tensor) -> Features:
        """(1, 3, S, S) -> ``embedding`` and the tokens after blocks 3, 6, 9 and 12."""
        vit = self.sam.image_encoder
        x, features = vit.tokens(images), {}
        for i, (block, adapter) in enumerate(zip(cast(Iterable[Block], vit.blocks), self.adapter, strict=True)):
            x = x + block.attn(block.norm1(x))
            x = x + adapter(block.mlp(block.norm2(x)))
            if i in _TAKEN:
                features[f"block{i + 1}"] = x
        return features | {"embedding": vit.neck_of(x)}

    def semantic(self, features: Features) -> Tensor:
        """(1, 2, S, S) logits of background and object."""
        encoder, decoder = self.sam.prompt_encoder, self.sam.mask_decoder
        tokens = features["embedding"] + encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
        _, image = decoder.transformer(tokens, encoder.get_dense_pe(), decoder.own.unsqueeze(0))
        depths = [features[f"block{i + 1}"] for i in _TAKEN]
        final = decoder.desam(image.transpose(1, 2).reshape(tokens.shape), depths)[-1]
        return F.interpolate(final, (self.side, self.side), mode="bilinear", align_corners=False)


def name_here(name: str) -> str:
    """A tensor's name in a published file -> in the model: ``qkv.linear_b_q`` is ``lora_q_up``, ``qkv.qkv`` plain."""
    name = name.replace(".attn.qkv.qkv.", ".attn.qkv.")
    return re.sub(r"\.linear_([ab])_([qv])\.", lambda m: f".lora_{m[2]}_{_WAYS[m[1]]}.", name)


def _side(shapes: Shapes) -> int:
    return shape_of(shapes, "sam.image_encoder.pos_embed")[1] * PATCH


def _build(tensors: Tensors, _base: Tensors | None) -> MasSam:
    model = MasSam(_side({name: tuple(tensor.shape) for name, tensor in tensors.items()}))
    load_exactly(model, {name_here(name): tensor for name, tensor in tensors.items()})
    return model.eval()


FAMILY = Family(
    name="mas_sam",
    title="MAS-SAM",
    recognises=lambda shapes: "sam.mask_decoder.desam.pre_final.weight" in shapes,
    build=_build,
    preparation=lambda shapes: Preparation(
        side=_side(shapes), fit="squash", mean=(124.55, 118.90, 102.94), std=(56.77, 55.97, 57.50)
    ),
    abilities=NO_PROMPTS,
    limits="It takes no prompt and tells one foreground from the background.",
    source="https://github.com/Drchip61/MAS-SAM",
    licence="no weights are published; the code has no licence",
    names=lambda _shapes: ("foreground",),
)
