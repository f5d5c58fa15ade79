"""napari opens our files: one Image layer that looks radiological, with its Volume in the metadata."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.labels import LabelMap
from napari_segsam.core.volume import Volume
from napari_segsam.io.formats import list_series, read_labels, read_volume
from napari_segsam.io.labels.names import names_path
from napari_segsam.io.phantom.sample import torso_phantom

VOLUME_KEY = "segsam_volume"
"""Where a layer's metadata holds the Volume it shows."""
NAMES_KEY = "segsam_names"
"""Where a Labels layer's metadata holds voxel value -> name."""
FILE_KEY = "segsam_file"
"""Where a Labels layer's metadata holds the name of the file that it was read from."""
AXIS_LABELS = ("S to I", "A to P", "R to L")
"""What the displayed axes run through; the patient's right is on the left."""

LayerData = tuple[NDArray[Any], dict[str, Any], str]
_SOFT_TISSUE = (-160.0, 240.0)
_SAMPLED = 64


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """npe2's question "can you read this?"; the manifest's patterns have said yes, so whatever exists is tried."""
    paths = path if isinstance(path, list) else [path]
    return read_layers if all(Path(p).exists() for p in paths) else None


def read_layers(path: str | list[str]) -> list[LayerData]:
    """The scan or label map in each file and every series in each folder, as napari layers.

    Raises:
        UnreadableInputError: what could not be read and what to do.
    """
    paths = path if isinstance(path, list) else [path]
    return [layer for p in paths for layer in _layers(Path(p))]


def _layers(path: Path) -> list[LayerData]:
    """A file with names beside it is a label map of ours, all others are scans."""
    if path.is_file() and names_path(path).is_file():
        return [labels_layer_of(read_labels(path), path.name)]
    return [layer_of(volume) for volume in _volumes(path)]


def labels_layer_of(labels: LabelMap, name: str) -> LayerData:
    """How napari shows a label map that was saved; opened beside its scan, the dock takes it up."""
    frame, spacing = labels.grid.display, labels.grid.spacing_mm
    kwargs: dict[str, Any] = {
        "name": name,
        "scale": tuple(spacing[a] for a in frame.axes),
        "units": ("mm",) * 3,
        "axis_labels": AXIS_LABELS,
        "metadata": {
            VOLUME_KEY: Volume(labels.grid, labels.voxels, name=name),
            NAMES_KEY: {value: label.name for value, label in labels.labels.items()},
            FILE_KEY: name,
        },
    }
    return frame.to_display(labels.voxels), kwargs, "labels"


def _volumes(path: Path) -> list[Volume]:
    """One volume of a file; of a folder one for each series that can be shown."""
    shown = [s.uid for s in list_series(path) if s.refused is None] if path.is_dir() else []
    return [read_volume(path, series=uid) for uid in shown] if len(shown) > 1 else [read_volume(path)]


def open_sample() -> list[LayerData]:
    """The built-in torso CT phantom."""
    return [layer_of(torso_phantom())]


def layer_of(volume: Volume) -> LayerData:
    """How napari shows a volume: a view of its voxels in display order, in millimetres."""
    frame, spacing = volume.grid.display, volume.grid.spacing_mm
    kwargs: dict[str, Any] = {
        "name": volume.name,
        "scale": tuple(spacing[a] for a in frame.axes),
        "units": ("mm",) * 3,
        "axis_labels": AXIS_LABELS,
        "rgb": volume.is_rgb,
        "metadata": {VOLUME_KEY: volume},
    }
    if not volume.is_rgb:
        kwargs |= {"contrast_limits": contrast_limits(volume), "colormap": "gray_r" if volume.inverted else "gray"}
    return frame.to_display(volume.voxels), kwargs, "image"


def contrast_limits(volume: Volume) -> tuple[float, float]:
    """What to show at first: the file's own window, soft tissue in CT, percentiles of a sparse sample elsewhere."""
    if volume.windows:
        return volume.windows[0].limits
    if volume.modality == "ct":
        return _SOFT_TISSUE
    return _percentiles(volume.voxels, volume.padding)


def _percentiles(voxels: NDArray[Any], padding: float | None) -> tuple[float, float]:
    """The 1st and 99.5th percentile of at most 64 planes each way; always low < high."""
    sparse = voxels[tuple(slice(None, None, -(-n // _SAMPLED)) for n in voxels.shape)].ravel()
    known = sparse[np.isfinite(sparse) & (sparse != padding)]
    if known.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(known, (1.0, 99.5))
    return float(low), float(high) if high > low else float(low) + 1.0
