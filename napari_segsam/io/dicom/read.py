"""DICOM: slices, enhanced multi-frame files, films and mosaics, from a folder, a single file or a DICOMDIR."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import UID

from napari_segsam.core.errors import UnknownNameError, UnreadableInputError
from napari_segsam.core.volume import Volume
from napari_segsam.io.dicom.damage import printable, quiet
from napari_segsam.io.dicom.header import kind_of
from napari_segsam.io.dicom.left_out import left_out
from napari_segsam.io.dicom.pixels import read_voxels
from napari_segsam.io.dicom.presets import padding, windows
from napari_segsam.io.dicom.resample import interpolated
from napari_segsam.io.dicom.series import Found, Refused, Series, find_series
from napari_segsam.io.dicom.stack import Stack
from napari_segsam.io.dicom.values import said, value
from napari_segsam.io.intensities import Voxels, finite
from napari_segsam.io.series_info import Evened, SeriesInfo, tilt

_KINDS = {
    **{"CT": "ct", "MR": "mr", "PT": "pet", "US": "us", "IVUS": "us"},
    **dict.fromkeys(("CR", "DX", "MG", "XA", "RF", "RG", "IO", "PX"), "xray"),
}
_LISTED = 12


def list_dicom(path: Path) -> list[SeriesInfo]:
    """Every series in a file, a folder or a DICOMDIR's medium, from headers only; and what is refused there, with why.

    Raises:
        UnreadableInputError: there is no DICOM image.
    """
    with quiet():
        found = _found(path)
        refused = (*found.refused, *(Refused(None, note) for note in found.notes))
        return [_info(series, left_out(found, series)) for series in found.series] + [_refused_info(r) for r in refused]


def read_dicom(path: Path, series: str | None = None, *, resample: bool = False) -> Volume:
    """Read one series of a file, a folder or a DICOMDIR's medium.

    Args:
        path: a DICOM file, a folder that is searched to its depth, or a DICOMDIR.
        series: the ``uid`` of a SeriesInfo; may be None where there is only one.
        resample: make slices at uneven distances, or with one missing, a regular grid by linear interpolation between
            them; ``Volume.resampled`` then says so.

    Raises:
        UnknownNameError: no such series.
        UnreadableInputError: no DICOM image, several series and none named, slices missing or doubled, damage.
    """
    with quiet():
        found = _found(path)
        chosen = _choose(found, path, series)
        lost = left_out(found, chosen)
        stack = _stack(chosen, resample, lost)
        voxels, warned = finite(read_voxels(stack, chosen.name), chosen.name)
        voxels = interpolated(voxels, stack.at) if stack.at else voxels
        return _volume(chosen, stack, voxels, (*chosen.warnings, *stack.warnings, *warned, *lost))


def series_at(path: Path, series: str | None = None) -> Series:
    """The series that :func:`read_dicom` reads with the same arguments, by its headers; raises what that raises."""
    return _choose(_found(path), path, series)


def _stack(chosen: Series, resample: bool, lost: tuple[str, ...]) -> Stack:
    if chosen.stack is not None:
        return chosen.stack
    if resample and chosen.evened is not None:
        return chosen.evened
    raise UnreadableInputError(" ".join((chosen.refused or "", *lost)))


def _found(path: Path) -> Found:
    found = find_series(path)
    if found.series:
        return found
    if found.refused:
        raise UnreadableInputError(found.refused[0].why)
    if path.is_file():
        raise UnreadableInputError(f"{printable(path.name)} {_no_image(path)}.")
    others = len(found.others)
    kinds = {0: "no file", 1: "no DICOM image (1 file of another kind)"}
    what = kinds.get(others, f"no DICOM image ({others} files of other kinds)")
    raise UnreadableInputError(f"The folder {printable(path.name)} holds {what}; choose another folder or a file.")


def _no_image(path: Path) -> str:
    kind = kind_of(path)
    if kind:
        return f"holds no image ({kind}); open the images that belong to it"
    return "is not an image that can be read; check the file or export it again"


def _choose(found: Found, path: Path, wanted: str | None) -> Series:
    if wanted is None:
        if len(found.series) == 1:
            return found.series[0]
        raise UnreadableInputError(f"{printable(path.name)} holds {_several(found.series)}")
    for series in found.series:
        if series.uid == wanted:
            return series
    parts = tuple(s for s in found.series if s.uid.startswith(f"{wanted}#"))
    if parts:
        raise UnreadableInputError(f"Series {wanted} holds {_several(parts)}")
    raise UnknownNameError("series", printable(wanted), (s.uid for s in found.series))


def _several(series: tuple[Series, ...]) -> str:
    listed = "; ".join(
        f"{s.uid} ({s.name}{', ' if s.part else ''}{s.part}, {len(s.frames)} slices)" for s in series[:_LISTED]
    )
    more = f"; and {len(series) - _LISTED} more" if len(series) > _LISTED else ""
    return f"{len(series)} series; name one (series=..., --series): {listed}{more}."


def _volume(series: Series, stack: Stack, voxels: Voxels, warnings: tuple[str, ...]) -> Volume:
    first, filled = stack.frames[0], padding(stack.frames)
    return Volume(
        stack.grid,
        voxels,
        modality=_modality(first.header),
        name=series.name,
        inverted=value(first.header, "PhotometricInterpretation") == "MONOCHROME1",
        windows=windows(first),
        padding=filled.value,
        padding_limit=filled.limit,
        series_uid=series.uid,
        placed=first.is_placed,
        resampled=stack.resampled,
        warnings=warnings,
    )


def _info(series: Series, lost: tuple[str, ...]) -> SeriesInfo:
    first, made = series.frames[0], series.stack or series.evened
    header, grid = first.header, series.stack.grid if series.stack else None
    spacing = (*(first.spacing or (0.0, 0.0))[::-1], 0.0)
    return SeriesInfo(
        uid=series.uid,
        modality=_modality(header),
        description=" ".join(t for t in (said(header, "SeriesDescription"), series.part) if t),
        shape=grid.shape if grid else (first.cols, first.rows, len(series.frames)),
        spacing_mm=grid.spacing_mm if grid else spacing,
        orientation=grid.axis_codes if grid else "",
        transfer_syntax=printable(first.file.syntax.name),
        warnings=(
            *series.warnings,
            *(series.stack.warnings if series.stack else ()),
            *(tilt(made.grid) if made else ()),
            *lost,
        ),
        refused=series.refused if series.irregular is None else str(series.irregular),
        evened=_evened(series.evened),
    )


def _evened(stack: Stack | None) -> Evened | None:
    if stack is None:
        return None
    return Evened(stack.grid.shape, stack.grid.spacing_mm, stack.grid.axis_codes, stack.resampled)


def _refused_info(refused: Refused) -> SeriesInfo:
    header = refused.file.header if refused.file else Dataset()
    frames = _count(header, "NumberOfFrames") or int(refused.file is not None)
    uid = said(header, "SeriesInstanceUID")
    return SeriesInfo(
        uid=uid if UID(uid).is_valid else "",
        modality=_modality(header),
        description=said(header, "SeriesDescription"),
        shape=(_count(header, "Columns"), _count(header, "Rows"), frames),
        spacing_mm=(0.0, 0.0, 0.0),
        orientation="",
        transfer_syntax=printable(refused.file.syntax.name) if refused.file else "",
        refused=refused.why,
    )


def _count(header: Dataset, keyword: str) -> int:
    number = said(header, keyword)
    return int(number) if number.isdecimal() else 0


def _modality(header: Dataset) -> str:
    grey = said(header, "SamplesPerPixel") in ("", "1") and said(header, "PhotometricInterpretation") != "PALETTE COLOR"
    return _KINDS.get(said(header, "Modality"), "unknown" if grey else "rgb")
