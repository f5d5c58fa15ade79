"""A pile of frames as one regular grid, or the reason why it is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import GridMismatchError, UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.io.dicom.header import Frame

_EVEN = 0.02  # part of the slice distance by which a slice may lie beside its place, ...
_EVEN_MM = 0.02  # ... but at least as much as headers are rounded
_ROUNDING = 1e-3  # direction cosines this close to orthogonal are meant to be orthogonal


class IrregularSlicesError(UnreadableInputError):
    """Slices that are no regular grid: one is missing, doubled or displaced.

    Attributes:
        doubled: whether slices share a position (rather than leave a gap).
    """

    def __init__(self, message: str, *, doubled: bool) -> None:
        super().__init__(message)
        self.doubled = doubled


@dataclass(frozen=True, eq=False)
class Stack:
    """Frames in the order of k, and the grid that they make."""

    frames: tuple[Frame, ...]
    grid: Grid
    warnings: tuple[str, ...]


def stack(frames: Sequence[Frame], name: str) -> Stack:
    """Order frames of equal size and orientation along their normal.

    Args:
        frames: at least one.
        name: what a message calls them.

    Raises:
        IrregularSlicesError: names the gap and the positions along the normal in millimetres.
        UnreadableInputError: the header's numbers make no grid.
    """
    first = frames[0]
    warnings = [] if first.spacing else ["The file has no pixel spacing: a millimetre is a pixel here."]
    if first.position is None or first.orientation is None:
        return _unplaced(frames, name, warnings)
    directions = _directions(first.orientation)
    positions = np.array([f.position for f in frames])
    along = positions @ directions[:, 2]
    order = np.argsort(along, kind="stable")
    step = _step(positions[order], directions, along[order], first, name)
    affine = np.eye(4)
    affine[:3, :2] = directions[:, :2] * (first.spacing or (1.0, 1.0))[::-1]
    affine[:3, 2], affine[:3, 3] = step, positions[order[0]]
    return _checked(tuple(frames[n] for n in order), affine, name, warnings)


def _unplaced(frames: Sequence[Frame], name: str, warnings: list[str]) -> Stack:
    """Frames without a position: one picture, or a film whose time runs along k."""
    warnings.append("The file does not say how it lies in the patient: left and right are a guess.")
    if len(frames) > 1:
        warnings.append("Its frames follow each other in time: distances and volumes across them mean nothing.")
    rows, cols = frames[0].spacing or (1.0, 1.0)
    return _checked(tuple(frames), np.diag([cols, rows, 1.0, 1.0]), name, warnings)


def _checked(frames: tuple[Frame, ...], affine: NDArray[np.float64], name: str, warnings: list[str]) -> Stack:
    frame_of_reference = str(frames[0].header.get("FrameOfReferenceUID") or "")
    try:
        grid = Grid((frames[0].cols, frames[0].rows, len(frames)), affine, frame_of_reference)
    except GridMismatchError as error:
        raise UnreadableInputError(
            f"{name}: position and orientation in the header make no grid; export it again."
        ) from error
    return Stack(frames, grid, tuple(warnings))


def _directions(orientation: tuple[float, ...]) -> NDArray[np.float64]:
    """(3, 3) columns: along a row, along a column, their normal; rounding errors of the header are taken out."""
    row, col = np.array(orientation[:3]), np.array(orientation[3:])
    if abs(row @ col) < _ROUNDING:
        row, col = row / (np.linalg.norm(row) or 1.0), col / (np.linalg.norm(col) or 1.0)
        shared = row @ col / 2.0
        row, col = row - shared * col, col - shared * row
        row, col = row / (np.linalg.norm(row) or 1.0), col / (np.linalg.norm(col) or 1.0)
    normal = np.cross(row, col)
    return np.stack([row, col, normal / (np.linalg.norm(normal) or 1.0)], axis=1)


def _step(
    positions: NDArray[np.float64], directions: NDArray[np.float64], along: NDArray[np.float64], first: Frame, name: str
) -> NDArray[np.float64]:
    """(3,) millimetres from slice to slice; not along the normal where the gantry was tilted."""
    normal = directions[:, 2]
    if len(positions) == 1:
        return np.asarray(normal * (first.thickness or 1.0))
    _check_even(positions, along, name)
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    sideways = step - (step @ normal) * normal
    if np.linalg.norm(sideways) * (len(positions) - 1) < _EVEN_MM / 4:
        step = step - sideways  # no tilt, but the rounding of two positions
    return np.asarray(step)


def _check_even(positions: NDArray[np.float64], along: NDArray[np.float64], name: str) -> None:
    gaps = np.diff(along)
    usual = float(np.median(gaps))
    smallest = int(np.argmin(gaps))
    tolerance = max(_EVEN * usual, _EVEN_MM)
    if gaps[smallest] < min(0.1 * gaps.max(), _EVEN_MM) or gaps.max() == 0:
        raise IrregularSlicesError(
            f"{name}: two slices lie at {along[smallest]:.2f} mm; remove the double one, or open the parts separately.",
            doubled=True,
        )
    worst = int(np.argmax(np.abs(gaps - usual)))
    if abs(gaps[worst] - usual) > tolerance:
        raise IrregularSlicesError(
            f"{name}: slices are {usual:.2f} mm apart, but {gaps[worst]:.2f} mm between {along[worst]:.2f} and "
            f"{along[worst + 1]:.2f} mm; a slice is probably missing: export the series again.",
            doubled=False,
        )
    places = positions[0] + np.outer(np.arange(len(positions)) / (len(positions) - 1), positions[-1] - positions[0])
    beside = np.linalg.norm(positions - places, axis=1)
    if beside.max() > tolerance:
        raise IrregularSlicesError(
            f"{name}: the slice at {along[int(np.argmax(beside))]:.2f} mm lies {beside.max():.2f} mm beside its place; "
            "export the series again.",
            doubled=False,
        )
