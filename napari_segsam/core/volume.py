"""Volume: the voxels of one scan on their Grid, as they were acquired."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.grid import Grid

MODALITIES = ("ct", "mr", "pet", "us", "xray", "rgb", "unknown")


@dataclass(frozen=True)
class Window:
    """A range of stored intensities (Hounsfield units in CT); never changes a voxel."""

    centre: float
    width: float
    name: str = ""

    @property
    def limits(self) -> tuple[float, float]:
        """Lowest and highest intensity shown."""
        return self.centre - self.width / 2, self.centre + self.width / 2


@dataclass(frozen=True, eq=False)
class Volume:
    """One scan.

    Attributes:
        grid: where the voxels lie.
        voxels: (ni, nj, nk) real intensities after rescale, any numeric dtype, or (ni, nj, nk, 3) uint8 RGB.
        modality: one of MODALITIES.
        name: what the layer and messages call it; never a patient's name.
        inverted: MONOCHROME1: low values are bright; only what the model and the eye see is inverted.
        windows: presets from the file, best first.
        padding: intensity that fills what was not scanned, if known.
        padding_limit: the other end, where a range of intensities does, as `is_padding` tells.
        series_uid: DICOM Series Instance UID, empty elsewhere.
        placed: whether the file says how the scan lies in the patient; else its sides and its millimetres are a guess.
        warnings: what to know before using it, a sentence each.
        resampled: how slices at uneven distances were made even, one sentence that every export records; empty where
            the voxels are those of the file.
        id: unique for this load, so that late answers can be told apart.
    """

    grid: Grid
    voxels: NDArray  # type: ignore[type-arg]
    modality: str = "unknown"
    name: str = "scan"
    inverted: bool = False
    windows: tuple[Window, ...] = ()
    padding: float | None = None
    padding_limit: float | None = None
    series_uid: str = ""
    placed: bool = True
    warnings: tuple[str, ...] = ()
    resampled: str = ""
    id: str = field(default_factory=lambda: uuid4().hex)

    def __post_init__(self) -> None:
        if self.voxels.shape[:3] != self.grid.shape or self.voxels.shape[3:] not in ((), (3,)):
            found = f"voxels {self.voxels.shape} do not fit the grid {self.grid.shape}"
            raise UnreadableInputError(f"{self.name}: {found}; re-export the image.")
        if self.voxels.size == 0:
            raise UnreadableInputError(f"{self.name}: the image has no voxels; re-export it.")

    @property
    def is_rgb(self) -> bool:
        """Whether a voxel is three colours instead of one intensity."""
        return self.voxels.ndim == 4

    def is_padding(self, intensities: NDArray) -> NDArray[np.bool_]:  # type: ignore[type-arg]
        """Which of these intensities fill what was not scanned, in their shape."""
        if self.padding is None:
            return np.zeros(intensities.shape, bool)
        low, high = sorted((self.padding, self.padding if self.padding_limit is None else self.padding_limit))
        return np.asarray((intensities >= low) & (intensities <= high))


def infer_modality(voxels: NDArray) -> str:  # type: ignore[type-arg]
    """``ct`` for integral voxels that reach -500 or below, ``rgb`` for colours, else ``unknown``."""
    if voxels.ndim == 4:
        return "rgb"
    if voxels.min() <= -500 and (voxels.dtype.kind in "iu" or bool((voxels == np.round(voxels)).all())):
        return "ct"
    return "unknown"
