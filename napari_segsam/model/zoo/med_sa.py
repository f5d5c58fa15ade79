"""Medical SAM Adapter, Med-SA (Wu et al. 2023): small adapters in every block of SAM's encoder, or low-rank updates."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from napari_segsam.model.image_encoder import PATCH, Block, ImageEncoder, ViTSizes
from napari_segsam.model.prompt_tokens import PromptBatch
from napari_segsam.model.zoo import efficient_layers
from napari_segsam.model.zoo.accounts import ModelFileError, load_exactly
from napari_segsam.model.zoo.adapter_block import AdapterBlock
from napari_segsam.model.zoo.decoder import SamDecoder
from napari_segsam.model.zoo.family import (
    Abilities,
    Family,
    Features,
    Masks,
    Preparation,
    Shapes,
    Tensors,
    Zoo,
)
from napari_segsam.model.zoo.lora import LoraLinear, LoraQueryValue
from napari_segsam.model.zoo.positions import bicubic
from napari_segsam.model.zoo.sam import Sam, shapes_of, vit_sizes
from napari_segsam.model.zoo.samed import check_width, complete

SIDE, SLICES = 1024, 5
_LIMITS = "It takes clicks only and gives one mask without a predicted IoU"
_TOKENS = "mask_decoder.mask_tokens.weight"
_LORA_A = "image_encoder.blocks.0.attn.qkv.lora_A"
_OTHER_NAMES = {
    ".attn.rel_h": ".attn.rel_pos_h",
    ".attn.rel_w": ".attn.rel_pos_w",
    ".mlp.layers.0.0.": ".mlp.lin1.",
    ".mlp.fc.": ".mlp.lin2.",
}
_UPDATE = re.compile(
    r"(?:module\.)?(?:image_encoder\.)?(blocks\.\d+\.(?:attn\.qkv|mlp\.lin[12])\.lora_[AB]|blocks\.\d+\.attn\.rel_[hw])"
)
_ADAPTER = re.compile(r"(?:module\.)?(?:image_encoder\.)?(blocks\.\d+\.(?:MLP|Space|Depth)_Adapter\.D_fc[12]\.\w+)")


def _updated(width: int, heads: int, window: int, side: int, rank: int) -> Block:
    """SAM's block with low-rank updates."""
    block = Block(width, heads, window, side)
    block.attn.qkv = LoraQueryValue(block.attn.qkv, rank, 1 / rank)
    block.mlp.lin1, block.mlp.lin2 = (LoraLinear(each, rank, 1 / rank) for each in (block.mlp.lin1, block.mlp.lin2))
    return block


class MedSa(Sam):
    """A SAM whose encoder has adapters (``rank`` 0) or low-rank updates of attention and MLP, and gives one mask.

    Its decoder is SAM's own, or in a file of Med-SA's training (``whole``) the one that is trained there.
    """

    def __init__(
        self, sizes: ViTSizes, masks: int = 4, rank: int = 0, side: int = SIDE, *, whole: bool = False
    ) -> None:
        block = partial(_updated, rank=rank) if rank else AdapterBlock
        super().__init__(ImageEncoder(sizes, side, block=block), side)
        self.mask_decoder = SamDecoder(masks=masks)
        if whole:
            efficient_layers.put_into(self.mask_decoder.transformer)

    def encode(self, images: Tensor) -> Features:
        """(B, 3, S, S) normalised -> the embedding; of (1, slices, 3, S, S) that of the middle slice."""
        if images.ndim == 4:
            return super().encode(images)
        middle = images.shape[1] // 2
        return {"embedding": super().encode(images.flatten(0, 1))["embedding"][middle : middle + 1]}

    def answer(self, features: Features, prompts: PromptBatch) -> Masks:
        """The first mask for each of P prompts on one picture, or for one on each of P."""
        return Masks(self._decode(features, prompts)[0][:, :1], None)

    def skill(self) -> dict[str, Tensor]:
        """The tensors of a file with nothing but adapters, as the authors publish them; on the CPU.

        Or with nothing but the updates, and the tables of relative positions under Med-SA's names: its own training
        leaves those at zero, and a file without them is taken to be of that training.
        """
        held = {k: t.cpu().contiguous() for k, t in self.state_dict().items()}
        if not any("lora_" in k for k in held):
            return {k: held[k] for k in self.learned()}
        tables = {k.replace(".rel_pos_", ".rel_"): t for k, t in held.items() if ".rel_pos_" in k}
        return {k: held[k] for k in self.learned()} | tables

    def learned(self) -> list[str]:
        """The names of what is added to SAM's encoder."""
        return [k for k in self.state_dict() if "_Adapter." in k or "lora_" in k]


def with_depth(model: Zoo, family: Family) -> tuple[Zoo, Family]:
    """The same weights as their authors' training on volumes (-thd) uses them, five slices at a time.

    Raises:
        ModelFileError: the file holds low-rank updates, which have no such mode.
    """
    assert isinstance(model, MedSa)  # only such a model is offered the word
    blocks = [block for block in model.modules() if isinstance(block, AdapterBlock)]
    if not blocks:
        raise ModelFileError("Med-SA's low-rank updates have no mode for volumes; leave out the word depth.")
    for block in blocks:
        block.slices = SLICES

    def preparation(shapes: Shapes) -> Preparation:
        return replace(family.preparation(shapes), slices=SLICES)

    return model, replace(family, preparation=preparation, limits=f"{_LIMITS}; it sees five slices.")


