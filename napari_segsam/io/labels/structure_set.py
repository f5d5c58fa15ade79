"""The DICOM object that a label map becomes: an RT Structure Set (PS3.3 A.19) that refers to the images beneath it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage, generate_uid
from scipy import ndimage

from napari_segsam import __version__
from napari_segsam.core.colours import colour_of
from napari_segsam.core.errors import WriteError
from napari_segsam.core.grid import Grid
from napari_segsam.core.maker import PROGRAM, Maker
from napari_segsam.core.terminology import CATEGORIES, Coding
from napari_segsam.io.dicom.source import Source
from napari_segsam.io.labels.contours import INSET, outlines
from napari_segsam.io.labels.items import check_codes, code_item, image_item
from napari_segsam.io.labels.structures import CONTOUR_DATA

_ALWAYS = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID"),
)
_WHERE_KNOWN = (
    *("IssuerOfPatientID", "PatientAge", "PatientSize", "PatientWeight", "StudyDescription"),
    *("AnatomicalOrientationType", "PatientSpeciesDescription", "PatientSpeciesCodeSequence"),
    *("PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence"),
)
_STUDY_COMPONENT = "1.2.840.10008.3.1.2.3.1"
"""Detached Study Management (retired), which references to a study have kept."""
_LONGEST_NAME, _LONGEST_NUMBER = 64, 16
"""Characters that the value representations LO and DS hold (PS3.5 6.2)."""
_LEAST_PLACES = 4
"""Decimal places of a millimetre."""


def structure_set(
    file: str,
    voxels: NDArray[np.unsignedinteger],
    grid: Grid,
    names: Mapping[int, str],
    codings: Mapping[int, Coding],
    source: Source,
    maker: Maker,
) -> Dataset:
    """The structure set of a label map.

    Args:
        file: what an error calls it.
        voxels: (ni, nj, nk).
        grid: of ``voxels`` and of ``source``.
        names: value -> ROI Name.
        codings: value -> what it is in codes.
        source: the images.
        maker: who drew the labels.

    Raises:
        WriteError: nothing is labelled, or the format cannot hold a name, a code, the grid, or images without UIDs.
    """
    try:
        images = _Images(source)
        drawn = {value: list(_contours(mask, at, grid, images)) for value, mask, at in _masks(voxels)}
        called = {value: _name(names.get(value, f"label {value}")) for value in drawn}
        for value, name in called.items():
            check_codes(name, codings.get(value))
    except ValueError as error:
        raise WriteError(f"{file} was not written: {error}.") from error
    if not drawn:
        raise WriteError(f"{file} was not written: nothing is labelled, and a structure set cannot be empty.")
    ds = _heading(source)
    ds.ReferencedFrameOfReferenceSequence = [images.frame_of_reference()]
    ds.StructureSetROISequence = [_roi(v, n, images.frame_uid, maker) for v, n in called.items()]
    ds.ROIContourSequence = [
        _item(ROIDisplayColor=_rgb(called[v]), ContourSequence=contours, ReferencedROINumber=v)
        for v, contours in drawn.items()
    ]
    ds.RTROIObservationsSequence = [_observation(v, codings.get(v)) for v in drawn]
    return ds


def _heading(source: Source) -> Dataset:
    """What describes the whole object: patient, study, series, equipment."""
    now, image = datetime.now(), source.headers[0]
    ds = _item(
        SpecificCharacterSet="ISO_IR 192",
        SOPClassUID=RTStructureSetStorage,
        SOPInstanceUID=generate_uid(prefix=None),
        SeriesInstanceUID=generate_uid(prefix=None),
        StudyInstanceUID=image.StudyInstanceUID,
        FrameOfReferenceUID=image.FrameOfReferenceUID,
        PositionReferenceIndicator="",
        **dict.fromkeys(_ALWAYS, ""),
    )
    for keyword in (*_ALWAYS, *_WHERE_KNOWN):
        if keyword in image:
            ds[keyword] = image[keyword]
    ds.update(
        _item(
            Modality="RTSTRUCT",
            SeriesNumber=None,
            SeriesDescription=f"{PROGRAM} labels",
            OperatorsName="",
            Manufacturer=PROGRAM,
            ManufacturerModelName=PROGRAM,
            SoftwareVersions=__version__,
            StructureSetLabel=PROGRAM,
            StructureSetDate=now.strftime("%Y%m%d"),
            StructureSetTime=now.strftime("%H%M%S"),
            InstanceNumber=1,
            ApprovalStatus="UNAPPROVED",
        )
    )
    if source.made_up:
        ds.StructureSetDescription = " ".join(source.made_up)[:1024]
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian  # explicit VR holds no contour of more than 64 KiB
    return ds


class _Images:
    """The images that contours refer to."""

    def __init__(self, source: Source) -> None:
        self._source = source
        for keyword in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
            if not all(header.get(keyword) for header in source.files):
                raise ValueError(f"the images have no {keyword}; export it with images that have one")
        self.frame_uid = str(source.headers[0].get("FrameOfReferenceUID") or "")
        if not self.frame_uid:
            raise ValueError("the images have no FrameOfReferenceUID; export it with images that have one")

    def at(self, k: int) -> Dataset:
        """The reference to the image of slice k."""
        header = self._source.headers[k]
        image = image_item(header)
        if int(header.get("NumberOfFrames") or 1) > 1:
            image.ReferencedFrameNumber = self._source.frames[k]
        return image

    def frame_of_reference(self) -> Dataset:
        """The references to all images, by study and series."""
        first = self._source.headers[0]
        series = _item(
            SeriesInstanceUID=first.SeriesInstanceUID, ContourImageSequence=[image_item(h) for h in self._source.files]
        )
        study = _item(
            ReferencedSOPClassUID=_STUDY_COMPONENT,
            ReferencedSOPInstanceUID=first.StudyInstanceUID,
            RTReferencedSeriesSequence=[series],
        )
        return _item(FrameOfReferenceUID=self.frame_uid, RTReferencedStudySequence=[study])


def _masks(voxels: NDArray[np.unsignedinteger]) -> Iterator[tuple[int, NDArray[np.bool_], tuple[int, int, int]]]:
    """Each value that occurs, its (mk, mi, mj) mask in the smallest box that holds it, and that box's first voxel."""
    for value, box in enumerate(ndimage.find_objects(voxels), start=1):
        if box is not None:
            mask = np.ascontiguousarray((voxels[box] == value).transpose(2, 0, 1))
            yield value, mask, (box[0].start, box[1].start, box[2].start)


