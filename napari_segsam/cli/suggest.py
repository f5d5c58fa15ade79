"""``segsam suggest``: no prompts; what the model names by itself, slice by slice."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from napari_segsam.cli import loading
from napari_segsam.cli.console import track
from napari_segsam.cli.outputs import Staging, check_label_maps
from napari_segsam.cli.predict import files, finish
from napari_segsam.cli.segmentation import Seen, Segmentation
from napari_segsam.core.errors import SegsamError
from napari_segsam.core.slices import SliceView


def suggest(
    path: Annotated[Path, typer.Argument(help="The scan: a file, or a folder of DICOM slices.")],
    out: Annotated[Path, typer.Option("--out", help="The map of class ids to write, e.g. semantic.nii.gz.")],
    axis: Annotated[str, typer.Option("--axis", help="Slices across i, j or k.")] = "k",
    slices: Annotated[str | None, typer.Option("--slices", help="A:B:STEP, B not included; all without it.")] = None,
    report: loading.ReportOption = None,
    series: loading.SeriesOption = None,
    resample: loading.ResampleOption = False,
    model: loading.ModelOption = "nano",
    device: loading.DeviceOption = "auto",
    modality: loading.ModalityOption = None,
    window: loading.WindowOption = None,
) -> None:
    """No prompts: what the model names by itself."""
    check_label_maps(out)
    from napari_segsam.engine.zoo.depth import through_depth

    asked, across = loading.parse_window(window), loading.parse_axis(axis)
    with Staging(files(out, report), inputs=loading.inputs(path, model)) as staging:
        begun = time.perf_counter()
        volume = loading.load_volume(path, series, modality, resample=resample)
        indices = loading.parse_slices(slices, volume.grid.shape[across])
        predictor = loading.load_model(model, device)
        if not predictor.vocabulary:
            raise SegsamError(
                f"{predictor.name} names nothing by itself: prompt it with `segsam predict`, or take --model nano here."
            )
        run = Segmentation(volume, predictor, asked)
        run.seconds["load"] = time.perf_counter() - begun
        through = through_depth(predictor, volume, across, asked) if len(indices) == volume.grid.shape[across] else None
        if through is None:
            for index in track(indices, len(indices), "slices"):
                run.suggest(SliceView(volume, across, index))
        else:
            for view, seen_through, found in track(through, len(indices), "slices"):
                run.seen += [Seen(view, suggestion, seen_through) for suggestion in found]
        finish(run, staging, labels=None, semantic=out, report=report)
