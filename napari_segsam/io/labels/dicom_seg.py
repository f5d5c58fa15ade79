"""DICOM segmentations as label maps: out, as frames on the images that they refer to, and in again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID, SegmentationStorage

from napari_segsam.core.errors import UnreadableInputError, WriteError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.maker import Maker
from napari_segsam.io.dicom.damage import DAMAGE, printable, quiet, refusal
from napari_segsam.io.dicom.source import Source
from napari_segsam.io.dicom.writing import write_data_set
from napari_segsam.io.formats import LABEL_SUFFIXES
from napari_segsam.io.labels.belonging import doubts_about
from napari_segsam.io.labels.items import check_codes
from napari_segsam.io.labels.seg_frames import Frames, frames_of, spanned
from napari_segsam.io.labels.seg_pixels import painted, values_of
from napari_segsam.io.labels.segments import label_of, maker_of
from napari_segsam.io.labels.slices import Slices
from napari_segsam.io.labels.voxel_bytes import Stored, values_in

_LABELMAP_STORAGE = UID("1.2.840.10008.5.1.4.1.1.66.7")  # PS3.6 names it Label Map Segmentation Storage
_LONGEST_NAME = 64  # characters of Segment Label
_RIGHT_ANGLE = 1e-4  # cosine of the angle that rounded headers make


def write_dicom_seg(
    path: Path,
    name: str,
    stored: Stored,
    grid: Grid,
    segments: Mapping[int, Label],
    source: Source,
    makers: Mapping[int, Maker],
    *,
    labelmap: bool,
) -> None:
    """Write a label map as a DICOM segmentation of these images.

    Args:
        path: a file that the caller puts in its place, see :func:`napari_segsam.io.atomic.replacing`.
        name: what an error calls it.
        stored: (nk, nj, ni) segment numbers.
        grid: of the voxels and of the images.
        segments: number -> what it is, with codes; 1, 2, ... without a gap as BINARY. They all occur, and no others.
        source: the images.
        makers: number -> who drew it.
        labelmap: Label Map Segmentation Storage, else Segmentation Storage with BINARY frames.

    Raises:
        WriteError: the format cannot hold a name, a code or the grid, the images' headers are damaged, or there is too
            little memory.
    """
    for label in segments.values():
        _check_label(label, name)
    directions = grid.affine[:3, :2] / np.array(grid.spacing_mm[:2])
    if abs(float(directions[:, 0] @ directions[:, 1])) > _RIGHT_ANGLE:
        raise WriteError(
            f"{name} was not written: rows and columns of the scan are not at right angles, which DICOM cannot say; "
            "write NIfTI or NRRD."
        )
    from napari_segsam.io.labels.segmentation import segmentation  # highdicom takes a second to load

    with quiet():
        try:
            ds = segmentation(stored, grid, segments, source, makers, labelmap=labelmap)
            write_data_set(path, ds)
        except OSError:
            raise
        except MemoryError as error:
            raise WriteError(
                f"{name} was not written: a segmentation of this size needs more memory than there is; close programs, "
                "or write NIfTI."
            ) from error
        except DAMAGE as error:  # names, codes and the grid are good: what is left is what images say
            raise WriteError(
                f"{name} was not written: the headers of the images are damaged or unusual where they describe patient "
                "or study; export the images again."
            ) from error


def read_dicom_seg(path: Path, slices: Slices | None = None) -> LabelMap:
    """Read a BINARY or LABELMAP segmentation on the grid that its frames span.

    Args:
        path: a file.
        slices: of the scan that it is to be laid onto, whose distance holds where the file does not say its own.

    Raises:
        UnreadableInputError: damaged, FRACTIONAL, of a slide or of several points in time, no segmentation, or segments
            that overlap.
        GridMismatchError: it was drawn in another frame of reference, or nothing says that it belongs to this scan.
    """
    name = printable(path.name)
    with _said_where_damaged(path):
        ds = _opened(path, name)
        frames, values = frames_of(ds, name), values_of(ds)
        warnings = doubts_about(ds, slices, name, placed=frames.placed) if slices else ()
        grid, stored = _voxels(ds, frames, values, name, slices.grid if slices else None)
        labels, makers = _described(ds, values)
    for value in values_in(stored):
        labels.setdefault(value, Label(value, f"label {value}"))
    return LabelMap(grid, np.ascontiguousarray(stored.T), labels, makers, warnings)


def read_segments(path: Path) -> tuple[Grid, Stored]:
    """The grid that the frames span, and the (nk, nj, ni) values; raises what reading a label map raises."""
    name = printable(path.name)
    with _said_where_damaged(path):
        ds = _opened(path, name)
        return _voxels(ds, frames_of(ds, name), values_of(ds), name)


@contextmanager
def _said_where_damaged(path: Path) -> Iterator[None]:
    with quiet():
        try:
            yield
        except DAMAGE as error:
            raise refusal(path, error, "the segmentation is damaged or cut short; export it again") from error


def _opened(path: Path, name: str) -> Dataset:
    ds = pydicom.dcmread(path, force=True)
    _check_kind(ds, name)
    return ds


def _voxels(
    ds: Dataset, frames: Frames, values: NDArray[np.uint16], name: str, scan: Grid | None = None
) -> tuple[Grid, Stored]:
    grid, k = spanned(frames, name, scan)
    return grid, painted(ds, frames, grid, k, values, name)


def _check_label(label: Label, file: str) -> None:
    if len(label.name) > _LONGEST_NAME or "\\" in label.name or not label.name.isprintable():
        raise WriteError(
            f"{file} was not written: '{printable(label.name)}' is no Segment Label, which has at most "
            f"{_LONGEST_NAME} characters and no backslash; rename it."
        )
    try:
        check_codes(label.name, label.coding)
    except ValueError as error:
        raise WriteError(f"{file} was not written: {error}.") from error


def _check_kind(ds: Dataset, name: str) -> None:
    if ds.get("SOPClassUID") not in (SegmentationStorage, _LABELMAP_STORAGE):
        raise UnreadableInputError(
            f"{name} is no label map that can be read: choose a DICOM segmentation, a structure set, or a file that "
            f"ends in {', '.join(LABEL_SUFFIXES)}."
        )
    kind = str(ds.get("SegmentationType") or "of no type")
    if kind not in ("BINARY", "LABELMAP"):
        raise UnreadableInputError(
            f"{name} is {printable(kind)}: its pixels are shares and not labels; export it as BINARY or LABELMAP."
        )


def _described(ds: Dataset, values: NDArray[np.uint16]) -> tuple[dict[int, Label], dict[int, Maker]]:
    """What the Segment Sequence says of each value, and who drew it where that is said; nothing of the background."""
    labels, makers = {}, {}
    for item in ds.SegmentSequence:
        number = int(item.SegmentNumber)
        value = int(values[number]) if number >= 0 else 0
        if value:
            labels[value] = label_of(item, value)
            maker = maker_of(item)
            if maker is not None:
                makers[value] = maker
    return labels, makers
