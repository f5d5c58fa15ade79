"""A file or folder as napari layers: scans, of several series those that the person picks, and label maps."""

from __future__ import annotations

from pathlib import Path

from pydicom.filereader import read_file_meta_info
from pydicom.uid import RTStructureSetStorage, SegmentationStorage

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.gui.layer_data import LayerData, Origin, labels_layer_of, layer_of
from napari_segsam.gui.picker import pick_series
from napari_segsam.gui.waiting import in_a_window, wait_for
from napari_segsam.io.dicom.damage import DAMAGE, quiet
from napari_segsam.io.formats import is_dicom
from napari_segsam.io.labels.names import names_path
from napari_segsam.io.sandbox import list_series, read_labels, read_volume
from napari_segsam.io.series_info import SeriesInfo

_OF_SEGMENTS = (SegmentationStorage, "1.2.840.10008.5.1.4.1.1.66.7", RTStructureSetStorage)
"""DICOM's classes for segments (PS3.6): as planes of bits, as a label map, as contours."""


def holds_labels(path: Path) -> bool:
    """Whether a file says by itself that it is a label map: names lie beside it, or its format is one for segments.

    A NIfTI file of labels without names beside it looks like a scan; the dock's button opens it as labels.
    """
    if not path.is_file():
        return False
    if names_path(path).is_file() or path.name.lower().endswith(".seg.nrrd"):
        return True
    return is_dicom(path) and _storage_class(path) in _OF_SEGMENTS


def layers_at(path: Path) -> list[LayerData]:
    """The label map or the scans at a path, read on another thread.

    Where there are several series, or one that could only be opened resampled, the person is asked; without a window
    nobody can be, and all that can be shown as they are come.

    Raises:
        UnreadableInputError: what could not be read and what to do.
        CancelledError: the person opened nothing.
    """
    if holds_labels(path):
        return [labels_layer_of(wait_for(lambda: read_labels(path), f"Reading {path.name} …"), path.name)]
    return [_scan(path, series, resample) for series, resample in _chosen(path)]


def _scan(path: Path, series: str | None, resample: bool) -> LayerData:
    volume = wait_for(lambda: read_volume(path, series=series, resample=resample), f"Reading {path.name} …")
    return layer_of(volume, Origin(path, series))


def _chosen(path: Path) -> list[tuple[str | None, bool]]:
    """Which series to read, None where the file has no name for it; and whether its slices are to be made even."""
    found = wait_for(lambda: list_series(path), f"Looking into {path.name} …")
    usable = [s for s in found if s.refused is None]
    can_ask = in_a_window() and (len(found) > 1 or not usable)
    if not usable and not (can_ask and any(s.evened for s in found)):
        raise UnreadableInputError(_refusal(path, found))
    return [(s.uid or None, s.refused is not None) for s in (pick_series(found) if can_ask else usable)]


def _refusal(path: Path, found: list[SeriesInfo]) -> str:
    """Why nothing can be shown: of several reasons the first."""
    more = f" ({len(found) - 1} more series were refused, too.)" if len(found) > 1 else ""
    return f"{found[0].refused}{more}" if found else f"{path.name} holds no image; choose another file or folder."


def _storage_class(path: Path) -> str:
    """What the first lines of a DICOM file say that it holds; empty for other files and damaged ones."""
    try:
        with quiet():
            return str(read_file_meta_info(path).get("MediaStorageSOPClassUID", ""))
    except DAMAGE:
        return ""
