"""What an RT structure set file says: ROIs and their contours in millimetres, before anything is asked of an image."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag
from pydicom.uid import RTStructureSetStorage

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.terminology import Code, Coding
from napari_segsam.io.dicom.damage import DAMAGE, printable, quiet, refusal
from napari_segsam.io.dicom.header import kind_of
from napari_segsam.io.dicom.stream import Clamped

CONTOUR_DATA = Tag("ContourData")
_DAMAGED = "the structure set is damaged, cut short or deflated; export it again"
_FARTHEST_MM = 1e6
_UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True, eq=False)
class Contour:
    """One item of a Contour Sequence.

    Attributes:
        kind: Contour Geometric Type, e.g. ``"CLOSED_PLANAR"``.
        points: (n, 3) LPS millimetres, n >= 1.
        images: SOP Instance UID and frame number (from 1, None for all) of each image that it says it lies on.
    """

    kind: str
    points: NDArray[np.float64]
    images: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, eq=False)
class Structure:
    """One ROI.

    Attributes:
        number: ROI Number, unique in the file.
        name: ROI Name.
        coding: what it is in codes, None where the file does not say.
        frame_of_reference: UID of that which it is drawn in.
        contours: in the file's order; those without points are none.
    """

    number: int
    name: str
    coding: Coding | None
    frame_of_reference: str
    contours: tuple[Contour, ...]


def is_structure_set(path: Path) -> bool:
    """Whether a DICOM file says of itself that it is an RT structure set.

    Raises:
        UnreadableInputError: it is no file, may not be read, or is damaged where it says what it is.
    """
    if not path.is_file():
        raise UnreadableInputError(f"{path.name} is not a file; name the file that holds the label map.")
    try:
        kind = kind_of(path)
        if kind:
            return kind == RTStructureSetStorage.name
        with quiet(), Clamped(io.FileIO(path)) as file:  # an old file, without the part that says so
            said = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["SOPClassUID"], force=True)
            return bool(said.get("SOPClassUID") == RTStructureSetStorage)
    except DAMAGE as error:
        raise refusal(path, error, "it is neither a label map nor DICOM, or damaged; choose another file") from error


def read_structures(path: Path) -> list[Structure]:
    """The ROIs of a structure set, in the file's order.

    Raises:
        UnreadableInputError: no RT structure set, damaged, or it holds no ROI.
    """
    with quiet():
        try:
            ds = _whole(path)
            known = ds.get("SOPClassUID") == RTStructureSetStorage
            structures = list(_structures(ds)) if known else []
        except DAMAGE as error:
            raise refusal(path, error, _DAMAGED) from error
    if not known:
        raise UnreadableInputError(f"{printable(path.name)} is no RT structure set; choose the file with the contours.")
    if not structures:
        raise UnreadableInputError(f"{printable(path.name)}: the structure set holds no ROI; export it again.")
    return structures


def _whole(path: Path) -> Dataset:
    with Clamped(io.FileIO(path)) as file:
        ds = pydicom.dcmread(file, force=True)
    for element in ds.values():
        # pydicom says nothing where a file ends within a sequence, between two of its items.
        if isinstance(element, RawDataElement) and element.length not in (len(element.value or b""), _UNDEFINED):
            raise EOFError
    return ds


def _structures(ds: Dataset) -> Iterator[Structure]:
    rois = {int(item.ROINumber): item for item in _items(ds, "StructureSetROISequence")}
    drawn = {int(item.ReferencedROINumber): item for item in _items(ds, "ROIContourSequence")}
    observed = {int(item.ReferencedROINumber): item for item in _items(ds, "RTROIObservationsSequence")}
    twice = len(rois) < len(_items(ds, "StructureSetROISequence")) or len(drawn) < len(_items(ds, "ROIContourSequence"))
    if twice or drawn.keys() - rois.keys():
        raise ValueError("ROI numbers are not unique, or contours belong to no ROI")
    for number, roi in rois.items():
        contours = (_contour(item) for item in _items(drawn.get(number, Dataset()), "ContourSequence"))
        yield Structure(
            number,
            " ".join(str(roi.get("ROIName") or "").split()) or f"label {number}",
            _coding(observed.get(number, Dataset())),
            str(roi.get("ReferencedFrameOfReferenceUID") or ""),
            tuple(contour for contour in contours if len(contour.points)),
        )


def _items(ds: Dataset, keyword: str) -> Any:
    """Of a sequence, none where it is not there or empty."""
    return ds.get(keyword) or ()


def _contour(item: Dataset) -> Contour:
    points = _numbers(item).reshape(-1, 3)
    if int(item.get("NumberOfContourPoints") or len(points)) != len(points):
        raise ValueError("a contour has more or fewer points than it says")
    images = tuple(
        (str(image.ReferencedSOPInstanceUID), _frame_number(image)) for image in _items(item, "ContourImageSequence")
    )
    return Contour(str(item.ContourGeometricType), points, images)


def _frame_number(image: Dataset) -> int | None:
    """None where the reference is to the whole file or to several frames."""
    value = image.get("ReferencedFrameNumber")
    return None if value is None or isinstance(value, MultiValue) else int(value)


def _numbers(item: Dataset) -> NDArray[np.float64]:
    """Contour Data, made from its text here, which takes a tenth of the time that element by element takes."""
    value = item.get_item(CONTOUR_DATA).value
    parts = value.strip(b" \0").split(b"\\") if isinstance(value, bytes) else value
    numbers = np.array([float(part) for part in parts] if value else [], np.float64)
    if not (np.abs(numbers) <= _FARTHEST_MM).all():  # false for NaN
        raise ValueError("a contour lies nowhere")
    return numbers


def _coding(observation: Dataset) -> Coding | None:
    """PS3.3 C.8.8.8: category, identification and its modifier."""
    category = _items(observation, "SegmentedPropertyCategoryCodeSequence")
    kind = _items(observation, "RTROIIdentificationCodeSequence")
    if not category or not kind:
        return None
    modifier = _items(kind[0], "SegmentedPropertyTypeModifierCodeSequence")
    return Coding(_code(category[0]), _code(kind[0]), _code(modifier[0]) if modifier else None)


def _code(item: Dataset) -> Code:
    value = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue") or ""
    return Code(str(value), str(item.get("CodeMeaning") or ""), str(item.get("CodingSchemeDesignator") or ""))
