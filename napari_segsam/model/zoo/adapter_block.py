"""Med-SA's block: SAM's with small adapters (Wu et al. 2023), and its mode for volumes."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from napari_segsam.model.image_encoder import Block

_BESIDE_MLP = 0.5


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
    ``Depth_Adapter`` belongs to the mode for volumes, see ``med_sa.with_depth``.

    Attributes:
        slices: that are seen together; 1 but in the mode for volumes.
    """

    slices = 1

    def __init__(self, width: int, heads: int, window: int, side: int) -> None:
        super().__init__(width, heads, window, side)
        self.MLP_Adapter, self.Space_Adapter, self.Depth_Adapter = (Adapter(width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) -> the same."""
        attended = self.attn(self.norm1(x), pad=self.norm1.bias)
        through = self._through(x) if self.slices > 1 else 0
        x = x + attended + self.Space_Adapter(attended) + through
        normed = self.norm2(x)
        out: Tensor = x + self.mlp(normed) + _BESIDE_MLP * self.MLP_Adapter(normed)
        return out

    def _through(self, x: Tensor) -> Tensor:
        """(slices, h, w, C) -> the same: each place of a window attends to the same place of others, and is adapted.

        In blocks with windows those others are, as published, the windows that follow it in the order of their cutting,
        slice after slice, and not the same window of the other slices: trained weights know nothing else.
        """
        n, h, w, width = x.shape
        side = self.window or h
        whole = F.pad(x, (0, 0, 0, -w % side, 0, -h % side))
        down, across = whole.shape[1] // side, whole.shape[2] // side
        windows = whole.reshape(n, down, side, across, side, width).transpose(2, 3).reshape(-1, n, side * side, width)
        places = self.norm1(windows.transpose(1, 2))  # (windows of a slice, places, slices, C)
        seen = self.attn.resampled(places.reshape(-1, *closest(n), width))
        added = self.Depth_Adapter(seen).reshape(places.shape).transpose(1, 2)
        back = added.reshape(n, down, across, side, side, width).transpose(2, 3).reshape(whole.shape)
        out: Tensor = back[:, :h, :w]
        return out


def closest(n: int) -> tuple[int, int]:
    """The two factors of ``n`` that are nearest to each other, the smaller one first; of a square as published.

    There 9 becomes 1 x 9, since the search begins at 3 x 4.
    """
    low = int(n**0.5)
    if low * low == n:
        low -= 1
    while n % low:
        low -= 1
    return low, n // low
