"""DICOM headers without pixels: which files are images, and which frames they hold."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from napari_segsam.core.errors import UnreadableInputError

DAMAGE = (
    ArithmeticError,
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What pydicom and its plug-ins raise on a damaged or foreign file."""

MOSAIC_COUNT, MOSAIC_CSA = 0x0019100A, 0x00291010
_TAGS = [
    *("SOPClassUID", "SOPInstanceUID", "Modality", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription"),
    *("InstanceNumber", "AcquisitionNumber", "TemporalPositionIdentifier", "TriggerTime", "EchoTime", "ImageType"),
    *("DiffusionBValue", "ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID", "PixelSpacing"),
    *("ImagerPixelSpacing", "NominalScannedPixelSpacing", "SliceThickness", "SpacingBetweenSlices", "Rows", "Columns"),
    *("NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored"),
    *("PixelRepresentation", "PixelPaddingValue", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
    *("WindowCenter", "WindowWidth", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    "SequenceOfUltrasoundRegions",
]
_READ = [*(pydicom.datadict.tag_for_keyword(k) or 0 for k in _TAGS), MOSAIC_COUNT, MOSAIC_CSA]
_PREAMBLE = 128


@dataclass(frozen=True, eq=False)
class Frame:
    """One 2D image: a file, a frame of a multi-frame file, or a tile of a mosaic.

    Attributes:
        path: its file.
        header: of that file, shared by its frames.
        number: which frame of the file, from 0.
        tile: first row and column in the frame, where it is a tile of a mosaic.
        rows, cols: its size.
        position: (x, y, z) LPS millimetres of the first voxel's centre, None where the file does not say.
        orientation: direction cosines of a row and of a column (of growing column and row index), None likewise.
        spacing: millimetres between rows and between columns, None likewise.
        slope, intercept: stored number -> intensity.
        traits: what may tell apart frames that lie at the same position, e.g. ``{"echo time": "4.92"}``.
    """

    path: Path
    header: Dataset
    number: int
    tile: tuple[int, int] | None
    rows: int
    cols: int
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, float] | None
    slope: float
    intercept: float
    traits: dict[str, str]


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings: pydicom's quote the values of the file, which may be a patient's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_header(path: Path) -> Dataset | None:
    """What we use of the file's header; None where it is no DICOM image.

    Raises:
        UnreadableInputError: it is a DICOM image whose header is damaged or cut short.
    """
    damaged = UnreadableInputError(f"{path.name}: the DICOM header is damaged or cut short; export the image again.")
    try:
        if not _looks_like_dicom(path):
            return None
        with quiet():
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_READ, force=True)
            if int(header.get("Rows") or 0) > 0 and int(header.get("Columns") or 0) > 0:
                return header
            kind = header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID")
    except DAMAGE as error:
        raise damaged from error
    if kind is None or "Image Storage" in pydicom.uid.UID(kind).name:
        raise damaged
    return None


def transfer_syntax(header: Dataset) -> pydicom.uid.UID:
    """How the pixels are packed; implicit little endian where an old file does not say."""
    return getattr(header, "file_meta", Dataset()).get("TransferSyntaxUID") or pydicom.uid.ImplicitVRLittleEndian


def numbers(value: Any, count: int) -> tuple[float, ...] | None:
    """A DICOM value as ``count`` floats, None where it is empty or something else."""
    if value is None or isinstance(value, str) or not hasattr(value, "__len__") or len(value) != count:
        return None
    return tuple(float(v) for v in value)


def number(value: Any, otherwise: float) -> float:
    """A DICOM value as a float."""
    return otherwise if value in (None, "") else float(value)


def _looks_like_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(_PREAMBLE + 4)
    if start[_PREAMBLE:] == b"DICM":
        return True
    # Old files lack the preamble and begin with an element of group 2 or 8.
    return start[:2] in (b"\x02\0", b"\x08\0") and start[3:4] == b"\0" and len(start) > _PREAMBLE
