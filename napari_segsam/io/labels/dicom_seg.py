"""DICOM segmentations as label maps: out, as frames on the images that they refer to, and in again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID, SegmentationStorage

from napari_segsam.core.errors import UnreadableInputError, WriteError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.terminology import Code, Coding
from napari_segsam.io.dicom.damage import DAMAGE, printable, quiet, refusal
from napari_segsam.io.dicom.source import Source
from napari_segsam.io.labels.maker import Maker
from napari_segsam.io.labels.seg_frames import frames_of, painted, spanned
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
    maker: Maker,
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
        maker: who drew them.
        labelmap: Label Map Segmentation Storage, else Segmentation Storage with BINARY frames.

    Raises:
        WriteError: the format cannot hold a name or the grid, or the images' headers are damaged.
    """
    for label in segments.values():
        _check_name(label, name)
    directions = grid.affine[:3, :2] / np.array(grid.spacing_mm[:2])
    if abs(float(directions[:, 0] @ directions[:, 1])) > _RIGHT_ANGLE:
        raise WriteError(
            f"{name} was not written: rows and columns of the scan are not at right angles, which DICOM cannot say; "
            "write NIfTI or NRRD."
        )
    from napari_segsam.io.labels.segmentation import segmentation  # highdicom takes a second to load

    with quiet():
        try:
            ds = segmentation(stored, grid, segments, source, maker, labelmap=labelmap)
            pydicom.dcmwrite(path, ds, enforce_file_format=True)
        except OSError:
            raise
        except DAMAGE as error:
            raise WriteError(
                f"{name} was not written: the headers of the images are damaged or unusual where they describe patient "
                "or study; export the images again."
            ) from error


def read_dicom_seg(path: Path) -> LabelMap:
    """Read a BINARY or LABELMAP segmentation on the grid that its frames span.

    Raises:
        UnreadableInputError: damaged, FRACTIONAL, no segmentation, or segments that overlap.
    """
    grid, stored, labels = read_segments(path)
    return LabelMap(grid, np.ascontiguousarray(stored.T), labels)


def read_segments(path: Path) -> tuple[Grid, Stored, dict[int, Label]]:
    """The grid that the frames span, (nk, nj, ni) segment numbers, and what they are; raises what reading raises."""
    name = printable(path.name)
    with quiet():
        try:
            ds = pydicom.dcmread(path, force=True)
            _check_kind(ds, name)
            frames = frames_of(ds, name)
            grid, k = spanned(frames, name)
            stored = painted(ds, frames, grid, k, name)
            labels = {label.value: label for label in _labels(ds)}
        except DAMAGE as error:
            raise refusal(path, error, "the segmentation is damaged or cut short; export it again") from error
    for value in values_in(stored):
        labels.setdefault(value, Label(value, f"label {value}"))
    return grid, stored, labels


def _check_name(label: Label, file: str) -> None:
    if len(label.name) > _LONGEST_NAME or "\\" in label.name or not label.name.isprintable():
        raise WriteError(
            f"{file} was not written: '{printable(label.name)}' is no Segment Label, which has at most "
            f"{_LONGEST_NAME} characters and no backslash; rename it."
        )


def _check_kind(ds: Dataset, name: str) -> None:
    if ds.get("SOPClassUID") not in (SegmentationStorage, _LABELMAP_STORAGE):
        raise UnreadableInputError(f"{name} is no DICOM segmentation; choose a label map.")
    kind = str(ds.get("SegmentationType") or "of no type")
    if kind not in ("BINARY", "LABELMAP"):
        raise UnreadableInputError(
            f"{name} is {printable(kind)}: its pixels are shares and not labels; export it as BINARY or LABELMAP."
        )


def _labels(ds: Dataset) -> Iterator[Label]:
    for item in ds.SegmentSequence:
        number = int(item.SegmentNumber)
        if number > 0:  # 0 is the background of a LABELMAP
            yield Label(number, str(item.get("SegmentLabel") or "").strip() or f"label {number}", _coding(item))


def _coding(segment: Dataset) -> Coding | None:
    category = _code(segment, "SegmentedPropertyCategoryCodeSequence")
    kind = _code(segment, "SegmentedPropertyTypeCodeSequence")
    if category is None or kind is None:
        return None
    return Coding(category, kind, _code(segment.SegmentedPropertyTypeCodeSequence[0], _MODIFIER))


_MODIFIER = "SegmentedPropertyTypeModifierCodeSequence"


def _code(item: Dataset, keyword: str) -> Code | None:
    """The concept of a code sequence with one item."""
    for code in item.get(keyword) or ():
        value = str(code.get("CodeValue") or code.get("LongCodeValue") or "")
        return Code(value, str(code.get("CodeMeaning") or ""), str(code.get("CodingSchemeDesignator") or ""))
    return None
