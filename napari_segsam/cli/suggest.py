"""``segsam suggest``: no prompts; what the model names by itself, or fills of a detector's boxes, slice by slice."""

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
from napari_segsam.engine.proposals import AT_LEAST, LOWEST, check_fills


def suggest(
    path: Annotated[Path, typer.Argument(help="The scan: a file, or a folder of DICOM slices.")],
    out: Annotated[Path, typer.Option("--out", help="The map of class ids to write, e.g. semantic.nii.gz.")],
    axis: Annotated[str, typer.Option("--axis", help="Slices across i, j or k.")] = "k",
    slices: Annotated[str | None, typer.Option("--slices", help="A:B:STEP, B not included; all without it.")] = None,
    detector: Annotated[
        Path | None,
        typer.Option("--detector", help="Put the boxes of this detector, .safetensors or .onnx, to the model."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", help=f"The least score of a box; {AT_LEAST} without it.", min=LOWEST, max=1),
    ] = None,
    report: loading.ReportOption = None,
    series: loading.SeriesOption = None,
    resample: loading.ResampleOption = False,
    model: loading.ModelOption = "nano",
    device: loading.DeviceOption = "auto",
    modality: loading.ModalityOption = None,
    window: loading.WindowOption = None,
) -> None:
    """No prompts: what the model names by itself, or what it draws in a detector's boxes."""
    check_label_maps(out)
    if detector is None and threshold is not None:
        raise SegsamError("--threshold is the least score of a detector's box; name the detector by --detector.")
    from napari_segsam.engine.zoo.depth import through_depth
    from napari_segsam.engine.zoo.slice_detector import load_detector

    asked, across = loading.parse_window(window), loading.parse_axis(axis)
    read = (*loading.inputs(path, model), *([] if detector is None else [detector]))
    with Staging(files(out, report), inputs=read) as staging:
        begun = time.perf_counter()
        boxes = None if detector is None else load_detector(detector)
        volume = loading.load_volume(path, series, modality, resample=resample)
        indices = loading.parse_slices(slices, volume.grid.shape[across])
        predictor = loading.load_model(model, device)
        if detector is None and not predictor.vocabulary:
            raise SegsamError(
                f"{predictor.name} names nothing by itself: prompt it with `segsam predict`, or take --model nano or a "
                "--detector here."
            )
        if boxes is not None:
            check_fills(predictor)
        run = Segmentation(volume, predictor, asked, boxes, AT_LEAST if threshold is None else threshold)
        run.seconds["load"] = time.perf_counter() - begun
        whole = boxes is None and len(indices) == volume.grid.shape[across]
        through = through_depth(predictor, volume, across, asked) if whole else None
        if through is None:
            for index in track(indices, len(indices), "slices"):
                run.suggest(SliceView(volume, across, index))
        else:
            for view, seen_through, found in track(through, len(indices), "slices"):
                run.seen += [Seen(view, suggestion, seen_through) for suggestion in found]
        finish(run, staging, labels=None, semantic=out, report=report)
