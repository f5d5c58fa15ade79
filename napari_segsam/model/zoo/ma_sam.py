"""MA-SAM (Chen et al. 2024): SAM's encoder with factors shared by its blocks, which sees neighbouring slices, too."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from itertools import pairwise

import torch
from segment_anything.modeling.common import LayerNorm2d
from torch import Tensor, nn

from napari_segsam.model.image_encoder import ImageEncoder, ViTSizes
from napari_segsam.model.prompt_tokens import PromptBatch
from napari_segsam.model.zoo.accounts import ModelFileError, load_exactly
from napari_segsam.model.zoo.decoder import SamDecoder
from napari_segsam.model.zoo.family import (
    NO_PROMPTS,
    Abilities,
    Family,
    Features,
    Masks,
    Preparation,
    Shapes,
    Tensors,
    Zoo,
)
from napari_segsam.model.zoo.sam import SamParts, shapes_of, vit_sizes
from napari_segsam.model.zoo.samed import check_width, complete, encoder_of, no_prompt
from napari_segsam.model.zoo.slice_blocks import SliceBlock

SIDE, SLICES = 512, 5
BOXED_HU = (-50, 200)
"""What CT is clipped to where tumours are asked for with a box (MA-SAM, dataset_bbox.py)."""
_DIM = 256
_HEAD = "mask_decoder.mask_tokens.weight"
_ADAPTER_PARTS = [
    ("linear_down", "weight"), ("linear_up", "weight"), ("conv", "weight"), ("conv", "bias"), ("norm", "weight"),
    ("norm", "bias"),
]  # fmt: skip
_BTCV = (
    "spleen", "right kidney", "left kidney", "gallbladder", "esophagus", "liver", "stomach", "aorta",
    "inferior vena cava", "portal vein and splenic vein", "pancreas", "adrenal gland",
)  # fmt: skip
"""Classes of the published CT file, in their order (MA-SAM, test.py; the veins under their full names)."""


class MaSam(SamParts):
    """SAM for ``slices`` neighbours at once, with as many masks as classes and one, as fine as the picture."""

    def __init__(self, sizes: ViTSizes, classes: int, rank: int = 32, side: int = SIDE, slices: int = SLICES) -> None:
        u, v = nn.Linear(sizes.width, rank, bias=False), nn.Linear(rank, sizes.width, bias=False)
        nn.init.zeros_(v.weight)
        super().__init__(ImageEncoder(sizes, side, block=partial(SliceBlock, slices=slices, u=u, v=v)), side)
        self.image_encoder.FacTu, self.image_encoder.FacTv = u, v
        self.slices, self.depth = slices, sizes.depth
        self.mask_decoder = _fine(SamDecoder(masks=classes + 1))

    def encode(self, images: Tensor) -> Features:
        """(1, slices, 3, S, S) in 0..1 -> the embedding of each slice."""
        return {"embedding": self.image_encoder(images.flatten(0, 1))}

    def each_slice(self, features: Features, prompts: PromptBatch | None = None) -> Tensor:
        """(slices, C + 1, S, S) logits, the background first; with ``prompts``, one for each slice.

        Of a single slice's features, (P, C + 1, S, S) for P prompts.
        """
        return self._decode(features, no_prompt(features["embedding"]) if prompts is None else prompts)[0]

    def middle_of(self, features: Features) -> Features:
        """Those of the slice that was asked for."""
        middle = self.slices // 2
        return {"embedding": features["embedding"][middle : middle + 1]}

    def semantic(self, features: Features) -> Tensor:
        """(1, C + 1, S, S) logits of the middle slice, the background first."""
        return self.each_slice(self.middle_of(features))

    def published(self) -> dict[str, Tensor]:
        """The tensors of a file in the published format, under its names and in its order, on the CPU."""
        held = self.state_dict()
        return {name: held[name_here(name)].cpu().contiguous() for name in self.names()}

    def names(self) -> list[str]:
        """The names of a published file, in its order."""
        blocks = range(self.depth)
        factors = [f"{part}_FacTs_{i:03d}" for part in "qv" for i in blocks]
        shared = ["image_encoder.FacTu.weight", "image_encoder.FacTv.weight"]
        tuned = [k for k in self.state_dict() if k.startswith(("prompt_encoder.", "mask_decoder."))]
        inside = [f"{part}{again}.{kind}" for again in ("", "_2") for part, kind in _ADAPTER_PARTS]
        adapters = [f"image_encoder.ImageEncoderViT.blocks.{i}.Block.adapter_{part}" for i in blocks for part in inside]
        return factors + shared + tuned + adapters


def name_here(name: str) -> str:
    """A tensor's name in a published file -> in the model.

    ``q_FacTs_003`` and ``image_encoder.ImageEncoderViT.blocks.3.Block.adapter_conv_2.bias`` become
    ``image_encoder.blocks.3.attn.qkv.q_FacTs.weight`` and ``image_encoder.blocks.3.second.conv.bias``.
    """
    factor = re.fullmatch(r"([qv]_FacTs)_(\d+)", name)
    if factor:
        return f"image_encoder.blocks.{int(factor[2])}.attn.qkv.{factor[1]}.weight"
    adapter = re.fullmatch(r"image_encoder\.ImageEncoderViT\.blocks\.(\d+)\.Block\.adapter_(\w+?)(_2)?\.(\w+)", name)
    if adapter:
        block, part, again, kind = adapter.groups()
        return f"image_encoder.blocks.{block}.{'second' if again else 'first'}.{part}.{kind}"
    return name


def _fine(decoder: SamDecoder) -> SamDecoder:
    """Four doublings instead of two: the masks are as fine as the picture."""
    widths = [_DIM, 64, 32, 16, 8]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.ConvTranspose2d(before, after, 2, 2), LayerNorm2d(after), nn.GELU()]
    del layers[-2]  # the last doubling has no norm
    decoder.output_upscaling = nn.Sequential(*layers)
    for mlp in decoder.output_hypernetworks_mlps:
        mlp.layers[-1] = nn.Linear(_DIM, widths[-1])
    return decoder


def built(
    tensors: Tensors, base: Tensors, side: int = SIDE, sizes: ViTSizes | None = None, slices: int = SLICES
) -> MaSam:
    """The model of a published file and of the SAM that it is a difference to, for squares of ``side`` pixels.

    Raises:
        ModelFileError: a tensor is missing or left over, or the SAM is of another size.
    """
    sizes = vit_sizes(shapes_of(base)) if sizes is None else sizes
    try:
        rank, width = tensors["image_encoder.FacTu.weight"].shape
        classes = len(tensors[_HEAD]) - 1
    except KeyError as error:
        raise ModelFileError(f"it lacks the tensor {error}") from error
    check_width(width, sizes)
    model = MaSam(sizes, classes, rank, side, slices)
    complete(tensors, model.names())
    load_exactly(model, encoder_of(base, sizes, side) | {name_here(k): t for k, t in tensors.items()})
    return model.eval()


class BoxedMaSam(nn.Module):
    """A MA-SAM that is asked with a box, as its authors train it on tumours (their sam_bbox.py).

    Its file has the names of one without boxes, so that a person has to say which it is.
    """

    def __init__(self, plain: MaSam) -> None:
        super().__init__()
        self.plain = plain

    @property
    def mask_side(self) -> int:
        """See ``Prompted.mask_side``."""
        side: int = self.plain.prompt_encoder.mask_input_size[0]
        return side

    def encode(self, images: Tensor) -> Features:
        """(1, slices, 3, S, S) in 0..1 -> the embedding of the middle slice."""
        return self.plain.middle_of(self.plain.encode(images))

    def answer(self, features: Features, prompts: PromptBatch) -> Masks:
        """What is of any class in each of P boxes, and behind it each class where there are several: (P, M, S, S)."""
        logits = self.plain.each_slice(features, prompts)
        anything = logits[:, 1:].logsumexp(1, keepdim=True) - logits[:, :1]
        if logits.shape[1] == 2:
            return Masks(anything, None)
        all_ = logits.logsumexp(1, keepdim=True)
        chances = (logits[:, 1:] - all_).exp().clamp(1e-6, 1 - 1e-6)
        return Masks(torch.cat([anything, chances.logit()], 1), None)


def with_boxes(model: Zoo, family: Family) -> tuple[Zoo, Family]:
    """The same weights, asked with a box."""
    assert isinstance(model, MaSam)  # only such a model is offered the word

    def preparation(shapes: Shapes) -> Preparation:
        return replace(family.preparation(shapes), window_hu=BOXED_HU)

    return BoxedMaSam(model), replace(
        family,
        preparation=preparation,
        abilities=Abilities(points=False, mask_prompt="none", iou=False),
        limits="It takes boxes only, sees five slices and gives no predicted IoU; its file must have been trained so.",
        names=lambda _shapes: (),
    )


def _build(tensors: Tensors, base: Tensors | None) -> MaSam:
    if base is None:
        raise ModelFileError("it holds only what differs from SAM, which is not given")
    return built(tensors, base)


def _names(shapes: Shapes) -> tuple[str, ...]:
    classes = shapes[_HEAD][0] - 1
    return _BTCV if classes == len(_BTCV) else tuple(f"class {i}" for i in range(1, classes + 1))


FAMILY = Family(
    name="ma_sam",
    title="MA-SAM",
    recognises=lambda shapes: "image_encoder.FacTu.weight" in shapes or "image_encoder.FacTv.weight" in shapes,
    build=_build,
    preparation=lambda _shapes: Preparation(
        SIDE, "squash", "bicubic", "minmax", mean=(0, 0, 0), std=(1, 1, 1), window_hu=(-200, 250), slices=SLICES
    ),
    abilities=NO_PROMPTS,
    limits=(
        "It labels a slice by itself from five neighbours and takes no prompt, unless its file was trained with boxes "
        "(boxes); the published files are differences to SAM ViT-H, which needs a GPU in practice."
    ),
    source="https://github.com/cchen-cc/MA-SAM",
    licence="Apache-2.0",
    base="sam",
    names=_names,
    options={"boxes": with_boxes},
)
