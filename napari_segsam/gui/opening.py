"""A file or folder as napari layers: scans, of several series those that the person picks, and label maps."""

from __future__ import annotations

from pathlib import Path

import napari
from napari.utils.notifications import show_warning

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.volume import Volume
from napari_segsam.gui.layer_data import VOLUME_KEY, LayerData, Origin, labels_layer_of, layer_of
from napari_segsam.gui.picker import pick_series
from napari_segsam.gui.scans import laid_on, scan_layers
from napari_segsam.gui.waiting import in_a_window, wait_for
from napari_segsam.io.labels.holding import CONTOURS_ALONE, holds_contours, holds_labels
from napari_segsam.io.labels.importing import is_cropped
from napari_segsam.io.sandbox import list_series, read_labels, read_volume
from napari_segsam.io.series_info import why_none

ALONE = (
    "{file} holds only the part of its scan that is labelled, and no scan here fits it: over other layers it lies in "
    "a wrong place. Open its scan in the SEG-SAM dock, and it goes to the right one."
)


def layers_at(path: Path) -> list[LayerData]:
    """The label map or the scans at a path, read on another thread.

    A label map is laid onto the scan in the viewer that it fits; without one, it is shown by itself.

    Where there are several series, or one that could only be opened resampled, the person is asked; without a window
    nobody can be, and all that can be shown as they are come.

    Raises:
        UnreadableInputError: what could not be read and what to do.
        CancelledError: the person opened nothing.
    """
    if holds_labels(path):
        return [_labels(path)]
    return [_scan(path, series, resample) for series, resample in _chosen(path)]


def _labels(path: Path) -> LayerData:
    if holds_contours(path):
        raise UnreadableInputError(CONTOURS_ALONE.format(file=path.name))
    labels, part = wait_for(lambda: read_labels(path), f"Reading {path.name} …"), is_cropped(path.name)
    for sentence in labels.warnings:
        show_warning(sentence)
    for volume in _volumes_in_view():
        on_scan = laid_on(labels, volume.grid, part=part)
        if on_scan is not None:
            return labels_layer_of(on_scan, path.name)
    if part:
        show_warning(ALONE.format(file=path.name))
    return labels_layer_of(labels, path.name)


def _volumes_in_view() -> list[Volume]:
    """The scans in the viewer that our reader opened, topmost first."""
    viewer = napari.current_viewer()
    scans = [] if viewer is None else reversed(scan_layers(viewer.layers))
    known = (layer.metadata.get(VOLUME_KEY) for layer in scans)
    return [volume for volume in known if isinstance(volume, Volume)]


def _scan(path: Path, series: str | None, resample: bool) -> LayerData:
    volume = wait_for(lambda: read_volume(path, series=series, resample=resample), f"Reading {path.name} …")
    return layer_of(volume, Origin(path, series))


def _chosen(path: Path) -> list[tuple[str | None, bool]]:
    """Which series to read, None where the file has no name for it; and whether its slices are to be made even."""
    found = wait_for(lambda: list_series(path), f"Looking into {path.name} …")
    usable = [s for s in found if s.refused is None]
    can_ask = in_a_window() and (len(found) > 1 or not usable)
    if not usable and not (can_ask and any(s.evened for s in found)):
        raise UnreadableInputError(why_none(path.name, found))
    return [(s.uid or None, s.refused is not None) for s in (pick_series(found) if can_ask else usable)]
