"""Windows: which intensities a scan is shown with. They set the display's contrast; voxels stay as they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.volume import Volume, Window

# Centre and width in HU. Radiopaedia, "Windowing (CT)", lists these for lung, mediastinum, bone (spine), liver, brain;
# it gives the abdomen's soft tissue a centre of 50, which differs little from the 40 that our models are trained with.
CT_WINDOWS = (
    Window(40, 400, "soft tissue"),
    Window(-600, 1500, "lung"),
    Window(50, 350, "mediastinum"),
    Window(400, 1800, "bone"),
    Window(30, 150, "liver"),
    Window(40, 80, "brain"),
)
PERCENTILES = {"mr": (1.0, 99.5), "pet": (0.0, 99.8), "us": (0.0, 100.0), "xray": (0.5, 99.5), "unknown": (1.0, 99.5)}
"""The share of a scan's intensities that lies between black and white, by modality, where numbers have no unit."""
AS_OPENED = Window(0, 0, "as opened")
"""Stands for the contrast that the scan was opened with, since magicgui's choices cannot be None."""
_SAMPLED = 64


def windows_of(volume: Volume) -> list[tuple[str, Window]]:
    """The presets for a scan, by what a person calls them: the file's own, then ours; colours have none."""
    opened = [(AS_OPENED.name, AS_OPENED)]
    if volume.is_rgb:
        return opened
    ours = CT_WINDOWS if volume.modality == "ct" else (percentile_window(volume),)
    titles = {w.limits: (_title_from_file(w), w) for w in volume.windows}
    for window in ours:
        titles.setdefault(window.limits, (_title(window), window))  # the file's own may be one of ours
    return [*opened, *titles.values()]


def contrast_limits(volume: Volume) -> tuple[float, float]:
    """What to show at first: the file's own window, soft tissue in CT, percentiles elsewhere."""
    if volume.windows:
        return volume.windows[0].limits
    return CT_WINDOWS[0].limits if volume.modality == "ct" else percentile_window(volume).limits


def percentile_window(volume: Volume) -> Window:
    """From the low to the high percentile of its modality, in a sparse sample without padding; always low < high."""
    low, high = PERCENTILES.get(volume.modality, PERCENTILES["unknown"])
    name = f"{low:g} to {high:g} %"
    sample = _sample(volume.voxels)
    known = sample[np.isfinite(sample) & ~volume.is_padding(sample)]
    if known.size == 0:
        return Window(0.5, 1.0, name)
    darkest, brightest = (float(v) for v in np.percentile(known, (low, high)))
    if brightest <= darkest:
        brightest = darkest + max(1.0, abs(darkest) * 1e-6)
    return Window((darkest + brightest) / 2, brightest - darkest, name)


def _sample(voxels: NDArray) -> NDArray:  # type: ignore[type-arg]
    """The voxels of at most 64 planes each way."""
    return np.asarray(voxels[tuple(slice(None, None, -(-n // _SAMPLED)) for n in voxels.shape)]).ravel()


def _title(window: Window) -> str:
    return f"{window.name} ({window.centre:g}, {window.width:g})"


def _title_from_file(window: Window) -> str:
    """With the file's own name for it, where it has one."""
    named = f"file: {window.name}" if window.name and not window.name.startswith("file") else window.name or "file"
    return f"{named} ({window.centre:g}, {window.width:g})"
