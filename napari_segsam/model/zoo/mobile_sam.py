"""MobileSAM (Zhang et al. 2023, arXiv 2306.14289): SAM with TinyViT for its image encoder."""

from __future__ import annotations

from napari_segsam.model.zoo.accounts import load_exactly
from napari_segsam.model.zoo.family import Abilities, Family, Preparation, Shapes, Tensors
from napari_segsam.model.zoo.sam import Sam
from napari_segsam.model.zoo.tiny_vit import UNUSED, TinyViT

SIDE = 1024
STEM = "image_encoder.patch_embed.seq.0.c.weight"
"""Its shape tells the families with TinyViT apart: kernels of 3x3 here, of 1x1 in LiteMedSAM."""


def built(tensors: Tensors) -> Sam:
    """The model of a whole file.

    Raises:
        ModelFileError: a tensor is missing or left over, or of another shape.
    """
    model = Sam(TinyViT(), SIDE)
    load_exactly(model, tensors, may_have=UNUSED)
    return model.eval()


def recognises(shapes: Shapes) -> bool:
    """TinyViT and SAM's decoder as it is; HQ-SAM's smallest model has more."""
    return shapes.get(STEM) == (32, 3, 3, 3) and not any(k.startswith("mask_decoder.hf_") for k in shapes)


FAMILY = Family(
    name="mobile_sam",
    title="MobileSAM",
    recognises=recognises,
    build=lambda tensors, _base: built(tensors),
    preparation=lambda _shapes: Preparation(SIDE),
    abilities=Abilities(),
    limits="It names no classes, and it was trained on photographs.",
    source="https://github.com/ChaoningZhang/MobileSAM",
    licence="Apache-2.0",
    empty=(lambda: Sam(TinyViT(), SIDE),),
)
