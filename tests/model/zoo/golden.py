"""The published models' outputs and tensor lists, and the weights that these outputs were made with.

Every weight follows from its own name, so that parity needs neither the published code nor a download.
"""

from __future__ import annotations

import ast
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.conftest import SHARED

Array = NDArray[np.float32]


def keys(name: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a published file's tensors, in its order; the test is skipped where the list is absent."""
    lines = _found(f"keys/{name}.txt").read_text(encoding="utf-8").splitlines()
    cells = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return {cell[0]: ast.literal_eval(cell[1]) for cell in cells}


def filled(key: str, shape: tuple[int, ...]) -> Tensor:
    """The weights that a tensor of this name and shape has in every golden."""
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    a = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(shape).astype(np.float32)
    return torch.from_numpy(np.asarray(_scaled(key, a), np.float32))


def fill(keys_file: str) -> dict[str, Tensor]:
    """A published file as the goldens had it: :func:`filled` for each of its :func:`keys`."""
    return {key: filled(key, shape) for key, shape in keys(keys_file).items()}


@cache
def golden(name: str) -> dict[str, Array]:
    """The arrays that the public model answered with; the test is skipped where they are absent."""
    with np.load(_found(f"{name}.npz")) as arrays:
        return {key: arrays[key] for key in arrays.files}


def picture(lo: float, hi: float, shape: tuple[int, ...]) -> Array:
    """The golden's input: uniform between ``lo`` and ``hi``."""
    return np.random.RandomState(1234).uniform(lo, hi, shape).astype(np.float32)


def assert_agrees(array: Tensor | Array, theirs: Array, limit: float = 1e-4) -> None:
    """The largest difference is within ``limit`` of the golden's own range."""
    ours = np.asarray(array, np.float64)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= limit * np.ptp(theirs)


def _scaled(key: str, a: Array) -> Array:
    if key.endswith("running_var"):
        return 1 + 0.1 * np.abs(a)
    if key.endswith("gaussian_matrix"):
        return a
    if a.ndim >= 2:
        return a / np.sqrt(np.prod(a.shape[1:])).astype(np.float32)
    return 1 + 0.02 * a if a.ndim == 1 and key.endswith(".weight") else 0.02 * a


def _found(part: str) -> Path:
    path = SHARED / "golden" / part
    if not path.exists():
        pytest.skip(f"no goldens: {path.name} is absent; set SEGSAM_SHARED to the folder that holds golden/")
    return path
