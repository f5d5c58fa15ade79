"""Classes of a whole volume from a model that sees a window of neighbouring slices: the mean of all its windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor


def window_around(centre: int, slices: int, n: int) -> list[int]:
    """Indices of the ``slices`` neighbours around slice ``centre`` of ``n``; the first and the last are repeated."""
    half = slices // 2
    return [min(max(i, 0), n - 1) for i in range(centre - half, centre + half + 1)]


def averaged(
    classify: Callable[[Tensor], Tensor], prepare: Callable[[Sequence[int]], Tensor], n: int, slices: int = 5
) -> Iterator[Tensor]:
    """The classes' probabilities on each slice of a volume, in its order, as soon as its last window was seen.

    A window is centred on every slice. What lies beyond the volume is a repeated slice, of which nothing is counted.
    Source: MA-SAM's test.py, whose count starts at one, which moves no maximum.

    Args:
        classify: (1, slices, 3, S, S) prepared window -> (slices, C + 1, h, w) logits.
        prepare: indices of a window's slices -> the window.
        n: slices of the volume.
        slices: of a window, odd.

    Yields:
        (C + 1, h, w) probabilities that add up to one.
    """
    half = slices // 2
    waiting: dict[int, Tensor] = {}
    for centre in range(n):
        with torch.inference_mode():
            seen = classify(prepare(window_around(centre, slices, n))).softmax(1)
        for i, each in zip(range(centre - half, centre + half + 1), seen, strict=True):
            if 0 <= i < n:
                waiting[i] = waiting[i] + each if i in waiting else each.clone()
        if centre >= half:
            yield _mean(waiting.pop(centre - half))
    for i in sorted(waiting):
        yield _mean(waiting[i])


def _mean(total: Tensor) -> Tensor:
    """Each window's probabilities add up to one, so the sum of all tells how many there were."""
    return total / total.sum(0, keepdim=True)
