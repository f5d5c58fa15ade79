"""Options that several commands share, and what they name: the scan, the model, the slices."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from napari_segsam.cli.console import say
from napari_segsam.core.errors import OutsideImageError, SegsamError, UnknownNameError
from napari_segsam.core.model_choice import ModelChoice
from napari_segsam.core.slices import AXES
from napari_segsam.core.volume import MODALITIES, Volume, Window

if TYPE_CHECKING:
    from napari_segsam.engine.protocols import Predictor

SeriesOption = Annotated[str | None, typer.Option("--series", help="UID of the series, where PATH holds several.")]
ResampleOption = Annotated[
    bool, typer.Option("--resample", help="Make uneven DICOM slices even; every output records it.")
]
ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        help="A name of `segsam models`, or a file: FILE@FAMILY where those of several families are alike, "
        "FILE@base=FILE for one that is a difference to another.",
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
ModalityOption = Annotated[
    str | None, typer.Option("--modality", help="ct, mr, pet, us, xray or rgb, where the file does not say.")
]
ReportOption = Annotated[Path | None, typer.Option("--report", help="JSON to write; - is standard output.")]
WindowOption = Annotated[
    str | None, typer.Option("--window", help="CENTRE,WIDTH that the model shall see, e.g. 40,400.")
]

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


def load_volume(
    path: Path, series: str | None = None, modality: str | None = None, *, resample: bool = False
) -> Volume:
    """The scan at ``path``; ``modality`` overrides what the file says or what was inferred.

    Raises:
        SegsamError: no readable image, or an unknown series or modality.
    """
    known = [m for m in MODALITIES if m != "unknown"]
    if modality is not None and modality not in known:
        raise UnknownNameError("modality", modality, known)
    from napari_segsam.io.sandbox import read_volume

    volume = read_volume(path, series=series, resample=resample)
    return volume if modality is None else replace(volume, modality=modality)


def inputs(path: Path, model: str) -> tuple[Path, ...]:
    """What is read for the scan or data set at ``path`` and for ``--model``: no output may take its place.

    Raises:
        SegsamError: see :meth:`ModelChoice.checked`.
    """
    from napari_segsam.io.formats import files_of
    from napari_segsam.io.registry import registry, where

    choice = ModelChoice.checked(model)
    names = [name for name in (choice.model, choice.base) if name is not None]
    weights = [where(registry()[name]) if name in registry() else Path(name) for name in names]
    return (*files_of(path), *(file for file in weights if file is not None))


def load_model(name: str, device: str) -> Predictor:
    """The model that ``--model`` names, on ``device``; says aloud where it runs.

    Raises:
        SegsamError: unknown model, damaged weights, or a device that is not there.
    """
    if not _DEVICE.fullmatch(device):
        raise SegsamError(f"--device '{device}' is not there; choose auto, cpu or cuda.")
    from napari_segsam.io.registry import resolve

    found = resolve(name)
    from napari_segsam.engine.loading import load_model as load

    predictor = load(found.path, device, found.name, words=found.words, base=found.base)
    say(f"model {predictor.name} on {predictor.device}")
    return predictor


def parse_window(text: str | None) -> Window | None:
    """``CENTRE,WIDTH`` in stored intensities (Hounsfield units in CT).

    Raises:
        SegsamError: not two numbers, no positive width, or limits that the model's float32 cannot hold apart.
    """
    if text is None:
        return None
    try:
        centre, width = (float(part) for part in text.split(","))
    except ValueError:
        centre, width = math.nan, math.nan
    if not (math.isfinite(centre) and math.isfinite(width) and width > 0):
        raise SegsamError(f"--window '{text}' is not CENTRE,WIDTH with a positive width; write for example 40,400.")
    window = Window(centre, width)
    low, high = window.limits
    if max(-low, high) > float(np.finfo(np.float32).max) or np.float32(low) >= np.float32(high):
        raise SegsamError(f"--window '{text}' has limits that no scan can show apart; write for example 40,400.")
    return window


def parse_axis(text: str) -> int:
    """0, 1 or 2 for ``i``, ``j`` or ``k``.

    Raises:
        UnknownNameError: another letter.
    """
    if text not in tuple(AXES):
        raise UnknownNameError("axis", text, AXES)
    return AXES.index(text)


def parse_slices(text: str | None, size: int) -> range:
    """``A:B:STEP`` as in Python (B is not included), or one index, out of ``size`` slices; all of them for None.

    Raises:
        SegsamError: not of that form, or no slice.
        OutsideImageError: reaches beyond the image.
    """
    if text is None:
        return range(size)
    match = re.fullmatch(r"(\d+)|(\d*):(\d*)(?::(\d*))?", text)
    if match is None or match[4] == "0":
        raise SegsamError(f"--slices '{text}' is not A:B:STEP; write for example 20:80:5.")
    single, first, stop, step = match.groups()
    wanted = (
        range(int(single), int(single) + 1) if single else range(int(first or 0), int(stop or size), int(step or 1))
    )
    if wanted.start > size or wanted.stop > size:
        raise OutsideImageError(f"--slices '{text}' reaches beyond the image; it has slices 0 to {size - 1}.")
    if not wanted:
        raise SegsamError(f"--slices '{text}' names no slice; the image has slices 0 to {size - 1}.")
    return wanted
