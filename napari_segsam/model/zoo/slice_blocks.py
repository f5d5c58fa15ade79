"""MA-SAM's blocks: SAM's, with factors that all of them share, and with a look at the neighbouring slices."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from napari_segsam.model.image_encoder import Block

_CHANNELS, _DROPPED = 384, 0.1


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
