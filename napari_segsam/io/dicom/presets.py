"""What a file says of how to show it: windows, and the number that fills what was not scanned."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from napari_segsam.core.volume import Window
from napari_segsam.io.dicom.damage import DAMAGE
from napari_segsam.io.dicom.enhanced import groups_of
from napari_segsam.io.dicom.frame import Frame
from napari_segsam.io.dicom.stored import has_table, intensity_table
from napari_segsam.io.dicom.tables import lookup_table
from napari_segsam.io.dicom.values import said, value

_WORDS = frozenset(
    (
        *("abdomen", "angio", "bone", "bones", "brain", "breast", "cardiac", "chest", "fat", "head", "heart", "kidney"),
        *("liver", "lung", "lungs", "mediastinum", "neck", "pelvis", "spine", "stroke", "subdural", "thorax", "tissue"),
        *("vessel", "vessels", "algo", "default", "hard", "harder", "high", "low", "narrow", "normal", "preset"),
        *("sharp", "soft", "softer", "standard", "user", "wide", "window"),
    )
)
_SPLIT = re.compile(r"[^A-Za-z]+")
_MOST_DIGITS = 2


def windows(frame: Frame) -> tuple[Window, ...]:
    """The file's presets without doubles, tables last; damaged ones are left out, as nothing depends on them."""
    found: dict[tuple[float, float], Window] = {}
    try:
        for centre, width, name in _all(frame):
            if width > 0 and np.isfinite((centre, width)).all() and (centre, width) not in found:
                found[centre, width] = Window(centre, width, _cleaned(name) or f"file {len(found) + 1}")
    except DAMAGE:
        pass
    return tuple(found.values())


def _all(frame: Frame) -> Iterator[tuple[float, float, str]]:
    """Centre, width and explanation of each preset."""
    source = _voi(frame)
    names = _listed(value(source, "WindowCenterWidthExplanation"))
    pairs = zip(_listed(value(source, "WindowCenter")), _listed(value(source, "WindowWidth")), strict=False)
    for n, (centre, width) in enumerate(pairs):
        yield float(centre), float(width), str(names[n]) if n < len(names) else ""
    for item in value(frame.header, "VOILUTSequence") or ():
        yield *_straightened(item, frame.header), said(item, "LUTExplanation")


def _voi(frame: Frame) -> Dataset:
    """Where the frame's presets are: in its own functional group or the shared one, else in the header."""
    own = (value(frame.header, "PerFrameFunctionalGroupsSequence") or [])[frame.number : frame.number + 1]
    shared = (value(frame.header, "SharedFunctionalGroupsSequence") or [])[:1]
    group = groups_of(own[0] if own else Dataset(), shared[0] if shared else Dataset())("FrameVOILUTSequence")
    return group if len(group) else frame.header


def _straightened(item: Dataset, header: Dataset) -> tuple[float, float]:
    """Centre and width of the window nearest to a table: between its darkest and its brightest twentieth."""
    table = lookup_table(item, header)
    entries = table.entries.astype(np.float64)
    low, high = entries.min(), entries.max()
    inner = np.flatnonzero((entries > low + 0.05 * (high - low)) & (entries < high - 0.05 * (high - low)))
    if not len(inner):
        return 0.0, 0.0
    first, last = table.first + int(inner[0]), table.first + int(inner[-1]) + 1
    return (first + last) / 2, float(last - first)


def _cleaned(name: str) -> str:
    """An explanation of known words and short numbers only, which can be no person's; else nothing."""
    words = [w for w in _SPLIT.split(name.lower()) if w]
    digits = re.findall(r"\d+", name)
    if not words or not set(words) <= _WORDS or any(len(d) > _MOST_DIGITS for d in digits):
        return ""
    return " ".join(name.replace("_", " ").split())[:32].lower()


def _listed(value: Any) -> list[Any]:
    if value in (None, ""):
        return []
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else [value]


@dataclass(frozen=True)
class Padding:
    """Intensities that fill what was not scanned, from ``value`` to ``limit``, None where the file names none."""

    value: float | None = None
    limit: float | None = None


def padding(frames: tuple[Frame, ...]) -> Padding:
    """The padding of all these frames; none where it differs, or is damaged: it only spares windows from it."""
    try:
        found = {_padding(frame) for frame in frames}
    except DAMAGE:
        return Padding()
    return found.pop() if len(found) == 1 else Padding()


def _padding(frame: Frame) -> Padding:
    header = frame.header
    stored = [value(header, f"PixelPadding{end}") for end in ("Value", "RangeLimit")]
    return Padding(*(None if v in (None, "") else _intensity(_signed(int(v), header), frame) for v in stored))


def _signed(stored: int, header: Dataset) -> int:
    """Written as if it were unsigned by some, whatever the voxels are."""
    bits = int(value(header, "BitsAllocated"))
    is_signed = value(header, "PixelRepresentation") == 1
    return stored - (1 << bits) if is_signed and stored >= 1 << (bits - 1) else stored


def _intensity(stored: int, frame: Frame) -> float:
    if has_table(frame):
        return float(intensity_table(frame).of(np.array([stored]))[0])
    return stored * frame.slope + frame.intercept
