"""LabelMap: the result. Its voxels change only through a Patch, which is also its undo."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import BadLabelsError, GridMismatchError
from napari_segsam.core.grid import Grid
from napari_segsam.core.maker import Maker
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import Coding

MAX_LABEL = np.iinfo(np.uint16).max


@dataclass(frozen=True)
class Tracking:
    """By what an object is known from study to study (PS3.3 C.8.20.4): ``id`` where it was given, ``uid`` anywhere."""

    id: str
    uid: str


@dataclass(frozen=True)
class Label:
    """One object of the label map: its voxel value (1..65535) and what it is, by what codes where a file said them."""

    value: int
    name: str
    coding: Coding | None = field(default=None, compare=False)
    tracking: Tracking | None = field(default=None, compare=False)


@dataclass(frozen=True, eq=False)
class Patch:
    """A change of voxels that knows how to undo itself.

    Attributes:
        name: what the history calls it, e.g. "commit liver".
        indices: (n,) int64 flat C-order indices into the (ni, nj, nk) array, no duplicates.
        before, after: (n,) uint16 voxel values.
    """

    name: str
    indices: NDArray[np.int64]
    before: NDArray[np.uint16]
    after: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.indices)


@dataclass(eq=False)
class LabelMap:
    """Voxel values on a Grid, 0 = background, and the name of each value.

    Attributes:
        grid: the image's own grid.
        voxels: (ni, nj, nk) uint16; all background where none are given.
        labels: value -> Label.
        makers: value -> who drew its voxels, where they are those of a file that says so; whoever works on a label map
            makes another one, without them.
        warnings: what to know of the file that it was read from, a sentence each.
    """

    grid: Grid
    voxels: NDArray[np.uint16] = field(default_factory=lambda: np.zeros((0, 0, 0), np.uint16))
    labels: dict[int, Label] = field(default_factory=dict)
    makers: dict[int, Maker] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.voxels.size == 0:
            self.voxels = np.zeros(self.grid.shape, np.uint16)
        if self.voxels.shape != self.grid.shape:
            shapes = f"{self.voxels.shape} do not fit the image {self.grid.shape}"
            raise GridMismatchError(f"Labels of shape {shapes}; choose the label map that was made on this image.")
        if self.voxels.dtype != np.uint16 or not self.voxels.flags.c_contiguous:
            self.voxels = np.ascontiguousarray(_exactly_uint16(self.voxels))

    def free_value(self) -> int:
        """The smallest voxel value that neither a label nor a voxel uses yet.

        Raises:
            BadLabelsError: all 65535 are in use.
        """
        for value in range(1, MAX_LABEL + 1):
            if value not in self.labels and not (self.voxels == value).any():
                return value
        raise BadLabelsError(f"All {MAX_LABEL} label values are in use; save this label map and begin another.")

    def patch(self, view: SliceView, mask: NDArray[np.bool_], value: int, name: str) -> Patch:
        """The change that makes ``value`` exactly ``mask`` on this slice: adds its voxels, clears what it had outside.

        Args:
            view: a slice of a volume on this grid.
            mask: (rows, cols).
            value: 0 erases.
            name: for the history.

        Raises:
            GridMismatchError: the slice or the mask is another image's.
            BadLabelsError: no voxel can hold ``value``.
        """
        if not view.volume.grid.matches(self.grid):
            raise GridMismatchError("The mask belongs to another image than the label map; open them together again.")
        if mask.shape != view.shape:
            raise GridMismatchError(f"A mask of {mask.shape} pixels does not fit the slice of {view.shape}.")
        if not 0 <= value <= MAX_LABEL:
            raise BadLabelsError(f"Label value {value} is not one of 0 to {MAX_LABEL}; choose another value.")
        current = view.of(self.voxels)
        touched = mask if value == 0 else mask | (current == value)
        indices = view.flat_indices(touched)
        after = np.where(mask[touched], value, 0).astype(np.uint16)
        before = self.voxels.reshape(-1)[indices]
        changed = before != after
        return Patch(name, indices[changed], before[changed], after[changed])

    def apply(self, patch: Patch) -> None:
        """Write the patch's ``after`` values."""
        self.voxels.reshape(-1)[patch.indices] = patch.after

    def volume_mm3(self, value: int) -> float:
        """Volume of all voxels with ``value`` in cubic millimetres."""
        return int((self.voxels == value).sum()) * self.grid.voxel_mm3


def _exactly_uint16(voxels: NDArray) -> NDArray[np.uint16]:  # type: ignore[type-arg]
    """The same values as uint16; refused where one would be rounded or wrapped."""
    inside = bool(((voxels >= 0) & (voxels <= MAX_LABEL)).all())  # false for NaN
    if inside:
        exact = voxels.astype(np.uint16)
        if np.array_equal(exact, voxels):
            return exact
    raise BadLabelsError(
        f"A label map holds whole numbers from 0 to {MAX_LABEL} only; this one has others, so it is probably an image."
    )
