"""``segsam finetune``: a published model learns a person's own classes from a few labelled slices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from napari_segsam.cli import loading
from napari_segsam.cli.console import say, track
from napari_segsam.cli.outputs import Staging
from napari_segsam.core.errors import SegsamError, UnknownNameError

T = TypeVar("T")

LabelsArgument = Annotated[
    Path, typer.Argument(metavar="LABELS", help="What is labelled on it, as `convert` reads it.")
]


def finetune(
    scan: Annotated[Path, typer.Argument(metavar="PATH", help="A scan.")],
    labels: LabelsArgument,
    base: Annotated[str, typer.Option("--base", help="The SAM to begin from: a name of `segsam models`, or a file.")],
    out: Annotated[Path, typer.Option("--out", help="The file to write: .pth as published, or .safetensors.")],
    kind: Annotated[
        str, typer.Option("--kind", help="samed, samed_s, med_sa, med_sa_lora, ma_sam or ma_sam_boxes.")
    ] = "samed",
    axis: Annotated[str, typer.Option("--axis", help="Slices run along the voxel axis i, j or k.")] = "k",
    steps: Annotated[int, typer.Option("--steps", help="Slices that are shown, one after the other.", min=1)] = 1000,
    rate: Annotated[float | None, typer.Option("--rate", help="The highest learning rate.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of what begins at random.", min=0)] = 0,
    series: loading.SeriesOption = None,
    modality: loading.ModalityOption = None,
    resample: loading.ResampleOption = False,
    device: loading.DeviceOption = "auto",
) -> None:
    """A published model learns what is labelled on the slices of a scan; slices without a label are left out."""
    from napari_segsam.engine.on_device import choose_device
    from napari_segsam.io.dicom.source import read_source
    from napari_segsam.io.formats import files_of
    from napari_segsam.io.labels.importing import read_any
    from napari_segsam.io.registry import locate
    from napari_segsam.train.zoo import files
    from napari_segsam.train.zoo.run import KINDS, Choices, fine_tuned

    if kind not in KINDS:
        raise UnknownNameError("kind", kind, tuple(KINDS))
    if rate is not None and not 0 < rate < 1:
        raise SegsamError(f"--rate {rate:g} is no learning rate; leave it out, or write for example 0.001.")
    files.check_suffix(out)
    begun, chosen = locate(base), choose_device(device)
    with Staging([out], inputs=(*loading.inputs(scan, str(begun)), *files_of(labels))) as staging:
        volume = loading.load_volume(scan, series, modality, resample=resample)
        annotated = read_any(labels, volume.grid, read_source(scan, series, volume=volume), say)
        choices = Choices(kind, loading.parse_axis(axis), steps, rate, seed, chosen)
        made = fine_tuned(begun, volume, annotated, choices, _bar)
        files.write(staging.path(out), made.tensors, made.names)
        staging.commit()
    kinds = "class" if made.names is not None and len(made.names) == 1 else "classes"
    learned = "" if made.names is None else f" {len(made.names)} {kinds} ({', '.join(made.names.values())})"
    shown = "1 slice" if made.slices == 1 else f"{made.slices} slices"
    say(f"done: {out} learned{learned} from {shown}; how well it does on others is not known: try it.")


def _bar(steps: Iterator[T], left: int) -> Iterator[T]:
    return track(steps, left, "fine-tuning")
