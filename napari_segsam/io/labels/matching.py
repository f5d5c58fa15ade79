"""Label maps onto a scan's grid: matched in millimetres, reordered exactly, never resampled."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import GridMismatchError
from napari_segsam.core.grid import Grid

Labels = NDArray[np.uint16]
_APART = 0.05
"""Part of the smallest voxel edge by which centres may differ: headers are rounded, and it is plain which is which."""
_SILENT_MM = 1e-3
"""By so much, which two grids may differ and match, rounding goes unsaid."""


def matched(
    voxels: Labels,
    own: Grid,
    wanted: Grid,
    name: str,
    *,
    part: bool = False,
    tell: Callable[[str], None] | None = None,
) -> Labels:
    """The labels in the index order of ``wanted``.

    Args:
        voxels: (ni, nj, nk) on ``own``.
        own: the label map's grid.
        wanted: the scan's.
        name: what an error calls the label map.
        part: the format keeps a box around what is labelled only, so the label map may cover a part of the scan, or
            reach beyond it where it is empty.
        tell: hears by how much the voxels lie beside the scan's, where that is more than rounding in the last digits.

    Raises:
        GridMismatchError: the voxels do not coincide; says by how much they differ.
    """
    tolerance = _APART * min(wanted.spacing_mm)
    for axes, flips in product(permutations(range(3)), product((False, True), repeat=3)):
        turned = _turned(own, axes, flips)
        start, apart = _start(turned, wanted)
        fits = turned.shape == wanted.shape and not start.any()
        if apart > tolerance or not (fits or part):
            continue
        if apart > _SILENT_MM and tell is not None:
            beside = f"{name} lies up to {apart:.3f} mm beside the scan, less than a twentieth of a voxel"
            tell(f"{beside}; its labels were taken over as they are.")
        view = voxels.transpose(axes)[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
        return np.ascontiguousarray(view) if fits else _laid(view, start, wanted.shape, name)
    raise GridMismatchError(f"{name} does not fit the scan: {_difference(own, wanted)}; {_ADVICE}.")


_ADVICE = "choose the label map that was made on this scan, it is not resampled"


def _turned(grid: Grid, axes: tuple[int, ...], flips: tuple[bool, ...]) -> Grid:
    """The same voxels in another index order: new axis a is old axis ``axes[a]``, counted backwards where flipped."""
    shape = [grid.shape[a] for a in axes]
    change = np.zeros((4, 4))
    change[3, 3] = 1.0
    for new, (old, flip) in enumerate(zip(axes, flips, strict=True)):
        change[old, new] = -1.0 if flip else 1.0
        change[old, 3] = shape[new] - 1.0 if flip else 0.0
    return Grid((shape[0], shape[1], shape[2]), grid.affine @ change)


def _start(turned: Grid, wanted: Grid) -> tuple[NDArray[np.int64], float]:
    """The voxel of ``wanted`` next to voxel 0, 0, 0 of ``turned``, and by how many millimetres voxels then differ."""
    start = np.rint(wanted.to_ijk(turned.affine[:3, 3]))
    apart = turned.corners_mm() - wanted.to_mm(start + _corner_indices(turned.shape))
    return start.astype(np.int64), float(np.abs(apart).max())


def _corner_indices(shape: tuple[int, int, int]) -> NDArray[np.float64]:
    return np.array(np.meshgrid(*[(0, n - 1) for n in shape]), dtype=np.float64).reshape(3, -1).T


def _laid(view: Labels, start: NDArray[np.int64], shape: tuple[int, int, int], name: str) -> Labels:
    """Background of ``shape`` with ``view`` from ``start`` on."""
    low = np.clip(start, 0, shape)
    high = np.clip(start + view.shape, 0, shape)
    inside = tuple(slice(a, b) for a, b in zip(low - start, np.maximum(high, low) - start, strict=True))
    out = np.zeros(shape, np.uint16)
    out[tuple(slice(a, b) for a, b in zip(low, np.maximum(high, low), strict=True))] = view[inside]
    lost = int(np.count_nonzero(view)) - int(np.count_nonzero(view[inside]))
    if lost:
        raise GridMismatchError(f"{name} does not fit the scan: {lost} labelled voxels lie outside it; {_ADVICE}.")
    return out


def _difference(own: Grid, wanted: Grid) -> str:
    """In which of shape, spacing, direction and place they differ most plainly."""
    turned = _nearest(own, wanted)
    if turned.shape != wanted.shape:
        return f"it has {_times(turned.shape)} voxels, the scan has {_times(wanted.shape)}"
    spacing = np.abs(np.subtract(turned.spacing_mm, wanted.spacing_mm))
    if (spacing * wanted.shape > _APART * min(wanted.spacing_mm)).any():
        edges = " x ".join(f"{s:.4g}" for s in turned.spacing_mm)
        return f"its voxels are {edges} mm, the scan's {' x '.join(f'{s:.4g}' for s in wanted.spacing_mm)} mm"
    apart = np.linalg.norm(turned.corners_mm() - wanted.corners_mm(), axis=1)
    return f"its voxels lie up to {apart.max():.4g} mm beside those of the scan"


def _nearest(own: Grid, wanted: Grid) -> Grid:
    """``own`` in the index order that comes closest to ``wanted``'s directions."""

    def agreement(turned: Grid) -> float:
        one, other = (g.affine[:3, :3] / np.array(g.spacing_mm) for g in (turned, wanted))
        return float((one * other).sum())

    orders = product(permutations(range(3)), product((False, True), repeat=3))
    return max((_turned(own, axes, flips) for axes, flips in orders), key=agreement)


def _times(shape: tuple[int, int, int]) -> str:
    return " x ".join(map(str, shape))
