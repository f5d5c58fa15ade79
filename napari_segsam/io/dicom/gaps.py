"""Where slices fail to follow each other evenly: the gap, and the positions that it lies between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_segsam.io.dicom.damage import printable
from napari_segsam.io.dicom.frame import Frame

_EVEN = 0.02  # part of the slice distance by which a slice may lie beside its place, ...
_EVEN_MM = 0.02  # ... but at least as much as headers are rounded, ...
_MOST_UNEVEN = 0.25  # ... which is no more than this part of it: slices may be a hundredth of a millimetre apart
_FINE_MM = 0.1  # distances below are said with more digits


@dataclass(frozen=True)
class Flaw:
    """Why slices are no regular grid.

    Attributes:
        kind: two at one place; unequal distances; one beside the line that the others lie on.
        n: index of the slice before the gap, of the first of two at one place, or of the one beside.
        along: its position along the normal in millimetres.
        gap: millimetres to the next slice; how far it lies beside its place.
        usual: millimetres between most slices.
        others: how many more places are like this.
        each: images at each place, where all places hold the same number and more than one.
        elsewhere: where the slice is that is missing between unequal distances, if that is known.
    """

    kind: Literal["doubled", "uneven", "beside"]
    n: int
    along: float
    gap: float
    usual: float
    others: int = 0
    each: int = 0
    elsewhere: str = ""

    def told(self, frames: Sequence[Frame]) -> str:
        """The flaw of these ordered frames as the end of a sentence."""
        if self.kind == "doubled":
            return self._told_doubled(frames)
        mm = self._mm
        if self.kind == "beside":
            which = f"the slice at {mm(self.along)} mm, {_called(frames[self.n])}, lies {mm(self.gap)} mm"
            return f"{which} beside its place; export the series again."
        between = f"{mm(self.gap)} mm between {mm(self.along)} and {mm(self.along + self.gap)} mm{self._more()}"
        return f"slices are {mm(self.usual)} mm apart, but {between}; {self._guess()}export the series again."

    def _told_doubled(self, frames: Sequence[Frame]) -> str:
        two = frames[self.n : self.n + 2]
        both, in_files = " and ".join(map(_called, two)), two[0].path != two[1].path
        if self.each:
            places = len(frames) // self.each
            where = "one place" if places == 1 else f"each of {places} places"
            what = f"{self.each} images lie at {where}, such as {both}, and nothing says which belong together"
            return f"{what}; {'open single files, or ' if in_files else ''}export them as several series."
        advice = "remove the double one, or open single files" if in_files else "export the series again"
        return f"two slices lie at {self._mm(self.along)} mm, {both}{self._more()}; {advice}."

    def _mm(self, length: float) -> str:
        return f"{length:.{4 if 0 < self.usual < _FINE_MM else 2}f}"

    def _more(self) -> str:
        return f" (and {self.others} more such)" if self.others else ""

    def _guess(self) -> str:
        if self.elsewhere:
            return f"{self.elsewhere}: "
        missing = round(self.gap / self.usual) - 1 if self.usual > 0 else 0
        if missing < 1 or abs(self.gap / self.usual - missing - 1) > 0.1:
            return ""
        return "a slice is probably missing: " if missing == 1 else f"{missing} slices are probably missing: "


def flaw_of(positions: NDArray[np.float64], along: NDArray[np.float64]) -> Flaw | None:
    """The worst place of two or more slices, None where they are a regular grid.

    Args:
        positions: (n, 3) LPS millimetres of each slice's first voxel.
        along: (n,) millimetres along the normal, ascending.
    """
    gaps = np.diff(along)
    usual = _median(gaps)
    doubled = _doubled(gaps)
    if doubled.any():
        n, images = int(np.argmax(doubled)), images_at(along)
        each = images[0] if len(set(images)) == 1 else 0
        return Flaw("doubled", n, float(along[n]), float(gaps[n]), usual, int(doubled.sum()) - 1, each)
    tolerance = rounding(usual)
    off = np.abs(gaps - usual)
    if not (off <= tolerance).all():
        n = int(np.argmax(off))
        return Flaw("uneven", n, float(along[n]), float(gaps[n]), usual, int((off > tolerance).sum()) - 1)
    beside = np.linalg.norm(positions - _on_a_line(positions, np.linspace(0.0, 1.0, len(along))), axis=1)
    n = int(np.argmax(beside))
    return Flaw("beside", n, float(along[n]), float(beside[n]), usual) if beside[n] > tolerance else None


def beside_of(positions: NDArray[np.float64], along: NDArray[np.float64]) -> Flaw | None:
    """The slice that lies beside the line from the first to the last, however uneven their distances."""
    part = (along - along[0]) / (along[-1] - along[0])
    beside = np.linalg.norm(positions - _on_a_line(positions, part), axis=1)
    usual, n = _median(np.diff(along)), int(np.argmax(beside))
    return Flaw("beside", n, float(along[n]), float(beside[n]), usual) if beside[n] > rounding(usual) else None


def rounding(distance: float) -> float:
    """Millimetres by which slices this far apart may lie beside their places."""
    return max(_EVEN * distance, min(_EVEN_MM, _MOST_UNEVEN * distance))


def images_at(along: NDArray[np.float64]) -> list[int]:
    """How many of two or more ascending positions each place holds."""
    first = np.flatnonzero(~_doubled(np.diff(along))) + 1
    return [int(count) for count in np.diff([0, *first, len(along)])]


def _doubled(gaps: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,) whether no more than rounding parts two slices."""
    widest = float(gaps.max())
    return np.asarray(gaps < min(0.1 * widest, _EVEN_MM) if widest > 0 else gaps >= 0)


def _median(gaps: NDArray[np.float64]) -> float:
    """The lower one of two, as a gap is wider and not narrower."""
    return float(np.sort(gaps)[(len(gaps) - 1) // 2])


def _on_a_line(positions: NDArray[np.float64], part: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3) points at these parts of the way from the first position to the last."""
    return np.asarray(positions[0] + np.outer(part, positions[-1] - positions[0]))


def _called(frame: Frame) -> str:
    name = printable(frame.path.name)
    return f"frame {frame.number + 1} of {name}" if "NumberOfFrames" in frame.header and frame.number else name
