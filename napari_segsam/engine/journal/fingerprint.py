"""Which scan this is: the same voxels on the same grid have the same fingerprint, whenever they are read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np

from napari_segsam.core.volume import Volume

_AT_ONCE = 16
"""Voxels along i and k that are turned round together, so that each line of memory is read once whatever its order."""


@dataclass(frozen=True, eq=False)
class Identity:
    """A scan that is open.

    Attributes:
        volume: its voxels.
        path, series: what it was read from, where that is known.
    """

    volume: Volume
    path: Path | None = None
    series: str | None = None

    @cached_property
    def fingerprint(self) -> str:
        """See :func:`fingerprint`; the first time takes as long as hashing all voxels does."""
        return fingerprint(self.volume)


def fingerprint(volume: Volume) -> str:
    """SHA-256 in hex over type, shape, affine and voxels, i fastest as in files, whatever their order in memory.

    The affine counts to a millionth, so that another build of numpy finds the same one.
    """
    voxels = volume.voxels
    digest = sha256(f"{voxels.dtype.newbyteorder('<').str} {voxels.shape}".encode())
    digest.update((np.round(volume.grid.affine, 6) + 0.0).astype("<f8").tobytes())
    for k in range(0, voxels.shape[2], _AT_ONCE):
        slices = voxels[:, :, k : k + _AT_ONCE]
        turned = np.empty(slices.shape[::-1], slices.dtype.newbyteorder("<"))
        for i in range(0, voxels.shape[0], _AT_ONCE):
            turned[..., i : i + _AT_ONCE] = slices[i : i + _AT_ONCE].T
        digest.update(turned.data)
    return digest.hexdigest()
