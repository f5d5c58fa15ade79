"""Files read in a process of their own: a damaged or hostile one can end or fill that process, not the program.

Each function has the answers and the errors of the one that it asks for, and refuses also what ends, fills or hangs the
reading process.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from napari_segsam.core.labels import LabelMap
from napari_segsam.core.volume import Volume
from napari_segsam.io.sandbox.asking import ask
from napari_segsam.io.sandbox.limits import Limits
from napari_segsam.io.series_info import SeriesInfo

if TYPE_CHECKING:  # with pydicom, which scans of other formats do without
    from napari_segsam.io.dicom.headers import Headers
    from napari_segsam.io.labels.rtstruct import Structures
    from napari_segsam.io.labels.slices import Slices


def read_volume(path: Path, *, series: str | None = None, resample: bool = False) -> Volume:
    """As :func:`napari_segsam.io.formats.read_volume`."""
    volume = ask(Volume, "read_volume", path, series=series, resample=resample)
    # The reading process is not trusted to give every volume a name of its own, and late answers go by that name.
    return replace(volume, id=uuid4().hex)


def list_series(path: Path) -> list[SeriesInfo]:
    """As :func:`napari_segsam.io.formats.list_series`."""
    return ask(list[SeriesInfo], "list_series", path)


def read_labels(path: Path) -> LabelMap:
    """As :func:`napari_segsam.io.formats.read_labels`."""
    return ask(LabelMap, "read_labels", path)


def read_dicom_seg(path: Path, slices: Slices | None = None) -> LabelMap:
    """As :func:`napari_segsam.io.labels.dicom_seg.read_dicom_seg`."""
    return ask(LabelMap, "read_dicom_seg", path, slices=slices)


def read_headers(path: Path, *, series: str | None = None, resample: bool = False) -> Headers:
    """As :func:`napari_segsam.io.dicom.headers.read_headers`."""
    from napari_segsam.io.dicom.headers import Headers

    return ask(Headers, "read_headers", path, series=series, resample=resample)


def is_structure_set(path: Path) -> bool:
    """As :func:`napari_segsam.io.labels.structures.is_structure_set`."""
    return ask(bool, "is_structure_set", path)


def read_on_slices(path: Path, slices: Slices) -> Structures:
    """As :func:`napari_segsam.io.labels.rtstruct.read_on_slices`."""
    from napari_segsam.io.labels.rtstruct import Structures

    return ask(Structures, "read_on_slices", path, slices=slices)


def limits() -> Limits:
    """What the reading process says that the system forbids it."""
    return ask(Limits, "limits_here", Path())
