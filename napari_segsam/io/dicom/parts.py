"""What tells apart frames that lie at one position: echo, time point, acquisition and the like."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import combinations, pairwise
from typing import TypeVar

from napari_segsam.io.dicom.frame import Frame
from napari_segsam.io.dicom.stack import Pile

Part = tuple[list[Frame], str]
"""Frames of one volume, and what tells them from the others of their series, e.g. ``"echo time 4.92"``."""

_Key = TypeVar("_Key", bound=Hashable)
_SAME_DIRECTION = 1e-4  # of direction cosines: half a tenth of a millimetre at the far side of a scan
_CONTRAST = ("echo time", "b-value", "time point")
_KINDS = frozenset((*_CONTRAST, "image type", "stack"))  # what makes volumes of their own wherever they lie
_MOST_TRAITS = 3


def by_orientation(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Groups of parallel frames."""
    groups: list[list[Frame]] = []
    known: dict[tuple[float, ...] | None, list[Frame]] = {}
    for frame in frames:
        group = known.get(frame.orientation)
        if group is None:
            group = next((g for g in groups if _parallel(frame, g[0])), [])
            if not group:
                groups.append(group)
            known[frame.orientation] = group
        group.append(frame)
    return groups


def _parallel(a: Frame, b: Frame) -> bool:
    if a.orientation is None or b.orientation is None:
        return a.orientation is b.orientation
    return all(abs(x - y) < _SAME_DIRECTION for x, y in zip(a.orientation, b.orientation, strict=True))


def told_apart(frames: list[Frame]) -> list[Part]:
    """Parallel frames as one part, or as few parts as it takes that each is a regular grid.

    Frames of different contrast are told apart wherever each contrast is a grid of its own, even if all of them
    together would make one too: slices of two echoes that take turns are two volumes.
    """
    traits, fault = _telling(frames), _fault(frames)
    if fault:
        return _needed(frames, traits, fault == "doubled")
    for contrast in (t for t in _CONTRAST if t in traits):
        parts = _split(frames, (contrast,))
        if min(len(part) for part, _ in parts) > 1 and _faults(parts) == {""}:
            return parts
    return [(frames, "")]


def _needed(frames: list[Frame], traits: list[str], doubled: bool) -> list[Part]:
    """As few parts as it takes; where some stay uneven whatever is tried, parts in which none is doubled."""
    best: list[Part] = [(frames, "")]
    for chosen in (c for n in range(1, _MOST_TRAITS + 1) for c in combinations(traits, n)):
        parts = _split(frames, chosen)
        faults = _faults(parts)
        explains = doubled or set(chosen) <= _KINDS or _follow_each_other(parts)
        if faults == {""} and explains and max(len(p) for p, _ in parts) > 1:
            return parts
        if doubled and "doubled" not in faults and len(best) == 1:
            best = parts
    return best


def _follow_each_other(parts: Sequence[Part]) -> bool:
    """Whether the parts lie one behind the other; parts that take turns would only hide that a slice is missing."""
    along = [Pile.of(part).along for part, _ in parts]
    ends = sorted((float(each[0]), float(each[-1])) for each in along)
    return all(before[1] < after[0] for before, after in pairwise(ends))


def _telling(frames: Sequence[Frame]) -> list[str]:
    """Traits in which the frames differ, those first that say most about what is seen."""
    names = dict.fromkeys(name for frame in frames for name in frame.traits)
    return [name for name in names if len({f.traits.get(name, "") for f in frames}) > 1]


def _split(frames: Iterable[Frame], chosen: tuple[str, ...]) -> list[Part]:
    parts = divided(frames, lambda frame: tuple(frame.traits.get(name, "") for name in chosen))
    return [
        (part, ", ".join(f"{name} {value}" for name, value in zip(chosen, values, strict=True)))
        for values, part in parts.items()
    ]


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
