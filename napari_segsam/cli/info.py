"""``segsam info``: every series found at a path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_segsam.cli.console import answer
from napari_segsam.cli.loading import ResampleOption
from napari_segsam.core.errors import one_line

if TYPE_CHECKING:
    from napari_segsam.io.series_info import SeriesInfo


def info(
    path: Annotated[Path, typer.Argument(help="A scan, or a folder of DICOM slices.")],
    resample: ResampleOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Every series found: modality, size, spacing, orientation, and why one cannot be read."""
    from napari_segsam.io.sandbox import list_series

    found = [series.if_resampled if resample else series for series in list_series(path)]
    if as_json:
        answer({"series": [_record(s) for s in found]})
        return
    for series in found:
        for line in _lines(series):
            typer.echo(one_line(line))


def _record(series: SeriesInfo) -> dict[str, Any]:
    return {
        "uid": series.uid,
        "modality": series.modality,
        "description": series.description,
        "shape": [count or None for count in series.shape],
        "spacing_mm": [distance or None for distance in series.spacing_mm],
        "orientation": series.orientation,
        "transfer_syntax": series.transfer_syntax,
        "warnings": list(series.warnings),
        "refused": series.refused,
        "can_resample": series.evened is not None,
    }


def _lines(series: SeriesInfo) -> list[str]:
    head = f"{series.modality:8} {_measures(series)}  {series.description}".rstrip()
    named = [f"  series   {series.uid}"] if series.uid else []
    coded = [f"  coded    {series.transfer_syntax}"] if series.transfer_syntax else []
    refused = [f"  refused  {series.refused}"] if series.refused else []
    instead = [f"  instead  --resample opens it with {series.evened.shape[2]} even slices"] if series.evened else []
    return [head, *named, *coded, *(f"  note     {w}" for w in series.warnings), *refused, *instead]


def _measures(series: SeriesInfo) -> str:
    """Voxels, spacing and orientation, a ? for what is not known."""
    size = " x ".join(str(count or "?") for count in series.shape)
    spacing = " x ".join(f"{distance:.4g}" if distance else "?" for distance in series.spacing_mm)
    return ", ".join(filter(None, (f"{size} voxels of {spacing} mm", series.orientation)))
