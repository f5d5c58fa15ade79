"""Which layers are scans, and the Volume behind each: our reader's, or one made around another reader's layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from napari.components import LayerList
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_segsam.core.errors import GridMismatchError, UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import LabelMap
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Volume, infer_modality
from napari_segsam.engine.session import Session
from napari_segsam.gui.layer_data import FILE_KEY, LABELS_KEY, VOLUME_KEY
from napari_segsam.gui.placement import Placement
from napari_segsam.io.labels.importing import is_cropped
from napari_segsam.io.labels.matching import matched

FOREIGN = (
    "{name} was opened by another reader, which keeps no patient coordinates: sides and saved geometry are those of "
    "the array. Open the file with SEG-SAM to have them right."
)


def scan_layers(layers: Iterable[Layer]) -> list[Image]:
    """The layers that can be segmented, in the viewer's order: images with two or three axes beside colours."""
    return [layer for layer in layers if isinstance(layer, Image) and not layer.multiscale and layer.ndim in (2, 3)]


def volume_of(layer: Image) -> Volume:
    """The Volume that an image layer shows.

    Another reader's layer gets a Grid in which its axes are displayed exactly as they are: rows towards posterior,
    columns towards left, slices towards inferior; its scale counts as millimetres.

    Raises:
        UnreadableInputError: the layer's values are no intensities.
    """
    known = layer.metadata.get(VOLUME_KEY)
    return known if isinstance(known, Volume) else _wrapped(layer)


def session_on(volume: Volume, layers: LayerList, in_use: Callable[[Layer], bool]) -> Session:
    """A session on a scan that was not open yet, with the labels in the viewer that belong to it and are not in use."""
    taken = take_labels(layers, volume, in_use)
    if taken is None:
        return Session(volume)
    session = Session(volume, taken[0])
    if not taken[1]:
        session.mark_unsaved()
    return session


def seen(scans: Iterable[Image], worked_on: Placement | None) -> Iterator[Placement]:
    """Scans that are visible, topmost first: the one that is worked on, and others that our reader opened."""
    for layer in reversed([s for s in scans if s.visible]):
        volume = layer.metadata.get(VOLUME_KEY)
        if worked_on is not None and layer is worked_on.layer:
            yield worked_on
        elif isinstance(volume, Volume):
            yield Placement(volume, layer)


def take_labels(layers: LayerList, volume: Volume, in_use: Callable[[Layer], bool]) -> tuple[LabelMap, bool] | None:
    """Take out the label map that belongs to this scan: one read from a file, or `labels` that an earlier dock left.

    Returns:
        Voxels and names, and whether they are in a file as they are.
    """
    for layer in reversed([layer for layer in layers if isinstance(layer, Labels) and not in_use(layer)]):
        labels = _labels_on(layer, volume)
        if labels is not None:
            layers.remove(layer)
            return labels, FILE_KEY in layer.metadata
    return None


def laid_on(labels: LabelMap, grid: Grid, *, part: bool) -> LabelMap | None:
    """A label map on a scan's grid, None where it was made on another scan.

    Args:
        labels: on a grid of its own.
        grid: of the scan.
        part: it may cover a part of the scan only, see :func:`napari_segsam.io.labels.importing.is_cropped`.
    """
    if labels.grid.frame_of_reference and grid.frame_of_reference not in (labels.grid.frame_of_reference, ""):
        return None
    try:
        return LabelMap(grid, matched(labels.voxels, labels.grid, grid, "", part=part), labels.labels)
    except GridMismatchError:
        return None


def _labels_on(layer: Labels, volume: Volume) -> LabelMap | None:
    """What a Labels layer holds on the scan's grid, None where it is no file's and made on a scan of another name."""
    made_on, file = layer.metadata.get(VOLUME_KEY), layer.metadata.get(FILE_KEY)
    if not isinstance(made_on, Volume) or (file is None and made_on.name != volume.name):
        return None
    voxels = made_on.grid.display.from_display(np.asarray(layer.data))
    labels = LabelMap(made_on.grid, voxels, dict(layer.metadata.get(LABELS_KEY, {})))
    return laid_on(labels, volume.grid, part=file is not None and is_cropped(file))


def bring_to_top(layers: LayerList, scan: Image) -> None:
    """Move a scan above the other scans, which would hide it; what lies between them stays where it is."""
    top = max(layers.index(other) for other in scan_layers(layers))
    if layers.index(scan) < top:
        layers.move(layers.index(scan), top + 1)


