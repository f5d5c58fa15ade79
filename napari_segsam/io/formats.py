"""The table of formats: which suffix is read and written by whom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.volume import Volume
from napari_segsam.io.dicom.read import list_dicom, read_dicom
from napari_segsam.io.images.nifti import read_nifti
from napari_segsam.io.images.nrrd import read_nrrd
from napari_segsam.io.images.nrrd_check import voxel_file
from napari_segsam.io.images.pictures import read_picture
from napari_segsam.io.labels.files import LABEL_SUFFIXES, read_labels, write_labels
from napari_segsam.io.series_info import SeriesInfo

__all__ = [
    "LABEL_SUFFIXES",
    "READERS",
    "SeriesInfo",
    "files_of",
    "list_series",
    "read_labels",
    "read_volume",
    "write_labels",
]

READERS: dict[str, Callable[[Path], Volume]] = {
    **dict.fromkeys((".nii.gz", ".nii"), read_nifti),
    **dict.fromkeys((".nrrd", ".nhdr", ".mha", ".mhd"), read_nrrd),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"), read_picture),
}
"""Suffix -> reader. Everything else is tried as DICOM, whose files often have no suffix."""

_ARCHIVES = (b"PK\x03\x04", b"7z\xbc\xaf", b"Rar!")


def read_volume(path: Path, *, series: str | None = None) -> Volume:
    """Read a scan from a file, or a DICOM series from a folder.

    Args:
        path: a file of any format of :data:`READERS`, a DICOM file, or a folder of them.
        series: ``uid`` of a SeriesInfo, needed where a folder holds several.

    Raises:
        UnknownNameError: no such series.
        UnreadableInputError: with one sentence: what is wrong, where, and what to do.
    """
    path = Path(path)
    reader = _reader(path)
    try:
        if reader is None:
            return read_dicom(path, series)
        if series:
            raise UnreadableInputError(f"{path.name} holds one image and no series; leave --series away (series=None).")
        return reader(path)
    except OSError as error:
        raise UnreadableInputError.not_opened(path, error) from error


def list_series(path: Path) -> list[SeriesInfo]:
    """Every series that a file or folder holds; DICOM is looked at by its headers only.

    Raises:
        UnreadableInputError: there is no image.
    """
    path = Path(path)
    reader = _reader(path)
    try:
        return list_dicom(path) if reader is None else [SeriesInfo.of(reader(path))]
    except OSError as error:
        raise UnreadableInputError.not_opened(path, error) from error


def files_of(path: Path) -> tuple[Path, ...]:
    """What reading ``path`` reads: itself and, where its header names one, the file beside it with the voxels."""
    if READERS.get(path.suffix.lower()) is not read_nrrd or not path.is_file():
        return (path,)
    try:
        return path, voxel_file(path)
    except (OSError, UnreadableInputError):  # said when it is read
        return (path,)


def _reader(path: Path) -> Callable[[Path], Volume] | None:
    """The reader for a file that is there; None for DICOM."""
    if path.is_dir():
        return None
    if not path.exists():
        raise UnreadableInputError(f"{path} does not exist; check the spelling.")
    if not path.is_file():
        raise UnreadableInputError(f"{path.name} is neither a file nor a folder; choose another.")
    lower = path.name.lower()
    for suffix, reader in READERS.items():
        if lower.endswith(suffix):
            return reader
    _refuse_archive(path)
    return None


def _refuse_archive(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise UnreadableInputError.not_opened(path, error) from error
    if start in _ARCHIVES or path.suffix.lower() == ".zip":
        raise UnreadableInputError(f"{path.name} is an archive; unpack it and open the folder that comes out.")
