"""``segsam demo``: the main job on the built-in sample, in a window or without one."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from napari_segsam.cli import loading
from napari_segsam.cli.console import say
from napari_segsam.cli.gui import run_window, why_no_window
from napari_segsam.cli.outputs import Staging
from napari_segsam.core.errors import SegsamError, WriteError

if TYPE_CHECKING:
    from napari_segsam.cli.prompt_file import PlacedObject
    from napari_segsam.cli.segmentation import Segmentation
    from napari_segsam.core.labels import LabelMap
    from napari_segsam.core.slices import SliceView
    from napari_segsam.core.volume import Volume

WANTED = ("liver", "spleen", "kidney_left", "kidney_right", "lung", "vertebra", "stomach", "aorta")
"""Beginnings of the names of what is prompted; an organ of several parts gives its largest one."""

OUTPUTS = ("labels.nii.gz", "semantic.nii.gz", "report.json", "picture.png")


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for the files of a run without a window.")] = Path(
        "segsam-demo"
    ),
    no_window: Annotated[bool, typer.Option("--no-window", help="Write files even where a window could open.")] = False,
    model: loading.ModelOption = "nano",
    device: loading.DeviceOption = "auto",
) -> None:
    """The main job on the built-in sample: a torso phantom, prompted, segmented and named."""
    missing = why_no_window()
    if no_window or missing is not None:
        if not no_window:
            say(f"{missing} The demo runs without a window.")
        headless(out, model, device)
        return
    code = run_window([sys.executable, "-m", "napari_segsam.gui.demo"], model)
    if code:
        raise SegsamError("The window closed with an error; run segsam doctor, or segsam demo --no-window.")


def headless(out: Path, model: str, device: str) -> None:
    """Segment the phantom with box prompts and leave maps, report and picture in ``out``.

    Raises:
        SegsamError: no weights, or a folder that cannot be written.
    """
    from napari_segsam.cli.segmentation import Segmentation
    from napari_segsam.io.sample import torso_phantom, torso_phantom_labels

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{out}: cannot be made ({error.strerror}); choose another folder with --out.") from error
    begun = time.perf_counter()
    volume, truth = torso_phantom(), torso_phantom_labels()
    run = Segmentation(volume, loading.load_model(model, device))
    run.seconds["load"] = time.perf_counter() - begun
    for entry in box_prompts(volume, truth):
        run.answer(entry)
    run.suggest_around_prompts()
    _write(run, truth, out)


def box_prompts(volume: Volume, truth: LabelMap) -> list[PlacedObject]:
    """A tight box for each wanted organ of the truth, on the one axial slice that shows most of them."""
    from napari_segsam.cli.prompt_file import PlacedObject
    from napari_segsam.core.prompts import Box, Prompts
    from napari_segsam.core.slices import SliceView

    wanted = _wanted(truth)
    shared = _best_slice(truth, list(wanted.values()))
    placed = []
    for value in wanted.values():
        index = shared if (truth.voxels[:, :, shared] == value).any() else _best_slice(truth, [value])
        view = SliceView(volume, 2, index)
        placed.append(PlacedObject(value, None, view, Prompts(box=Box.around(view.of(truth.voxels) == value))))
    return placed


def _wanted(truth: LabelMap) -> dict[str, int]:
    """Beginning of a name -> the voxel value of the largest organ with such a name."""
    sizes = np.bincount(truth.voxels.reshape(-1), minlength=max(truth.labels, default=0) + 1)
    found = {}
    for beginning in WANTED:
        values = [v for v, label in truth.labels.items() if label.name.startswith(beginning) and sizes[v]]
        if values:
            found[beginning] = max(values, key=lambda v: int(sizes[v]))
    return found


def _best_slice(truth: LabelMap, values: list[int]) -> int:
    """The k with the most of these organs, and among those the most of their voxels."""
    areas = np.stack([(truth.voxels == v).sum(axis=(0, 1)) for v in values])  # (organs, nk)
    return int(np.lexsort((areas.sum(axis=0), (areas > 0).sum(axis=0)))[-1])


def _write(run: Segmentation, truth: LabelMap, out: Path) -> None:
    from napari_segsam.cli.report import report, summary

    targets = [out / name for name in OUTPUTS]
    with Staging(targets) as staging:
        run.paint()
        run.write(staging, *targets[:2])
        overlap = _dice_per_object(run, truth)
        staging.write_json(targets[2], report(run) | {"dice": overlap})
        staging.write_bytes(targets[3], _picture(run))
        staging.commit()
    for line in summary(run):
        say(line)
    for name, value in overlap.items():
        say(f"Dice {value:.3f}  {name}")
    say(f"done: {', '.join(map(str, targets))}")


def _dice_per_object(run: Segmentation, truth: LabelMap) -> dict[str, float]:
    """True name -> Dice against the phantom's truth, on the prompted slice."""
    from napari_segsam.core.prediction import dice

    def one(view: SliceView, value: int) -> float:
        return round(dice(view.of(run.labels.voxels) == value, view.of(truth.voxels) == value), 4)

    return {truth.labels[a.object.value].name: one(a.object.view, a.object.value) for a in run.answers}


def _picture(run: Segmentation) -> bytes:
    from napari_segsam.cli.picture import draw_slice
    from napari_segsam.core.volume import Window

    view = max(
        (a.object.view for a in run.answers), key=lambda v: sum(a.object.view.index == v.index for a in run.answers)
    )
    here = [a for a in run.answers if a.object.view.index == view.index]
    shown = {run.labels.labels[a.object.value].name: view.of(run.labels.voxels) == a.object.value for a in here}
    return draw_slice(view, Window(40, 400), shown)
