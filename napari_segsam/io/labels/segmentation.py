"""The DICOM object that a label map becomes: a Segmentation (PS3.3 A.51) that refers to the images beneath it.

highdicom packs the pixels and describes the frames; where they lie, and which image each was drawn on, is said here.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from highdicom import AlgorithmIdentificationSequence, PlanePositionSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from highdicom.sr import CodedConcept
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RLELossless, generate_uid
from pydicom.valuerep import DSfloat

from napari_segsam import __version__
from napari_segsam.core.colours import colour_of
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label
from napari_segsam.core.maker import PROGRAM, Maker
from napari_segsam.core.terminology import Code
from napari_segsam.io.dicom.source import Source
from napari_segsam.io.labels.items import code_item, image_item
from napari_segsam.io.labels.voxel_bytes import Stored

_PLACES = 9  # decimal places of a millimetre
_SEGMENTED = Code("113076", "Segmentation", "DCM")  # PS3.16, CID 7203
_SOURCE_IMAGE = Code("121322", "Source image for image processing operation", "DCM")  # PS3.16, CID 7202
_ANYBODY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
)
_OF_THE_IMAGES = (
    *("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PositionReferenceIndicator"),
    *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
)
_BYTE, _IDENTITY = 8, "SegmentIdentificationSequence"
_SERIES_NUMBER = 1000  # added to that of the images, so that segmentations stand behind them
_LARGEST_NUMBER = 1 << 30


def segmentation(
    stored: Stored,
    grid: Grid,
    segments: Mapping[int, Label],
    source: Source,
    makers: Mapping[int, Maker],
    *,
    labelmap: bool,
) -> Dataset:
    """The data set, with new UIDs of its own.

    Args:
        stored: (nk, nj, ni) segment numbers.
        grid: of the voxels; i and j are at right angles.
        segments: number -> what it is, with codes.
        source: the images, on the same grid.
        makers: number -> who drew it.
        labelmap: one frame per slice that holds numbers, instead of one bit per voxel and segment.
    """
    ds = Segmentation(
        source_images=[_stand_in(source, grid)],
        pixel_array=stored,
        segmentation_type="LABELMAP" if labelmap else "BINARY",
        segment_descriptions=[_segment(number, segments[number], makers[number]) for number in sorted(segments)],
        series_instance_uid=generate_uid(prefix=None),
        series_number=_series_number(source),
        sop_instance_uid=generate_uid(prefix=None),
        instance_number=1,
        manufacturer=PROGRAM,
        manufacturer_model_name=PROGRAM,
        software_versions=__version__,
        device_serial_number="none",
        content_label="SEGMENTATION",
        content_description=f"{PROGRAM} label map",
        series_description=f"{PROGRAM} segmentation",
        transfer_syntax_uid=RLELossless if labelmap else ExplicitVRLittleEndian,
        plane_positions=[PlanePositionSequence("PATIENT", _rounded(p)) for p in _places(grid)],
    )
    _copy_patient_and_study(ds, source)
    _refer(ds, grid, source)
    if not labelmap:
        _mend_pixels(ds, stored, grid)
    return ds


def _segment(number: int, label: Label, maker: Maker) -> SegmentDescription:
    coding = label.coding
    if coding is None:
        raise ValueError("a segment without codes")
    algorithm = AlgorithmIdentificationSequence(maker.name, _concept(maker.family), maker.version)
    item = SegmentDescription(
        segment_number=number,
        segment_label=label.name,
        segmented_property_category=_concept(coding.category),
        segmented_property_type=_concept(coding.type),
        algorithm_type=maker.kind,
        algorithm_identification=None if maker.kind == "MANUAL" else algorithm,
        tracking_id=label.tracking.id if label.tracking else None,
        tracking_uid=label.tracking.uid if label.tracking else None,
        anatomic_regions=[_concept(coding.region)] if coding.region else None,
        display_color=CIELabColor.from_rgb(*(round(255 * part) for part in colour_of(label.name))),
    )
    # highdicom 0.28 has no argument for what follows.
    if coding.modifier is not None:
        kind = item.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [code_item(coding.modifier)]
    if coding.region is not None and coding.region_modifier is not None:
        item.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [code_item(coding.region_modifier)]
    if maker.kind != "MANUAL" and not maker.version:
        del item.SegmentationAlgorithmIdentificationSequence  # which must have one
    return item


def _concept(code: Code) -> CodedConcept:
    return CodedConcept(code.value, code.scheme, code.meaning)


def _stand_in(source: Source, grid: Grid) -> Dataset:
    """One image of nobody on the grid's first slice, whose orientation, spacing and study highdicom copies.

    It stands for single frames, enhanced multi-frame files and mosaics alike.
    """
    directions = grid.affine[:3, :3] / np.array(grid.spacing_mm)
    normal = np.cross(directions[:, 0], directions[:, 1])
    between = abs(float(normal @ grid.affine[:3, 2]))  # along the normal, even if slices are shifted sideways
    image = Dataset()
    for keyword in _ANYBODY:
        setattr(image, keyword, "")
    for keyword in _OF_THE_IMAGES:
        if keyword in source.headers[0]:
            setattr(image, keyword, source.headers[0][keyword].value)
    image.SOPClassUID, image.SpecificCharacterSet = CTImageStorage, "ISO_IR 192"
    image.FrameOfReferenceUID = grid.frame_of_reference
    image.Columns, image.Rows = grid.shape[:2]
    image.ImagePositionPatient = _rounded(grid.affine[:3, 3])
    image.ImageOrientationPatient = _decimals(directions[:, :2].T.ravel())
    image.PixelSpacing = _decimals(np.array(grid.spacing_mm[1::-1]))
    image.SliceThickness = image.SpacingBetweenSlices = _decimals(np.array([between]))[0]
    return image


def _copy_patient_and_study(ds: Segmentation, source: Source) -> None:
    """What describes patient and study, as it is in the images: odd values too, which highdicom's arguments refuse."""
    said = Dataset()
    for element in source.headers[0]:
        if not element.tag.is_private:
            said.add(DataElement(element.tag, element.VR, element.value, already_converted=True))
    said.SOPClassUID = CTImageStorage  # whose modules of patient and study are those of all images
    ds.copy_patient_and_study_information(said)


