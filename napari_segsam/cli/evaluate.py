"""``segsam evaluate``: Dice and IoU per mask on a data set in the SA-Med2D layout."""

from __future__ import annotations

import csv
import io
from dataclasses import astuple, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_segsam.cli import loading
from napari_segsam.cli.console import answer, say, track
from napari_segsam.cli.outputs import Staging
from napari_segsam.core.errors import SegsamError

if TYPE_CHECKING:
    from napari_segsam.engine.protocols import Predictor
    from napari_segsam.train.evaluation.rows import Row
    from napari_segsam.train.evaluation.run import Evaluation, Load
    from napari_segsam.train.priors import PriorSource

_SKIPPED_SHOWN = 5


def evaluate(
    data: Annotated[Path, typer.Argument(help="A folder in the SA-Med2D layout.")],
    prompt: Annotated[
        list[str],
        typer.Option("--prompt", help="box, point, points:N, iterative:N, study, online:box, baseline:NAME; repeat it"),
    ],
    model: loading.ModelOption = "nano",
    split: Annotated[
        str, typer.Option("--split", help="train, val or all; DATA/split.json names the first two.")
    ] = "all",
    datasets: Annotated[
        str | None, typer.Option("--datasets", metavar="NAME,NAME", help="Only masks of these data sets.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="So many masks, spread evenly over the data sets.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the draw and of random prompts.")] = 0,
    device: loading.DeviceOption = "auto",
    priors: Annotated[
        str | None,
        typer.Option("--priors", help="Ask once more with this model's prior maps; the surer answer counts (SAMAug)."),
    ] = None,
    points: Annotated[
        int | None,
        typer.Option("--points", min=1, max=128, help="Clicks of --priors along each side of a picture, else 32."),
    ] = None,
    processes: Annotated[
        int, typer.Option("--processes", min=1, help="So many at once, each on one core with a model of its own.")
    ] = 1,
    out: Annotated[Path | None, typer.Option("--out", help="CSV to write, one row per mask.")] = None,
    out_report: Annotated[
        Path | None, typer.Option("--out-report", help="HTML page to write: figures, and the worst cases pictured.")
    ] = None,
) -> None:
    """Dice and IoU per mask; the last line on standard output is the JSON summary (one line per --prompt)."""
    from napari_segsam.train.evaluation.report import page
    from napari_segsam.train.evaluation.run import Evaluation, check_kind, is_baseline
    from napari_segsam.train.evaluation.targets import draw, list_targets

    for kind in prompt:
        check_kind(kind)
    if points is not None and priors is None:
        raise SegsamError("--points is how densely --priors clicks: name its model too, or leave out --points.")
    if priors is not None and all(map(is_baseline, prompt)):
        raise SegsamError("A baseline asks no model, so nothing is shown prior maps: leave out --priors.")
    names = None if datasets is None else tuple(dict.fromkeys(name.strip() for name in datasets.split(",")))
    outputs = [path for path in (out, out_report) if path is not None]
    read = (*loading.inputs(data, model), *(() if priors is None else loading.inputs(data, priors)))
    with Staging(outputs, inputs=read) as staging:
        listed, left_out = list_targets(data, split, names)
        targets = draw(listed, limit, seed)
        predictor = None if all(map(is_baseline, prompt)) else loading.load_model(model, device)
        load = _loader(model, predictor) if predictor is not None and processes > 1 else None
        maps = None if priors is None else _priors(priors, device, points or 32, processes)
        run = Evaluation(targets, tuple(dict.fromkeys(prompt)), predictor, seed, processes, load, maps)
        run.skipped += left_out
        for _ in track(run.run(), len(targets), "masks"):
            pass
        if out is not None:
            staging.write_bytes(out, _csv(run.rows).encode())
        if out_report is not None:
            asked = f"{data.resolve().name}, split {split}" + (f", {', '.join(names)}" if names else "")
            staging.write_bytes(out_report, page(run, asked).encode())
        staging.commit()
    _tell(run)


def _loader(model: str, predictor: Predictor) -> Load:
    """What gives another process the model that this one has loaded."""
    from napari_segsam.train.evaluation.workers import load_on_one_core

    return partial(load_on_one_core, model, predictor.device)


def _priors(model: str, device: str, points: int, processes: int) -> PriorSource:
    """Whose prior maps; the model is loaded here to be refused now where it cannot be used."""
    from napari_segsam.engine.zoo.prior_maps import clickable
    from napari_segsam.train.priors import PriorSource

    predictor = loading.load_model(model, device)
    clickable(predictor)  # or it raises
    return PriorSource(_loader(model, predictor) if processes > 1 else lambda: predictor, points)


def _csv(rows: list[Row]) -> str:
    from napari_segsam.train.evaluation.rows import Row

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(f.name for f in fields(Row))
    writer.writerows(astuple(row) for row in rows)
    return text.getvalue()


def _tell(run: Evaluation) -> None:
    for reason in run.skipped[:_SKIPPED_SHOWN]:
        say(f"skipped: {reason}")
    if len(run.skipped) > _SKIPPED_SHOWN:
        say(f"skipped: {len(run.skipped) - _SKIPPED_SHOWN} more")
    for kind in run.kinds:
        figures = run.summary(kind)
        left_out = figures.get("modes_not_asked")
        if isinstance(left_out, list):
            say(f"{kind}: of its modes {', '.join(left_out)} were not asked; the model does not take their prompts.")
        answer(figures)
