"""What the parity table needs of each golden: a family's test file offers ``PARITY``, a tuple of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tests.conftest import SHARED
from tests.model.zoo.golden import fill, golden

Arrays = Mapping[str, NDArray]  # type: ignore[type-arg]


def key_lists() -> list[str]:
    """The names of all lists of published tensors; none where there are no goldens."""
    return sorted(path.stem for path in (SHARED / "golden" / "keys").glob("*.txt"))


def same(name: str) -> str:
    """A tensor's name in the file is its name in the model."""
    return name


@dataclass(frozen=True)
class Parity:
    """One published model, held against what it answered.

    Attributes:
        row: as the table shows it: ``SAM-UNet, ResNet-34``.
        golden: the file of its outputs, without ``.npz``.
        keys: the list of the published file's tensors, without ``.txt``.
        build: the model with ``fill(keys)`` in it (and the base, where it has one), in evaluation mode.
        run: its outputs on the golden's input, by the names of the golden's arrays; all of them.
        mutations: what must break it, by a few words for the table -> what changes the model in place.
        stored_as: a tensor's name in the file -> in the model.
        tensors: of the file, all of which the model holds; where test_parity.py tests it, else None: models at 1024 px
            are tested beside their family, so that the encoder runs once.
    """

    row: str
    golden: str
    keys: str
    build: Callable[[], nn.Module]
    run: Callable[[nn.Module], Arrays]
    mutations: Mapping[str, Callable[[nn.Module], object]]
    stored_as: Callable[[str], str] = same
    tensors: int | None = None

    def difference(self, model: nn.Module) -> float:
        """The largest difference to any of the golden's arrays, over that array's own range."""
        with torch.inference_mode():
            return largest(self.run(model), golden(self.golden))

    def consumed(self, model: nn.Module) -> tuple[int, int]:
        """How many of the file's tensors the model holds exactly, of how many."""
        file, held = fill(self.keys), model.state_dict()
        found = [held.get(self.stored_as(name)) for name in file]
        exact = [h is not None and torch.equal(h, t) for h, t in zip(found, file.values(), strict=True)]
        return sum(exact), len(file)


def largest(ours: Arrays, theirs: Arrays) -> float:
    """The largest difference of arrays of the same names, each over the range of ``theirs``.

    Raises:
        KeyError: an array that the golden has and we do not.
        ValueError: another shape.
    """
    return max(_relative(np.asarray(ours[name]), np.asarray(array)) for name, array in theirs.items())


def _relative(ours: NDArray, theirs: NDArray) -> float:  # type: ignore[type-arg]
    if ours.shape != theirs.shape:
        raise ValueError(f"{ours.shape} instead of {theirs.shape}")
    spread = float(np.ptp(theirs)) or float(np.abs(theirs).max())  # a single number has no range
    return float(np.abs(ours.astype(np.float64) - theirs).max()) / spread
