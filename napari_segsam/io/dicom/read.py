"""DICOM: series of slices, enhanced multi-frame files, films and mosaics, from a folder or a single file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from napari_segsam.core.errors import UnknownNameError, UnreadableInputError
from napari_segsam.core.volume import Volume, Window
from napari_segsam.io.dicom.header import DAMAGE, Frame, number, quiet, transfer_syntax
from napari_segsam.io.dicom.pixels import read_voxels, unsupported_syntax
from napari_segsam.io.dicom.series import Found, Refused, Series, find_series
from napari_segsam.io.intensities import Voxels, finite
from napari_segsam.io.series_info import SeriesInfo

_KINDS = {
    **{"CT": "ct", "MR": "mr", "PT": "pet", "US": "us", "IVUS": "us"},
    **dict.fromkeys(("CR", "DX", "MG", "XA", "RF", "RG", "IO", "PX"), "xray"),
}


def list_dicom(path: Path) -> list[SeriesInfo]:
    """Every series in a file or folder, from headers only.

    Raises:
        UnreadableInputError: there is no DICOM image.
    """
    with quiet():
        found = _found(path)
        return [_info(series) for series in found.series] + [_refused_info(r) for r in found.refused]


def read_dicom(path: Path, series: str | None = None) -> Volume:
    """Read one series of a file or folder.

    Args:
        path: a DICOM file, or a folder that is searched to its depth.
        series: the ``uid`` of a SeriesInfo; may be None where there is only one.

    Raises:
        UnknownNameError: no such series.
        UnreadableInputError: no DICOM image, several series and none named, slices missing or doubled, damage.
    """
    with quiet():
        found = _found(path)
        chosen = _choose(found, path, series)
        if chosen.stack is None:
            raise UnreadableInputError(chosen.refused or "")
        why = unsupported_syntax(chosen.frames[0].header)
        if why:
            raise UnreadableInputError(f"{chosen.name}: {why}.")
        voxels, warned = finite(read_voxels(chosen.stack, chosen.name), chosen.name)
        return _volume(chosen, voxels, (*chosen.stack.warnings, *warned, *_left_out(found)))


def series_at(path: Path, series: str | None = None) -> Series:
    """The series that :func:`read_dicom` reads with the same arguments, by its headers; raises what that raises."""
    return _choose(_found(path), path, series)


def _found(path: Path) -> Found:
    found = find_series(path)
    if found.series:
        return found
    if found.refused:
        raise UnreadableInputError(found.refused[0].why)
    if path.is_file():
        raise UnreadableInputError(f"{path.name} is not an image that can be read; check the file or export it again.")
    what = f"{found.others} files of other kinds" if found.others else "nothing"
    raise UnreadableInputError(
        f"The folder {path.name} holds no DICOM image ({what}); choose another folder or a file."
    )


def _choose(found: Found, path: Path, wanted: str | None) -> Series:
    if wanted is None:
        if len(found.series) == 1:
            return found.series[0]
        raise UnreadableInputError(f"{path.name} holds {_several(found.series)}")
    for series in found.series:
        if series.uid == wanted:
            return series
    parts = tuple(s for s in found.series if s.uid.startswith(f"{wanted}#"))
    if parts:
        raise UnreadableInputError(f"Series {wanted} holds {_several(parts)}")
    raise UnknownNameError("series", wanted, (s.uid for s in found.series))


def _several(series: tuple[Series, ...]) -> str:
    listed = "; ".join(
        f"{s.uid} ({s.name}{', ' if s.part else ''}{s.part}, {len(s.frames)} slices)" for s in series[:12]
    )
    more = f"; and {len(series) - 12} more" if len(series) > 12 else ""
    return f"{len(series)} series; name one (series=..., --series): {listed}{more}."


def _volume(series: Series, voxels: Voxels, warnings: tuple[str, ...]) -> Volume:
    first = series.frames[0]
    stack = series.stack
    if stack is None:
        raise UnreadableInputError(series.refused or "")
    return Volume(
        stack.grid,
        voxels,
        modality=_modality(first.header),
        name=series.name,
        inverted=first.header.get("PhotometricInterpretation") == "MONOCHROME1",
        windows=_windows(first),
        padding=_padding(first),
        series_uid=series.uid,
        warnings=warnings,
    )


def _info(series: Series) -> SeriesInfo:
    header, grid = series.frames[0].header, series.stack.grid if series.stack else None
    first = series.frames[0]
    spacing = (*(first.spacing or (1.0, 1.0))[::-1], 0.0)
    why = series.refused or unsupported_syntax(header)
    return SeriesInfo(
        uid=series.uid,
        modality=_modality(header),
        description=" ".join(t for t in (str(header.get("SeriesDescription") or ""), series.part) if t),
        shape=grid.shape if grid else (first.cols, first.rows, len(series.frames)),
        spacing_mm=grid.spacing_mm if grid else spacing,
        orientation=grid.axis_codes if grid else "",
        transfer_syntax=transfer_syntax(header).name,
        warnings=series.stack.warnings if series.stack else (),
        refused=why,
    )


def _refused_info(refused: Refused) -> SeriesInfo:
    header = refused.header
    rows, cols = int(header.get("Rows") or 0), int(header.get("Columns") or 0)
    return SeriesInfo(
        uid=str(header.get("SeriesInstanceUID") or ""),
        modality=_modality(header),
        description=str(header.get("SeriesDescription") or ""),
        shape=(cols, rows, int(header.get("NumberOfFrames") or 1)),
        spacing_mm=(0.0, 0.0, 0.0),
        orientation="",
        transfer_syntax=transfer_syntax(header).name,
        refused=refused.why,
    )


def _left_out(found: Found) -> tuple[str, ...]:
    """A slice whose header cannot be read may belong to any series: say that it was left out."""
    unread = [r.why for r in found.refused if not r.header]
    return (f"{len(unread)} files that cannot be read were left out: {unread[0]}",) if unread else ()


def _modality(header: Dataset) -> str:
    coloured = int(header.get("SamplesPerPixel") or 1) > 1 or header.get("PhotometricInterpretation") == "PALETTE COLOR"
    return _KINDS.get(str(header.get("Modality", "")), "rgb" if coloured else "unknown")


def _windows(frame: Frame) -> tuple[Window, ...]:
    """The file's presets without doubles; damaged ones are left out, as nothing depends on them."""
    try:
        source = _voi(frame)
        centres, widths = _listed(source.get("WindowCenter")), _listed(source.get("WindowWidth"))
    except DAMAGE:
        return ()
    pairs = dict.fromkeys((c, w) for c, w in zip(centres, widths, strict=False) if w > 0)
    return tuple(Window(c, w, f"file {n}") for n, (c, w) in enumerate(pairs, start=1))


def _voi(frame: Frame) -> Dataset:
    own = frame.header.get("PerFrameFunctionalGroupsSequence") or []
    shared = frame.header.get("SharedFunctionalGroupsSequence") or []
    for groups in (*own[frame.number : frame.number + 1], *shared[:1]):
        if groups.get("FrameVOILUTSequence"):
            return groups.FrameVOILUTSequence[0]  # type: ignore[no-any-return]
    return frame.header


def _listed(value: Any) -> list[float]:
    if value in (None, ""):
        return []
    return [float(v) for v in value] if hasattr(value, "__iter__") else [float(value)]


def _padding(frame: Frame) -> float | None:
    """In intensities; a damaged one is left out, as it only spares the window from what was not scanned."""
    try:
        value = number(frame.header.get("PixelPaddingValue"), math.nan)
    except DAMAGE:
        return None
    return None if math.isnan(value) else value * frame.slope + frame.intercept
