"""Medical SAM Adapter, Med-SA (Wu et al. 2023): small adapters in every block of SAM's encoder, or low-rank updates."""

from __future__ import annotations

import re
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from napari_segsam.model.image_encoder import PATCH, Block, ImageEncoder, ViTSizes
from napari_segsam.model.prompt_tokens import PromptBatch
from napari_segsam.model.zoo import efficient_layers
from napari_segsam.model.zoo.accounts import ModelFileError, load_exactly
from napari_segsam.model.zoo.decoder import SamDecoder
from napari_segsam.model.zoo.family import Abilities, Family, Features, Masks, Preparation, Shapes, Tensors
from napari_segsam.model.zoo.lora import LoraLinear, LoraQueryValue
from napari_segsam.model.zoo.positions import bicubic
from napari_segsam.model.zoo.sam import Sam, shapes_of, vit_sizes
from napari_segsam.model.zoo.samed import complete

SIDE = 1024
_BESIDE_MLP = 0.5
_TOKENS = "mask_decoder.mask_tokens.weight"
_LORA_A = "image_encoder.blocks.0.attn.qkv.lora_A"
_OTHER_NAMES = {
    ".attn.rel_h": ".attn.rel_pos_h",
    ".attn.rel_w": ".attn.rel_pos_w",
    ".mlp.layers.0.0.": ".mlp.lin1.",
    ".mlp.fc.": ".mlp.lin2.",
}
_ADAPTER = re.compile(r"(?:module\.)?(?:image_encoder\.)?(blocks\.\d+\.(?:MLP|Space|Depth)_Adapter\.D_fc[12]\.\w+)")


class Adapter(nn.Module):
    """A quarter of the width and back; zero at first, so that fine-tuning begins from SAM's features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.D_fc1, self.D_fc2 = nn.Linear(width, width // 4), nn.Linear(width // 4, width)
        nn.init.zeros_(self.D_fc2.weight)
        nn.init.zeros_(self.D_fc2.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> the same."""
        added: Tensor = self.D_fc2(F.gelu(self.D_fc1(x)))
        return added


class AdapterBlock(Block):
    """SAM's block with an adapter after its attention and one beside its MLP.

    Incomplete windows are filled before the norm, not after it as in SAM, so that what fills them is the norm's bias.
    ``Depth_Adapter`` belongs to a mode for volumes that is not built here; it is read and written with the others.
    """

    def __init__(self, width: int, heads: int, window: int, side: int) -> None:
        super().__init__(width, heads, window, side)
        self.MLP_Adapter, self.Space_Adapter, self.Depth_Adapter = (Adapter(width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) -> the same."""
        attended = self.attn(self.norm1(x), pad=self.norm1.bias)
        x = x + attended + self.Space_Adapter(attended)
        normed = self.norm2(x)
        out: Tensor = x + self.mlp(normed) + _BESIDE_MLP * self.MLP_Adapter(normed)
        return out


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

    def answer(self, features: Features, prompts: PromptBatch) -> Masks:
        """The first mask for each of P prompts on one picture, or for one on each of P."""
        return Masks(self._decode(features, prompts)[0][:, :1], None)

    def adapters(self) -> dict[str, Tensor]:
        """The tensors of a file with nothing but adapters, as the authors publish them; on the CPU."""
        held = self.state_dict()
        return {k: t.cpu().contiguous() for k, t in held.items() if "_Adapter." in k}


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


def with_adapters(tensors: Tensors, base: Tensors, side: int = SIDE, sizes: ViTSizes | None = None) -> MedSa:
    """A SAM with the adapters of a file that holds nothing else.

    Raises:
        ModelFileError: a tensor is missing or left over, or the SAM is of another size.
    """
    sizes = vit_sizes(shapes_of(base)) if sizes is None else sizes
    model = MedSa(sizes, side=side)
    found = {_in_encoder(k): t for k, t in tensors.items()}
    complete(found, list(model.adapters()))
    load_exactly(model, at_side(base, sizes, side) | found)
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
    match = _ADAPTER.fullmatch(name)
    return f"image_encoder.{match[1]}" if match else name


def _build_skill(tensors: Tensors, base: Tensors | None) -> MedSa:
    if base is None:
        raise ModelFileError("it holds only adapters, and no SAM is given to put them into")
    return with_adapters(tensors, base)


def _is_skill(shapes: Shapes) -> bool:
    return bool(shapes) and all(_ADAPTER.fullmatch(k) for k in shapes)


def _is_whole(shapes: Shapes) -> bool:
    return _TOKENS in shapes and (_LORA_A in shapes or any(_ADAPTER.fullmatch(k) for k in shapes))


_ABILITIES = Abilities(boxes=False, mask_prompt="none", iou=False)

FAMILY = Family(
    name="med_sa",
    title="Med-SA",
    recognises=_is_whole,
    build=lambda tensors, _base: built(tensors),
    preparation=lambda _shapes: Preparation(SIDE, "squash"),
    abilities=_ABILITIES,
    limits="It takes clicks only and gives one mask without a predicted IoU; its mode for volumes is not built.",
    source="https://github.com/SuperMedIntel/Medical-SAM-Adapter",
    licence="none published; the authors' code is GPL-3.0",
)
SKILL = Family(
    name="med_sa_skill",
    title="Med-SA adapters",
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
)
