"""Stored numbers to intensities: rescaled exactly, small, and finite."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import UnreadableInputError

Voxels = NDArray  # type: ignore[type-arg]
_SMALL = (np.int16, np.uint16, np.int32)
_EXACT = 1 << 30  # factors up to here keep products with 32-bit numbers within 64 bits


def rescaled(stored: Voxels, slope: float, intercept: float) -> Voxels:
    """``stored * slope + intercept``, integer as long as all three are, else float32 rounded from float64.

    What float32 cannot hold becomes infinite, without numpy's warning.
    """
    if slope == 1.0 and intercept == 0.0:
        return stored
    whole = slope.is_integer() and intercept.is_integer() and max(abs(slope), abs(intercept)) <= _EXACT
    if stored.dtype.kind in "iu" and whole and stored.dtype.itemsize < 8:
        return narrowed(stored.astype(np.int64) * int(slope) + int(intercept))
    out = np.empty(stored.shape, np.float32, order="F")
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(stored.shape[-1]):  # by slice, so that float64 never holds the whole volume
            out[..., k] = stored[..., k].astype(np.float64) * slope + intercept
    return out


def narrowed(voxels: Voxels) -> Voxels:
    """Native byte order in the smallest usual type that holds every value; float64 becomes float32.

    Whole numbers beyond 32 bits become float64, which is exact up to 2^53; what float32 cannot hold becomes infinite.
    """
    native = voxels.astype(voxels.dtype.newbyteorder("="), copy=False)
    if native.dtype == np.uint8 or native.size == 0:
        return native
    if native.dtype.kind == "b":
        return native.astype(np.uint8)
    if native.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            return native.astype(np.float32, copy=False)
    low, high = int(native.min()), int(native.max())
    for kind in _SMALL:
        limits = np.iinfo(kind)
        if limits.min <= low and high <= limits.max:
            return native.astype(kind, copy=False)
    return native.astype(np.float64)


def finite(voxels: Voxels, name: str) -> tuple[Voxels, tuple[str, ...]]:
    """The voxels with NaN and -inf as the smallest finite value, +inf as the largest; and what to say about it.

    Raises:
        UnreadableInputError: not one voxel is finite.
    """
    if voxels.dtype.kind != "f":
        return voxels, ()
    good = np.isfinite(voxels)
    if good.all():
        return voxels, ()
    if not good.any():
        raise UnreadableInputError(f"{name}: every voxel is NaN or infinite; export the image again.")
    low, high = float(voxels[good].min()), float(voxels[good].max())
    count = int(voxels.size - good.sum())
    cleaned = np.nan_to_num(voxels, nan=low, neginf=low, posinf=high)
    return cleaned, (
        f"{count} voxels were NaN, infinite or beyond float32 and are shown as the smallest or largest intensity.",
    )
