"""Existing annotations of every kind onto a scan's grid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pydicom
from pydicom.uid import RTStructureSetStorage

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.io import sandbox
from napari_segsam.io.dicom.damage import DAMAGE, quiet, refusal
from napari_segsam.io.dicom.header import kind_of
from napari_segsam.io.dicom.source import Source
from napari_segsam.io.labels.files import IMAGE_SUFFIXES
from napari_segsam.io.labels.matching import matched


def read_any(
    path: Path, grid: Grid, source: Source | None = None, tell: Callable[[str], None] | None = None
) -> LabelMap:
    """Read a NIfTI, NRRD or MetaImage label map, a DICOM segmentation or an RT structure set on a scan's grid.

    Voxels are matched in millimetres: a permuted or flipped index order is reordered exactly. DICOM segmentations and
    .seg.nrrd files keep only the box around what is labelled, which is laid into its place.

    Args:
        path: the annotation.
        grid: of the scan.
        source: the scan's images, which an RT structure set refers to; None where there are none.
        tell: hears what was left out or is less than certain, a sentence each.

    Raises:
        UnreadableInputError: damaged, or no label map.
        GridMismatchError: it lies on another grid; says by how much they differ.
    """
    path = Path(path)
    cropped = path.name.lower().endswith(".seg.nrrd")
    if not path.name.lower().endswith(IMAGE_SUFFIXES):
        if _is_structure_set(path):
            return _structures(path, grid, source, tell)
        cropped = True
    found = sandbox.read_labels(path)
    return LabelMap(grid, matched(found.voxels, found.grid, grid, path.name, part=cropped), found.labels)


def _structures(path: Path, grid: Grid, source: Source | None, tell: Callable[[str], None] | None) -> LabelMap:
    from napari_segsam.io.labels.rtstruct import read_rtstruct

    found = read_rtstruct(path, source, grid)
    if tell is not None:
        for sentence in found.warnings:
            tell(sentence)
    labels = {value: Label(value, name, found.codings.get(value)) for value, name in found.names.items()}
    return LabelMap(grid, found.voxels, labels)


def _is_structure_set(path: Path) -> bool:
    if not path.is_file():
        raise UnreadableInputError(f"{path.name} is not a file; name the file that holds the label map.")
    try:
        kind = kind_of(path)
        if kind:
            return kind == RTStructureSetStorage.name
        with quiet():  # an old file, without the part that says so
            said = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"], force=True)
            return bool(said.get("SOPClassUID") == RTStructureSetStorage)
    except DAMAGE as error:
        raise refusal(path, error, "it is neither a label map nor DICOM, or damaged; choose another file") from error
