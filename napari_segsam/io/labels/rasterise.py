"""Polygons on a slice -> the voxels that they enclose.

Even-odd: a voxel is inside where a ray from its centre crosses the polygon an odd number of times, so keyholes are
holes. A centre that lies on an edge is inside where the polygon lies on the side of growing index (half-open), so
polygons that share an edge share no voxel and leave none out.

A polygon all of whose vertices are voxel centres is another case: writers that follow the outermost voxels of a mask
(``findContours`` of OpenCV) make such ones, and DICOM says that points along a contour's path are part of the ROI
(PS3.3 C.8.8.6.3). There the voxels on the path are inside too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Mask = NDArray[np.bool_]

_AT_CENTRE = 0.01
"""In voxels: files round coordinates to a hundredth or a thousandth of a millimetre."""
_CROSSINGS = 1 << 22
"""So many at once at most, whatever a file holds."""


@dataclass(frozen=True, eq=False)
class Polygon:
    """A closed contour on a slice.

    Attributes:
        points: (n, 2) continuous indices i, j; the last point joins the first.
        exclusive: whether it says of itself that it is combined by exclusive or.
    """

    points: Points
    exclusive: bool = False

    @property
    def through_centres(self) -> bool:
        """Whether every vertex is the centre of a voxel."""
        return bool(np.abs(self.points - np.rint(self.points)).max(initial=0.0) <= _AT_CENTRE)


@dataclass(frozen=True, eq=False)
class _Filled:
    """A polygon's voxels: ``inside`` without those on its path, where these count."""

    box: tuple[slice, slice]
    inside: Mask
    path: Mask | None

    def digest(self) -> tuple[int, int, tuple[int, ...], bytes]:
        """Equal for polygons that enclose the same voxels."""
        voxels = blake2b(self.inside.tobytes(), digest_size=16).digest()
        return self.box[0].start, self.box[1].start, self.inside.shape, voxels


def fill(polygons: Sequence[Polygon], shape: tuple[int, int]) -> tuple[Mask, int]:
    """The (ni, nj) voxels of one ROI on one slice, and how many of them lie in polygons that overlap in part.

    A polygon inside another one is a hole, one inside the hole an island, and so on. Polygons that overlap in part are
    joined, and one that is there twice counts once, unless it runs through centres (the outline and the hole of a ring
    that is one voxel wide are the same). Where any says that it is combined by exclusive or, all are.
    """
    exclusive = any(p.exclusive for p in polygons)
    mask, paths = np.zeros(shape, bool), np.zeros(shape, bool)
    shared, seen = 0, set()
    for polygon in sorted(polygons, key=_extent, reverse=True):  # what contains before what is contained
        one = _filled(polygon, shape)
        if one is None:
            continue
        if one.path is not None:
            paths[one.box] |= one.path
        region, digest = mask[one.box], one.digest()
        covered = region & one.inside
        if exclusive or np.array_equal(covered, one.inside):
            region ^= one.inside & (exclusive or one.path is not None or digest not in seen)
        else:
            region |= one.inside
            shared += int(covered.sum())
        seen.add(digest)
    return mask | paths, shared


def _extent(polygon: Polygon) -> tuple[float, float]:
    """Area of its box, then its own: a polygon inside another one has the smaller."""
    (i, j), (i_next, j_next) = polygon.points.T, np.roll(polygon.points, -1, axis=0).T
    return float(np.ptp(i) * np.ptp(j)), float(abs((i * j_next - j * i_next).sum()))


def _filled(polygon: Polygon, shape: tuple[int, int]) -> _Filled | None:
    """Within the polygon's own box; None where that lies outside the slice."""
    low = np.maximum(np.floor(polygon.points.min(axis=0)), 0)
    high = np.minimum(np.ceil(polygon.points.max(axis=0)) + 1, shape)
    if (low >= high).any():
        return None
    (i0, j0), (i1, j1) = low.astype(int).tolist(), high.astype(int).tolist()
    points, size = polygon.points - low, (i1 - i0, j1 - j0)
    inside, path = _inside(points, size), None
    if polygon.through_centres:
        path = _path(np.rint(points), size)
        inside &= ~path
    return _Filled((slice(i0, i1), slice(j0, j1)), inside, path)


def _inside(points: Points, size: tuple[int, int]) -> Mask:
    """Each crossing of a line of voxels turns all voxels behind it: the parity of turns before a voxel tells."""
    ni, nj = size
    turns = np.zeros(nj * (ni + 1), np.int64)
    for j, i in _crossings(points, 1, nj):
        behind = np.clip(np.ceil(i), 0, ni).astype(np.int64)
        turns += np.bincount(j * (ni + 1) + behind, minlength=len(turns))
    parity = np.bitwise_xor.accumulate((turns & 1).astype(np.uint8).reshape(nj, ni + 1), axis=1)
    return parity[:, :ni].T.astype(bool)


def _path(points: Points, size: tuple[int, int]) -> Mask:
    """The voxels whose centres lie on an edge."""
    path = np.zeros(size, bool)
    _mark(path, points[:, 0], points[:, 1])
    for j, i in _crossings(points, 1, size[1]):
        _mark(path, i, j)
    for line, across in _crossings(points, 0, size[0]):
        _mark(path, line, across)
    return path


def _mark(path: Mask, i: NDArray[np.generic], j: NDArray[np.generic]) -> None:
    at = np.stack([i, j]).astype(np.float64)
    near = np.rint(at).astype(np.int64)
    valid = (np.abs(at - near) <= _AT_CENTRE) & (near >= 0) & (near < np.array(path.shape)[:, None])
    path[tuple(near[:, valid.all(axis=0)])] = True


def _crossings(points: Points, axis: int, count: int) -> Iterator[tuple[NDArray[np.int64], Points]]:
    """Where edges cross the lines 0 ... count - 1 of ``axis``: the line, and the other coordinate.

    An edge crosses the lines from its lower end up to, but without, its higher end.
    """
    ends = np.roll(points, -1, axis=0)
    at_once = max(1, _CROSSINGS // max(count, 1))
    for first in range(0, len(points), at_once):
        a, b = points[first : first + at_once], ends[first : first + at_once]
        low = np.clip(np.ceil(np.minimum(a[:, axis], b[:, axis])), 0, count).astype(np.int64)
        high = np.clip(np.ceil(np.maximum(a[:, axis], b[:, axis])), 0, count).astype(np.int64)
        number = high - low
        edge = np.repeat(np.arange(len(a)), number)
        line = np.arange(len(edge)) + np.repeat(low - np.cumsum(number) + number, number)
        start, way = a[edge], b[edge] - a[edge]
        part = (line - start[:, axis]) / way[:, axis]
        yield line, start[:, 1 - axis] + part * way[:, 1 - axis]
