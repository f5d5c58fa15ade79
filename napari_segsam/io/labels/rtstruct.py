"""RT structure sets as label maps: out, as contours on the slices of the images that they refer to, and in again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
from numpy.typing import NDArray

from napari_segsam.core.errors import GridMismatchError, SegsamError, WriteError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import MAX_LABEL
from napari_segsam.core.terminology import Coding
from napari_segsam.io.dicom.damage import printable, quiet
from napari_segsam.io.dicom.source import Source
from napari_segsam.io.labels.maker import Maker
from napari_segsam.io.labels.rois import Roi, read_rois
from napari_segsam.io.labels.structure_set import structure_set


class Structures(NamedTuple):
    """An RT structure set as a label map.

    Attributes:
        voxels: (ni, nj, nk) uint16.
        names: value -> ROI Name.
        codings: value -> what it is in codes, where the file says so.
        warnings: what was left out or is less than certain, a sentence each.
    """

    voxels: NDArray[np.uint16]
    names: dict[int, str]
    codings: dict[int, Coding]
    warnings: tuple[str, ...]


def write_rtstruct(
    path: Path,
    voxels: NDArray[np.unsignedinteger],
    grid: Grid,
    names: Mapping[int, str],
    source: Source,
    *,
    codings: Mapping[int, Coding] | None = None,
    maker: Maker | None = None,
) -> None:
    """Write a label map as an RT structure set; :func:`verify_rtstruct` proves it.

    Args:
        path: a file that the caller puts in its place, see :func:`napari_segsam.io.atomic.replacing`.
        voxels: (ni, nj, nk); a value becomes the ROI of that number.
        grid: of ``voxels``.
        names: value -> ROI Name; ``label 7`` where there is none.
        source: the images that the contours lie on, one slice each; the patient and the study are copied from them.
        codings: value -> what it is in codes.
        maker: who drew the labels; a person and this program where None.

    Raises:
        GridMismatchError: the images lie elsewhere.
        WriteError: nothing is labelled, or a name or the grid is nothing that the format can hold.
    """
    if not source.grid.matches(grid):
        raise GridMismatchError("The label map does not lie on these images; export it with the images it was made on.")
    ds = structure_set(path.name, voxels, grid, names, codings or {}, source, maker or Maker())
    with quiet():
        pydicom.dcmwrite(path, ds, enforce_file_format=True)


def read_rtstruct(path: Path, source: Source | None, grid: Grid) -> Structures:
    """Read an RT structure set of any vendor as a label map; an ROI gets its ROI Number as its value where it can.

    Where ROIs overlap, the smaller one keeps the voxels that they share, and a warning says how many.

    Args:
        path: a file.
        source: the headers of the images that it was drawn on, None where there are none: then contours are placed by
            position alone.
        grid: of the images.

    Raises:
        UnreadableInputError: as :func:`napari_segsam.io.labels.rois.read_rois`.
    """
    rois, warnings = read_rois(path, source, grid)
    values = _values(rois)
    voxels, overlaps = _painted(rois, values, grid)
    return Structures(
        voxels,
        {values[r.number]: r.name for r in rois},
        {values[r.number]: r.coding for r in rois if r.coding},
        (*warnings, *overlaps),
    )


def verify_rtstruct(path: Path, voxels: NDArray[np.unsignedinteger], grid: Grid, source: Source) -> None:
    """Read a structure set that was just written and compare it voxel by voxel.

    Raises:
        WriteError: it does not hold exactly ``voxels``.
    """
    try:
        found = read_rtstruct(path, source, grid).voxels
    except SegsamError as error:
        raise WriteError(f"{path.name} could not be read back; report this.") from error
    if not np.array_equal(found, voxels):
        raise WriteError(f"{path.name} did not read back equal; report this.")


def _values(rois: list[Roi]) -> dict[int, int]:
    """ROI Number -> voxel value: itself, or a free one where no voxel can hold it."""
    fitting = {r.number for r in rois if 1 <= r.number <= MAX_LABEL}
    free = (v for v in range(1, MAX_LABEL + 1) if v not in fitting)
    return {r.number: r.number if r.number in fitting else next(free) for r in rois}


def _painted(rois: list[Roi], values: Mapping[int, int], grid: Grid) -> tuple[NDArray[np.uint16], list[str]]:
    """The label map, larger ROIs below smaller ones, and a sentence for each that was covered in part."""
    voxels = np.zeros(grid.shape, np.uint16)
    sizes = {r.number: int(r.mask.sum()) for r in rois}
    for roi in sorted(rois, key=lambda r: -sizes[r.number]):
        voxels[roi.box][roi.mask] = values[roi.number]
    warnings = []
    for roi in rois:
        above = voxels[roi.box][roi.mask]
        lost = above[above != values[roi.number]]
        if lost.size:
            keepers = [printable(r.name) for r in rois if values[r.number] in np.unique(lost)]
            shown = ", ".join(keepers[:5]) + (f" and {len(keepers) - 5} more" if len(keepers) > 5 else "")
            what = f"ROI {printable(roi.name)} shares {lost.size} of its {sizes[roi.number]} voxels"
            warnings.append(f"{what} with smaller ones, which keep them: {shown}.")
    return voxels, warnings