def plain_name(name: str) -> str:
    """A tensor's name in a file of Med-SA's training -> in the model, where it has SAM's name."""
    for theirs, sams in _OTHER_NAMES.items():
        name = name.replace(theirs, sams)
    return name


def built(tensors: Tensors, side: int = SIDE, sizes: ViTSizes | None = None) -> MedSa:
    """The model of a whole file, for squares of ``side`` pixels.

    Raises:
        ModelFileError: a tensor is missing or left over.
    """
    found = {plain_name(k): t for k, t in tensors.items()}
    sizes = vit_sizes(shapes_of(found)) if sizes is None else sizes
    if _TOKENS not in found:
        raise ModelFileError(f"it lacks the tensor '{_TOKENS}'")
    rank = found[_LORA_A].shape[0] // 2 if _LORA_A in found else 0
    model = MedSa(sizes, len(found[_TOKENS]), rank, side, whole=True)
    load_exactly(model, at_side(found, sizes, side))
    return model.eval()


def with_skill(tensors: Tensors, base: Tensors, side: int = SIDE, sizes: ViTSizes | None = None) -> MedSa:
    """A SAM with the adapters, or the low-rank updates, of a file that holds nothing else.

    Raises:
        ModelFileError: a tensor is missing or left over, or the SAM is of another size.
    """
    sizes = vit_sizes(shapes_of(base)) if sizes is None else sizes
    found = {_in_encoder(k): t for k, t in tensors.items()}
    rank = found[_LORA_A].shape[0] // 2 if _LORA_A in found else 0
    reading = (t for k, t in found.items() if k.endswith(("D_fc1.weight", "qkv.lora_A")) and t.ndim)
    check_width(next((t.shape[-1] for t in reading), sizes.width), sizes)
    model = MedSa(sizes, rank=rank, side=side)
    complete(found, model.learned())
    below = at_side(base, sizes, side)
    if rank:
        below = {k: torch.zeros_like(t) if ".rel_pos_" in k else t for k, t in below.items()}
    load_exactly(model, below | {plain_name(k): t for k, t in found.items()})
    return model.eval()


def at_side(tensors: Tensors, sizes: ViTSizes, side: int) -> dict[str, Tensor]:
    """Tensors under SAM's names, for squares of ``side`` pixels as Med-SA has them.

    The absolute table is resampled; of the relative ones of the global blocks the first rows are taken as they are.
    """
    tokens, fitted = side // PATCH, dict(tensors)
    if "image_encoder.pos_embed" in fitted:
        fitted["image_encoder.pos_embed"] = bicubic(fitted["image_encoder.pos_embed"], tokens)
    relative = [f"image_encoder.blocks.{i}.attn.rel_pos_{axis}" for i in sizes.global_blocks for axis in "hw"]
    return fitted | {k: fitted[k][: 2 * tokens - 1] for k in relative if k in fitted}


def _in_encoder(name: str) -> str:
    """``module.blocks.0.MLP_Adapter.D_fc1.bias`` -> ``image_encoder.blocks.0.MLP_Adapter.D_fc1.bias``."""
    match = _ADAPTER.fullmatch(name) or _UPDATE.fullmatch(name)
    return f"image_encoder.{match[1]}" if match else name


def _build_skill(tensors: Tensors, base: Tensors | None) -> MedSa:
    if base is None:
        raise ModelFileError("it holds only what is added to a SAM, and no SAM is given to add it to")
    return with_skill(tensors, base)


def _is_skill(shapes: Shapes) -> bool:
    return bool(shapes) and (
        all(_ADAPTER.fullmatch(k) for k in shapes)
        or (all(_UPDATE.fullmatch(k) for k in shapes) and any("lora_" in k for k in shapes))
    )


def _is_whole(shapes: Shapes) -> bool:
    return _TOKENS in shapes and (_LORA_A in shapes or any(_ADAPTER.fullmatch(k) for k in shapes))


_ABILITIES = Abilities(boxes=False, mask_prompt="none", iou=False)
_OPTIONS = {"depth": with_depth}

FAMILY = Family(
    name="med_sa",
    title="Med-SA",
    recognises=_is_whole,
    build=lambda tensors, _base: built(tensors),
    preparation=lambda _shapes: Preparation(SIDE, "squash"),
    abilities=_ABILITIES,
    limits=f"{_LIMITS}; a file that was trained on volumes sees five slices with the word depth.",
    source="https://github.com/SuperMedIntel/Medical-SAM-Adapter",
    licence="none published; the authors' code is GPL-3.0",
    options=_OPTIONS,
)
SKILL = Family(
    name="med_sa_skill",
    title="Med-SA skill",
    recognises=_is_skill,
    build=_build_skill,
    preparation=lambda _shapes: Preparation(SIDE, "squash"),
    abilities=_ABILITIES,
    limits=(
        "Experimental: the published files lack the decoder that was trained with them, and SAM's own stands in for "
        "it; it takes clicks only and gives one mask without a predicted IoU."
    ),
    source="https://huggingface.co/KidsWithTokens/Medical-Adapter-Zoo",
    licence="Apache-2.0",
    base="sam",
    options=_OPTIONS,
)
