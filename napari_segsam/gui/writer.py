"""napari saves our label maps: on the grid of the scan they were drawn on, never on napari's own idea of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import WriteError
from napari_segsam.core.labels import LabelMap
from napari_segsam.core.volume import Volume
from napari_segsam.gui.label_files import Scan, format_of, write_proven
from napari_segsam.gui.layer_data import LABELS_KEY, ORIGIN_KEY, VOLUME_KEY
from napari_segsam.gui.waiting import wait_for


def write_labels(path: str, data: NDArray[Any], attributes: dict[str, Any]) -> list[str]:
    """npe2's single-layer writer for Labels.

    Args:
        path: where to; the suffix names the format, ``.dcm`` a DICOM segmentation.
        data: (d0, d1, d2) in display order.
        attributes: the layer's; its metadata carries the Volume, its Origin, and the labels.

    Returns:
        The path, once the file is complete and read back equal.

    Raises:
        WriteError: the layer does not belong to a scan of ours, or the file could not be written.
    """
    metadata = attributes.get("metadata", {})
    volume = metadata.get(VOLUME_KEY)
    if not isinstance(volume, Volume):
        raise WriteError(
            "This labels layer belongs to no scan that SEG-SAM knows, so its place in the patient is unknown; "
            "save the layer 'labels' that the SEG-SAM dock made, or choose napari's own writer."
        )
    voxels = volume.grid.display.from_display(_whole_numbers(data))
    labels = LabelMap(volume.grid, voxels, dict(metadata.get(LABELS_KEY, {})))
    scan, target = Scan(volume, metadata.get(ORIGIN_KEY)), Path(path)
    written = format_of(target)
    wait_for(lambda: write_proven(target, labels, written, scan), f"Writing {target.name} …", can_cancel=False)
    return [path]


def _whole_numbers(data: NDArray[Any]) -> NDArray[np.uint16]:
    """The same values as uint16, refused where they do not fit."""
    if data.size and (data.min() < 0 or data.max() > np.iinfo(np.uint16).max):
        raise WriteError("The labels layer has values outside 0..65535; merge or renumber its labels, then save again.")
    return np.asarray(data, dtype=np.uint16)
