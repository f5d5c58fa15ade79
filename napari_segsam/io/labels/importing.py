"""Existing annotations of every kind onto a scan's grid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.io import sandbox
from napari_segsam.io.labels.files import IMAGE_SUFFIXES
from napari_segsam.io.labels.matching import matched
from napari_segsam.io.labels.slices import Slices

if TYPE_CHECKING:
    from napari_segsam.io.dicom.source import Source


def read_any(
    path: Path, grid: Grid, source: Source | None = None, tell: Callable[[str], None] | None = None
) -> LabelMap:
    """Read a NIfTI, NRRD or MetaImage label map, a DICOM segmentation or an RT structure set on a scan's grid.

    Voxels are matched in millimetres: a permuted or flipped index order is reordered exactly. DICOM segmentations and
    .seg.nrrd files keep only the box around what is labelled, which is laid into its place.

    Args:
        path: the annotation.
        grid: of the scan.
        source: the scan's images, which DICOM objects refer to; None where there are none.
        tell: hears what was left out or is less than certain, a sentence each.

    Raises:
        UnreadableInputError: damaged, or no label map.
        GridMismatchError: it lies on another grid, and says by how much they differ, or in another frame of reference.
    """
    path = Path(path)
    if path.name.lower().endswith(IMAGE_SUFFIXES):
        found = sandbox.read_labels(path)
    elif sandbox.is_structure_set(path):
        return _structures(path, grid, source, tell)
    else:
        found = sandbox.read_dicom_seg(path, Slices.of(source, grid))
    _pass_on(found.warnings, tell)
    voxels = matched(found.voxels, found.grid, grid, path.name, part=is_cropped(path.name), tell=tell)
    return LabelMap(grid, voxels, found.labels, found.makers)


def is_cropped(name: str) -> bool:
    """Whether files with such a name keep only the box around what is labelled: .seg.nrrd and DICOM segmentations."""
    return name.lower().endswith(".seg.nrrd") or not name.lower().endswith(IMAGE_SUFFIXES)


def _structures(path: Path, grid: Grid, source: Source | None, tell: Callable[[str], None] | None) -> LabelMap:
    found = sandbox.read_on_slices(path, Slices.of(source, grid))
    _pass_on(found.warnings, tell)
    labels = {value: Label(value, name, found.codings.get(value)) for value, name in found.names.items()}
    return LabelMap(grid, found.voxels, labels)


def _pass_on(sentences: tuple[str, ...], tell: Callable[[str], None] | None) -> None:
    if tell is not None:
        for sentence in sentences:
            tell(sentence)
