"""Which frames belong together: by series, size, orientation, and by what tells frames at one position apart."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from pydicom.uid import UID

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.dicom.dicomdir import listed_files
from napari_segsam.io.dicom.frame import Frame
from napari_segsam.io.dicom.frames import frames_of
from napari_segsam.io.dicom.header import File, read_header
from napari_segsam.io.dicom.parts import by_plane, told_apart
from napari_segsam.io.dicom.resample import even_stack
from napari_segsam.io.dicom.stack import IrregularSlicesError, Stack, frame_of_reference, stack
from napari_segsam.io.dicom.strays import explained
from napari_segsam.io.dicom.syntax import unsupported
from napari_segsam.io.dicom.values import said

_MODALITIES = frozenset(
    (
        *("CT", "MR", "PT", "NM", "US", "IVUS", "CR", "DX", "MG", "XA", "RF", "RG", "IO", "PX"),
        *("ES", "XC", "GM", "OP", "OPT", "OT"),
    )
)
_RESAMPLE = ", or open it with --resample (in Python: resample=True)."
_NO_UID = "The files have no valid Series Instance UID: those of one folder that are described alike make a series."


@dataclass(frozen=True, eq=False)
class Series:
    """Frames that make one volume, or the reason why they do not.

    Attributes:
        uid: Series Instance UID, or one made of what the files say where they have none; with ``#n`` where the series
            holds several volumes.
        name: "MR series 5"; nothing that a person typed.
        part: what tells this part of the series from the others, e.g. "echo time 4.92".
        frames: at least one.
        stack: ordered, on their grid; None where refused.
        irregular: why the slices are no grid, where that is what is wrong.
        evened: what resampling makes of them, None where that cannot help either.
        refused: why it cannot be opened, and with which option it can.
        warnings: what to know before using it.
    """

    uid: str
    name: str
    part: str
    frames: tuple[Frame, ...]
    stack: Stack | None
    irregular: IrregularSlicesError | None = field(default=None, repr=False)
    evened: Stack | None = field(default=None, repr=False)
    refused: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Refused:
    """A DICOM file that is left out, and the sentence that says why; None where its header is damaged."""

    file: File | None
    why: str


@dataclass(frozen=True, eq=False)
class Found:
    """What a folder or file holds.

    Attributes:
        series: in the order of their numbers.
        refused: DICOM files that are segmentations or the like, of an unsupported kind, or damaged.
        others: files that are something else.
        notes: what is wrong with files that a DICOMDIR lists, a sentence each.
    """

    series: tuple[Series, ...]
    refused: tuple[Refused, ...]
    others: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def find_series(path: Path) -> Found:
    """Read the headers of a DICOM file, of the files that a DICOMDIR lists, or of all in a folder and below it."""
    files, notes = _files(path)
    folders = {folder: str(n) for n, folder in enumerate(dict.fromkeys(f.parent for f in files), start=1)}
    families: dict[Hashable, list[Frame]] = defaultdict(list)
    refused: list[Refused] = []
    others: list[Path] = []
    for each in files:
        file: File | None = None
        try:
            file = read_header(each)
            if file is None:
                others.append(each)
                continue
            for frame in frames_of(file):
                frame.traits["folder"] = folders[each.parent]
                families[_family(frame)].append(frame)
        except UnreadableInputError as error:
            refused.append(Refused(file, str(error)))
    return Found(_sorted_series(families.values()), tuple(refused), tuple(others), notes)


def _files(path: Path) -> tuple[list[Path], tuple[str, ...]]:
    """Files to look at, and what is wrong with those that are listed and cannot be."""
    if path.is_file():
        return listed_files(path) or ([path], ())
    found = [
        Path(folder) / f for folder, _, files in sorted(os.walk(path)) for f in sorted(files) if not f.startswith(".")
    ]
    return found, ()


def _sorted_series(families: Iterable[list[Frame]]) -> tuple[Series, ...]:
    by_uid: dict[str, list[tuple[list[Frame], str]]] = defaultdict(list)
    for frames in families:
        for alike in by_plane(frames):
            by_uid[series_uid(alike[0])] += told_apart(alike)
    return tuple(sorted((s for uid, parts in by_uid.items() for s in _named(uid, parts)), key=_order))


def series_uid(frame: Frame) -> str:
    """Series Instance UID of the file; where it has none or no valid one, one made of what stands for it."""
    key = _series_key(frame)
    if len(key) == 1:
        return key[0]
    return f"2.25.{UUID(bytes=hashlib.sha256(repr(key).encode()).digest()[:16]).int}"  # PS3.5 B.2


def _series_key(frame: Frame) -> tuple[str, ...]:
    """A valid UID alone; else what is said of the series and the folder that it lies in."""
    found = said(frame.header, "SeriesInstanceUID")
    if UID(found).is_valid:
        return (found,)
    return found, frame.traits.get("folder", ""), *(said(frame.header, keyword) for keyword in _INSTEAD)


_INSTEAD = ("StudyInstanceUID", "Modality", "SeriesNumber", "SeriesDescription")


def _family(frame: Frame) -> Hashable:
    """What frames of one volume must share."""
    unplaced = "" if frame.is_placed else str(frame.path)
    colours = said(frame.header, "PhotometricInterpretation")
    colours = "colours" if "MONOCHROME" not in colours else colours
    space = frame_of_reference(frame)
    packed = unsupported(frame.file.syntax)
    return _series_key(frame), frame.rows, frame.cols, colours, space, packed, unplaced


def _named(uid: str, parts: list[tuple[list[Frame], str]]) -> list[Series]:
    numbered = {f"#{n}": frames for n, (frames, _) in enumerate(parts, start=1)}
    return [
        _series(uid if len(parts) == 1 else f"{uid}#{n}", frames, part, numbered)
        for n, (frames, part) in enumerate(parts, start=1)
    ]


def _series(uid: str, frames: list[Frame], part: str, parts: dict[str, list[Frame]]) -> Series:
    name, pile, irregular, evened, refused = series_name(frames[0]), None, None, None, None
    warnings = (_NO_UID,) if len(_series_key(frames[0])) > 1 else ()
    try:
        if why := unsupported(frames[0].file.syntax):
            raise UnreadableInputError(f"{name}: {why}.")
        pile = stack(frames, name)
    except IrregularSlicesError as error:
        irregular, evened = explained(error, name, frames, parts), _evened(frames, error, name)
        refused = f"{str(irregular).removesuffix('.')}{_RESAMPLE}" if evened else str(irregular)
    except UnreadableInputError as error:
        refused = str(error)
    return Series(uid, name, part, tuple(frames), pile, irregular, evened, refused, warnings)


def _evened(frames: list[Frame], irregular: IrregularSlicesError, name: str) -> Stack | None:
    try:
        return even_stack(frames, irregular, name)
    except UnreadableInputError:
        return None


def series_name(frame: Frame) -> str:
    """What messages and layers call it, as in "MR series 5": nothing that may be a person's name."""
    modality, number = said(frame.header, "Modality"), said(frame.header, "SeriesNumber")
    kind = modality if modality in _MODALITIES else "DICOM"
    return f"{kind} series {int(number)}" if number.lstrip("-").isdecimal() else f"{kind} series"


def _order(series: Series) -> tuple[int, str, int]:
    number = said(series.frames[0].header, "SeriesNumber")
    uid, _, part = series.uid.partition("#")
    return (int(number) if number.lstrip("-").isdecimal() else 0), uid, int(part or 0)
