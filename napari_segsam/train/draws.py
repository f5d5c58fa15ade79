"""Random numbers that hang on what they are for, so that any process can make any part of any step."""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

import numpy as np

Purpose = Literal["picture", "kind of prompt", "rounds", "correction", "told its class"]
_PURPOSES: tuple[Purpose, ...] = ("picture", "kind of prompt", "rounds", "correction", "told its class")


def lot(name: str, seed: int) -> int:
    """A number of 64 bits that hangs on a name and the seed alone; lots put names in an order, or on a side."""
    return int.from_bytes(blake2b(f"{seed}:{name}".encode(), digest_size=8).digest(), "big")


def draws(seed: int, step: int, purpose: Purpose, *which: int) -> np.random.Generator:
    """The generator of one ``purpose`` in one step; ``which`` picture, prompt or round."""
    # The purpose comes last and is not 0: numpy takes (1, 2) and (1, 2, 0) for the same seed.
    return np.random.default_rng((seed, step, *which, 1 + _PURPOSES.index(purpose)))
