"""SAM's image encoder: ours beside segment_anything's beside its matrix products alone, in one run.

    python benchmarks/speed/image_encoder.py [--sizes vit_b] [--sides 256 512 1024] [--batch 1] [--rounds 5]
                                             [--gradients] [--device cpu] [--page docs/speed-encoder.md]

Random weights, the same in both; every round takes each in turn, forwards and then backwards, so that a busy machine
slows all alike. "Products" are the matrix products of the tokens in the picture, and nothing else: no encoder is
faster. With ``--gradients`` ours and the peer also go back, and the products are those of both ways (three times as
many). Peak memory is that of a process of its own. It refuses to report where the answers differ.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from segment_anything.modeling import ImageEncoderViT
from torch import Tensor, nn

from napari_segsam.model.image_encoder import PATCH, VIT_SIZES, ImageEncoder, ViTSizes

sys.path.append(str(Path(__file__).parents[1]))  # pages.py lies above the rooms
from clicks import own_peak_gb
from pages import command, table, write_between

LIMIT = 1e-4
"""Largest difference of the embeddings, over the peer's range, that is still the same answer."""
_OUT, _WINDOW = 256, 14
_MARKS = {False: "there", True: "there and back"}
"""Of the page's tables; those of several pictures at once say how many."""


def peer_of(sizes: ViTSizes, side: int) -> nn.Module:
    """segment_anything's encoder with random weights, tables of positions included."""
    torch.manual_seed(0)
    vit: nn.Module = ImageEncoderViT(
        img_size=side, patch_size=PATCH, embed_dim=sizes.width, depth=sizes.depth, num_heads=sizes.heads,
        out_chans=_OUT, qkv_bias=True, norm_layer=partial(nn.LayerNorm, eps=1e-6), use_rel_pos=True,
        window_size=_WINDOW, global_attn_indexes=sizes.global_blocks,
    )  # fmt: skip
    for name, p in vit.named_parameters():
        if "pos" in name:
            nn.init.normal_(p, std=0.1)
    return vit.eval()


def products(sizes: ViTSizes, side: int, batch: int, device: str) -> list[tuple[Tensor, Tensor]]:
    """Operands of every matrix product of the encoder; those of one shape share their numbers."""
    cells, width, per_head = side // PATCH, sizes.width, sizes.width // sizes.heads
    tokens = batch * cells**2
    inside = [min(_WINDOW, cells - at) for at in range(0, cells, _WINDOW)]

    def operands(*shape: int) -> tuple[Tensor, Tensor]:
        *many, rows, between, cols = shape
        return torch.randn(*many, rows, between, device=device), torch.randn(*many, between, cols, device=device)

    of_tokens = [operands(tokens, width, n * width) for n in (3, 1, 4)] + [operands(tokens, 4 * width, width)]
    of_block = {
        at_once: [
            pair
            for count, seen in at_once
            for pair in (operands(count, seen, per_head, seen), operands(count, seen, seen, per_head))
        ]
        for at_once in (
            ((batch * sizes.heads, cells**2),),
            tuple((batch * sizes.heads, tall * wide) for tall in inside for wide in inside),
        )
    }
    everywhere, windows = of_block.values()
    blocks = [of_tokens + (everywhere if i in sizes.global_blocks else windows) for i in range(sizes.depth)]
    ends = [operands(tokens, 3 * PATCH**2, width), operands(tokens, width, _OUT), operands(tokens, 9 * _OUT, _OUT)]
    return [pair for block in blocks for pair in block] + ends


def multiply(pairs: list[tuple[Tensor, Tensor]], times: int) -> None:
    """All products, one head at a time, so that the results stay in the cache as a program would have it."""
    for _ in range(times):
        for left, right in pairs:
            if left.ndim == 2 or left.device.type != "cpu":
                left @ right
            else:
                for a, b in zip(left, right, strict=True):
                    for rows in a.split(1024):
                        rows @ b


def once(vit: nn.Module, images: Tensor, gradients: bool) -> None:
    """One pass, and back where that is asked."""
    if not gradients:
        with torch.inference_mode():
            vit(images)
        return
    vit(images).square().mean().backward()
    vit.zero_grad(set_to_none=True)


