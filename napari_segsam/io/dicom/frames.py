"""The frames of a DICOM file, whether it holds one slice, an enhanced multi-frame stack, a film or a mosaic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.dicom.header import DAMAGE, MOSAIC_COUNT, Frame, number, numbers
from napari_segsam.io.dicom.siemens_mosaic import mosaic_tiles

_FILMS = ("US", "IVUS", "XA", "RF", "ES", "XC", "GM", "OT", "OP")
_NO_IMAGES = {
    "SEG": "is a segmentation; open the images that it was drawn on",
    "RTDOSE": "is a dose; open the images that it was planned on",
    "REG": "is a registration; open the images",
}
_TRAITS = {
    "series number": "SeriesNumber",
    "acquisition": "AcquisitionNumber",
    "time point": "TemporalPositionIdentifier",
    "echo time": "EchoTime",
    "b-value": "DiffusionBValue",
    "trigger time": "TriggerTime",
    "image type": "ImageType",
}


def frames_of(path: Path, header: Dataset) -> list[Frame]:
    """All frames of an image file, in its own order.

    Raises:
        UnreadableInputError: damaged, or of a kind that is no image or not supported; the sentence says which.
    """
    try:
        return list(_frames(path, header))
    except DAMAGE as error:
        raise UnreadableInputError(f"{path.name}: the DICOM header is damaged; export the image again.") from error


def _frames(path: Path, header: Dataset) -> Iterator[Frame]:
    modality = str(header.get("Modality", ""))
    if modality in _NO_IMAGES:
        raise UnreadableInputError(f"{path.name} {_NO_IMAGES[modality]}.")
    single = _single_frame(path, header)
    count = int(header.get("NumberOfFrames") or 1)
    if "PerFrameFunctionalGroupsSequence" in header:
        yield from _enhanced_frames(single)
    elif "MOSAIC" in (header.get("ImageType") or ()) and MOSAIC_COUNT in header:
        yield from mosaic_tiles(single)
    elif count == 1:
        yield single
    elif modality in _FILMS or int(header.get("SamplesPerPixel", 1)) > 1:
        yield from (replace(single, number=n, position=None) for n in range(count))
    else:
        raise UnreadableInputError(
            f"{path.name} holds {count} {modality} frames and does not say where they lie; export single slices."
        )


def _single_frame(path: Path, header: Dataset) -> Frame:
    return Frame(
        path=path,
        header=header,
        number=0,
        tile=None,
        rows=int(header.Rows),
        cols=int(header.Columns),
        position=numbers(header.get("ImagePositionPatient"), 3),
        orientation=numbers(header.get("ImageOrientationPatient"), 6),
        spacing=_pixel_spacing(header),
        thickness=_thickness(header),
        slope=number(header.get("RescaleSlope"), 1.0),
        intercept=number(header.get("RescaleIntercept"), 0.0),
        traits={name: _text(header.get(keyword)) for name, keyword in _TRAITS.items()},
    )


def _enhanced_frames(single: Frame) -> Iterator[Frame]:
    shared = (single.header.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    for n, own in enumerate(single.header.PerFrameFunctionalGroupsSequence):
        yield _enhanced_frame(single, n, own, shared)


def _enhanced_frame(single: Frame, n: int, own: Dataset, shared: Dataset) -> Frame:
    def group(name: str) -> Dataset:
        for where in (own, shared):
            if where.get(name):
                return where[name].value[0]  # type: ignore[no-any-return]
        return Dataset()

    measures, values = group("PixelMeasuresSequence"), group("PixelValueTransformationSequence")
    content, kind = group("FrameContentSequence"), group("MRImageFrameTypeSequence")
    return replace(
        single,
        number=n,
        position=numbers(group("PlanePositionSequence").get("ImagePositionPatient"), 3),
        orientation=numbers(group("PlaneOrientationSequence").get("ImageOrientationPatient"), 6),
        spacing=_positive(measures.get("PixelSpacing")) or single.spacing,
        thickness=_thickness(measures) or single.thickness,
        slope=number(values.get("RescaleSlope"), single.slope),
        intercept=number(values.get("RescaleIntercept"), single.intercept),
        traits={
            **single.traits,
            "stack": _text(content.get("StackID")),
            "time point": _text(content.get("TemporalPositionIndex")) or single.traits["time point"],
            "echo time": _text(group("MREchoSequence").get("EffectiveEchoTime")) or single.traits["echo time"],
            "b-value": _text(group("MRDiffusionSequence").get("DiffusionBValue")) or single.traits["b-value"],
            "image type": _text(kind.get("FrameType")) or single.traits["image type"],
            "dimension": _text(content.get("DimensionIndexValues")),
        },
    )


def _thickness(header: Dataset) -> float:
    """Of a slice that has no neighbour to measure the distance to."""
    between = abs(number(header.get("SpacingBetweenSlices"), 0.0))
    return between or abs(number(header.get("SliceThickness"), 0.0))


def _pixel_spacing(header: Dataset) -> tuple[float, float] | None:
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        found = _positive(header.get(keyword))
        if found:
            return found
    return _ultrasound_spacing(header)


def _positive(value: Any) -> tuple[float, float] | None:
    found = numbers(value, 2)
    return (found[0], found[1]) if found and min(found) > 0 else None


def _ultrasound_spacing(header: Dataset) -> tuple[float, float] | None:
    """Of the one calibrated region, in centimetres there; several regions of different scale say nothing."""
    centimetres = 3
    found = {
        (abs(float(r.PhysicalDeltaY)) * 10.0, abs(float(r.PhysicalDeltaX)) * 10.0)
        for r in header.get("SequenceOfUltrasoundRegions") or ()
        if r.get("PhysicalUnitsXDirection") == centimetres == r.get("PhysicalUnitsYDirection")
    }
    return _positive(found.pop()) if len(found) == 1 else None


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return "\\".join(str(v) for v in value) if hasattr(value, "__iter__") else str(value)
