"""DICOM headers without pixels: which files are images, and which frames they hold."""

from __future__ import annotations

import logging
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
_DESCRIPTIVE = ("SeriesDescription", "WindowCenter", "WindowWidth", "TriggerTime", "SequenceOfUltrasoundRegions")
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
        thickness: millimetres, 0 where the file does not say.
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
    thickness: float
    slope: float
    intercept: float
    traits: dict[str, str]


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings and no log: pydicom's quote the values of the file, which may be a patient's."""
    log = logging.getLogger("pydicom")
    log.addFilter(_drop)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.removeFilter(_drop)


def _drop(_: logging.LogRecord) -> bool:
    return False


def read_header(path: Path) -> Dataset | None:
    """What we use of the file's header; None where it is no DICOM image.

    Raises:
        UnreadableInputError: it may not be read, or is a DICOM image whose header is damaged or cut short.
    """
    damaged = "the DICOM header is damaged or cut short; export the image again"
    try:
        if not _looks_like_dicom(path):
            return None
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_READ, force=True)
        _decode(header)
        if not transfer_syntax(header).is_valid:
            raise ValueError("no transfer syntax")
        if int(header.get("Rows") or 0) > 0 and int(header.get("Columns") or 0) > 0:
            return header
        kind = pydicom.uid.UID(header.get("SOPClassUID") or header.file_meta.MediaStorageSOPClassUID)
    except DAMAGE as error:
        raise refusal(path, error, damaged) from error
    # A report, a plan or a DICOMDIR is a kind of its own; what has no kind is a damaged file.
    if "Image Storage" in kind.name or kind.name == kind:
        raise UnreadableInputError(f"{path.name}: {damaged}.")
    return None


def refusal(path: Path, error: Exception, damaged: str) -> UnreadableInputError:
    """What to say of an error of :data:`DAMAGE`: that the system does not give the file out, or else ``damaged``."""
    if isinstance(error, OSError) and error.errno:
        return UnreadableInputError.not_opened(path, error)
    return UnreadableInputError(f"{path.name}: {damaged}.")


def _decode(header: Dataset) -> None:
    """Decode every element now, where damage is noticed, rather than when it is first asked for.

    What only describes is dropped where it is damaged; anything else makes the file unusable.
    """
    for tag in list(header.keys()):
        try:
            element = header[tag]
            for item in element.value if element.VR == "SQ" else ():
                list(item.iterall())
        except DAMAGE:
            if pydicom.datadict.keyword_for_tag(tag) not in _DESCRIPTIVE:
                raise
            del header[tag]


def transfer_syntax(header: Dataset) -> pydicom.uid.UID:
    """How the pixels are packed; implicit little endian where an old file does not say."""
    found = getattr(header, "file_meta", Dataset()).get("TransferSyntaxUID")
    return pydicom.uid.UID(found) if found else pydicom.uid.ImplicitVRLittleEndian


def numbers(value: Any, count: int) -> tuple[float, ...] | None:
    """A DICOM value as ``count`` floats, None where it is empty.

    Raises:
        ValueError: it is something else.
    """
    if value is None or value == "":
        return None
    found = tuple(float(v) for v in value)
    if len(found) != count:
        raise ValueError(f"{len(found)} numbers instead of {count}")
    return found


def number(value: Any, otherwise: float) -> float:
    """A DICOM value as a float."""
    return otherwise if value in (None, "") else float(value)


def _looks_like_dicom(path: Path) -> bool:
    if not path.is_file():  # a pipe would never end, a device is none, a link may point to nothing
        return False
    with path.open("rb") as file:
        start = file.read(_PREAMBLE + 4)
    if start[_PREAMBLE:] == b"DICM":
        return True
    # Old files lack the preamble and begin with an element of group 2 or 8.
    return start[:2] in (b"\x02\0", b"\x08\0") and start[3:4] == b"\0" and len(start) > _PREAMBLE
