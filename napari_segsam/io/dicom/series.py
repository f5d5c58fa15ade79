"""Which frames belong together: by series, size, orientation, and by what tells frames at one position apart."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.dicom.frames import frames_of
from napari_segsam.io.dicom.header import Frame, read_header
from napari_segsam.io.dicom.stack import IrregularSlicesError, Stack, stack

_SAME_DIRECTION = 2e-3
_MODALITIES = (
    "CT",
    "MR",
    "PT",
    "NM",
    "US",
    "IVUS",
    "CR",
    "DX",
    "MG",
    "XA",
    "RF",
    "RG",
    "IO",
    "PX",
    "ES",
    "XC",
    "GM",
    "OP",
    "OT",
)


@dataclass(frozen=True, eq=False)
class Series:
    """Frames that make one volume, or the reason why they do not.

    Attributes:
        uid: Series Instance UID, with ``#n`` where the series holds several volumes.
        name: "MR series 5"; nothing that a person typed.
        part: what tells this part of the series from the others, e.g. "echo time 4.92".
        frames: at least one.
        stack: ordered, on their grid; None where refused.
        refused: why it cannot be opened.
    """

    uid: str
    name: str
    part: str
    frames: tuple[Frame, ...]
    stack: Stack | None
    refused: str | None = None


@dataclass(frozen=True, eq=False)
class Refused:
    """A DICOM file that is left out, and the sentence that says why; no header where that is damaged."""

    header: Dataset
    why: str


@dataclass(frozen=True, eq=False)
class Found:
    """What a folder or file holds.

    Attributes:
        series: in the order of their numbers.
        refused: DICOM files that are segmentations or the like, of an unsupported kind, or damaged.
        others: how many files are something else.
    """

    series: tuple[Series, ...]
    refused: tuple[Refused, ...]
    others: int


def find_series(path: Path) -> Found:
    """Read the headers of a DICOM file, or of all files in a folder and below it."""
    families: dict[Hashable, list[Frame]] = defaultdict(list)
    refused: list[Refused] = []
    others = 0
    for file in _files(path):
        header = None
        try:
            header = read_header(file)
            if header is None:
                others += 1
                continue
            for frame in frames_of(file, header):
                families[_family(frame)].append(frame)
        except UnreadableInputError as error:
            refused.append(Refused(header or Dataset(), str(error)))
    return Found(_sorted_series(families.values()), tuple(refused), others)


def _sorted_series(families: Iterable[list[Frame]]) -> tuple[Series, ...]:
    by_uid: dict[str, list[tuple[list[Frame], str]]] = defaultdict(list)
    for frames in families:
        for alike in _by_orientation(frames):
            by_uid[series_uid(alike[0])] += _told_apart(alike)
    return tuple(sorted((s for uid, parts in by_uid.items() for s in _named(uid, parts)), key=_order))


def series_uid(frame: Frame) -> str:
    """Series Instance UID of the file; its name where it has none."""
    return str(frame.header.get("SeriesInstanceUID") or frame.path.name)


def _files(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path]
    return [
        Path(folder) / f for folder, _, files in sorted(os.walk(path)) for f in sorted(files) if not f.startswith(".")
    ]


def _family(frame: Frame) -> Hashable:
    """What frames of one volume must share."""
    unplaced = str(frame.path) if frame.position is None or frame.orientation is None else ""
    spacing = tuple(round(s, 4) for s in frame.spacing) if frame.spacing else None
    colours = int(frame.header.get("SamplesPerPixel") or 1)
    return series_uid(frame), frame.rows, frame.cols, spacing, colours, unplaced


def _by_orientation(frames: Sequence[Frame]) -> list[list[Frame]]:
    groups: list[list[Frame]] = []
    for frame in frames:
        for group in groups:
            if _parallel(frame, group[0]):
                group.append(frame)
                break
        else:
            groups.append([frame])
    return groups


def _parallel(a: Frame, b: Frame) -> bool:
    if a.orientation is None or b.orientation is None:
        return a.orientation is b.orientation
    return bool(np.abs(np.subtract(a.orientation, b.orientation)).max() < _SAME_DIRECTION)


def _told_apart(frames: list[Frame]) -> list[tuple[list[Frame], str]]:
    """The frames as one part, or as few parts as it takes that no two slices of a part lie at one place."""
    if _faults(frames) == "":
        return [(frames, "")]
    differing = [t for t in frames[0].traits if len({f.traits.get(t) for f in frames}) > 1]
    best = [(frames, "")]
    for chosen in (c for n in (1, 2, 3) for c in combinations(differing, n)):
        parts = _split(frames, lambda f, chosen=chosen: tuple(f.traits.get(t, "") for t in chosen))  # type: ignore[misc]
        faults = {_faults(part) for part in parts.values()}
        named = [
            (part, ", ".join(f"{t} {v}" for t, v in zip(chosen, values, strict=True))) for values, part in parts.items()
        ]
        if faults == {""} and _worth_it(parts.values()):
            return named
        if "doubled" not in faults and len(best) == 1 and _faults(frames) == "doubled":
            best = named
    return best


def _worth_it(parts: Iterable[list[Frame]]) -> bool:
    """Single slices are even whatever they are; a split that leaves nothing else explains nothing."""
    sizes = [len(p) for p in parts]
    return max(sizes) > 1 or len(sizes) <= 1


def _faults(frames: list[Frame]) -> str:
    """Whether they are doubled or uneven (these words), or neither (no word)."""
    try:
        stack(frames, "")
    except IrregularSlicesError as error:
        return "doubled" if error.doubled else "uneven"
    except UnreadableInputError:
        return ""
    return ""


def _split(frames: list[Frame], key: Callable[[Frame], tuple[str, ...]]) -> dict[tuple[str, ...], list[Frame]]:
    parts: dict[tuple[str, ...], list[Frame]] = defaultdict(list)
    for frame in frames:
        parts[key(frame)].append(frame)
    return parts


def _named(uid: str, parts: list[tuple[list[Frame], str]]) -> list[Series]:
    return [
        _series(uid if len(parts) == 1 else f"{uid}#{n}", frames, part)
        for n, (frames, part) in enumerate(parts, start=1)
    ]


def _series(uid: str, frames: list[Frame], part: str) -> Series:
    name = series_name(frames[0])
    try:
        return Series(uid, name, part, tuple(frames), stack(frames, name))
    except UnreadableInputError as error:
        return Series(uid, name, part, tuple(frames), None, str(error))


def series_name(frame: Frame) -> str:
    """What messages and layers call it, as in "MR series 5": nothing that may be a person's name."""
    modality, number = str(frame.header.get("Modality", "")), str(frame.header.get("SeriesNumber") or "")
    kind = modality if modality in _MODALITIES else "DICOM"
    return f"{kind} series {int(number)}" if number.lstrip("-").isdecimal() else f"{kind} series"


def _order(series: Series) -> tuple[int, str]:
    number = str(series.frames[0].header.get("SeriesNumber") or "")
    return (int(number) if number.lstrip("-").isdecimal() else 0), series.uid
