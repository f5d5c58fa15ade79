"""Millimetres out of a DICOM header: between voxels, and through a slice."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset

from napari_segsam.io.dicom.damage import DAMAGE
from napari_segsam.io.dicom.values import number, numbers, value

_CENTIMETRES = 3  # Physical Units X Direction (PS3.3 C.8.5.5)
_AT_THE_DETECTOR = ("ImagerPixelSpacing", "NominalScannedPixelSpacing")


def spacing_of(header: Dataset) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """Millimetres between rows and between columns, None where the file does not say; and what to know about them."""
    found = positive(value(header, "PixelSpacing")) or _ultrasound_spacing(header)
    if found:
        return found, ()
    for keyword in _AT_THE_DETECTOR:
        if found := positive(value(header, keyword)):
            return found, ("Its millimetres are those on the detector, where the patient is magnified.",)
    if shape := _shape_of_pixels(header):
        return shape, ("The file has no pixel spacing but a pixel's shape: a millimetre is the width of a pixel here.",)
    return None, ("The file has no pixel spacing: a millimetre is a pixel here.",)


def thickness_of(header: Dataset) -> float:
    """Of a slice that has no neighbour to measure the distance to; 0 where the file does not say."""
    between = abs(number(value(header, "SpacingBetweenSlices"), 0.0))
    return between or abs(number(value(header, "SliceThickness"), 0.0))


def positive(lengths: Any) -> tuple[float, float] | None:
    """Two lengths, None where there are none or they are not positive."""
    found = numbers(lengths, 2)
    return (found[0], found[1]) if found and min(found) > 0 else None


def _shape_of_pixels(header: Dataset) -> tuple[float, float] | None:
    """Height and width of a pixel in widths; None where it is square, or the file says nothing that can be used."""
    try:
        found = positive(value(header, "PixelAspectRatio"))  # height and width (PS3.3 C.7.6.3.1.7)
    except DAMAGE:
        return None
    return (found[0] / found[1], 1.0) if found and found[0] != found[1] else None


def _ultrasound_spacing(header: Dataset) -> tuple[float, float] | None:
    """Of the one calibrated region, in centimetres there; several of different scale, or damaged ones, say nothing."""
    try:
        found = {
            (abs(float(value(r, "PhysicalDeltaY"))) * 10.0, abs(float(value(r, "PhysicalDeltaX"))) * 10.0)
            for r in value(header, "SequenceOfUltrasoundRegions") or ()
            if value(r, "PhysicalUnitsXDirection") == _CENTIMETRES == value(r, "PhysicalUnitsYDirection")
        }
        return positive(found.pop()) if len(found) == 1 else None
    except DAMAGE:
        return None