def turned(layers: LayerList, scans: list[Image], current: Image, step: int) -> Image:
    """The scan after the current one in the viewer's list, or with -1 before it; round past the ends.

    Whichever is worked on is brought to the top. For the order to outlast that, the list is turned round: the current
    one comes last, or first where the one before it comes last.
    """
    at = scans.index(current) + (1 if step > 0 else 0)
    order = scans[at:] + scans[:at]
    for place, scan in zip(sorted(layers.index(s) for s in scans), order, strict=True):
        here = layers.index(scan)
        if here != place:
            layers.move(here, place if place < here else place + 1)
    return order[0] if step > 0 else order[-1]


def show_alone(layers: LayerList, scan: Image) -> bool:
    """Show a scan, and hide those that our reader opened and that are not known to lie in its frame of reference.

    napari would draw them over each other, whoever they are of. Whoever shows one again sees it.

    Returns:
        Whether anything was shown or hidden.
    """
    others = [layer for layer in scan_layers(layers) if layer.visible and layer is not scan]
    hidden = [layer for layer in others if VOLUME_KEY in layer.metadata and not _share_a_frame(layer, scan)]
    changed = bool(hidden) or not scan.visible
    scan.visible = True
    for layer in hidden:
        layer.visible = False
    return changed


def _share_a_frame(one: Image, other: Image) -> bool:
    """Whether millimetres of the one are known to be millimetres of the other."""
    volumes = [layer.metadata.get(VOLUME_KEY) for layer in (one, other)]
    frames = {volume.grid.frame_of_reference if isinstance(volume, Volume) else "" for volume in volumes}
    return len(frames) == 1 and "" not in frames


def bring_to_slice(dims: Any, placement: Placement, view: SliceView) -> None:
    """Scroll the viewer to a slice of a scan, where slices across its axis are shown."""
    layer = placement.layer
    if layer.ndim == 3 and view.depth_axis + dims.ndim - 3 in dims.not_displayed:
        scroll_to(dims, placement, view)


def bring_into_view(dims: Any, scan: Image) -> None:
    """Where the viewer is scrolled to beside a scan, scroll to the scan's middle."""
    low, high = scan.extent.world
    for axis in (a for a in range(scan.ndim) if a + dims.ndim - scan.ndim in dims.not_displayed):
        at = axis + dims.ndim - scan.ndim
        if not low[axis] <= dims.point[at] <= high[axis]:
            dims.set_point(at, (low[axis] + high[axis]) / 2)


def scroll_to(dims: Any, placement: Placement, view: SliceView) -> None:
    """Scroll the viewer to a slice of the plane that it shows."""
    layer = placement.layer
    at = view.depth_axis + dims.ndim - 3  # napari aligns the axes of unequal layers at the end
    data = layer.world_to_data(dims.point)
    data = np.asarray(data, np.float64).copy()
    data[view.depth_axis + layer.ndim - 3] = view.display_depth
    dims.set_point(at, float(np.asarray(layer.data_to_world(data))[-3:][view.depth_axis]))


def _wrapped(layer: Image) -> Volume:
    data: Any = np.asarray(layer.data)
    if data.dtype.kind not in "buif" or (layer.rgb and data.shape[-1] not in (3, 4)):
        raise UnreadableInputError(
            f"{layer.name}: values of type {data.dtype} are no intensities; choose another layer."
        )
    data = data.view(np.uint8) if data.dtype == bool else data
    data = _eight_bits(data[..., :3]) if layer.rgb else data
    missing = 3 - layer.ndim
    data = data[(None,) * missing]
    z, y, x = (1.0,) * missing + tuple(abs(float(s)) for s in layer.scale)
    voxels = np.swapaxes(data, 0, 2)  # (d0, d1, d2[, 3]) as displayed -> (i, j, k[, 3])
    grid = Grid((voxels.shape[0], voxels.shape[1], voxels.shape[2]), np.diag([x, y, -z, 1.0]))
    foreign = FOREIGN.format(name=layer.name)
    return Volume(grid, voxels, modality=infer_modality(voxels), name=layer.name, placed=False, warnings=(foreign,))


def _eight_bits(colours: NDArray[Any]) -> NDArray[np.uint8]:
    """Colours as napari takes them (bytes, or 0..1) as bytes."""
    if colours.dtype == np.uint8:
        return colours
    scaled: NDArray[Any] = np.rint(np.clip(colours, 0.0, 1.0) * 255.0)
    return scaled.astype(np.uint8)
