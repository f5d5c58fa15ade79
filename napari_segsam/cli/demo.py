"""``segsam demo``: the main job on the built-in sample, in a window or without one."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
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
    from napari_segsam.core.volume import Volume

WANTED = ("liver", "spleen", "kidney_left", "kidney_right", "lung", "vertebra", "stomach", "aorta")
"""Beginnings of the names of what is prompted; an organ of several parts gives its largest one."""

_WELL_SEEN = 0.4  # of an organ's largest area

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
    from napari_segsam.io.phantom.sample import torso_phantom, torso_phantom_labels

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{out}: cannot be made ({error.strerror}); choose another folder with --out.") from error
    begun = time.perf_counter()
    volume, truth = torso_phantom(), torso_phantom_labels()
    run = Segmentation(volume, loading.load_model(model, device))
    run.seconds["load"] = time.perf_counter() - begun
    prompted = box_prompts(volume, truth)
    for entry in prompted:
        run.answer(entry)
    run.suggest_around_prompts()
    _write(run, truth, prompted, out)


def box_prompts(volume: Volume, truth: LabelMap) -> dict[PlacedObject, int]:
    """A tight axial box for each wanted organ -> its value in the truth; on one slice where it is well seen there."""
    from napari_segsam.cli.prompt_file import PlacedObject
    from napari_segsam.core.prompts import Box, Prompts
    from napari_segsam.core.slices import SliceView

    placed = {}
    for number, (value, index) in enumerate(_places(truth).items(), start=1):
        view = SliceView(volume, 2, index)
        prompts = Prompts(box=Box.around(view.of(truth.voxels) == value))
        placed[PlacedObject(number, None, view, prompts)] = value
    return placed


def _places(truth: LabelMap) -> dict[int, int]:
    """Value in the truth -> the k to prompt it on: a shared one, or that of its largest area."""
    values = _wanted(truth)
    areas = np.stack([(truth.voxels == v).sum(axis=(0, 1)) for v in values])  # (organs, nk)
    seen = areas / areas.max(axis=1, keepdims=True)
    shared = int((seen > _WELL_SEEN).sum(axis=0).argmax())
    return {
        v: shared if share[shared] > _WELL_SEEN else int(share.argmax()) for v, share in zip(values, seen, strict=True)
    }


def _wanted(truth: LabelMap) -> list[int]:
    """The largest organ for each wanted beginning of a name."""
    sizes = np.bincount(truth.voxels.reshape(-1), minlength=max(truth.labels, default=0) + 1)
    called = [[v for v, label in truth.labels.items() if label.name.startswith(b) and sizes[v]] for b in WANTED]
    return [max(values, key=lambda v: int(sizes[v])) for values in called if values]


def _write(run: Segmentation, truth: LabelMap, prompted: dict[PlacedObject, int], out: Path) -> None:
    from napari_segsam.cli.report import report, summary

    targets = [out / name for name in OUTPUTS]
    with Staging(targets) as staging:
        run.paint()
        run.write(staging, *targets[:2])
        overlap = _overlap(run, truth, prompted)
        staging.write_json(targets[2], report(run) | {"dice": overlap})
        staging.write_bytes(targets[3], _picture(run))
        staging.commit()
    for line in summary(run):
        say(line)
    for name, value in overlap.items():
        say(f"Dice {value:.3f}  {name}")
    say(f"done: {', '.join(map(str, targets))}")


def _overlap(run: Segmentation, truth: LabelMap, prompted: dict[PlacedObject, int]) -> dict[str, float]:
    """True name -> Dice against the phantom's truth, on the prompted slice."""
    from napari_segsam.core.prediction import dice

    def one(entry: PlacedObject, value: int) -> float:
        return round(dice(entry.view.of(run.labels.voxels) == entry.value, entry.view.of(truth.voxels) == value), 4)

    return {truth.labels[value].name: one(entry, value) for entry, value in prompted.items()}


def _picture(run: Segmentation) -> bytes:
    """The slice with the most objects."""
    from napari_segsam.cli.picture import draw_slice
    from napari_segsam.core.volume import Window

    by_slice: dict[int, list[PlacedObject]] = defaultdict(list)
    for answer in run.answers:
        by_slice[answer.object.view.index].append(answer.object)
    here = max(by_slice.values(), key=len)
    view = here[0].view
    shown = [(run.labels.labels[e.value].name, view.of(run.labels.voxels) == e.value) for e in here]
    return draw_slice(view, Window(40, 400), shown)
