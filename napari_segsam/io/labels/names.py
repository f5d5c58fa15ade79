"""``<file>.labels.json``: what each voxel value of a label map is called."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.labels import MAX_LABEL

_LARGEST = 1 << 22


def names_path(labels: Path) -> Path:
    """Where the names of the label map ``labels`` lie: its whole name with ``.labels.json`` behind it."""
    return labels.with_name(f"{labels.name}.labels.json")


def names_text(names: Mapping[int, str]) -> bytes:
    """The file's content, by ascending value."""
    return (json.dumps({str(v): names[v] for v in sorted(names)}, indent=1, ensure_ascii=False) + "\n").encode()


def read_names(labels: Path) -> dict[int, str]:
    """The names beside a label map, under its whole name or its name without suffixes; empty where there are none.

    Raises:
        UnreadableInputError: such a file is there and does not say ``{"1": "liver"}``.
    """
    stem = labels.name.removesuffix(".gz").rpartition(".")[0].removesuffix(".seg")
    for path in (names_path(labels), labels.with_name(f"{stem}.labels.json")):
        if path.is_file():
            return parse_names(path)
    return {}


def parse_names(path: Path) -> dict[int, str]:
    """A JSON file ``{"1": "liver", ...}``.

    Raises:
        UnreadableInputError: it says something else.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("too large")
        names = {int(v): n for v, n in json.loads(path.read_text("utf-8")).items()}
        if not all(isinstance(n, str) for n in names.values()) or not all(0 <= v <= MAX_LABEL for v in names):
            raise ValueError("not names")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise UnreadableInputError(
            f'{path.name} does not say what values mean; it must be {{"1": "liver", ...}}.'
        ) from error
    return {v: n for v, n in names.items() if v > 0}