def seconds(work: Callable[[], None], device: str) -> float:
    """How long ``work`` takes, until the device is done."""
    began = time.perf_counter()
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def measure(sizes: ViTSizes, side: int, batch: int, rounds: int, gradients: bool, device: str) -> dict[str, float]:
    """Median seconds of each, and the largest difference.

    Raises:
        RuntimeError: the embeddings differ.
    """
    peer = peer_of(sizes, side).to(device)
    ours = ImageEncoder(sizes, side).eval().to(device)
    ours.load_state_dict(peer.state_dict())
    images = torch.randn(batch, 3, side, side, device=device)
    with torch.inference_mode():
        expected = peer(images)
        difference = float((ours(images) - expected).abs().max() / (expected.max() - expected.min()))
    if difference > LIMIT:
        raise RuntimeError(f"at {side} px the embeddings differ by {difference:.1e} of their range")
    pairs = products(sizes, side, batch, device)
    works: dict[str, Callable[[], None]] = {
        "ours": lambda: once(ours, images, gradients),
        "peer": lambda: once(peer, images, gradients),
        "products": lambda: multiply(pairs, 3 if gradients else 1),
    }
    took: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds):
        for name in list(works)[:: 1 if number % 2 == 0 else -1]:
            took[name].append(seconds(works[name], device))
    return {name: float(np.median(values)) for name, values in took.items()} | {"difference": difference}


def peak_gb(who: str, asked: argparse.Namespace, side: int) -> float:
    """Peak memory of a process that encodes once."""
    options = ["--sizes", asked.sizes, "--sides", str(side), "--batch", str(asked.batch), "--device", asked.device]
    more = ["--gradients"] if asked.gradients else []
    answer = subprocess.run(
        [sys.executable, __file__, "--peak", who, *options, *more], check=True, capture_output=True, text=True
    )
    return float(answer.stdout.split()[-1])


def own_peak(who: str, asked: argparse.Namespace) -> float:
    """What :func:`peak_gb` asks its process for."""
    side, sizes = asked.sides[0], VIT_SIZES[asked.sizes]
    vit = (peer_of(sizes, side) if who == "peer" else ImageEncoder(sizes, side).eval()).to(asked.device)
    once(vit, torch.randn(asked.batch, 3, side, side, device=asked.device), asked.gradients)
    return own_peak_gb() if asked.device == "cpu" else torch.cuda.max_memory_allocated() / 1e9


def row(asked: argparse.Namespace, side: int) -> list[object]:
    """A line of the table."""
    found = measure(VIT_SIZES[asked.sizes], side, asked.batch, asked.rounds, asked.gradients, asked.device)
    ours, peer, bound = (found[name] for name in ("ours", "peer", "products"))
    memory = [f"{peak_gb(who, asked, side):.2f}" for who in ("ours", "peer")]
    figures = [f"{ours:.3f}", f"{peer:.3f}", f"{bound:.3f}", f"{peer / ours:.2f}", f"{bound / ours:.2f}"]
    return [f"{side} px", *figures, f"{found['difference']:.0e}", *memory]


def main() -> None:
    """Print the table, or write it into a page."""
    parser = command(__doc__, "', '".join([*_MARKS.values(), f"{_MARKS[False]}, 4 pictures"]))
    parser.add_argument("--sizes", default="vit_b", choices=VIT_SIZES)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gradients", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--peak", choices=["ours", "peer"], help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.peak:
        print(own_peak(asked.peak, asked))
        return
    header = ["picture", "ours (s)", "peer (s)", "products (s)", "peer / ours", "products / ours", "difference",
              "ours (GB)", "peer (GB)"]  # fmt: skip
    way = _MARKS[asked.gradients]
    what = f"{asked.sizes}, batch {asked.batch}, {way}, {asked.device}"
    where = f"torch {torch.__version__}, {torch.get_num_threads()} threads, median of {asked.rounds} rounds"
    text = f"{what}; {where}.\n\n" + table(header, (row(asked, side) for side in asked.sides))
    print(text)
    if asked.page:
        write_between(asked.page, way if asked.batch == 1 else f"{way}, {asked.batch} pictures", text)


if __name__ == "__main__":
    main()
