"""Whether a file says by itself that it holds labels, before anything of it is decoded."""

from __future__ import annotations

from pathlib import Path

from pydicom.filereader import read_file_meta_info
from pydicom.uid import RTStructureSetStorage, SegmentationStorage

from napari_segsam.io.dicom.damage import DAMAGE, quiet
from napari_segsam.io.formats import is_dicom
from napari_segsam.io.labels.names import has_names

OF_LABELS = (SegmentationStorage, "1.2.840.10008.5.1.4.1.1.66.7", RTStructureSetStorage)
"""DICOM's classes for segments (PS3.6): as planes of bits, as a label map, as contours."""
CONTOURS_ALONE = (
    "{file} holds contours, which are drawn on the slices of a scan: open that scan in the SEG-SAM dock first, then "
    "this file."
)


def holds_labels(path: Path) -> bool:
    """Whether a file says by itself that it is a label map: names lie beside it, or its format is one for segments.

    A NIfTI file of labels without names beside it looks like a scan; the dock's button opens it as labels.
    """
    if not path.is_file():
        return False
    if path.name.lower().endswith(".seg.nrrd") or has_names(path):
        return True
    return is_dicom(path) and _storage_class(path) in OF_LABELS


def holds_contours(path: Path) -> bool:
    """Whether a file is a DICOM RT structure set, which only the scan that it was drawn on turns into voxels."""
    return path.is_file() and is_dicom(path) and _storage_class(path) == RTStructureSetStorage


def _storage_class(path: Path) -> str:
    """What the first lines of a DICOM file say that it holds; empty for other files and damaged ones."""
    try:
        with quiet():
            return str(read_file_meta_info(path).get("MediaStorageSOPClassUID", ""))
    except DAMAGE:
        return ""
