"""MedSAM (Ma et al. 2024): SAM's ViT-B, fine-tuned on medical pictures that were prepared in another way.

Its file has SAM's names and shapes and nothing that tells it from one, so a person chooses between the two.
"""

from __future__ import annotations

from napari_segsam.model.image_encoder import VIT_SIZES, ImageEncoder, ViTSizes
from napari_segsam.model.prompt_tokens import PromptBatch
from napari_segsam.model.zoo.accounts import load_exactly
from napari_segsam.model.zoo.family import Abilities, Family, Features, Masks, Preparation, Shapes, Tensors
from napari_segsam.model.zoo.sam import Sam, is_plain, side_of, vit_sizes

SIDE = 1024


class MedSam(Sam):
    """A SAM that was tuned to give one mask for a box; its IoU head was not tuned with it."""

    def answer(self, features: Features, prompts: PromptBatch) -> Masks:
        """One mask for each of P boxes on one picture, or for one on each of P."""
        return Masks(self._decode(features, prompts)[0][:, :1], None)


def built(tensors: Tensors, sizes: ViTSizes = VIT_SIZES["vit_b"], side: int = SIDE) -> MedSam:
    """The model of a whole file.

    Raises:
        ModelFileError: a tensor is missing or left over, or of another shape.
    """
    model = MedSam(ImageEncoder(sizes, side), side)
    load_exactly(model, tensors)
    return model.eval()


def _is_vit_b(shapes: Shapes) -> bool:
    return is_plain(shapes) and vit_sizes(shapes) == VIT_SIZES["vit_b"] and side_of(shapes) == SIDE


FAMILY = Family(
    name="medsam",
    title="MedSAM",
    recognises=_is_vit_b,
    build=lambda tensors, _base: built(tensors),
    preparation=lambda _shapes: Preparation(
        SIDE, "squash", "bicubic", "minmax", mean=(0, 0, 0), std=(1, 1, 1), window_hu=(-160, 240)
    ),
    abilities=Abilities(points=False, mask_prompt="none", iou=False),
    limits="It takes boxes only and gives one mask without a predicted IoU.",
    source="https://github.com/bowang-lab/MedSAM",
    licence="Apache-2.0",
    empty=(lambda: MedSam(ImageEncoder(VIT_SIZES["vit_b"], SIDE), SIDE),),
)
