"""LiteMedSAM (bowang-lab/MedSAM, branch LiteMedSAM): MedSAM with TinyViT on pictures of 256 pixels."""

from __future__ import annotations

from napari_segsam.model.prompt_tokens import PromptBatch
from napari_segsam.model.zoo.accounts import load_exactly
from napari_segsam.model.zoo.family import Abilities, Family, Features, Masks, Preparation, Tensors
from napari_segsam.model.zoo.mobile_sam import STEM
from napari_segsam.model.zoo.sam import Sam
from napari_segsam.model.zoo.tiny_vit import TinyViT

SIDE, _CELLS = 256, 64


class LiteMedSam(Sam):
    """A SAM that was trained to give one mask for a box."""

    def answer(self, features: Features, prompts: PromptBatch) -> Masks:
        """One mask, and its predicted IoU, for each of P boxes on one picture, or for one on each of P."""
        all_ = super().answer(features, prompts)
        return Masks(all_.logits[:, :1], None if all_.iou is None else all_.iou[:, :1])


def built(tensors: Tensors) -> LiteMedSam:
    """The model of a whole file.

    Raises:
        ModelFileError: a tensor is missing or left over, or of another shape.
    """
    model = LiteMedSam(TinyViT(single_pixels=True), SIDE, _CELLS)
    load_exactly(model, tensors)
    return model.eval()


FAMILY = Family(
    name="lite_medsam",
    title="LiteMedSAM",
    recognises=lambda shapes: shapes.get(STEM) == (32, 3, 1, 1) and "mask_decoder.iou_token.weight" in shapes,
    build=lambda tensors, _base: built(tensors),
    preparation=lambda _shapes: Preparation(
        SIDE, resample="area", intensities="minmax", mean=(0, 0, 0), std=(1, 1, 1), window_hu=(-160, 240)
    ),
    abilities=Abilities(points=False, mask_prompt="none"),
    limits="It takes boxes only and gives one mask; it sees pictures at 256 pixels.",
    source="https://github.com/bowang-lab/MedSAM/tree/LiteMedSAM",
    licence="Apache-2.0",
    empty=(lambda: LiteMedSam(TinyViT(single_pixels=True), SIDE, _CELLS),),
)
