"""How napari shows a volume and a label map: layers that look radiological, with all we know in their metadata."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import LabelMap
from napari_segsam.core.volume import Volume
from napari_segsam.gui.windows import contrast_limits

VOLUME_KEY = "segsam_volume"
"""Where a layer's metadata holds the Volume it shows."""
ORIGIN_KEY = "segsam_origin"
"""Where the metadata of a scan's layer, and of `labels` on it, hold the Origin of the scan."""
LABELS_KEY = "segsam_labels"
"""Where a Labels layer's metadata holds voxel value -> Label."""
FILE_KEY = "segsam_file"
"""Where a Labels layer's metadata holds the name of the file that it was read from."""
AXIS_LABELS = ("S to I", "A to P", "R to L")
"""What the displayed axes run through; the patient's right is on the left."""

LayerData = tuple[NDArray[Any], dict[str, Any], str]


@dataclass(frozen=True)
class Origin:
    """Where a scan was read from: what ``read_volume`` was given."""

    path: Path
    series: str | None = None


def layer_of(volume: Volume, origin: Origin | None = None) -> LayerData:
    """How napari shows a volume: a view of its voxels in display order, in millimetres."""
    kwargs = {"name": volume.name, "rgb": volume.is_rgb, **_placed(volume.grid)}
    kwargs["metadata"] = {VOLUME_KEY: volume, ORIGIN_KEY: origin}
    if not volume.is_rgb:
        kwargs |= {"contrast_limits": contrast_limits(volume), "colormap": "gray_r" if volume.inverted else "gray"}
    return volume.grid.display.to_display(volume.voxels), kwargs, "image"


def labels_layer_of(labels: LabelMap, name: str) -> LayerData:
    """How napari shows a label map that was saved; the dock takes it up where its scan is opened."""
    metadata = {
        VOLUME_KEY: Volume(labels.grid, labels.voxels, name=name),
        LABELS_KEY: dict(labels.labels),
        FILE_KEY: name,
    }
    kwargs = {"name": name, "metadata": metadata, **_placed(labels.grid)}
    return labels.grid.display.to_display(labels.voxels), kwargs, "labels"


def _placed(grid: Grid) -> dict[str, Any]:
    """True spacing along the displayed axes, and what these are."""
    scale = tuple(grid.spacing_mm[a] for a in grid.display.axes)
    return {"scale": scale, "units": ("mm",) * 3, "axis_labels": AXIS_LABELS}
