"""``segsam info``: every series found at a path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_segsam.cli.console import answer
from napari_segsam.cli.loading import ResampleOption

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
            typer.echo(line)


def _record(series: SeriesInfo) -> dict[str, Any]:
    return {
        "uid": series.uid,
        "modality": series.modality,
        "description": series.description,
        "shape": list(series.shape),
        "spacing_mm": list(series.spacing_mm),
        "orientation": series.orientation,
        "transfer_syntax": series.transfer_syntax,
        "warnings": list(series.warnings),
        "refused": series.refused,
        "can_resample": series.evened is not None,
    }


def _lines(series: SeriesInfo) -> list[str]:
    size = " x ".join(map(str, series.shape))
    spacing = " x ".join(f"{s:.4g}" for s in series.spacing_mm)
    head = f"{series.modality:8} {size} voxels of {spacing} mm, {series.orientation}  {series.description}".rstrip()
    named = [f"  series   {series.uid}"] if series.uid else []
    coded = [f"  coded    {series.transfer_syntax}"] if series.transfer_syntax else []
    refused = [f"  refused  {series.refused}"] if series.refused else []
    instead = [f"  instead  --resample opens it with {series.evened.shape[2]} even slices"] if series.evened else []
    return [head, *named, *coded, *(f"  note     {w}" for w in series.warnings), *refused, *instead]
