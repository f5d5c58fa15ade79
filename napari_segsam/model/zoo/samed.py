"""SAMed (Zhang and Liu 2023): low-rank updates of SAM's attention and a mask for each class, without a prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from segment_anything.modeling.transformer import Attention as TokenAttention
from torch import Tensor

from napari_segsam.model.adaptation import LoraQKV
from napari_segsam.model.image_encoder import Block, ImageEncoder, ViTSizes
from napari_segsam.model.prompt_tokens import PromptBatch
from napari_segsam.model.zoo.accounts import ModelFileError, load_exactly
from napari_segsam.model.zoo.decoder import SamDecoder
from napari_segsam.model.zoo.family import NO_PROMPTS, Family, Features, Preparation, Shapes, Tensors
from napari_segsam.model.zoo.lora import LoraLinear
from napari_segsam.model.zoo.positions import resized
from napari_segsam.model.zoo.sam import SamParts, shapes_of, vit_sizes

SIDE = 512
_LAYERS = 2
"""Of the decoder's transformer."""
_HEAD = "mask_decoder.mask_tokens.weight"
_IN_LAYERS = {"sa": "self_attn", "cti": "cross_attn_token_to_image", "cit": "cross_attn_image_to_token"}
_SYNAPSE = ("spleen", "right kidney", "left kidney", "gallbladder", "liver", "stomach", "aorta", "pancreas")
"""Classes of all three published files, in their order (the README of hitachinsk/SAMed)."""


class Samed(SamParts):
    """SAM with low-rank updates of every block's query and value, and as many masks as classes and one.

    Attributes:
        small: SAMed_s: the decoder's transformer is SAM's own with low-rank updates, instead of tuned as a whole.
    """

    def __init__(self, sizes: ViTSizes, classes: int, rank: int = 4, small: bool = False, side: int = SIDE) -> None:
        super().__init__(ImageEncoder(sizes, side, block=partial(_updated, rank=rank)), side)
        self.small, self.depth = small, sizes.depth
        self.mask_decoder = SamDecoder(masks=classes + 1)
        if small:
            for attention in self.mask_decoder.transformer.modules():
                if isinstance(attention, TokenAttention):
                    attention.q_proj = LoraLinear(attention.q_proj, rank)
                    attention.v_proj = LoraLinear(attention.v_proj, rank)

    def semantic(self, features: Features) -> Tensor:
        """(B, C + 1, S/4, S/4) logits, the background first."""
        return self._decode(features, no_prompt(features["embedding"]))[0]

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in 0..1 -> (B, C + 1, S/4, S/4) logits."""
        return self.semantic(self.encode(images))

    def published(self) -> dict[str, Tensor]:
        """The tensors of a file in the published format, under its names and in its order, on the CPU."""
        held = self.state_dict()
        return {name: held[name_here(name)].cpu().contiguous() for name in self.names()}

    def names(self) -> list[str]:
        """The names of a published file, in its order."""
        of_blocks = range(2 * self.depth)
        factors = [f"w_{factor}_{i:03d}" for factor in "ab" for i in of_blocks]
        tuned = [k for k in self.state_dict() if k.startswith(("prompt_encoder.", "mask_decoder."))]
        if not self.small:
            return factors + tuned
        in_layers = [f"{s}_{factor}_{i:03d}" for s in _IN_LAYERS for factor in "ab" for i in range(2 * _LAYERS)]
        in_final = [f"fati_{part}{factor}" for part in "qv" for factor in "ab"]
        return factors + in_layers + [k for k in tuned if ".transformer." not in k] + in_final


def no_prompt(embedding: Tensor) -> PromptBatch:
    """For each of (B, C, h, w) pictures: neither a point, a box nor a mask."""
    return PromptBatch(embedding.new_zeros(len(embedding), 0, 2), embedding.new_zeros(len(embedding), 0))


def _updated(width: int, heads: int, window: int, side: int, rank: int) -> Block:
    block = Block(width, heads, window, side)
    block.attn.qkv = LoraQKV(block.attn.qkv, rank)
    return block


def name_here(name: str) -> str:
    """A tensor's name in a published file -> in the model; even numbers are of queries, odd ones of values."""
    numbered = re.fullmatch(r"(w|sa|cti|cit)_([ab])_(\d+)", name)
    if numbered:
        short, factor, number = numbered.groups()
        i, part = int(number) // 2, "qv"[int(number) % 2]
        if short == "w":
            way = {"a": "down", "b": "up"}[factor]
            return f"image_encoder.blocks.{i}.attn.qkv.lora_{part}_{way}.weight"
        return f"mask_decoder.transformer.layers.{i}.{_IN_LAYERS[short]}.{part}_proj.lora_{factor.upper()}"
    final = re.fullmatch(r"fati_([qv])([ab])", name)
    if final:
        return f"mask_decoder.transformer.final_attn_token_to_image.{final[1]}_proj.lora_{final[2].upper()}"
    return name


