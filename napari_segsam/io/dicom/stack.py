"""A pile of frames as one regular grid, or the reason why it is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import UID

from napari_segsam.core.errors import GridMismatchError, UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.io.dicom.frame import Frame
from napari_segsam.io.dicom.gaps import Flaw, flaw_of
from napari_segsam.io.dicom.values import said

_STILL_MM = 1e-3  # rounding in the header is taken out only where no voxel moves further than this


class IrregularSlicesError(UnreadableInputError):
    """Slices that are no regular grid: one is missing, doubled or displaced.

    Attributes:
        flaw: the worst place.
    """

    def __init__(self, message: str, flaw: Flaw) -> None:
        super().__init__(message)
        self.flaw = flaw


@dataclass(frozen=True, eq=False)
class Stack:
    """Frames in the order of k, and the grid that they make.

    Attributes:
        frames: in the order of their positions along the normal.
        grid: where the voxels lie.
        warnings: what to know before using it.
        at: where each slice k lies among the frames, as in 1.25 for a quarter of the way from frame 1 to frame 2;
            empty where slice k is frame k.
        resampled: what was done to make the grid regular, empty where nothing was.
    """

    frames: tuple[Frame, ...]
    grid: Grid
    warnings: tuple[str, ...]
    at: tuple[float, ...] = field(default=(), repr=False)
    resampled: str = ""


@dataclass(frozen=True, eq=False)
class Pile:
    """Frames of equal size and orientation, ordered along their normal.

    Attributes:
        frames: in that order.
        positions: (n, 3) LPS millimetres of their first voxels.
        directions: (3, 3) columns: along a row, along a column, their normal; what the header says of the first two.
        along: (n,) millimetres along the normal, ascending.
    """

    frames: tuple[Frame, ...]
    positions: NDArray[np.float64]
    directions: NDArray[np.float64]
    along: NDArray[np.float64]

    @classmethod
    def of(cls, frames: Sequence[Frame]) -> Pile:
        """Order frames, each of which says where it lies."""
        directions = _directions(frames[0])
        positions = np.array([f.position for f in frames], dtype=np.float64)
        along = positions @ directions[:, 2]
        order = np.argsort(along, kind="stable")
        return cls(tuple(frames[n] for n in order), positions[order], directions, along[order])

    @property
    def flaw(self) -> Flaw | None:
        """Why it is no regular grid, None where it is."""
        return flaw_of(self.positions, self.along)

    def affine(self, step: NDArray[np.float64]) -> NDArray[np.float64]:
        """(4, 4) of the grid whose slices are ``step`` apart."""
        affine = np.eye(4)
        affine[:3, :2] = self.directions[:, :2] * (self.frames[0].spacing or (1.0, 1.0))[::-1]
        affine[:3, 2], affine[:3, 3] = step, self.positions[0]
        return affine

    def step(self, count: float) -> NDArray[np.float64]:
        """(3,) millimetres from slice to slice, ``count`` of which lead from end to end.

        It does not run along the normal where the gantry was tilted.
        """
        whole = self.positions[-1] - self.positions[0]
        normal = self.directions[:, 2]
        sideways = whole - (whole @ normal) * normal
        if np.linalg.norm(sideways) < _STILL_MM:
            whole = whole - sideways  # no tilt, but the rounding of two positions
        return np.asarray(whole / count)


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
    if not first.is_placed:
        return _unplaced(frames, name)
    pile = Pile.of(frames)
    if len(frames) == 1:
        return checked(pile.frames, pile.affine(pile.directions[:, 2] * (first.thickness or 1.0)), name)
    if flaw := pile.flaw:
        raise IrregularSlicesError(f"{name}: {flaw.told(pile.frames)}", flaw)
    return checked(pile.frames, pile.affine(pile.step(len(frames) - 1)), name)


def _unplaced(frames: Sequence[Frame], name: str) -> Stack:
    """Frames without a position: one picture, or a film whose time runs along k."""
    warnings = ["The file does not say how it lies in the patient: left and right are a guess."]
    if len(frames) > 1:
        warnings.append("Its frames follow each other in time: distances and volumes across them mean nothing.")
    rows, cols = frames[0].spacing or (1.0, 1.0)
    return checked(tuple(frames), np.diag([cols, rows, 1.0, 1.0]), name, warnings)


def checked(
    frames: tuple[Frame, ...],
    affine: NDArray[np.float64],
    name: str,
    warnings: Sequence[str] = (),
    at: tuple[float, ...] = (),
    resampled: str = "",
) -> Stack:
    """The stack on this affine.

    Raises:
        UnreadableInputError: it places no voxels.
    """
    first = frames[0]
    try:
        grid = Grid((first.cols, first.rows, len(at) or len(frames)), affine, frame_of_reference(first))
    except GridMismatchError as error:
        raise UnreadableInputError(
            f"{name}: position and orientation in the header make no grid; export it again."
        ) from error
    return Stack(frames, grid, (*first.notes, *warnings), at, resampled)


def frame_of_reference(frame: Frame) -> str:
    """UID of the space that positions are in, empty where the file has none or no valid one."""
    header = frame.header
    found = said(header, "FrameOfReferenceUID") or said(header, "VolumeFrameOfReferenceUID")
    return found if UID(found).is_valid else ""


def _directions(frame: Frame) -> NDArray[np.float64]:
    """(3, 3) columns: along a row, along a column, their normal; rounding in the header is taken out."""
    found = np.array(frame.orientation, dtype=np.float64).reshape(2, 3)
    tidy = _orthonormal(*found)
    rows, cols = frame.spacing or (1.0, 1.0)
    moved = np.linalg.norm(tidy - found, axis=1) @ (frame.cols * cols, frame.rows * rows)
    row, col = tidy if moved < _STILL_MM else found
    return np.stack([row, col, _unit(np.cross(row, col))], axis=1)


def _orthonormal(row: NDArray[np.float64], col: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, 3) nearest directions at a right angle; each takes half of what they lean towards each other."""
    row, col = _unit(row), _unit(col)
    shared = row @ col / 2.0
    return np.stack([_unit(row - shared * col), _unit(col - shared * row)])


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vector / (np.linalg.norm(vector) or 1.0))
