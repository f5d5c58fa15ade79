"""Files read in a process of their own: a damaged or hostile one can end or fill that process, not the program.

The functions are those of :mod:`napari_segsam.io.formats`, with the same answers and the same errors.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from napari_segsam.core.labels import LabelMap
from napari_segsam.core.volume import Volume
from napari_segsam.io.sandbox.asking import ask
from napari_segsam.io.series_info import SeriesInfo


def read_volume(path: Path, *, series: str | None = None, resample: bool = False) -> Volume:
    """As :func:`napari_segsam.io.formats.read_volume`; refuses also what ends, fills or hangs the reading process."""
    volume = ask(Volume, "read_volume", path, series=series, resample=resample)
    # The reading process is not trusted to give every volume a name of its own, and late answers go by that name.
    return replace(volume, id=uuid4().hex)


def list_series(path: Path) -> list[SeriesInfo]:
    """As :func:`napari_segsam.io.formats.list_series`; refuses also what ends, fills or hangs the reading process."""
    return ask(list[SeriesInfo], "list_series", path)


def read_labels(path: Path) -> LabelMap:
    """As :func:`napari_segsam.io.formats.read_labels`; refuses also what ends, fills or hangs the reading process."""
    return ask(LabelMap, "read_labels", path)