def _contours(mask: NDArray[np.bool_], at: tuple[int, int, int], grid: Grid, images: _Images) -> Iterator[Dataset]:
    """The items of a Contour Sequence, slice by slice."""
    places = _decimal_places(grid)
    for k, on_slice in enumerate(mask, start=at[2]):
        image = images.at(k)
        for polygon in outlines(on_slice):
            ijk = np.column_stack([polygon + at[:2], np.full(len(polygon), k)])
            contour = _item(
                ContourImageSequence=[image],
                ContourGeometricType="CLOSED_PLANAR",
                NumberOfContourPoints=len(polygon),
            )
            # As bytes, which are written as they are: pydicom would make each number an object and text again.
            contour[CONTOUR_DATA] = DataElement(CONTOUR_DATA, "OB", _decimals(grid.to_mm(ijk), places))
            yield contour


def _decimal_places(grid: Grid) -> int:
    """So many that rounding moves a point by no more than a tenth of what outlines are inset by."""
    return max(math.ceil(1 - math.log10(INSET * min(grid.spacing_mm[:2]))), _LEAST_PLACES)


def _decimals(numbers: NDArray[np.float64], places: int) -> bytes:
    """The text of Contour Data, of even length.

    Raises:
        ValueError: a number needs more characters than DICOM allows.
    """
    texts = [repr(x) for x in (np.round(numbers.ravel(), places) + 0.0).tolist()]  # + 0.0: no "-0.0"
    if max(map(len, texts)) > _LONGEST_NUMBER:
        raise ValueError(
            f"its voxels are too small, so far from the origin, for numbers of {_LONGEST_NUMBER} characters"
        )
    text = "\\".join(texts).encode()
    return text + b" " * (len(text) % 2)


def _name(name: str) -> str:
    """A class name as ROI Name.

    Raises:
        ValueError: it is nothing that ROI Name can hold.
    """
    if not name.strip() or len(name) > _LONGEST_NAME or "\\" in name or not name.isprintable():
        raise ValueError(
            f"'{name[:_LONGEST_NAME]!s}' is no ROI Name, which has 1 to {_LONGEST_NAME} characters and no backslash; "
            "rename the label"
        )
    return name


def _rgb(name: str) -> list[int]:
    return [round(255 * part) for part in colour_of(name)]


def _roi(value: int, name: str, frame_of_reference: str, maker: Maker) -> Dataset:
    item = _item(
        ROINumber=value,
        ReferencedFrameOfReferenceUID=frame_of_reference,
        ROIName=name,
        ROIGenerationAlgorithm=maker.kind,
    )
    if maker.kind != "MANUAL":
        item.ROIGenerationDescription = f"{maker.name} {maker.version}"[:_LONGEST_NAME]
    return item


def _observation(value: int, coding: Coding | None) -> Dataset:
    """What an ROI is; its interpreted type is empty unless the code says that it is anatomy."""
    item = _item(ObservationNumber=value, ReferencedROINumber=value, RTROIInterpretedType="", ROIInterpreter="")
    if coding is not None:
        kind = code_item(coding.type)
        if coding.modifier is not None:
            kind.SegmentedPropertyTypeModifierCodeSequence = [code_item(coding.modifier)]
        item.SegmentedPropertyCategoryCodeSequence = [code_item(coding.category)]
        item.RTROIIdentificationCodeSequence = [kind]
        if coding.category == CATEGORIES["anatomy"]:
            item.RTROIInterpretedType = "ORGAN"
    return item


def _item(**elements: Any) -> Dataset:
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds
