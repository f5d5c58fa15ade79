"""The frames of a DICOM segmentation, read element by element with pydicom: where each lies, and what it holds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.utils import iter_pixels

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.io.labels.voxel_bytes import Stored

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
        shape: columns and rows.
        frame_of_reference: UID, empty where there is none.
    """

    numbers: tuple[int, ...]
    positions: NDArray[np.float64]
    directions: NDArray[np.float64]
    spacing: tuple[float, float]
    between: float
    shape: tuple[int, int]
    frame_of_reference: str


def frames_of(ds: Dataset, name: str) -> Frames:
    """The frames of a segmentation, in the file's order.

    Raises:
        UnreadableInputError: frames that are not parallel or of different spacing.
        ValueError, LookupError, ...: damage.
    """
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
        shape=(int(ds.Columns), int(ds.Rows)),
        frame_of_reference=str(ds.get("FrameOfReferenceUID") or ""),
    )


def spanned(frames: Frames, name: str) -> tuple[Grid, NDArray[np.int64]]:
    """The grid from the first to the last frame, and the slice k of it that each frame lies on.

    Raises:
        UnreadableInputError: the frames make no regular grid, or one that is too large.
    """
    normal = np.cross(frames.directions[:, 0], frames.directions[:, 1])
    along = frames.positions @ normal
    first, last = int(np.argmin(along)), int(np.argmax(along))
    unit = _unit(along, frames.between, name)
    count = round(float(along[last] - along[first]) / unit)
    if (count + 1) * math.prod(frames.shape) > _MOST_VOXELS:
        raise UnreadableInputError(f"{name} spans more slices than memory can hold; export a part of it.")
    step = (frames.positions[last] - frames.positions[first]) / count if count else normal * unit
    k = np.rint((along - along[first]) / unit).astype(np.int64)
    beside = np.linalg.norm(frames.positions - frames.positions[first] - np.outer(k, step), axis=1).max()
    if beside > _EVEN * unit:
        raise UnreadableInputError(f"{name} has frames up to {beside:.2f} mm beside a regular grid; export it again.")
    affine = np.eye(4)
    affine[:3, :2] = frames.directions * frames.spacing
    affine[:3, 2], affine[:3, 3] = step, frames.positions[first]
    return Grid((*frames.shape, count + 1), affine, frames.frame_of_reference), k


def painted(ds: Dataset, frames: Frames, grid: Grid, k: NDArray[np.int64], name: str) -> Stored:
    """(nk, nj, ni) segment numbers.

    Raises:
        UnreadableInputError: segments overlap, which no label map can hold.
        ValueError, LookupError, ...: damage.
    """
    out = np.zeros(grid.shape[::-1], np.uint16)
    shared = 0
    for pixels, number, place in zip(_pixels(ds), frames.numbers, k, strict=True):
        drawn = pixels != 0
        values = np.uint16(number) if number else pixels[drawn]
        below = out[place][drawn]
        shared += int(((below != 0) & (below != values)).sum())
        out[place][drawn] = values
    if shared:
        raise UnreadableInputError(
            f"{name} has segments that overlap in {shared} voxels, which no label map can hold; export each alone."
        )
    return out


def _pixels(ds: Dataset) -> Iterator[NDArray[np.unsignedinteger]]:
    """(rows, cols) of each frame; pydicom 3.0 cannot tell apart packed frames of fewer than eight pixels."""
    if ds.BitsAllocated != 1 or ds.file_meta.TransferSyntaxUID.is_encapsulated:
        yield from iter_pixels(ds)
        return
    packed, shape = np.frombuffer(ds.PixelData, np.uint8), (int(ds.Rows), int(ds.Columns))
    size = math.prod(shape)
    for start in range(0, int(ds.NumberOfFrames) * size, size):
        bits = np.unpackbits(packed[start // 8 : (start + size + 7) // 8], bitorder="little")  # PS3.5 8.1.1
        yield bits[start % 8 :][:size].reshape(shape)


def _unit(along: NDArray[np.float64], between: float, name: str) -> float:
    """Millimetres from slice to slice along the normal: what the file says, else what divides all distances."""
    gaps = np.diff(np.sort(along))
    gaps = gaps[gaps > _TOGETHER_MM]
    if len(gaps) == 0:
        return between or 1.0
    divisors = gaps.min() / np.arange(1, _FINEST + 1)
    for unit in (*([between] if between > 0 else []), *divisors):
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
        return 0 if self._is_labelmap else int(self._group("SegmentIdentificationSequence").ReferencedSegmentNumber)

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
        measures = self._group("PixelMeasuresSequence")
        said = (measures.get("SpacingBetweenSlices"), measures.get("SliceThickness"))
        return next((abs(float(s)) for s in said if s), 0.0)


def _numbers(said: Any, otherwise: tuple[float, ...]) -> tuple[float, ...]:
    if not said:
        return otherwise
    found = tuple(float(x) for x in said)
    if len(found) != len(otherwise) or not all(map(math.isfinite, found)):
        raise ValueError("not as many numbers as there should be")
    return found
