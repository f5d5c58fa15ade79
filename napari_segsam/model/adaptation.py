"""What of SAM's ViT encoder learns: all of it, nothing, or small parts added beside frozen weights.

Names inside the blocks are the published ones, so that SAM's and SAM-Med2D's files fit as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from napari_segsam.model.config import EncoderMode
from napari_segsam.model.image_encoder import Block, ImageEncoder

_RANK = 4
"""Rank of each LoRA update, as SAMed has it."""
_BOTTLENECK = 64
"""Width of a small adapter."""


class LoraQKV(nn.Linear):
    """A block's query, key and value projection with low-rank updates of query and value, which start at zero.

    Source: Hu et al. 2021 (LoRA); on query and value as in SAMed (Zhang and Liu 2023).
    """

    def __init__(self, plain: nn.Linear, rank: int) -> None:
        super().__init__(plain.in_features, plain.out_features, bias=plain.bias is not None)
        self.load_state_dict(plain.state_dict())
        width = plain.in_features
        self.lora_q_down, self.lora_v_down = (nn.Linear(width, rank, bias=False) for _ in range(2))
        self.lora_q_up, self.lora_v_up = (nn.Linear(rank, width, bias=False) for _ in range(2))
        for down, up in ((self.lora_q_down, self.lora_q_up), (self.lora_v_down, self.lora_v_up)):
            nn.init.kaiming_uniform_(down.weight, a=math.sqrt(5))
            nn.init.zeros_(up.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., 3C)."""
        q, v = self.lora_q_up(self.lora_q_down(x)), self.lora_v_up(self.lora_v_down(x))
        return super().forward(x) + F.pad(q, (0, 2 * q.shape[-1])) + F.pad(v, (2 * v.shape[-1], 0))


class SmallAdapter(nn.Module):
    """A bottleneck beside a block's MLP that starts as zero, so that training begins from the pretrained features.

    Source of the idea: Houlsby et al. 2019; parallel to the MLP as in AdaptFormer (Chen et al. 2022).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, _BOTTLENECK), nn.Linear(_BOTTLENECK, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) -> the same."""
        added: Tensor = self.up(F.gelu(self.down(x)))
        return added


class SamMed2DAdapter(nn.Module):
    """SAM-Med2D's adapter (Cheng et al. 2023): a channel gate, a convolution down and one up; not zero at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.channel = nn.Sequential(
            nn.Linear(width, width // 4, bias=False), nn.ReLU(), nn.Linear(width // 4, width, bias=False), nn.Sigmoid()
        )
        self.spatial = nn.Sequential(
            nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False),
            nn.ReLU(),
            nn.ConvTranspose2d(width, width, 4, stride=2, padding=1, bias=False),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) -> the same; h and w even."""
        x = x.permute(0, 3, 1, 2)
        gate = self.channel(x.mean((2, 3)))
        gated = gate.reshape(*gate.shape, 1, 1) * x
        adapted: Tensor = self.norm((x + self.spatial(gated)).permute(0, 2, 3, 1))
        return adapted


def adapt(encoder: ImageEncoder, mode: EncoderMode) -> None:
    """Freeze what ``mode`` freezes and add what it adds; weights that are loaded afterwards find their published names.

    ``lora``, ``adapters`` and ``sammed2d`` leave the neck to learn as well; ``frozen`` leaves nothing.
    """
    if mode == "full":
        return
    encoder.requires_grad_(False)
    if mode == "frozen":
        return
    encoder.neck.requires_grad_(True)
    for block in cast("Iterable[Block]", encoder.blocks):
        width = block.attn.qkv.in_features
        if mode == "lora":
            block.attn.qkv = LoraQKV(block.attn.qkv, _RANK)
            block.attn.qkv.weight.requires_grad_(False)
            block.attn.qkv.bias.requires_grad_(False)
        else:
            _beside_mlp(block, SmallAdapter(width) if mode == "adapters" else SamMed2DAdapter(width))


def _beside_mlp(block: Block, adapter: nn.Module) -> None:
    """X + mlp(norm2(x)) becomes x + mlp(norm2(x)) + adapter(norm2(x))."""
    block.Adapter = adapter

    def add(mlp: nn.Module, seen: tuple[Tensor, ...], out: Tensor) -> Tensor:
        added: Tensor = out + adapter(seen[0])
        return added

    block.mlp.register_forward_hook(add)
