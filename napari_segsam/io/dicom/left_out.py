"""Files that may have been slices of a series and are not in it: what to know before it is used."""

from __future__ import annotations

import re
from pathlib import Path

from napari_segsam.io.dicom.damage import printable
from napari_segsam.io.dicom.parse import START, looks_like_dicom
from napari_segsam.io.dicom.series import Found, Series
from napari_segsam.io.dicom.values import said

_SUFFIXES = (".dcm", ".ima")


def left_out(found: Found, series: Series) -> tuple[str, ...]:
    """A sentence each on files that belong to the series and cannot be read, and on those that look as if they had.

    A file whose header cannot be read may belong to any series, and so may one that a DICOMDIR lists in vain. A file
    that is no DICOM at all may have been a slice before it was emptied or overwritten: only its name can tell.
    """
    return *_unreadable(found, series), *_emptied(found, series), *found.notes


def _unreadable(found: Found, series: Series) -> tuple[str, ...]:
    uid = said(series.frames[0].header, "SeriesInstanceUID")
    mine = [r.why for r in found.refused if r.file is None or (uid and said(r.file.header, "SeriesInstanceUID") == uid)]
    if not mine:
        return ()
    many = f"{len(mine)} files that cannot be read were left out, the first because" if len(mine) > 1 else ""
    return (f"{many or '1 file that cannot be read was left out, because'} {mine[0]}",)


def _emptied(found: Found, series: Series) -> tuple[str, ...]:
    named = {(frame.path.parent, _without_number(frame.path)) for frame in series.frames}
    folders = {folder for folder, _ in named}
    lost = [
        path.name
        for path in found.others
        if path.parent in folders
        and (path.suffix.lower() in _SUFFIXES or (path.parent, _without_number(path)) in named)
        and _is_no_dicom(path)
    ]
    if not lost:
        return ()
    first = printable(lost[0])
    if len(lost) == 1:
        return (f"1 file is named like a slice of this series and is no DICOM: {first}; if it was one, copy it again.",)
    what = f"{len(lost)} files are named like slices of this series and are no DICOM, the first is {first}"
    return (f"{what}; if they were some, copy them again.",)


def _without_number(path: Path) -> str:
    """What the names of a series' slices have in common, which differ in numbers."""
    return re.sub(r"\d+", "#", path.name)


def _is_no_dicom(path: Path) -> bool:
    """Whether it is a file, and no DICOM object of another kind, such as a report."""
    if not path.is_file():
        return False
    with path.open("rb", buffering=0) as file:
        return not looks_like_dicom(file.read(START))
