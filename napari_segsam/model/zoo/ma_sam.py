"""MA-SAM (Chen et al. 2024): SAM's encoder with factors shared by its blocks, which sees neighbouring slices, too."""

from __future__ import annotations

import re
from functools import partial
from itertools import pairwise

from segment_anything.modeling.common import LayerNorm2d
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segsam.model.image_encoder import Block, ImageEncoder, ViTSizes
from napari_segsam.model.prompt_tokens import PromptBatch
from napari_segsam.model.zoo.accounts import ModelFileError, load_exactly
from napari_segsam.model.zoo.decoder import SamDecoder
from napari_segsam.model.zoo.family import Abilities, Family, Features, Masks, Preparation, Shapes, Tensors
from napari_segsam.model.zoo.sam import Sam, shapes_of, vit_sizes
from napari_segsam.model.zoo.samed import check_width, complete, encoder_of, no_prompt

SIDE, SLICES = 512, 5
_DIM, _CHANNELS, _DROPPED = 256, 384, 0.1
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


class FacTQKV(nn.Linear):
    """A projection to query, key and value: query and value are updated by three factors, the outer two shared.

    Source: FacT, the tensor train (Jie and Deng 2023), as MA-SAM has it.
    """

    def __init__(self, plain: nn.Linear, u: nn.Linear, v: nn.Linear) -> None:
        super().__init__(plain.in_features, plain.out_features)
        self.load_state_dict(plain.state_dict())
        self.shared = (u, v)  # in a tuple, where torch does not count them as this layer's own
        rank = u.out_features
        self.q_FacTs, self.v_FacTs = (nn.Linear(rank, rank, bias=False) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., 3C)."""
        u, v = self.shared
        low, width = u(x), self.in_features
        out = super().forward(x)
        out[..., :width] += v(F.dropout(self.q_FacTs(low), _DROPPED, self.training))
        out[..., -width:] += v(F.dropout(self.v_FacTs(low), _DROPPED, self.training))
        return out


class AcrossSlices(nn.Module):
    """What a token learns of those at its place on the slices before and after."""

    def __init__(self, width: int, slices: int) -> None:
        super().__init__()
        self.slices = slices
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.linear_down = nn.Linear(width, _CHANNELS, bias=False)
        self.conv = nn.Conv3d(_CHANNELS, _CHANNELS, (3, 1, 1), padding=(1, 0, 0))
        self.linear_up = nn.Linear(_CHANNELS, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B * slices, h, w, C) -> the same."""
        low = self.linear_down(self.norm(x))
        stacked = low.unflatten(0, (-1, self.slices)).permute(0, 4, 1, 2, 3)  # (B, c, slices, h, w)
        seen = self.conv(stacked).permute(0, 2, 3, 4, 1).flatten(0, 1)
        added: Tensor = self.linear_up(F.gelu(seen))
        return x + added


class SliceBlock(Block):
    """SAM's block that looks at the neighbouring slices before its attention and before its MLP."""

    def __init__(
        self, width: int, heads: int, window: int, side: int, *, slices: int, u: nn.Linear, v: nn.Linear
    ) -> None:
        super().__init__(width, heads, window, side)
        self.attn.qkv = FacTQKV(self.attn.qkv, u, v)
        self.first, self.second = (AcrossSlices(width, slices) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(B * slices, h, w, C) -> the same."""
        x = self.first(x)
        x = self.second(x + self.attn(self.norm1(x)))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class MaSam(Sam):
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

    def each_slice(self, features: Features) -> Tensor:
        """(slices, C + 1, S, S) logits, the background first."""
        return self._decode(features, no_prompt(features["embedding"]))[0]

    def semantic(self, features: Features) -> Tensor:
        """(1, C + 1, S, S) logits of the middle slice, the background first."""
        middle = self.slices // 2
        return self.each_slice({"embedding": features["embedding"][middle : middle + 1]})

    def answer(self, features: Features, prompts: PromptBatch) -> Masks:
        """There is none; see ``FAMILY.abilities``."""
        raise NotImplementedError("MA-SAM takes no prompt")

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


def built(tensors: Tensors, base: Tensors, side: int = SIDE, sizes: ViTSizes | None = None) -> MaSam:
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
    model = MaSam(sizes, classes, rank, side)
    complete(tensors, model.names())
    load_exactly(model, encoder_of(base, sizes, side) | {name_here(k): t for k, t in tensors.items()})
    return model.eval()


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
    recognises=lambda shapes: "image_encoder.FacTu.weight" in shapes and _HEAD in shapes,
    build=_build,
    preparation=lambda _shapes: Preparation(
        SIDE, "squash", "bicubic", "minmax", mean=(0, 0, 0), std=(1, 1, 1), window_hu=(-200, 250), slices=SLICES
    ),
    abilities=Abilities(points=False, boxes=False, mask_prompt="none", iou=False, classes=True),
    limits=(
        "It labels a slice by itself from five neighbours and takes no prompt; the published files are differences to "
        "SAM ViT-H, which needs a GPU in practice."
    ),
    source="https://github.com/cchen-cc/MA-SAM",
    licence="Apache-2.0",
    base="sam",
    names=_names,
)
