"""``<file>.labels.json``: what each voxel value of a label map is called, and how many voxels have it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from napari_segsam.core.errors import UnreadableInputError, one_line
from napari_segsam.core.labels import MAX_LABEL

_LARGEST = 1 << 22
_COUNTS = "voxels"


class Names(NamedTuple):
    """What such a file says.

    Attributes:
        file: its name; empty where there is none.
        names: value -> what it is called.
        counts: value -> how many voxels had it when the file was written, None where it does not say so.
    """

    file: str
    names: dict[int, str]
    counts: dict[int, int] | None


def names_path(labels: Path) -> Path:
    """Where the names of the label map ``labels`` lie: its whole name with ``.labels.json`` behind it."""
    return labels.with_name(f"{labels.name}.labels.json")


def names_text(names: Mapping[int, str], counts: Mapping[int, int]) -> bytes:
    """The file's content, by ascending value."""
    said: dict[str, Any] = {str(v): names[v] for v in sorted(names)}
    said[_COUNTS] = {str(v): counts[v] for v in sorted(counts)}
    return (json.dumps(said, indent=1, ensure_ascii=False) + "\n").encode()


def read_names(labels: Path) -> Names:
    """The names beside a label map, under its whole name or its name without suffixes.

    Raises:
        UnreadableInputError: such a file is there and does not say ``{"1": "liver"}``.
    """
    beside = next((path for path in (names_path(labels), _by_stem(labels)) if path.is_file()), None)
    return Names("", {}, None) if beside is None else _parsed(beside)


def has_names(path: Path) -> bool:
    """Whether a file of names lies beside an image and can mean no other one, which so is a label map.

    ``case.labels.json`` beside ``case.nii.gz`` and ``case.seg.nrrd`` does not say which of them is the scan.
    """
    if names_path(path).is_file():
        return True
    stem = _by_stem(path)
    return stem.is_file() and not any(
        other != path and other.suffix != ".json" and _by_stem(other) == stem for other in path.parent.iterdir()
    )


def _by_stem(labels: Path) -> Path:
    """The other place for its names: its name without suffixes, with ``.labels.json`` behind it."""
    stem = labels.name.removesuffix(".gz").rpartition(".")[0].removesuffix(".seg")
    return labels.with_name(f"{stem}.labels.json")


def parse_names(path: Path) -> dict[int, str]:
    """The names in a JSON file ``{"1": "liver", ...}``, which may say ``"voxels": {"1": 4711, ...}`` too.

    Raises:
        UnreadableInputError: it says something else.
    """
    return _parsed(path).names


def _parsed(path: Path) -> Names:
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("too large")
        said = json.loads(path.read_text("utf-8"), object_pairs_hook=_each_once)
        counts = said.pop(_COUNTS, None)
        return Names(path.name, _by_value(said, str), None if counts is None else _by_value(counts, int))
    except _TwiceError as error:
        raise UnreadableInputError(f"{path.name} has several entries for {error}; leave one of them.") from error
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise UnreadableInputError(
            f'{path.name} does not say what values mean; it must be {{"1": "liver", ...}}.'
        ) from error


class _TwiceError(ValueError):
    """There are several entries for one value; JSON would take the last one without a word."""


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = [int(key) if key.strip().isdecimal() else key for key, _ in pairs]  # as "01" is the value 1
    for value, count in Counter(values).most_common(1):
        if count > 1:
            raise _TwiceError(one_line(str(value)))
    return dict(pairs)


def _by_value(said: dict[str, Any], kind: type) -> dict[int, Any]:
    found = {int(v): what for v, what in said.items()}
    if not all(type(what) is kind for what in found.values()) or not all(0 <= v <= MAX_LABEL for v in found):
        raise ValueError("not by value")
    return {v: what for v, what in found.items() if v > 0}
