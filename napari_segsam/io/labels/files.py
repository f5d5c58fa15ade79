"""Label maps by themselves: read on the grid that their file gives them, written by suffix."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import UnreadableInputError, WriteError
from napari_segsam.core.labels import MAX_LABEL, Label, LabelMap
from napari_segsam.io.formats import LABEL_SUFFIXES as LABEL_SUFFIXES
from napari_segsam.io.images.layout import Layout
from napari_segsam.io.images.nifti_header import nifti_layout
from napari_segsam.io.images.nrrd import text_layout
from napari_segsam.io.images.nrrd_header import read_nrrd_text
from napari_segsam.io.images.stored import read_stored
from napari_segsam.io.intensities import Voxels, rescaled
from napari_segsam.io.labels.dicom_seg import read_dicom_seg
from napari_segsam.io.labels.names import Names, read_names
from napari_segsam.io.labels.slicer_segments import Segment, read_segments, unescaped
from napari_segsam.io.labels.voxel_bytes import counts_in

_NIFTI = (".nii", ".nii.gz", ".hdr", ".hdr.gz", ".img", ".img.gz")
_NRRD, _META = (".nrrd", ".nhdr"), (".mha", ".mhd")
IMAGE_SUFFIXES = (*_NIFTI, *_NRRD, *_META)
"""Files that are read as images; everything else is tried as DICOM."""


def write_labels(path: Path, labels: LabelMap, names: Mapping[int, str] | None = None, *, resampled: str = "") -> None:
    """Write a label map in the format that the suffix names, one of :data:`LABEL_SUFFIXES`.

    Args:
        path: where to.
        labels: what to write.
        names: value -> name; those of ``labels`` where None.
        resampled: what the Volume that they were drawn on says of itself; the file records it.

    Raises:
        WriteError: another suffix, or as :func:`napari_segsam.io.labels.export.export_labels`.
    """
    from napari_segsam.io.labels.export import SUFFIXES, export_labels  # with SimpleITK, which proves what is written

    for kind in ("nifti", "nrrd"):
        if path.name.lower().endswith(SUFFIXES[kind]):
            export_labels(path, labels, kind, names=names, resampled=resampled)
            return
    raise WriteError(
        f"{path.name}: a label map is written as {', '.join(LABEL_SUFFIXES)}; choose one of these suffixes."
    )


def read_labels(path: Path) -> LabelMap:
    """Read a NIfTI, NRRD or MetaImage label map or a DICOM segmentation, with the names and codes of its values.

    Raises:
        UnreadableInputError: no label map: colours, fractions, values outside 0..65535, or segments that overlap.
    """
    path = Path(path)
    lower = path.name.lower()
    try:
        if lower.endswith(_NIFTI):
            return _from_image(path, nifti_layout(path), [])
        if lower.endswith(_META):
            return _from_image(path, text_layout(path), [])
        if lower.endswith(_NRRD):
            pairs, layout = read_nrrd_text(path).pairs, text_layout(path)
            segments = read_segments({k: unescaped(v) for k, v in pairs.items()}, layout.count, path.name)
            return _from_image(path, layout, segments)
        return read_dicom_seg(path)
    except OSError as error:
        raise UnreadableInputError.not_opened(path, error) from error


def _from_image(path: Path, layout: Layout, segments: list[Segment]) -> LabelMap:
    if layout.colour is not None or (layout.count > 1 and not segments):
        raise UnreadableInputError(
            f"{path.name} is not a label map: it holds {'colours' if layout.colour is not None else 'several volumes'}."
        )
    layers = [_whole_numbers(_layer(layout, n), path.name) for n in range(layout.count)]
    voxels, named = (layers[0], segments) if len(layers) == 1 else _flattened(layers, segments, path.name)
    inside = {s.value: Label(s.value, s.name, s.coding) for s in named}
    there, beside = counts_in(voxels.T), read_names(path)
    taken = _taken(inside, beside, there)
    unnamed = {value: Label(value, f"label {value}") for value in there}
    labels = dict(sorted((unnamed | taken | inside).items()))
    return LabelMap(layout.grid, voxels, labels, warnings=_doubts(path.name, inside, beside, taken, there))


def _taken(inside: Mapping[int, Label], beside: Names, there: Mapping[int, int]) -> dict[int, Label]:
    """What only the file beside names; of a file with names of its own, no value that was taken out of it."""
    return {v: Label(v, n) for v, n in beside.names.items() if v not in inside and (v in there or not inside)}


def _doubts(
    name: str, inside: Mapping[int, Label], beside: Names, taken: Mapping[int, Label], there: Mapping[int, int]
) -> tuple[str, ...]:
    """Where the names beside the file may be those of what was once in it."""
    if any(v in inside and inside[v].name != n for v, n in beside.names.items()):
        return (f"{name} names its labels otherwise than {beside.file}; its own names were taken.",)
    if taken and beside.counts not in (None, there):
        return (f"{name} has changed since {beside.file} was written; check that its names are still right.",)
    return ()


def _layer(layout: Layout, n: int) -> Voxels:
    return rescaled(read_stored(layout, n), layout.slope, layout.intercept)


def _whole_numbers(voxels: Voxels, name: str) -> NDArray[np.uint16]:
    """The same numbers as labels.

    Raises:
        UnreadableInputError: there are others among them.
    """
    inside = bool(((voxels >= 0) & (voxels <= MAX_LABEL)).all())  # false for NaN
    if not inside or (voxels.dtype.kind == "f" and not bool((voxels == np.rint(voxels)).all())):
        raise UnreadableInputError(
            f"{name} is not a label map: its voxels are not whole numbers from 0 to {MAX_LABEL}."
        )
    return voxels.astype(np.uint16, copy=False)


def _flattened(
    layers: list[NDArray[np.uint16]], segments: list[Segment], name: str
) -> tuple[NDArray[np.uint16], list[Segment]]:
    """One layer out of several, whose segments become 1, 2, ... in the file's order.

    Raises:
        UnreadableInputError: segments overlap, which no label map can hold.
    """
    out = np.zeros(layers[0].shape, np.uint16)
    shared, named = 0, []
    for value, segment in enumerate(segments, start=1):
        drawn = layers[segment.layer] == segment.value
        shared += int(np.count_nonzero(out[drawn]))
        out[drawn] = value
        named.append(Segment(0, value, segment.name, segment.coding))
    if shared:
        raise UnreadableInputError(
            f"{name} has segments that overlap in {shared} voxels, which a label map cannot hold; save them one by one."
        )
    return out, named
