"""DICOMDIR: the files of a medium that it lists, never one outside its own folder (PS3.10 8, PS3.3 F)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydicom.dataelem import RawDataElement
from pydicom.filereader import read_partial
from pydicom.uid import MediaStorageDirectoryStorage

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.dicom.damage import DAMAGE, printable, refusal
from napari_segsam.io.dicom.parse import START, meta_of, refuse_deep
from napari_segsam.io.dicom.stream import Clamped
from napari_segsam.io.dicom.values import value

_RECORDS, _UNDEFINED = "DirectoryRecordSequence", 0xFFFFFFFF
_MOST_PARTS, _LONGEST_PART = 32, 64  # four and eight times what PS3.10 8.2 allows
_NOT_IN_A_NAME = frozenset('/\\:\0*?"<>|')


def listed_files(path: Path) -> tuple[list[Path], tuple[str, ...]] | None:
    """The files that a DICOMDIR lists, and sentences on those that cannot be opened; None where it is another file.

    Raises:
        UnreadableInputError: it is damaged, or lists nothing that is there.
    """
    try:
        names = _names(path)
    except DAMAGE as error:
        raise refusal(path, error, "the directory is damaged or cut short; open the folder that it lies in") from error
    if names is None:
        return None
    root, files, outside, missing = path.parent.resolve(), [], 0, 0
    for parts in names:
        found = _inside(root, parts)
        if found is None:
            outside += 1
        elif found.is_file():
            files.append(found)
        else:
            missing += 1
    called = printable(path.name)
    said = _counted(outside, f"{called} lists", "outside its folder; what lies there was left out.")
    said += _counted(
        missing,
        f"{called} lists",
        "in vain, as nothing of that name is there; open the folder that it lies in, or copy the whole medium.",
    )
    if not files:
        raise UnreadableInputError(" ".join(said) or f"{called} lists no files; open the folder that it lies in.")
    return list(dict.fromkeys(files)), said


def _counted(count: int, before: str, behind: str) -> tuple[str, ...]:
    return (f"{before} {count} {'file' if count == 1 else 'files'} {behind}",) if count else ()


def _names(path: Path) -> list[tuple[str, ...]] | None:
    """Each listed file as its folders and name; None where this is no DICOMDIR."""
    with path.open("rb", buffering=0) as raw:
        start = raw.read(START)
        meta = meta_of(start)
        if meta is None or meta[0] != MediaStorageDirectoryStorage:
            return None
        refuse_deep(start)
        raw.seek(0)
        directory = read_partial(Clamped(raw))
        stored: object = directory.get_item(_RECORDS) if _RECORDS in directory else None
        if isinstance(stored, RawDataElement) and stored.length not in (_UNDEFINED, len(stored.value or b"")):
            raise EOFError("the list of records is cut short")  # which pydicom takes for a shorter list
        return list(_records(value(directory, _RECORDS) or ()))


def _records(records: Any) -> Iterator[tuple[str, ...]]:
    for record in records:
        name = value(record, "ReferencedFileID")
        if name and value(record, "RecordInUseFlag") != 0:
            parts = (name,) if isinstance(name, str) else tuple(str(part) for part in name)
            if len(parts) > _MOST_PARTS or max(map(len, parts)) > _LONGEST_PART:
                raise ValueError("no file has such a name")  # and systems refuse to look for it
            yield parts


def _inside(root: Path, parts: tuple[str, ...]) -> Path | None:
    """The file of this name below ``root``, in capitals or not; None where it would lie elsewhere (CVE-2026-32711)."""
    if any(part in ("", ".", "..") or _NOT_IN_A_NAME & set(part) for part in parts):
        return None
    exact = root.joinpath(*parts)
    lower = root.joinpath(*(part.lower() for part in parts))  # as systems copy a medium that knows capitals only
    found = (exact if exact.exists() or not lower.exists() else lower).resolve()
    return found if found.is_relative_to(root) else None
