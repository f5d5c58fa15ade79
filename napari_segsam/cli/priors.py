"""``segsam priors``: what a model finds when it is clicked everywhere, as maps on the scan's own grid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from napari_segsam.cli import loading
from napari_segsam.cli.console import say, track
from napari_segsam.cli.outputs import Staging
from napari_segsam.core.errors import SegsamError, WriteError
from napari_segsam.core.slices import AXES, SliceView
from napari_segsam.core.volume import Volume


def priors(
    path: Annotated[Path, typer.Argument(help="The scan: a file, or a folder of DICOM slices.")],
    stability: Annotated[
        Path | None, typer.Option("--stability", help="The sum of the masks' stabilities, e.g. stability.nii.gz.")
    ] = None,
    boundary: Annotated[
        Path | None, typer.Option("--boundary", help="1 on the masks' boundaries, else 0, e.g. boundary.nii.gz.")
    ] = None,
    axis: Annotated[str, typer.Option("--axis", help="Slices across i, j or k.")] = "k",
    slices: Annotated[str | None, typer.Option("--slices", help="A:B:STEP, B not included; all without it.")] = None,
    points: Annotated[int, typer.Option("--points", min=1, max=128, help="Clicks along each side of a slice.")] = 32,
    series: loading.SeriesOption = None,
    resample: loading.ResampleOption = False,
    model: loading.ModelOption = "nano",
    device: loading.DeviceOption = "auto",
    modality: loading.ModalityOption = None,
    window: loading.WindowOption = None,
) -> None:
    """Click everywhere: SAMAug's prior maps, slice by slice."""
    from napari_segsam.train.priors import maps_on

    outputs = {what: out for what, out in (("stability", stability), ("boundary", boundary)) if out is not None}
    _check(outputs)
    asked, across = loading.parse_window(window), loading.parse_axis(axis)
    with Staging(outputs.values(), inputs=loading.inputs(path, model)) as staging:
        volume = loading.load_volume(path, series, modality, resample=resample)
        indices = loading.parse_slices(slices, volume.grid.shape[across])
        predictor = loading.load_model(model, device)
        maps: dict[str, NDArray[np.float32]] = {what: np.zeros(volume.grid.shape, np.float32) for what in outputs}
        for index in track(indices, len(indices), "slices"):
            view = SliceView(volume, across, index)
            found = maps_on(view, predictor, asked, points)
            for what, values in maps.items():
                view.of(values)[:] = getattr(found, what)
        _write(outputs, maps, volume, staging)
    for warning in volume.warnings:
        say(warning)
    say(f"done: {', '.join(map(str, outputs.values()))}; {len(indices)} slices across {AXES[across]}")


def _check(outputs: dict[str, Path]) -> None:
    from napari_segsam.io.maps import MAP_SUFFIXES

    if not outputs:
        raise SegsamError("Nothing would be written: name a file with --stability, with --boundary, or with both.")
    for out in outputs.values():
        if not out.name.lower().endswith(MAP_SUFFIXES):
            raise WriteError(f"{out}: a map is written as {', '.join(MAP_SUFFIXES)}; choose one of these suffixes.")


def _write(outputs: dict[str, Path], maps: dict[str, NDArray[np.float32]], volume: Volume, staging: Staging) -> None:
    from napari_segsam.io.maps import write_map

    for what, out in outputs.items():
        write_map(staging.path(out), maps[what], volume.grid, resampled=volume.resampled)
    staging.commit()
