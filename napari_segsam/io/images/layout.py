"""Layout: how a file keeps the voxels of one volume or of several, known before the first of them is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import GridMismatchError, UnreadableInputError
from napari_segsam.core.grid import Grid

MOST_VOLUMES = 1 << 16
_LARGEST_MM = 1e9  # a thousand kilometres; squares of what is far beyond overflow
UNPLACED = "The file does not say how it lies in the patient: left and right are a guess."


@dataclass(frozen=True)
class Packed:
    """Where the numbers are.

    Attributes:
        path: the file.
        start: its first byte that belongs to them.
        encoding: one of ``encodings.UNPACKERS``.
        skip: how many decoded bytes come before the first number.
    """

    path: Path
    start: int = 0
    encoding: str = "raw"
    skip: int = 0


@dataclass(frozen=True)
class Steps:
    """What the steps along an axis beyond space are: a name, and each one's value where the header says it."""

    name: str
    values: tuple[str, ...] = ()

    def describe(self, index: int, size: int) -> str:
        """As in ``time 3 of 25, 4 s``."""
        value = f", {self.values[index]}" if index < len(self.values) else ""
        return f"{self.name} {index + 1} of {size}{value}"


@dataclass(frozen=True, eq=False)
class Layout:
    """What the header of an image file says.

    Attributes:
        path: the file that was named.
        grid: of each volume; shape and LPS affine.
        dtype: of one stored number, in the file's byte order.
        sizes: along each stored axis, the fastest first.
        space: which of them are i, j and k; two of a flat image.
        colour: which of them runs through 3 or 4 colours, if one does. All others run from volume to volume.
        packed: where the numbers are.
        steps: what the volumes of such an axis are.
        slope, intercept: stored number -> intensity.
        warnings: what to know before using it.
    """

    path: Path
    grid: Grid
    dtype: np.dtype[Any]
    sizes: tuple[int, ...]
    space: tuple[int, ...]
    colour: int | None
    packed: Packed
    steps: Mapping[int, Steps] = field(default_factory=dict)
    slope: float = 1.0
    intercept: float = 0.0
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.count > MOST_VOLUMES:
            raise UnreadableInputError(
                f"{self.path.name} holds {self.count} volumes, more than the {MOST_VOLUMES} that can be told apart; "
                "split it."
            )

    @property
    def others(self) -> tuple[int, ...]:
        """The stored axes that run from volume to volume."""
        return tuple(a for a in range(len(self.sizes)) if a not in self.space and a != self.colour)

    @property
    def count(self) -> int:
        """How many volumes the file holds."""
        return math.prod(self.sizes[a] for a in self.others)

    @property
    def bytes(self) -> int:
        """All stored numbers together, decoded."""
        return math.prod(self.sizes) * self.dtype.itemsize

    @property
    def placed(self) -> bool:
        """Whether the header says how the volumes lie in the patient."""
        return UNPLACED not in self.warnings

    @property
    def files(self) -> tuple[Path, ...]:
        """What reading it reads."""
        return tuple(dict.fromkeys((self.path, self.packed.path)))

    @property
    def stem(self) -> str:
        """The file's name without what says its format."""
        name = Path(self.path.name)
        return (name.with_suffix("") if name.suffix.lower() == ".gz" else name).stem.removesuffix(".seg")

    def steps_of(self, volume: int) -> tuple[int, ...]:
        """Where volume 0, 1, ... lies along each of the other axes; the first of them runs fastest."""
        sizes = [self.sizes[a] for a in self.others]
        return tuple(int(i) for i in np.unravel_index(volume, sizes, order="F")) if sizes else ()

    def describe(self, volume: int) -> str:
        """What volume 0, 1, ... is, as in ``time 3 of 25, 4 s``."""
        at = zip(self.others, self.steps_of(volume), strict=True)
        unnamed = Steps("volume")
        return ", ".join(self.steps.get(a, unnamed).describe(i, n) for a, i in at if (n := self.sizes[a]) > 1)


def grid_at(shape: tuple[int, int, int], affine: NDArray[np.float64], name: str) -> Grid:
    """The grid that the header of the file ``name`` says: voxel index -> LPS millimetres.

    Raises:
        UnreadableInputError: the affine places nothing.
    """
    try:
        if np.abs(affine).max() <= _LARGEST_MM:  # false for NaN
            return Grid(shape, affine)
    except GridMismatchError:
        pass
    raise UnreadableInputError(f"{name}: the header holds no usable affine; convert the image again.")


def with_normal(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """The (4, 4) affine of a flat image whose third axis is not said: of 1 mm, across the other two.

    Where they span no plane it is zeros, which no Grid takes.
    """
    placed = affine.copy()
    with np.errstate(invalid="ignore", over="ignore"):  # infinite ones are refused later, as all others
        normal = np.cross(affine[:3, 0], affine[:3, 1])
        length = float(np.linalg.norm(normal))
        placed[:3, 2] = normal / length if length else 0.0
    return placed
