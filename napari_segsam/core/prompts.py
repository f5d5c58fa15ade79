"""Prompts: what a person points at on one SliceView."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import overload

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import BadPromptsError, OutsideImageError
from napari_segsam.core.packed import PackedMask


@dataclass(frozen=True, slots=True)
class Click:
    """A point prompt at (row, col), integer = pixel centre; negative ones say "not here"."""

    row: float
    col: float
    positive: bool = True


@dataclass(frozen=True, slots=True)
class Box:
    """A box prompt; the corner pixels (row, col) belong to it, so its area reaches half a pixel further."""

    row_min: float
    col_min: float
    row_max: float
    col_max: float

    @classmethod
    def around(cls, mask: NDArray[np.bool_]) -> Box:
        """The tight box of a (rows, cols) mask.

        Raises:
            BadPromptsError: the mask is empty.
        """
        if not mask.any():
            raise BadPromptsError("There is no box around an empty mask; prompt the object with a point first.")
        rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        return cls(float(rows[0]), float(cols[0]), float(rows[-1]), float(cols[-1]))

    @classmethod
    def between(cls, a: tuple[float, float], b: tuple[float, float]) -> Box:
        """The box with (row, col) corners ``a`` and ``b`` in any order."""
        return cls(min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1]))


class _KeptPacked:
    """The field that takes and gives a mask as an array; what is held is `Prompts.packed`."""

    @overload
    def __get__(self, prompts: None, owner: type[Prompts]) -> None: ...
    @overload
    def __get__(self, prompts: Prompts, owner: type[Prompts]) -> NDArray[np.bool_] | None: ...
    def __get__(self, prompts: Prompts | None, owner: type[Prompts]) -> NDArray[np.bool_] | None:
        return None if prompts is None or prompts.packed is None else prompts.packed.mask

    def __set__(self, prompts: Prompts, mask: NDArray[np.bool_] | PackedMask | None) -> None:
        packed = PackedMask.of(mask) if isinstance(mask, np.ndarray) else mask
        object.__setattr__(prompts, "packed", packed)  # as a frozen dataclass sets its own


@dataclass(frozen=True, eq=False)
class Prompts:
    """All prompts for one object on one SliceView.

    Attributes:
        clicks: oldest first.
        box: at most one.
        mask: (rows, cols) the object's last mask, to be corrected; the model may ignore it. A new array at each look,
            since a history holds those of many thousand clicks: held is what ``packed`` is.
        packed: the mask in little memory.
    """

    clicks: tuple[Click, ...] = ()
    box: Box | None = None
    mask: _KeptPacked = _KeptPacked()
    packed: PackedMask | None = field(init=False, repr=False)

    def __bool__(self) -> bool:
        return self.box is not None or any(c.positive for c in self.clicks)

    def with_click(self, click: Click) -> Prompts:
        """The same prompts and one more click."""
        return Prompts((*self.clicks, click), self.box, self.packed)

    def check_inside(self, shape: tuple[int, int]) -> None:
        """Refuse prompts that lie outside a slice of ``shape`` = (rows, cols).

        Raises:
            OutsideImageError: names the prompt and the slice's size.
        """
        places = [(c.row, c.col, "point") for c in self.clicks]
        if self.box is not None:
            b = self.box
            places += [(b.row_min, b.col_min, "box corner"), (b.row_max, b.col_max, "box corner")]
        for row, col, what in places:
            if not (-0.5 <= row <= shape[0] - 0.5 and -0.5 <= col <= shape[1] - 0.5):
                raise OutsideImageError(
                    f"The {what} at row {row:g}, column {col:g} is outside the slice of {shape[0]} x {shape[1]} pixels."
                )
