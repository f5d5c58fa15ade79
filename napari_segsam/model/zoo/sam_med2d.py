"""SAM-Med2D (Cheng et al. 2023, arXiv 2308.16184): SAM at 256 pixels with a convolutional adapter beside each MLP.

Its mask prompts are probabilities, where SAM's are logits. FT-SAM, its authors' fine-tuned SAM without adapters, is
prepared in the same way.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from napari_segsam.model.adaptation import SamMed2DAdapter
from napari_segsam.model.image_encoder import VIT_SIZES, Block, ImageEncoder, ViTSizes
from napari_segsam.model.zoo.accounts import load_exactly
from napari_segsam.model.zoo.family import Abilities, Family, Preparation, Shapes, Tensors, Zoo
from napari_segsam.model.zoo.sam import Sam, is_plain, side_of, vit_sizes

SIDE = 256
MARK = "image_encoder.blocks.0.Adapter.norm.weight"
"""Only SAM-Med2D's files have a tensor of this name."""


class AdaptedBlock(Block):
    """SAM's block; the adapter reads what the MLP reads, and is added to it."""

    def __init__(self, width: int, heads: int, window: int, side: int) -> None:
        super().__init__(width, heads, window, side)
        self.Adapter: nn.Module | None = SamMed2DAdapter(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) -> the same; h and w even."""
        x = x + self.attn(self.norm1(x))
        normed = self.norm2(x)
        out: Tensor = x + self.mlp(normed)
        return out if self.Adapter is None else out + self.Adapter(normed)


def without_adapters(model: Zoo, family: Family) -> tuple[Zoo, Family]:
    """Drop the adapters for good, and two thirds of the model's size: what its paper calls SAM-Med2D*."""
    assert isinstance(model, Sam)  # only this family is offered the word
    for block in cast(ImageEncoder, model.image_encoder).blocks:
        cast(AdaptedBlock, block).Adapter = None
    return model, family


def built(tensors: Tensors, sizes: ViTSizes = VIT_SIZES["vit_b"], side: int = SIDE) -> Sam:
    """The model of a whole file, with adapters where the file has them.

    Raises:
        ModelFileError: a tensor is missing or left over, or of another shape.
    """
    model = Sam(ImageEncoder(sizes, side, block=AdaptedBlock if MARK in tensors else Block), side)
    load_exactly(model, tensors)
    return model.eval()


def recognises(shapes: Shapes) -> bool:
    """Adapters, or FT-SAM's size."""
    if MARK in shapes:
        return True
    return is_plain(shapes) and vit_sizes(shapes) == VIT_SIZES["vit_b"] and side_of(shapes) == SIDE


FAMILY = Family(
    name="sam_med2d",
    title="SAM-Med2D",
    recognises=recognises,
    build=lambda tensors, _base: built(tensors),
    preparation=lambda _shapes: Preparation(side=SIDE, fit="squash", resample="nearest"),
    abilities=Abilities(mask_prompt="sigmoid", best_of_three=True),
    limits="It names no classes, and sees every picture at 256 x 256 pixels, its proportions not kept.",
    source="https://github.com/OpenGVLab/SAM-Med2D",
    licence="Apache-2.0",
    empty=(lambda: Sam(ImageEncoder(VIT_SIZES["vit_b"], SIDE, block=AdaptedBlock), SIDE),),
    options={"without_adapters": without_adapters},
)
