"""``segsam predict``: prompts in, label map out, on the input's own grid."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from napari_segsam.cli import loading
from napari_segsam.cli.console import answer, say, track
from napari_segsam.cli.outputs import Staging, check_label_maps
from napari_segsam.cli.prompt_file import check_classes, place_objects, read_prompts
from napari_segsam.cli.report import report as report_of
from napari_segsam.cli.report import summary
from napari_segsam.cli.segmentation import Segmentation
from napari_segsam.core.errors import SegsamError

STDOUT = Path("-")


def predict(
    path: Annotated[Path, typer.Argument(help="The scan: a file, or a folder of DICOM slices.")],
    prompts: Annotated[Path, typer.Option("--prompts", help="JSON: objects with boxes and points.")],
    out: Annotated[Path, typer.Option("--out", help="The label map to write, e.g. labels.nii.gz.")],
    semantic: Annotated[Path | None, typer.Option("--semantic", help="A second map to write: class ids.")] = None,
    report: loading.ReportOption = None,
    series: loading.SeriesOption = None,
    resample: loading.ResampleOption = False,
    model: loading.ModelOption = "nano",
    device: loading.DeviceOption = "auto",
    modality: loading.ModalityOption = None,
    window: loading.WindowOption = None,
) -> None:
    """Prompts in, label map out, on the input's own grid."""
    check_label_maps(out, semantic)
    asked, wanted = loading.parse_window(window), read_prompts(prompts)
    with Staging(files(out, semantic, report), inputs=(*loading.inputs(path, model), prompts)) as staging:
        begun = time.perf_counter()
        volume = loading.load_volume(path, series, modality, resample=resample)
        objects = place_objects(wanted, volume)
        predictor = loading.load_model(model, device)
        if semantic is not None and not predictor.vocabulary:
            raise SegsamError(f"{predictor.name} has no classes for a semantic map: leave out --semantic {semantic}.")
        check_classes(objects, predictor.vocabulary)
        run = Segmentation(volume, predictor, asked)
        run.seconds["load"] = time.perf_counter() - begun
        for entry in track(objects, len(objects), "objects"):
            run.answer(entry)
        if (semantic is not None or report is not None) and predictor.vocabulary:
            run.suggest_around_prompts()
        finish(run, staging, labels=out, semantic=semantic, report=report)


def files(*outputs: Path | None) -> list[Path]:
    """Those of the outputs that were asked for and are not standard output."""
    return [p for p in outputs if p is not None and p != STDOUT]


def finish(
    run: Segmentation, staging: Staging, *, labels: Path | None, semantic: Path | None, report: Path | None
) -> None:
    """Paint, write what was asked for, move it into place, and say what came out.

    Raises:
        WriteError: nothing was changed.
    """
    run.paint()
    run.write(staging, labels, semantic)
    if report is not None and report != STDOUT:
        staging.write_json(report, report_of(run))
    staging.commit()
    for line in summary(run):
        say(line)
    say(f"done: {', '.join(map(str, files(labels, semantic, report)))}")
    if report == STDOUT:
        answer(report_of(run))
