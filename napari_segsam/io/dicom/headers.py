"""What DICOM objects made from labels take from the headers of a scan's images; the reading process finds it.

It is sent as data sets that were decoded and encoded anew: well formed, never deflated, and of a size that is known.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset, read_file_meta_info, read_partial
from pydicom.filewriter import write_data_element
from pydicom.tag import BaseTag, Tag

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.io.dicom.damage import DAMAGE, printable, quiet, refusal
from napari_segsam.io.dicom.header import File
from napari_segsam.io.dicom.made_up import fill_blank
from napari_segsam.io.dicom.read import series_at
from napari_segsam.io.dicom.series import Series
from napari_segsam.io.dicom.stack import Stack
from napari_segsam.io.dicom.stream import Clamped, inflated

MOST = 1 << 26
"""Bytes of all headers of a scan: more than a hundred times what a thousand slices have."""

_DAMAGED = "the DICOM header is damaged or cut short; export the image again"
_OF_EACH: list[BaseTag | int] = [
    Tag(keyword)
    for keyword in (
        *("SOPClassUID", "SOPInstanceUID", "Modality", "StudyInstanceUID", "SeriesInstanceUID"),
        *("FrameOfReferenceUID", "ImagePositionPatient", "NumberOfFrames"),
    )
]
"""Says which image a file is."""
_GROUPS = frozenset((0x0008, 0x0010, 0x0012, 0x0020, 0x0032, 0x0038))
"""Say of whom and of what study and series the images are (PS3.3 C.7.1, C.7.2), as do a few elements beside them."""
_BESIDE = frozenset((Tag("NumberOfFrames"), Tag("ReasonForPerformedProcedureCodeSequence")))
_LAST = int(max(_BESIDE))


@dataclass(frozen=True, eq=False)
class Headers:
    """The headers of a scan's images, in the order of its slices k.

    Attributes:
        grid: of the volume.
        encoded: (n,) uint8: the data sets of the files in Explicit VR Little Endian, one behind the other.
        lengths: bytes of each.
        files: which of them is each slice's, from 0.
        frames: number of each slice's frame in its file, from 1.
        made_up: what the files did not say and was made for them, or what they said and was damaged, a sentence each.
        resampled: how uneven slices became the grid's, empty where each slice is an image.
    """

    grid: Grid
    encoded: NDArray[np.uint8]
    lengths: tuple[int, ...]
    files: tuple[int, ...]
    frames: tuple[int, ...]
    made_up: tuple[str, ...]
    resampled: str

    def __post_init__(self) -> None:
        whole = self.encoded.dtype == np.uint8 and self.encoded.shape == (sum(self.lengths),) and min(self.lengths) > 0
        known = all(0 <= n < len(self.lengths) for n in self.files) and min(self.frames) > 0
        if not (whole and known and len(self.files) == len(self.frames) == self.grid.shape[2]):
            raise ValueError("headers that do not fit together")
        if self.encoded.size > MOST:
            raise ValueError("too long")


def read_headers(path: Path, *, series: str | None = None, resample: bool = False) -> Headers:
    """Those of the scan that :func:`napari_segsam.io.dicom.read.read_dicom` reads with the same arguments.

    The first file's says whom and what study they are of, too; that of every other which image it is.

    Raises:
        UnknownNameError: no such series.
        UnreadableInputError: as ``read_dicom``, or the headers are longer than :data:`MOST`.
    """
    with quiet():
        stack = _stack(series_at(path, series), resample)
        frames = [stack.frames[round(place)] for place in stack.at] or stack.frames
        files = {file: n for n, file in enumerate(dict.fromkeys(frame.file for frame in frames))}
        headers = [_header(file, all_of_it=n == 0) for file, n in files.items()]
        of_each = [files[frame.file] for frame in frames]
        try:
            of_slices, paths = [headers[n] for n in of_each], [frame.path for frame in frames]
            made_up = fill_blank(of_slices, paths, frames[0].is_placed)
            grid = replace(stack.grid, frame_of_reference=str(headers[0].FrameOfReferenceUID))
        except DAMAGE as error:
            raise refusal(frames[0].path, error, _DAMAGED) from error
        encoded, lost = zip(*(_encoded(header) for header in headers), strict=True)
    if sum(map(len, encoded)) > MOST:
        what = f"what its headers say of patient, study and images takes more than {MOST >> 20} MB"
        raise UnreadableInputError(f"{printable(path.name)}: {what}; export the images again.")
    return Headers(
        grid,
        np.frombuffer(b"".join(encoded), np.uint8),
        tuple(map(len, encoded)),
        tuple(of_each),
        tuple(frame.number + 1 for frame in frames),
        (*made_up, *_left_out(lost[0])),
        stack.resampled,
    )


def _left_out(count: int) -> tuple[str, ...]:
    what = "1 damaged entry" if count == 1 else f"{count} damaged entries"
    return (f"The headers of the images were copied without {what}.",) if count else ()


def _stack(series: Series, resample: bool) -> Stack:
    found = series.stack or (series.evened if resample else None)
    if found is None:
        raise UnreadableInputError(series.refused or "")
    return found


def _header(file: File, *, all_of_it: bool) -> Dataset:
    """A file's header, or what says which image it is."""
    tags = None if all_of_it else _OF_EACH
    try:
        with file.path.open("rb", buffering=0) as raw:
            if file.is_deflated:
                return _inflated(file, raw)
            return read_partial(Clamped(raw), stop_when=_past_all, force=True, specific_tags=tags)
    except DAMAGE as error:
        raise refusal(file.path, error, _DAMAGED) from error


def _inflated(file: File, raw: io.FileIO) -> Dataset:
    """The header of a deflated file, of which no more is inflated than lies before its pixels."""
    raw.seek(file.body)
    header = read_dataset(inflated(raw, file.pixels.offset), False, True, stop_when=_past_all)
    header.file_meta = read_file_meta_info(file.path)
    return header


def _past_all(tag: BaseTag, vr: str | None, length: int) -> bool:
    return int(tag) > _LAST


def _encoded(header: Dataset) -> tuple[bytes, int]:
    """What describes the images, in Explicit VR Little Endian, and how many elements were left out as damaged."""
    characters = header.get("SpecificCharacterSet") or "ISO_IR 6"
    parts, lost = [], 0
    for tag in sorted(t for t in header.keys() if t.group in _GROUPS or t in _BESIDE):  # noqa: SIM118 - not elements
        part = DicomBytesIO()
        part.is_little_endian, part.is_implicit_VR = True, False
        try:
            write_data_element(part, header[tag], characters)
        except DAMAGE:
            lost += 1
        else:
            parts.append(part.getvalue())
    return b"".join(parts), lost
