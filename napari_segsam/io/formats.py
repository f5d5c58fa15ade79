"""The table of formats: which suffix is read and written by whom.

Each reader is imported where it is used: with its libraries it takes tenths of a second to load, and no file needs all.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.labels import LabelMap
from napari_segsam.core.volume import Volume
from napari_segsam.io.series_info import SeriesInfo

if TYPE_CHECKING:
    from napari_segsam.io.images.layout import Layout

_NIFTI = (".nii", ".nii.gz", ".hdr", ".hdr.gz", ".img.gz")
"""An .img is one too where an .hdr lies beside it."""
_TEXT = (".nrrd", ".nhdr", ".mha", ".mhd")
_VOXELS = (*_NIFTI, *_TEXT)
_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
"""Everything else is tried as DICOM, whose files often have no suffix."""
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar")
_BEGIN_ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf", b"Rar!")
_TAR = slice(257, 262), b"ustar"
"""Where a tar archive says what it is; not the oldest ones, which their suffix has to tell."""
LABEL_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
"""What a label map by itself is written as, the usual ones of each kind first."""


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
        if kind in _VOXELS:
            from napari_segsam.io.images.image import read_image

            return read_image(_layout(path, kind), series)
        if kind in _PICTURES:
            from napari_segsam.io.images.pictures import read_picture

            return read_picture(path, series)
        from napari_segsam.io.dicom.read import read_dicom

        return read_dicom(path, series, resample=resample)
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
        if kind in _VOXELS:
            from napari_segsam.io.images.image import list_image

            return list_image(_layout(path, kind))
        if kind in _PICTURES:
            from napari_segsam.io.images.pictures import list_picture

            return list_picture(path)
        from napari_segsam.io.dicom.read import list_dicom

        return list_dicom(path)
    except OSError as error:
        raise UnreadableInputError.not_opened(path, error) from error


def read_labels(path: Path) -> LabelMap:
    """As :func:`napari_segsam.io.labels.files.read_labels`."""
    from napari_segsam.io.labels import files

    return files.read_labels(path)


def write_labels(path: Path, labels: LabelMap, names: Mapping[int, str] | None = None, *, resampled: str = "") -> None:
    """As :func:`napari_segsam.io.labels.files.write_labels`."""
    from napari_segsam.io.labels import files

    files.write_labels(path, labels, names, resampled=resampled)


def files_of(path: Path) -> tuple[Path, ...]:
    """What reading ``path`` reads: itself and, where header and voxels lie in two files, the other one."""
    try:
        kind = _kind(path)
        return tuple(dict.fromkeys((path, *_layout(path, kind).files))) if kind in _VOXELS else (path,)
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
    for suffix in (*_VOXELS, *_PICTURES):
        if lower.endswith(suffix):
            return suffix
    if lower.endswith(".img"):
        from napari_segsam.io.images.nifti_header import other_half

        if other_half(path):
            return ".hdr"
    _refuse_archive(path)
    return ""


def _layout(path: Path, kind: str) -> Layout:
    """What the header of a NIfTI, NRRD or MetaImage file says."""
    if kind in _NIFTI:
        from napari_segsam.io.images.nifti_header import nifti_layout

        return nifti_layout(path)
    from napari_segsam.io.images.nrrd import text_layout

    return text_layout(path)


def _refuse_archive(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(_TAR[0].stop)
    except OSError as error:
        raise UnreadableInputError.not_opened(path, error) from error
    is_tar = start[_TAR[0]] == _TAR[1]
    if is_tar or start.startswith(_BEGIN_ARCHIVES) or path.suffix.lower() in _ARCHIVES:
        raise UnreadableInputError(f"{path.name} is an archive or packed; unpack it and open what comes out.")
