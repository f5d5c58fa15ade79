"""SAM (Kirillov et al. 2023) with a ViT of any of its three sizes."""

from __future__ import annotations

from functools import cache, partial

import torch
from torch import Tensor, nn

from napari_segsam.model.image_encoder import PATCH, VIT_SIZES, ImageEncoder, ViTSizes
from napari_segsam.model.prompt_tokens import PromptBatch, PromptTokens
from napari_segsam.model.zoo.accounts import ModelFileError, load_exactly
from napari_segsam.model.zoo.decoder import SamDecoder
from napari_segsam.model.zoo.family import Abilities, Family, Features, Masks, Preparation, Shapes, Tensors

_DIM = 256
_POSITIONS = "image_encoder.pos_embed"


class SamParts(nn.Module):
    """An image encoder, a prompt encoder and a mask decoder, under SAM's names; what is asked of them differs.

    Args:
        image_encoder: (B, 3, side, side) -> (B, 256, cells, cells).
        side: of the square in pixels.
        cells: of the embedding; None for a sixteenth of the side.
    """

    def __init__(self, image_encoder: nn.Module, side: int, cells: int | None = None) -> None:
        super().__init__()
        cells = side // PATCH if cells is None else cells
        self.image_encoder = image_encoder
        self.prompt_encoder = PromptTokens(_DIM, (cells, cells), (side, side), mask_in_chans=16)
        self.mask_decoder = SamDecoder()

    def encode(self, images: Tensor) -> Features:
        """(B, 3, S, S) normalised -> the embedding."""
        return {"embedding": self.image_encoder(images)}

    def _decode(self, features: Features, prompts: PromptBatch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the decoder says: masks, IoU, pixels, tokens."""
        encoder = self.prompt_encoder
        with torch.autocast(prompts.points_xy.device.type, enabled=False):  # bfloat16 cannot tell cells apart
            pe = encoder.get_dense_pe()
        said: tuple[Tensor, Tensor, Tensor, Tensor] = self.mask_decoder(
            features["embedding"], pe, encoder.sparse(prompts), encoder.dense(prompts)
        )
        return said


class Sam(SamParts):
    """One that answers prompts."""

    @property
    def mask_side(self) -> int:
        """See ``Prompted.mask_side``."""
        side: int = self.prompt_encoder.mask_input_size[0]
        return side

    def answer(self, features: Features, prompts: PromptBatch) -> Masks:
        """Four masks, in SAM's order, for each of P prompts on one picture, or for one on each of P."""
        logits, iou, _, _ = self._decode(features, prompts)
        return Masks(logits, iou)


def vit_sizes(shapes: Shapes) -> ViTSizes:
    """Of the ViT in a file with tensors of these shapes.

    Raises:
        ModelFileError: there is none, or of no published size.
    """
    width = shapes.get(_POSITIONS, (0,))[-1]
    for sizes in VIT_SIZES.values():
        if sizes.width == width:
            return sizes
    raise ModelFileError(f"its image encoder is {width} wide, which is no published size" if width else "it has no ViT")


def side_of(shapes: Shapes) -> int:
    """Side in pixels of the square that the file's table of positions is for."""
    return shapes[_POSITIONS][1] * PATCH


def shapes_of(tensors: Tensors) -> Shapes:
    """Names of tensors -> their shapes."""
    return {name: tuple(t.shape) for name, t in tensors.items()}


def built(tensors: Tensors, sizes: ViTSizes | None = None) -> Sam:
    """The model of a whole file.

    Raises:
        ModelFileError: a tensor is missing or left over, or of another shape.
    """
    shapes = shapes_of(tensors)
    side = side_of(shapes) if _POSITIONS in shapes else 1024
    model = Sam(ImageEncoder(vit_sizes(shapes) if sizes is None else sizes, side), side)
    load_exactly(model, tensors)
    return model.eval()


def is_plain(shapes: Shapes) -> bool:
    """Whether these are tensors of SAM's, of one of its three sizes, and of nothing beside; some may be missing."""
    try:
        names = _names(vit_sizes(shapes))
    except ModelFileError:
        return False
    return "mask_decoder.iou_token.weight" in shapes and names.issuperset(shapes)


@cache
def _names(sizes: ViTSizes) -> frozenset[str]:
    with torch.device("meta"):
        return frozenset(_empty(sizes, PATCH).state_dict())


def _empty(sizes: ViTSizes, side: int = 1024) -> Sam:
    return Sam(ImageEncoder(sizes, side), side)


FAMILY = Family(
    name="sam",
    title="SAM",
    recognises=is_plain,
    build=lambda tensors, _base: built(tensors),
    preparation=lambda shapes: Preparation(side_of(shapes)),
    abilities=Abilities(),
    limits="It names no classes, and it was trained on photographs.",
    source="https://github.com/facebookresearch/segment-anything",
    licence="Apache-2.0",
    empty=tuple(partial(_empty, sizes) for sizes in VIT_SIZES.values()),
)
