"""Where the frames of a DICOM segmentation lie, element by element."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.grid import Grid

_MOST_VOXELS = 1 << 32
_FINEST = 12  # slices without labels are left out: every twelfth slice may be all there is
_EVEN = 0.05  # part of the slice distance by which a frame may lie beside its place
_TOGETHER_MM = 1e-3  # frames of one slice


@dataclass(frozen=True, eq=False)
class Frames:
    """Where the frames of a file lie.

    Attributes:
        numbers: of the segment that each frame is part of; 0 where its pixels say that.
        positions: (n, 3) LPS millimetres of each frame's first pixel.
        directions: (3, 2) unit vectors along a row (growing column) and along a column.
        spacing: millimetres between columns and between rows.
        between: millimetres from slice to slice as the file says, 0 where it does not.
        thickness: millimetres that a slice was scanned in, likewise; slices may overlap, or be far apart.
        shape: columns and rows.
        frame_of_reference: UID, empty where there is none.
        placed: whether the file says all positions.
    """

    numbers: tuple[int, ...]
    positions: NDArray[np.float64]
    directions: NDArray[np.float64]
    spacing: tuple[float, float]
    between: float
    thickness: float
    shape: tuple[int, int]
    frame_of_reference: str
    placed: bool


def frames_of(ds: Dataset, name: str) -> Frames:
    """The frames of a segmentation, in the file's order.

    Raises:
        UnreadableInputError: tiles of a slide, or frames that are not parallel or of different spacing.
        ValueError, LookupError, ...: damage.
    """
    if _is_slide(ds):
        raise UnreadableInputError(f"{name} segments a microscope slide, in tiles; choose a segmentation of a scan.")
    shared, is_labelmap = ds.SharedFunctionalGroupsSequence[0], ds.SegmentationType == "LABELMAP"
    own = [_Groups(groups, shared, is_labelmap) for groups in ds.PerFrameFunctionalGroupsSequence]
    if len({(g.orientation, g.spacing) for g in own}) != 1:
        raise UnreadableInputError(f"{name} has frames that are turned against each other; export it slice by slice.")
    first = own[0]
    return Frames(
        numbers=tuple(g.number for g in own),
        positions=np.array([g.position for g in own], dtype=np.float64),
        directions=np.array(first.orientation).reshape(2, 3).T,
        spacing=(first.spacing[1], first.spacing[0]),
        between=first.between,
        thickness=first.thickness,
        shape=(int(ds.Columns), int(ds.Rows)),
        frame_of_reference=str(ds.get("FrameOfReferenceUID") or ""),
        placed=all(g.placed for g in own),
    )


def spanned(frames: Frames, name: str, scan: Grid | None = None) -> tuple[Grid, NDArray[np.int64]]:
    """The grid from the first to the last frame, and the slice k of it that each frame lies on.

    Args:
        frames: all of a file.
        name: what an error calls the file.
        scan: whose distance between slices holds where the file does not say its own.

    Raises:
        UnreadableInputError: the frames make no regular grid, or one that is too large, or two show one segment at
            one place.
    """
    normal = np.cross(frames.directions[:, 0], frames.directions[:, 1])
    along = frames.positions @ normal
    first, last = int(np.argmin(along)), int(np.argmax(along))
    unit = _unit(along, frames, 0.0 if scan is None else _distance_along(normal, scan), name)
    count = round(float(along[last] - along[first]) / unit)
    if (count + 1) * math.prod(frames.shape) > _MOST_VOXELS:
        raise UnreadableInputError(f"{name} spans more slices than memory can hold; export a part of it.")
    step = (frames.positions[last] - frames.positions[first]) / count if count else normal * unit
    k = np.rint((along - along[first]) / unit).astype(np.int64)
    beside = np.linalg.norm(frames.positions - frames.positions[first] - np.outer(k, step), axis=1).max()
    if beside > _EVEN * unit:
        raise UnreadableInputError(f"{name} has frames up to {beside:.2f} mm beside a regular grid; export it again.")
    _check_places(frames, k, name)
    affine = np.eye(4)
    affine[:3, :2] = frames.directions * frames.spacing
    affine[:3, 2], affine[:3, 3] = step, frames.positions[first]
    return Grid((*frames.shape, count + 1), affine, frames.frame_of_reference), k


def _is_slide(ds: Dataset) -> bool:
    """Whether frames are tiles (PS3.3 C.7.6.17.3), which may have no functional groups of their own."""
    frames = ds.get("PerFrameFunctionalGroupsSequence") or [Dataset()]
    return str(ds.get("DimensionOrganizationType")).startswith("TILED") or "PlanePositionSlideSequence" in frames[0]


def _check_places(frames: Frames, k: NDArray[np.int64], name: str) -> None:
    if len(set(zip(frames.numbers, k.tolist(), strict=True))) == len(k):
        return
    if frames.placed:
        what = "has several frames for one segment at one place, as of several points in time"
    else:
        what = "has several frames for one segment and does not say where they lie, as of a film"
    raise UnreadableInputError(f"{name} {what}, which no label map can hold; export them one by one.")


def _distance_along(normal: NDArray[np.float64], scan: Grid) -> float:
    """Millimetres between the voxels of a scan along a normal, on the axis that comes nearest to it."""
    return float(np.abs(normal @ scan.affine[:3, :3]).max())


def _unit(along: NDArray[np.float64], frames: Frames, scanned: float, name: str) -> float:
    """Millimetres from slice to slice along the normal: what the file says, else the scan, else what divides all."""
    gaps = np.diff(np.sort(along))
    gaps = gaps[gaps > _TOGETHER_MM]
    known = [unit for unit in (frames.between, scanned) if unit > 0]
    if len(gaps) == 0:
        return next(iter(known), frames.thickness or 1.0)
    divisors = gaps.min() / np.arange(1, _FINEST + 1)
    for unit in (*known, *divisors):
        if (np.abs(gaps - np.rint(gaps / unit) * unit) <= _EVEN * unit).all() and gaps.min() > unit / 2:
            return float(unit)
    raise UnreadableInputError(f"{name} has frames at uneven distances; export it again.")


class _Groups:
    """The functional groups of one frame: its own, else those that all frames share (PS3.3 C.7.6.16)."""

    def __init__(self, own: Dataset, shared: Dataset, is_labelmap: bool) -> None:
        self._own, self._shared, self._is_labelmap = own, shared, is_labelmap

    def _group(self, keyword: str) -> Dataset:
        found = self._own.get(keyword) or self._shared.get(keyword)
        return found[0] if found else Dataset()

    @property
    def number(self) -> int:
        if self._is_labelmap:
            return 0
        number = int(self._group("SegmentIdentificationSequence").ReferencedSegmentNumber)
        if number < 1:
            raise ValueError("no number of a segment")
        return number

    @property
    def placed(self) -> bool:
        return bool(self._group("PlanePositionSequence").get("ImagePositionPatient"))

    @property
    def position(self) -> tuple[float, ...]:
        """Of a frame that says nothing, as of an X-ray image without one: the origin."""
        return _numbers(self._group("PlanePositionSequence").get("ImagePositionPatient"), (0.0, 0.0, 0.0))

    @property
    def orientation(self) -> tuple[float, ...]:
        said = self._group("PlaneOrientationSequence").get("ImageOrientationPatient")
        return _numbers(said, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0))

    @property
    def spacing(self) -> tuple[float, ...]:
        return _numbers(self._group("PixelMeasuresSequence").get("PixelSpacing"), (1.0, 1.0))

    @property
    def between(self) -> float:
        return abs(float(self._group("PixelMeasuresSequence").get("SpacingBetweenSlices") or 0.0))

    @property
    def thickness(self) -> float:
        return abs(float(self._group("PixelMeasuresSequence").get("SliceThickness") or 0.0))


def _numbers(said: Any, otherwise: tuple[float, ...]) -> tuple[float, ...]:
    if not said:
        return otherwise
    found = tuple(float(x) for x in said)
    if len(found) != len(otherwise) or not all(map(math.isfinite, found)):
        raise ValueError("not as many numbers as there should be")
    return found