def built(tensors: Tensors, base: Tensors, side: int = SIDE, sizes: ViTSizes | None = None) -> Samed:
    """The model of a published file and of the SAM that it is a difference to, for squares of ``side`` pixels.

    SAM's own mask tokens, their networks and its IoU head are left out: the file has others.

    Raises:
        ModelFileError: a tensor is missing or left over, or the SAM is of another size.
    """
    sizes = vit_sizes(shapes_of(base)) if sizes is None else sizes
    try:
        rank, classes = len(tensors["w_a_000"]), len(tensors[_HEAD]) - 1
    except KeyError as error:
        raise ModelFileError(f"it lacks the tensor {error}") from error
    check_width(tensors["w_a_000"].shape[1], sizes)
    model = Samed(sizes, classes, rank, "fati_qa" in tensors, side)
    complete(tensors, model.names())
    under = {k: t for k, t in base.items() if ".transformer." in k} if model.small else {}
    load_exactly(model, encoder_of(base, sizes, side) | under | {name_here(k): t for k, t in tensors.items()})
    return model.eval()


def encoder_of(base: Tensors, sizes: ViTSizes, side: int) -> dict[str, Tensor]:
    """The image encoder's tensors of a SAM, for squares of ``side`` pixels."""
    fitted = resized(base, side, sizes.global_blocks)
    return {k: t for k, t in fitted.items() if k.startswith("image_encoder.")}


def check_width(width: int, sizes: ViTSizes) -> None:
    """Refuse a SAM of another size than the one that a file was made on.

    Raises:
        ModelFileError: says both.
    """
    if width != sizes.width:
        raise ModelFileError(f"it was made on a SAM of width {width}, and this one has width {sizes.width}")


def complete(tensors: Tensors, names: Sequence[str]) -> None:
    """Refuse a file that lacks one of these tensors.

    Raises:
        ModelFileError: names the first.
    """
    missing = [name for name in names if name not in tensors]
    if missing:
        raise ModelFileError(f"it lacks {len(missing)} of {len(names)} tensors, the first is '{missing[0]}'")


def _build(tensors: Tensors, base: Tensors | None) -> Samed:
    if base is None:
        raise ModelFileError("it holds only what differs from SAM, which is not given")
    return built(tensors, base)


def _names(shapes: Shapes) -> tuple[str, ...]:
    classes = shapes[_HEAD][0] - 1
    return _SYNAPSE if classes == len(_SYNAPSE) else tuple(f"class {i}" for i in range(1, classes + 1))


def _recognises(shapes: Shapes) -> bool:
    return "w_a_000" in shapes or "w_b_000" in shapes


FAMILY = Family(
    name="samed",
    title="SAMed",
    recognises=_recognises,
    build=_build,
    preparation=lambda _shapes: Preparation(
        SIDE, "squash", "cubic_twice", mean=(0, 0, 0), std=(255, 255, 255), window_hu=(-125, 275)
    ),
    abilities=NO_PROMPTS,
    limits=(
        "It labels a slice by itself and takes no prompt; a file of eight classes is taken for the published one of "
        "abdominal organs in CT where nothing beside it names them."
    ),
    source="https://github.com/hitachinsk/SAMed",
    licence="MIT",
    base="sam",
    names=_names,
)
