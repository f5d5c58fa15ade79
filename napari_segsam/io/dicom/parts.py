"""What tells apart frames that lie at one position: echo, time point, acquisition and the like."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import combinations, pairwise
from typing import TypeVar

from napari_segsam.io.dicom.frame import Frame
from napari_segsam.io.dicom.gaps import images_at
from napari_segsam.io.dicom.stack import Pile

Part = tuple[list[Frame], str]
"""Frames of one volume, and what tells them from the others of their series, e.g. ``"echo time 4.92"``."""

_Key = TypeVar("_Key", bound=Hashable)
_SAME = 1e-4  # of direction cosines, part of a spacing: half a tenth of a millimetre at the far side of a scan
_CONTRAST = ("echo time", "inversion time", "flip angle", "b-value", "time point")
_KINDS = frozenset((*_CONTRAST, "image type", "stack"))  # what makes volumes of their own wherever they lie
_WHEN = ("frame reference time", "acquisition time", "content time")  # the slices of one volume may differ in it
_LAST = (*_WHEN, "folder")  # says least about what is seen
_UNITS = {
    **dict.fromkeys(("echo time", "inversion time", "trigger time", "frame reference time"), " ms"),
    "flip angle": "°",
    "b-value": " s/mm²",
}
_MOST_TRAITS = 3


def by_plane(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Groups of parallel frames of one pixel spacing."""
    groups: list[list[Frame]] = []
    known: dict[Hashable, list[Frame]] = {}
    for frame in frames:
        plane = frame.orientation, frame.spacing
        group = known.get(plane)
        if group is None:
            group = next((g for g in groups if _parallel(frame, g[0]) and _as_wide(frame, g[0])), [])
            if not group:
                groups.append(group)
            known[plane] = group
        group.append(frame)
    return groups


def _parallel(a: Frame, b: Frame) -> bool:
    if a.orientation is None or b.orientation is None:
        return a.orientation is b.orientation
    return all(abs(x - y) < _SAME for x, y in zip(a.orientation, b.orientation, strict=True))


def _as_wide(a: Frame, b: Frame) -> bool:
    if a.spacing is None or b.spacing is None:
        return a.spacing is b.spacing
    return all(abs(x - y) < _SAME * x for x, y in zip(a.spacing, b.spacing, strict=True))


def told_apart(frames: list[Frame]) -> list[Part]:
    """Parallel frames as one part, or as few parts as it takes that each is a regular grid.

    Frames of different contrast are told apart wherever each contrast is a grid of its own, even if all of them
    together would make one too: slices of two echoes that take turns are two volumes.
    """
    traits, fault = _telling(frames), _fault(frames)
    if fault:
        return _needed(frames, traits, doubled=fault == "doubled")
    for contrast in (t for t in _CONTRAST if t in traits):
        parts = _split(frames, (contrast,))
        if min(len(part) for part, _ in parts) > 1 and _faults(parts) == {""}:
            return parts
    return [(frames, "")]


def _needed(frames: list[Frame], traits: list[str], *, doubled: bool) -> list[Part]:
    """As few parts as it takes; where some stay uneven whatever is tried, parts in which none is doubled.

    When they were taken tells only images at one place apart: it would hide that a slice is missing between others.
    """
    best, images = [(frames, "")], images_at(Pile.of(frames).along)
    traits = traits if doubled else [t for t in traits if t not in _WHEN]
    for chosen in (c for n in range(1, _MOST_TRAITS + 1) for c in combinations(traits, n)):
        parts = _split(frames, chosen)
        if _crumbles(parts, chosen, images):
            continue
        faults = _faults(parts)
        explains = doubled or set(chosen) <= _KINDS or _follow_each_other(parts)
        if faults == {""} and explains:
            return parts
        if doubled and "doubled" not in faults and len(best) == 1:
            best = parts
    return best


def _crumbles(parts: Sequence[Part], chosen: Iterable[str], images: Sequence[int]) -> bool:
    """Whether most frames of several places become single ones, or time makes more parts than one place has images."""
    if not set(chosen).isdisjoint(_WHEN):
        return len(parts) > max(images)
    return len(images) > 1 and 2 * sum(len(part) == 1 for part, _ in parts) > sum(images)


def _follow_each_other(parts: Sequence[Part]) -> bool:
    """Whether the parts lie one behind the other; parts that take turns would only hide that a slice is missing."""
    along = [Pile.of(part).along for part, _ in parts]
    ends = sorted((float(each[0]), float(each[-1])) for each in along)
    return all(before[1] < after[0] for before, after in pairwise(ends))


def _telling(frames: Sequence[Frame]) -> list[str]:
    """Traits in which the frames differ, those first that say most about what is seen.

    Of several that differ alike one is enough; where one of these is a kind, it explains more than the others.
    """
    names = dict.fromkeys(name for frame in frames for name in frame.traits)
    found: dict[tuple[bool, tuple[int, ...]], str] = {}
    for name in sorted(names, key=_LAST.__contains__):
        numbers: dict[str, int] = {}
        parts = tuple(numbers.setdefault(f.traits.get(name, ""), len(numbers)) for f in frames)
        found.setdefault((name in _KINDS, parts), name)
    return [name for (_, parts), name in found.items() if any(parts)]


def _split(frames: Iterable[Frame], chosen: tuple[str, ...]) -> list[Part]:
    parts = divided(frames, lambda frame: tuple(frame.traits.get(name, "") for name in chosen))
    return [
        (part, ", ".join(_told(name, value) for name, value in zip(chosen, values, strict=True)))
        for values, part in parts.items()
    ]


def _told(name: str, value: str) -> str:
    return f"{name} {value}{_UNITS.get(name, '')}" if value else f"no {name}"


def divided(frames: Iterable[Frame], key: Callable[[Frame], _Key]) -> dict[_Key, list[Frame]]:
    """The frames of each key, in the order in which keys first occur."""
    parts: dict[_Key, list[Frame]] = defaultdict(list)
    for frame in frames:
        parts[key(frame)].append(frame)
    return parts


def _faults(parts: Iterable[Part]) -> set[str]:
    return {_fault(part) for part, _ in parts}


def _fault(frames: Sequence[Frame]) -> str:
    """``"doubled"``, ``"uneven"``, ``"beside"`` or nothing; single slices and films are even whatever they are."""
    if len(frames) < 2 or not frames[0].is_placed:
        return ""
    flaw = Pile.of(frames).flaw
    return flaw.kind if flaw else ""
