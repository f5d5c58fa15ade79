"""The table of formats: which suffix is read and written by whom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.volume import Volume
from napari_segsam.io.dicom.read import list_dicom, read_dicom
from napari_segsam.io.images.image import list_image, read_image
from napari_segsam.io.images.layout import Layout
from napari_segsam.io.images.nifti_header import nifti_layout, other_half
from napari_segsam.io.images.nrrd import text_layout
from napari_segsam.io.images.pictures import list_picture, read_picture
from napari_segsam.io.labels.files import LABEL_SUFFIXES, read_labels, write_labels
from napari_segsam.io.series_info import SeriesInfo

__all__ = [
    "LABEL_SUFFIXES",
    "SeriesInfo",
    "files_of",
    "is_dicom",
    "list_series",
    "read_labels",
    "read_volume",
    "write_labels",
]

_LAYOUTS: dict[str, Callable[[Path], Layout]] = {
    **dict.fromkeys((".nii", ".nii.gz", ".hdr", ".hdr.gz", ".img.gz"), nifti_layout),
    **dict.fromkeys((".nrrd", ".nhdr", ".mha", ".mhd"), text_layout),
}
"""Suffix -> what its header says. An .img is one too where an .hdr lies beside it."""
_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
"""Everything else is tried as DICOM, whose files often have no suffix."""
_ARCHIVES = (b"PK\x03\x04", b"7z\xbc\xaf", b"Rar!")


def read_volume(path: Path, *, series: str | None = None, resample: bool = False) -> Volume:
    """Read a scan from a file, or a DICOM series from a folder.

    Args:
        path: NIfTI, NRRD, MetaImage, a picture, a DICOM file, or a folder of DICOM files.
        series: ``uid`` of a SeriesInfo, needed where there are several.
        resample: make uneven DICOM slices even, which ``Volume.resampled`` then records; other files have none.

    Raises:
        UnknownNameError: no such series.
        UnreadableInputError: with one sentence: what is wrong, where, and what to do.
    """
    path = Path(path)
    kind = _kind(path)
    try:
        if kind in _LAYOUTS:
            return read_image(_LAYOUTS[kind](path), series)
        return read_picture(path, series) if kind in _PICTURES else read_dicom(path, series, resample=resample)
    except OSError as error:
        raise UnreadableInputError.not_opened(path, error) from error


def list_series(path: Path) -> list[SeriesInfo]:
    """Every series that a file or folder holds; DICOM is looked at by its headers only.

    Raises:
        UnreadableInputError: there is no image.
    """
    path = Path(path)
    kind = _kind(path)
    try:
        if kind in _LAYOUTS:
            return list_image(_LAYOUTS[kind](path))
        return list_picture(path) if kind in _PICTURES else list_dicom(path)
    except OSError as error:
        raise UnreadableInputError.not_opened(path, error) from error


def files_of(path: Path) -> tuple[Path, ...]:
    """What reading ``path`` reads: itself and, where header and voxels lie in two files, the other one."""
    try:
        kind = _kind(path)
        return tuple(dict.fromkeys((path, *_LAYOUTS[kind](path).files))) if kind in _LAYOUTS else (path,)
    except (OSError, UnreadableInputError):  # said when it is read
        return (path,)


def is_dicom(path: Path) -> bool:
    """Whether ``path`` is read as DICOM, which a folder always is.

    Raises:
        UnreadableInputError: there is no such file, or it is an archive.
    """
    return not _kind(Path(path))


def _kind(path: Path) -> str:
    """The suffix, in small letters, that says how a file is read; empty for DICOM."""
    if path.is_dir():
        return ""
    if not path.exists():
        raise UnreadableInputError(f"{path} does not exist; check the spelling.")
    if not path.is_file():
        raise UnreadableInputError(f"{path.name} is neither a file nor a folder; choose another.")
    lower = path.name.lower()
    for suffix in (*_LAYOUTS, *_PICTURES):
        if lower.endswith(suffix):
            return suffix
    if lower.endswith(".img") and other_half(path):
        return ".hdr"
    _refuse_archive(path)
    return ""


def _refuse_archive(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise UnreadableInputError.not_opened(path, error) from error
    if start in _ARCHIVES or path.suffix.lower() == ".zip":
        raise UnreadableInputError(f"{path.name} is an archive; unpack it and open the folder that comes out.")
