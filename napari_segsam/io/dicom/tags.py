"""The elements of a DICOM header that are looked at; everything else is skipped unread."""

from __future__ import annotations

from pydicom.tag import BaseTag, Tag

MOSAIC_COUNT, MOSAIC_CSA = Tag(0x0019100A), Tag(0x00291010)
"""Siemens: how many slices a mosaic holds, and the private header that says how they lie."""

_SERIES = (
    "SpecificCharacterSet",
    "SOPClassUID",
    "Modality",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDescription",
    "FrameOfReferenceUID",
    "VolumeFrameOfReferenceUID",
)
_TRAITS = (
    "AcquisitionNumber",
    "AcquisitionTime",
    "ContentTime",
    "DiffusionBValue",
    "DiffusionGradientOrientation",
    "DimensionIndexSequence",
    "EchoTime",
    "FlipAngle",
    "FrameReferenceTime",
    "ImageType",
    "InversionTime",
    "TemporalPositionIdentifier",
    "TriggerTime",
)
_GEOMETRY = (
    "DetectorInformationSequence",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "ImagerPixelSpacing",
    "NominalScannedPixelSpacing",
    "PerFrameFunctionalGroupsSequence",
    "PixelAspectRatio",
    "PixelSpacing",
    "RRIntervalVector",
    "SequenceOfUltrasoundRegions",
    "SharedFunctionalGroupsSequence",
    "SliceThickness",
    "SliceVector",
    "SpacingBetweenSlices",
    "TimeSlotVector",
)
_PIXELS = (
    "BitsAllocated",
    "BitsStored",
    "Columns",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "HighBit",
    "NumberOfFrames",
    "PhotometricInterpretation",
    "PixelPaddingRangeLimit",
    "PixelPaddingValue",
    "PixelRepresentation",
    "PlanarConfiguration",
    "Rows",
    "SamplesPerPixel",
)
_VALUES = (
    "ModalityLUTSequence",
    "RescaleIntercept",
    "RescaleSlope",
    "VOILUTSequence",
    "WindowCenter",
    "WindowCenterWidthExplanation",
    "WindowWidth",
)
_PALETTE = tuple(
    f"{prefix}{colour}PaletteColorLookupTable{part}"
    for colour in ("Red", "Green", "Blue")
    for prefix, part in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
)


def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)


READ = frozenset((*map(_tag, _SERIES + _TRAITS + _GEOMETRY + _PIXELS + _VALUES + _PALETTE), MOSAIC_COUNT, MOSAIC_CSA))
"""What is read, by tag."""
