"""HQ-SAM (Ke et al. 2023): one more token, whose mask is drawn on finer features than SAM's own."""

from __future__ import annotations

from functools import partial

import torch
from segment_anything.modeling.common import LayerNorm2d
from segment_anything.modeling.mask_decoder import MLP
from torch import Tensor, nn

from napari_segsam.model.image_encoder import VIT_SIZES, ImageEncoder, ViTSizes
from napari_segsam.model.prompt_tokens import PromptBatch
from napari_segsam.model.zoo.accounts import load_exactly
from napari_segsam.model.zoo.decoder import SamDecoder
from napari_segsam.model.zoo.family import Abilities, Family, Features, Masks, Preparation, Tensors, Zoo
from napari_segsam.model.zoo.sam import Sam, shapes_of, side_of, vit_sizes
from napari_segsam.model.zoo.tiny_vit import EARLY_WIDTH, UNUSED, TinyViT

SIDE = 1024
_DIM, _FINE = 256, 32
_TOKEN, _TINY = "mask_decoder.hf_token.weight", "image_encoder.patch_embed.seq.0.c.weight"


class HqDecoder(SamDecoder):
    """SAM's decoder and a token more, under the published names.

    Args:
        early_width: channels of the encoder's early features.
    """

    def __init__(self, early_width: int) -> None:
        super().__init__()
        self.hf_token = nn.Embedding(1, _DIM)
        self.hf_mlp = MLP(_DIM, _DIM, _FINE, 3)
        self.compress_vit_feat = _four_times(early_width, _DIM)
        self.embedding_encoder = _four_times(_DIM, _DIM // 4)
        self.embedding_maskfeature = nn.Sequential(
            nn.Conv2d(_FINE, 2 * _FINE, 3, padding=1), LayerNorm2d(2 * _FINE), nn.GELU(),
            nn.Conv2d(2 * _FINE, _FINE, 3, padding=1),
        )  # fmt: skip

    @property
    def own(self) -> Tensor:
        """(6, C) SAM's five tokens, and the one more."""
        return torch.cat([super().own, self.hf_token.weight])

    def fine(self, early: Tensor, embedding: Tensor) -> Tensor:
        """(B, c, h, w) early features, (B, C, h, w) embedding -> (B, 32, 4h, 4w), which needs no prompt."""
        features: Tensor = self.embedding_encoder(embedding) + self.compress_vit_feat(early)
        return features

    def hq(self, pixels: Tensor, token: Tensor, fine: Tensor) -> Tensor:
        """(P, 32, 4h, 4w) SAM's pixels, (P, C) what became of the token, :meth:`fine` -> (P, 1, 4h, 4w) logits."""
        finer = self.embedding_maskfeature(pixels) + fine
        return torch.einsum("pc,pchw->phw", self.hf_mlp(token), finer).unsqueeze(1)


class HqSam(Sam):
    """SAM whose encoder also gives early features.

    Attributes:
        hq_only: the new token's mask alone, and not added to each of SAM's.
    """

    image_encoder: ImageEncoder | TinyViT

    def __init__(self, image_encoder: ImageEncoder | TinyViT, side: int) -> None:
        super().__init__(image_encoder, side)
        early = EARLY_WIDTH if isinstance(image_encoder, TinyViT) else image_encoder.pos_embed.shape[-1]
        self.mask_decoder = HqDecoder(early)
        self.hq_only = False

    def encode(self, images: Tensor) -> Features:
        """(B, 3, S, S) normalised -> the embedding, and ``fine`` of :meth:`HqDecoder.fine`."""
        early, embedding = self._see(images)
        return {"embedding": embedding, "fine": self.mask_decoder.fine(early, embedding)}

    def answer(self, features: Features, prompts: PromptBatch) -> Masks:
        """Four masks in SAM's order, each with the new token's added to it, or that one alone."""
        logits, iou, pixels, tokens = self._decode(features, prompts)
        hq = self.mask_decoder.hq(pixels, tokens[:, -1], features["fine"])
        return Masks(hq, iou[:, :1]) if self.hq_only else Masks(logits + hq, iou)

    def _see(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, c, h, w) early features, in a ViT those after its first global block, and the embedding."""
        encoder = self.image_encoder
        if isinstance(encoder, TinyViT):
            early = encoder.early(images)
            return early, encoder.late(early)
        x, early = encoder.tokens(images), images
        for i, block in enumerate(encoder.blocks):
            x = block(x)
            if i == encoder.global_blocks[0]:
                early = x.permute(0, 3, 1, 2)
        return early, encoder.neck_of(x)


def _four_times(inputs: int, between: int) -> nn.Sequential:
    """(B, inputs, h, w) -> (B, 32, 4h, 4w)."""
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, between, 2, 2), LayerNorm2d(between), nn.GELU(),
        nn.ConvTranspose2d(between, _FINE, 2, 2),
    )  # fmt: skip


def built(tensors: Tensors, sizes: ViTSizes | None = None) -> HqSam:
    """The model of a whole file.

    Raises:
        ModelFileError: a tensor is missing or left over, or of another shape.
    """
    shapes = shapes_of(tensors)
    if _TINY in shapes:
        model = HqSam(TinyViT(), SIDE)
        load_exactly(model, tensors, may_have=UNUSED)
    else:
        sizes = vit_sizes(shapes) if sizes is None else sizes
        side = side_of(shapes)
        model = HqSam(ImageEncoder(sizes, side), side)
        load_exactly(model, tensors)
    return model.eval()


def _hq_only(model: Zoo, family: Family) -> tuple[Zoo, Family]:
    assert isinstance(model, HqSam)  # only such a model is offered the word
    model.hq_only = True
    return model, family


def _empty(sizes: ViTSizes) -> HqSam:
    return HqSam(ImageEncoder(sizes, SIDE), SIDE)


FAMILY = Family(
    name="hq_sam",
    title="HQ-SAM",
    recognises=lambda shapes: _TOKEN in shapes,
    build=lambda tensors, _base: built(tensors),
    preparation=lambda shapes: Preparation(SIDE if _TINY in shapes else side_of(shapes)),
    abilities=Abilities(),
    limits="It names no classes, and it was trained on photographs.",
    source="https://github.com/SysCV/sam-hq",
    licence="Apache-2.0",
    empty=(
        lambda: HqSam(TinyViT(), SIDE),
        *(partial(_empty, sizes) for sizes in VIT_SIZES.values()),
    ),
    options={"hq_only": _hq_only},
)
