"""Which damaged file has which number: the same for the same seed, whoever asks, so that a run can stop and go on."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from random import Random

from fuzz_bombs import bomb
from fuzz_mutations import mutations_for
from fuzz_seeds import Seed, made_seeds, real_seeds

_MADE = 0.6  # part of the random inputs that start from the small files made here
_BOMBS = 0.01
_NAMES = 0.02
_STRIDE = 7919  # a prime: the truncations of one file are spread over the run
_EVIL_NAMES = (
    "CON",
    "..",
    "-rf",
    " ",
    "a\nb",
    "%s%n",
    "é" * 80,
    "\udcff",
    "\u202egnp",
    "a" * 240,
    "x;y",
    "'",
    '"',
    "#2",
    "\x1b[31m",
)


@dataclass(frozen=True)
class Input:
    """A damaged file.

    Attributes:
        number: its own.
        seed: what it was; a truncation of it must read as it does, or not at all.
        damage: name of what was done to it.
        content: of the file.
    """

    number: int
    seed: Seed
    damage: str
    content: bytes

    def put(self, folder: Path) -> Path:
        """Write it, and what must lie beside it."""
        for name, content in {**self.seed.beside, self.seed.name: self.content}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return folder / self.seed.name


class Inputs:
    """All inputs of a seed number.

    Args:
        number: of the sequence.
        root: a folder of real files, None for those made here alone.
    """

    def __init__(self, number: int, root: Path | None) -> None:
        self._number = number
        self.made = made_seeds()
        self._families: dict[str, list[Seed]] = {}
        for seed in real_seeds(root) if root else []:
            self._families.setdefault(seed.family, []).append(seed)

    @cached_property
    def _ends(self) -> list[int]:
        """Running total of the lengths of the files made here: each has as many truncations as bytes."""
        ends, total = [], 0
        for seed in self.made:
            total += len(seed.content)
            ends.append(total)
        return ends

    @property
    def truncations(self) -> int:
        """How many inputs there are that are a file made here, cut short."""
        return self._ends[-1]

    def __getitem__(self, number: int) -> Input:
        """Every second input is the next truncation, until all have been; the others are random."""
        if number % 2 == 0 and number // 2 < self.truncations:
            return self._truncation(number)
        return self._random(number)

    def _truncation(self, number: int) -> Input:
        stride = _STRIDE if math.gcd(_STRIDE, self.truncations) == 1 else 1
        place = number // 2 * stride % self.truncations
        which = next(n for n, end in enumerate(self._ends) if place < end)
        length = place - (self._ends[which - 1] if which else 0)
        return Input(number, self.made[which], "every truncation", self.made[which].content[:length])

    def _random(self, number: int) -> Input:
        rng = Random(f"{self._number}:{number}")
        kind = rng.random()
        if kind < _BOMBS:
            name, content = bomb(rng)
            return Input(number, Seed("bomb", name, made=b""), "bomb", content)
        family = self.made
        if self._families and rng.random() > _MADE:
            family = self._families[rng.choice(list(self._families))]
        seed, other = rng.choice(family), rng.choice(family)
        if kind < _BOMBS + _NAMES:
            evil = rng.choice(_EVIL_NAMES)
            return Input(number, replace(seed, name=f"{evil}{seed.suffix}", beside={}), "name", seed.content)
        damage, mutate = rng.choice(mutations_for(seed.suffix))
        content = mutate(rng, seed.content, other.content)
        if rng.random() < 0.2:
            content = rng.choice(mutations_for(seed.suffix))[1](rng, content, other.content)
        return Input(number, seed, damage, content)
