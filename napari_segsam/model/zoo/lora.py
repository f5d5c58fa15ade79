"""Low-rank updates of linear layers (Hu et al. 2021), under the names that loralib gives their factors."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LoraLinear(nn.Linear):
    """``x -> W x + b + scale B A x``; B starts at zero, so that nothing changes at first."""

    def __init__(self, plain: nn.Linear, rank: int, scale: float = 1.0) -> None:
        super().__init__(plain.in_features, plain.out_features, bias=plain.bias is not None)
        self.load_state_dict(plain.state_dict())
        self.scale = scale
        self._add(parts=1, rows=plain.out_features, rank=rank)

    def _add(self, parts: int, rows: int, rank: int) -> None:
        self.lora_A = nn.Parameter(torch.empty(parts * rank, self.in_features))
        self.lora_B = nn.Parameter(torch.zeros(parts * rows, rank))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        return super().forward(x) + self.scale * F.linear(F.linear(x, self.lora_A), self.lora_B)


class LoraQueryValue(LoraLinear):
    """A projection to query, key and value, of which query and value are updated; both have their factors in one."""

    def __init__(self, plain: nn.Linear, rank: int, scale: float = 1.0) -> None:
        super().__init__(plain, rank, scale)
        self._add(parts=2, rows=plain.out_features // 3, rank=rank)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., 3C)."""
        factors = zip(self.lora_A.chunk(2), self.lora_B.chunk(2), strict=True)
        query, value = (self.scale * F.linear(F.linear(x, a), b) for a, b in factors)
        out = nn.Linear.forward(self, x)
        out[..., : query.shape[-1]] += query
        out[..., -value.shape[-1] :] += value
        return out