def _places(grid: Grid) -> NDArray[np.float64]:
    """(nk, 3) LPS millimetres of the first voxel of each slice."""
    k = np.arange(grid.shape[2])
    return grid.to_mm(np.stack([0 * k, 0 * k, k], axis=1))


def _rounded(place: NDArray[np.float64]) -> list[DSfloat]:
    """A position without the last digits of a float, which say nothing: 16 characters hold it then."""
    return _decimals(np.round(place, _PLACES) + 0.0)  # + 0.0: no "-0.0"


def _decimals(numbers: NDArray[np.float64]) -> list[DSfloat]:
    """Decimal strings of at most 16 characters."""
    return [DSfloat(float(n), auto_format=True) for n in numbers]


def _series_number(source: Source) -> int:
    text = str(source.headers[0].get("SeriesNumber") or "")
    number = int(text) if text.isdecimal() else 0
    return _SERIES_NUMBER + min(number, _LARGEST_NUMBER)


def _mend_pixels(ds: Dataset, stored: Stored, grid: Grid) -> None:
    """Put right what highdicom 0.28 does otherwise than PS3.5 (8.1.1, 8.2) asks.

    It fills up each frame of fewer than eight pixels to a whole byte, and an odd length with the digit 0.
    """
    frames, pixels = ds.PerFrameFunctionalGroupsSequence, stored[0].size
    if pixels < _BYTE:
        shared = ds.SharedFunctionalGroupsSequence[0]
        identity = [(f if _IDENTITY in f else shared)[_IDENTITY].value[0] for f in frames]
        drawn = [stored[_slice_of(f, grid)] == i.ReferencedSegmentNumber for f, i in zip(frames, identity, strict=True)]
        ds.PixelData = np.packbits(np.stack(drawn), bitorder="little").tobytes()
    length = -(-len(frames) * pixels // _BYTE)
    if length % 2:
        ds.PixelData = ds.PixelData[:length] + b"\0"


def _slice_of(frame: Dataset, grid: Grid) -> int:
    """The slice k that a frame lies on."""
    place = np.array([float(x) for x in frame.PlanePositionSequence[0].ImagePositionPatient])
    return round(float(grid.to_ijk(place)[2]))


def _refer(ds: Dataset, grid: Grid, source: Source) -> None:
    """Say which image, and which frame of it, each frame was drawn on, and which images there are."""
    derived = [_derivation(source, k) for k in range(grid.shape[2])]
    for frame in ds.PerFrameFunctionalGroupsSequence:
        frame.DerivationImageSequence = [derived[_slice_of(frame, grid)]]
    images = [image_item(header) for header in source.files]
    series = Dataset()
    series.SeriesInstanceUID = source.headers[0].SeriesInstanceUID
    series.ReferencedInstanceSequence = images
    ds.ReferencedSeriesSequence = [series]
    ds.SourceImageSequence = images
    if source.resampled:
        ds.DerivationDescription = source.resampled


def _derivation(source: Source, k: int) -> Dataset:
    """The item of a Derivation Image Sequence for a frame on slice k."""
    header = source.headers[k]
    image, item = image_item(header), Dataset()
    image.PurposeOfReferenceCodeSequence = [code_item(_SOURCE_IMAGE)]
    image.SpatialLocationsPreserved = "NO" if source.resampled else "YES"
    if int(header.get("NumberOfFrames") or 1) > 1:
        image.ReferencedFrameNumber = source.frames[k]
    item.DerivationCodeSequence = [code_item(_SEGMENTED)]
    item.SourceImageSequence = [image]
    return item
