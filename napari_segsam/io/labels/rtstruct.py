"""RT structure sets as label maps: out, as contours on the slices of the images that they refer to, and in again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import GridMismatchError, SegsamError, UnreadableInputError, WriteError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import MAX_LABEL
from napari_segsam.core.maker import Maker
from napari_segsam.core.terminology import Coding
from napari_segsam.io.dicom.damage import printable
from napari_segsam.io.dicom.writing import write_data_set
from napari_segsam.io.labels.rois import Roi, read_rois
from napari_segsam.io.labels.slices import Slices

if TYPE_CHECKING:
    from napari_segsam.io.dicom.source import Source


@dataclass(frozen=True, eq=False)
class Structures:
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
    from napari_segsam.io.labels.structure_set import structure_set  # with scipy, which who reads does without

    ds = structure_set(path.name, voxels, grid, names, codings or {}, source, maker or Maker())
    write_data_set(path, ds)


def read_rtstruct(path: Path, source: Source | None, grid: Grid) -> Structures:
    """As :func:`read_on_slices`, in this process: for files that it wrote itself.

    Args:
        path: a file.
        source: the headers of the images that it was drawn on, None where there are none: then contours are placed by
            position alone.
        grid: of the images.
    """
    return read_on_slices(path, Slices.of(source, grid))


def read_on_slices(path: Path, slices: Slices) -> Structures:
    """Read an RT structure set of any vendor as a label map; an ROI gets its ROI Number as its value where it can.

    Where ROIs overlap, the smaller one keeps the voxels that they share, and a warning says how many.

    Raises:
        UnreadableInputError: as :func:`napari_segsam.io.labels.rois.read_rois`, or it holds more ROIs than a label map.
    """
    rois, warnings = read_rois(path, slices)
    if len(rois) > MAX_LABEL:
        raise UnreadableInputError(
            f"{printable(path.name)} holds {len(rois)} ROIs, and a label map no more than {MAX_LABEL}; export fewer."
        )
    by_value = _by_value(rois)
    voxels, overlaps = _painted(by_value, slices.shape)
    return Structures(
        voxels,
        {value: roi.structure.name for value, roi in by_value.items()},
        {value: roi.structure.coding for value, roi in by_value.items() if roi.structure.coding},
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


def _by_value(rois: list[Roi]) -> dict[int, Roi]:
    """The voxel value of each ROI: its ROI Number, or a free one where no voxel can hold that."""
    fitting = {roi.structure.number for roi in rois} & set(range(1, MAX_LABEL + 1))
    free = (v for v in range(1, MAX_LABEL + 1) if v not in fitting)
    return {roi.structure.number if roi.structure.number in fitting else next(free): roi for roi in rois}


def _painted(rois: Mapping[int, Roi], shape: tuple[int, int, int]) -> tuple[NDArray[np.uint16], list[str]]:
    """The label map, larger ROIs below smaller ones, and a sentence for each that was covered in part."""
    voxels = np.zeros(shape, np.uint16)
    sizes = {value: int(roi.mask.sum()) for value, roi in rois.items()}
    for value in sorted(rois, key=lambda v: -sizes[v]):
        voxels[rois[value].box][rois[value].mask] = value
    warnings = []
    for value, roi in rois.items():
        above = voxels[roi.box][roi.mask]
        lost = above[above != value]
        if lost.size:
            above_it = set(np.unique(lost).tolist())
            keepers = [printable(r.structure.name) for v, r in rois.items() if v in above_it]
            shown = ", ".join(keepers[:5]) + (f" and {len(keepers) - 5} more" if len(keepers) > 5 else "")
            what = f"ROI {printable(roi.structure.name)} shares {lost.size} of its {sizes[value]} voxels"
            warnings.append(f"{what} with smaller ones, which keep them: {shown}.")
    return voxels, warnings
