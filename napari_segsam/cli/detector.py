"""``segsam detector``: a detector of a person's own, whose boxes a model fills."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_segsam.cli import loading
from napari_segsam.cli.console import say, track
from napari_segsam.cli.outputs import Staging
from napari_segsam.core.errors import SegsamError, WriteError

if TYPE_CHECKING:
    from napari_segsam.core.volume import Volume
    from napari_segsam.train.detector_run import Lesson

_SUFFIX, _CELL = ".safetensors", 32

app = typer.Typer(
    help="A detector of your own, whose boxes a model fills.", rich_markup_mode=None, no_args_is_help=True
)


@app.callback()
def detector() -> None:
    """A detector of your own, whose boxes a model fills."""


@app.command("train")
def train(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A folder in the SA-Med2D layout; with --labels, a scan.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The detector to write, a .safetensors file.")],
    labels: Annotated[
        Path | None, typer.Option("--labels", help="What is labelled on the scan, as `convert` reads it.")
    ] = None,
    axis: Annotated[str, typer.Option("--axis", help="Slices of the scan run along the voxel axis i, j or k.")] = "k",
    side: Annotated[
        int, typer.Option("--side", help="Of the square that pictures are fitted to, a multiple of 32.", min=_CELL)
    ] = 256,
    limit: Annotated[
        int,
        typer.Option(
            "--limit", help="Pictures or slices at most, taken evenly; all of them are kept in memory.", min=1
        ),
    ] = 2000,
    steps: Annotated[int, typer.Option("--steps", help="Of eight pictures each.", min=1)] = 1000,
    seed: Annotated[int, typer.Option("--seed", help="Of what begins at random.", min=0)] = 0,
    series: loading.SeriesOption = None,
    modality: loading.ModalityOption = None,
    resample: loading.ResampleOption = False,
) -> None:
    """Train a detector of all classes that are annotated; some hundred pictures may do."""
    if out.suffix != _SUFFIX:
        raise WriteError(f"{out}: a detector is written as {_SUFFIX}; choose this suffix.")
    if side % _CELL:
        raise SegsamError(f"--side {side} is no multiple of {_CELL}; take {round(side / _CELL) * _CELL}.")
    across = loading.parse_axis(axis)
    if labels is None and (series, modality, resample, axis) != (None, None, False, "k"):
        raise SegsamError("--series, --modality, --resample and --axis are for a scan; name its labels by --labels.")
    if labels is None:
        _check_folder(data)
    from napari_segsam.io.formats import files_of
    from napari_segsam.train import detector_run

    read = [data] if labels is None else [*files_of(data), *files_of(labels)]
    with Staging([out], inputs=read) as staging:
        if labels is None:
            lesson, unseen = _from_data(data, side, limit)
        else:
            volume = loading.load_volume(data, series, modality, resample=resample)
            lesson, unseen = _from_scan(volume, data, labels, series, across, side, limit), None
        say(f"{len(lesson.examples)} pictures, {lesson.boxes} boxes, {len(lesson.names)} classes")
        model = detector_run.teach_detector(lesson, staging.path(out), steps=steps, seed=seed, watch=track)
        how_well = (
            "not known: try it" if unseen is None else _figure(detector_run.measured(model, unseen, track), unseen)
        )
        staging.commit()
    say(f"done: {out} finds {', '.join(lesson.names)}; how well is {how_well}.")


def _check_folder(data: Path) -> None:
    from napari_segsam.train.data.layout import LISTING

    if data.exists() and not (data / LISTING).is_file():
        what = f"a folder without {LISTING}" if data.is_dir() else "a file"
        raise SegsamError(
            f"{data.name} is {what}: where it is a scan, name what is labelled on it by --labels FILE; otherwise give "
            "a folder in the SA-Med2D layout."
        )


def _from_data(data: Path, side: int, limit: int) -> tuple[Lesson, Lesson | None]:
    """What to learn from, and pictures apart from that where the folder's split.json has some."""
    from napari_segsam.train.data.layout import LISTING, SPLIT, read_json, read_split
    from napari_segsam.train.data.listing import SAMed2D
    from napari_segsam.train.detector_run import lesson_of_data

    def lesson_of(split: str, names: tuple[str, ...] = ()) -> Lesson:
        listed = SAMed2D(data, split)
        if len(listed.samples) > limit:
            say(f"split '{split}': {limit} of {len(listed.samples)} pictures, taken evenly; --limit takes more")
        return lesson_of_data(listed, side, names, limit=limit, watch=track)

    if not (data / SPLIT).is_file():
        return lesson_of("all"), None
    lesson = lesson_of("train")
    if not read_split(data, "val", read_json(data / LISTING)):
        return lesson, None
    return lesson, lesson_of("val", lesson.names)


def _from_scan(
    volume: Volume, scan: Path, labels: Path, series: str | None, axis: int, side: int, limit: int
) -> Lesson:
    from napari_segsam.io.dicom.source import read_source
    from napari_segsam.io.labels.importing import read_any
    from napari_segsam.train.detector_run import lesson_of_scan

    annotated = read_any(labels, volume.grid, read_source(scan, series, volume=volume), say)
    return lesson_of_scan(volume, annotated, axis, side, limit=limit, watch=track)


def _figure(precision: float, unseen: Lesson) -> str:
    return f"{precision:.3f} (mean average precision at IoU 0.5, on {len(unseen.examples)} pictures of the split 'val')"
