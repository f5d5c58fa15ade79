"""The ROIs of an RT structure set on a grid: each closed contour matched to the slice that it lies on, and filled.

The place of a contour in millimetres decides; an image that it names must be the one at this place. What would have to
be guessed (another frame of reference, contours between slices or across them) is left out with a sentence.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.io.dicom.damage import printable
from napari_segsam.io.labels.rasterise import Polygon, fill
from napari_segsam.io.labels.slices import Slices
from napari_segsam.io.labels.structures import Contour, Structure, read_structures

_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
_OFF_SLICE = 0.1
"""Part of the distance between slices by which a contour may lie beside its slice."""


@dataclass(frozen=True, eq=False)
class Roi:
    """The voxels of one ROI.

    Attributes:
        structure: what the file says of it.
        corner: (i, j, k) of the first voxel of ``mask``.
        mask: (mi, mj, mk), within the grid and no larger than the contours need.
    """

    structure: Structure
    corner: tuple[int, int, int]
    mask: NDArray[np.bool_]

    @property
    def box(self) -> tuple[slice, ...]:
        """Where ``mask`` lies in an array of the grid's shape."""
        return tuple(slice(c, c + n) for c, n in zip(self.corner, self.mask.shape, strict=True))


class _LeftOutError(Exception):
    """Why an ROI cannot be held on this grid: the end of a sentence that begins with its name."""


def read_rois(path: Path, slices: Slices) -> tuple[list[Roi], tuple[str, ...]]:
    """Each ROI of an RT structure set as voxels, and a sentence for whatever was left out or is less than certain.

    Args:
        path: a file of any vendor.
        slices: of the scan, whose images the contours' references are compared with.

    Raises:
        UnreadableInputError: no structure set, damaged, or no ROI of it can be held on this grid.
    """
    structures = read_structures(path)
    images, grid = _Images(slices), slices.grid
    rois: list[Roi] = []
    said: list[str] = []
    for structure in structures:
        name = f"ROI {printable(structure.name)}"
        try:
            placed = _Placed(structure, grid, slices.frame_of_reference, images)
            rois.append(placed.roi())
        except _LeftOutError as why:
            said.append(f"{name} {why}; it was left out.")
        else:
            said += [f"{name} {note}." for note in placed.notes]
    if not rois:
        raise UnreadableInputError(f"{printable(path.name)}: no ROI of it can be held on this image. {said[0]}")
    return rois, (*images.notes(), *said)


class _Images:
    """The slices that contours may name, and how many contours name none of them."""

    def __init__(self, slices: Slices) -> None:
        self._slices: dict[tuple[str, int | None], set[int]] = defaultdict(set)
        self._asked = self._unknown = 0
        for k, (uid, frame) in enumerate(slices.images):
            self._slices[uid, None].add(k)
            self._slices[uid, frame].add(k)

    def names(self, contour: Contour, k: int) -> bool:
        """Whether a contour that lies at slice k names its image; not, where it names none of these.

        Raises:
            _LeftOutError: it names the image of another slice.
        """
        named = [self._slices[image] for image in contour.images if image in self._slices]
        self._asked += 1
        self._unknown += not named
        if named and not any(k in slices for slices in named):
            raise _LeftOutError(f"has a contour at slice {k} (from 0) that names the image of another slice")
        return bool(named)

    def notes(self) -> list[str]:
        """The sentence that says so, where contours were placed by position alone."""
        if not self._unknown:
            return []
        which = f"{self._unknown} of {self._asked} contours name no image of this series"
        return [f"{which}: only their position says that they belong here."]


class _Placed:
    """The closed contours of one ROI in voxel indices, by slice.

    Attributes:
        notes: what to say of it, ends of sentences that begin with its name.
    """

    def __init__(self, structure: Structure, grid: Grid, own_frame: str, images: _Images) -> None:
        """Place the contours.

        Args:
            structure: the ROI.
            grid: of the image.
            own_frame: the frame of reference that the ROI must be drawn in, any where it is empty.
            images: that contours may name.

        Raises:
            _LeftOutError: one of them cannot be, or there is none.
        """
        self._structure, self._shape = structure, grid.shape
        self._slices: dict[int, list[Polygon]] = defaultdict(list)
        self._outside, self._named = 0, True
        closed = [c for c in structure.contours if c.kind in _CLOSED]
        if not closed:
            raise _LeftOutError("has points or open lines only" if structure.contours else "has no contour")
        for contour in closed:
            self._place(contour, grid.to_ijk(contour.points), images)
        if not self._slices:
            raise _LeftOutError("lies outside the image")
        self.notes = self._findings(len(closed))
        if own_frame and structure.frame_of_reference not in (own_frame, ""):
            if not self._named:
                raise _LeftOutError("is drawn in another frame of reference than the image's")
            self.notes.append("names another frame of reference, but its contours name these images at these places")

    def _place(self, contour: Contour, ijk: NDArray[np.float64], images: _Images) -> None:
        low, high = ijk.min(axis=0), ijk.max(axis=0)
        k = int(np.rint((low[2] + high[2]) / 2))
        if high[2] - low[2] > 2 * _OFF_SLICE:
            raise _LeftOutError("is drawn on planes that cross the image's slices")
        if (high < -0.5).any() or (low > np.array(self._shape) - 0.5).any():
            self._outside += 1
            return
        if max(abs(low[2] - k), abs(high[2] - k)) > _OFF_SLICE:
            raise _LeftOutError(f"has a contour between slices (at {ijk[0, 2]:.2f}, counted from 0)")
        self._named &= images.names(contour, k)
        self._slices[k].append(Polygon(ijk[:, :2], contour.kind == "CLOSEDPLANAR_XOR"))

    def _findings(self, closed: int) -> list[str]:
        notes, lines = [], len(self._structure.contours) - closed
        if self._outside:
            notes.append(f"has {self._outside} of {closed} contours outside the image; they were left out")
        if lines:
            notes.append(f"has {lines} points or open lines, which enclose nothing; they were left out")
        if any(p.through_centres for polygons in self._slices.values() for p in polygons):
            notes.append("has contours that run from voxel centre to voxel centre; these voxels were counted to it")
        step = int(np.diff(sorted(self._slices)).min(initial=self._shape[2]))
        if len(self._slices) > 1 and step > 1:
            notes.append(f"has no contours on neighbouring slices (at most one in {step}); what is between is empty")
        return notes

    def roi(self) -> Roi:
        """Its voxels; may add a note.

        Raises:
            _LeftOutError: no voxel's centre is inside.
        """
        low, size = self._box()
        mask, shared = np.zeros(size, bool), 0
        for k, polygons in self._slices.items():
            shifted = [Polygon(p.points - low[:2], p.exclusive) for p in polygons]
            mask[:, :, k - low[2]], joined = fill(shifted, (size[0], size[1]))
            shared += joined
        if not mask.any():
            raise _LeftOutError("encloses no voxel's centre")
        if shared:
            self.notes.append(f"has contours that overlap in part; they were joined ({shared} voxels lie in several)")
        return Roi(self._structure, low, mask)

    def _box(self) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """The first voxel and the size of the smallest box about all contours, within the grid."""
        points = np.concatenate([p.points for polygons in self._slices.values() for p in polygons])
        low = np.maximum(np.floor(points.min(axis=0)), 0).astype(int).tolist()
        high = np.minimum(np.ceil(points.max(axis=0)) + 1, self._shape[:2]).astype(int).tolist()
        first, last = min(self._slices), max(self._slices)
        return (low[0], low[1], first), (high[0] - low[0], high[1] - low[1], last - first + 1)
