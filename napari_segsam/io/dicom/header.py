"""DICOM files without their pixels: what we use of the header, and where the pixels lie."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from napari_segsam.io.dicom.damage import DAMAGE, refusal
from napari_segsam.io.dicom.parse import START, Parsed, PixelData, has_pixels, looks_like_dicom, meta_of, parse
from napari_segsam.io.dicom.values import value

_DAMAGED = "the DICOM header is damaged or cut short; export the image again"


@dataclass(frozen=True, eq=False)
class File:
    """A DICOM image file without its pixels.

    Attributes:
        path: where it is.
        header: the elements of `tags.READ`.
        syntax: how it is encoded and its pixels are packed.
        pixels: where they lie.
        size: of the file in bytes.
        body: where the data set begins, after the file meta information.
    """

    path: Path
    header: Dataset
    syntax: UID
    pixels: PixelData
    size: int
    body: int

    @property
    def is_deflated(self) -> bool:
        """Whether all of the data set is compressed as a whole."""
        return self.syntax == DeflatedExplicitVRLittleEndian


def read_header(path: Path) -> File | None:
    """What we use of the file's header; None where it is no DICOM image.

    Raises:
        UnreadableInputError: it may not be read, or is a DICOM image whose header is damaged or cut short.
    """
    try:
        if not path.is_file():  # a pipe would never end, a device is none, a link may point to nothing
            return None
        with path.open("rb", buffering=0) as file:
            start = file.read(START)
            found = parse(file, start) if looks_like_dicom(start) else None
            return _image(path, found, os.fstat(file.fileno()).st_size) if found else None
    except DAMAGE as error:
        raise refusal(path, error, _DAMAGED) from error


def kind_of(path: Path) -> str:
    """What kind of object a DICOM file says that it holds, as in "RT Structure Set Storage"; empty where it is none."""
    with path.open("rb", buffering=0) as file:
        meta = meta_of(file.read(START))
    return meta[0].name if meta and meta[0].name != meta[0] else ""


def _image(path: Path, found: Parsed, size: int) -> File | None:
    """The image that was parsed; None where it is a DICOM object of another kind."""
    header, pixels = found.header, found.pixels
    if "Rows" in header and "Columns" in header and pixels is not None:
        return File(path, header, found.syntax, pixels, size, found.body)
    if has_pixels(UID(value(header, "SOPClassUID") or found.kind)):  # or what has no kind: a damaged file
        raise ValueError("an image without size or pixels")
    return None
