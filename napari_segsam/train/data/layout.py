"""The JSON files of the SA-Med2D layout: the listing, the class mapping and the split, dirt included."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from napari_segsam.core.errors import UnreadableInputError

log = logging.getLogger(__name__)
LISTING, CLASSES, SPLIT = "SAMed2D_v1.json", "SAMed2D_v1_class_mapping_id.json", "split.json"


def read_json(path: Path) -> dict[str, Any]:
    """One of the layout's files; a byte order mark, as editors on Windows write it, is no fault.

    Raises:
        UnreadableInputError: there is no such file, it is damaged, or it holds no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UnreadableInputError(f"{path} cannot be read ({error}); is this an SA-Med2D folder?") from error
    if not isinstance(content, dict):
        raise UnreadableInputError(f"{path.name} in {path.parent} should hold a JSON object.")
    return content


def read_classes(path: Path) -> dict[str, dict[int, str]]:
    """Data set -> class id -> class name; ids are written as numbers or as text, and count from 0 or from 1.

    Raises:
        UnreadableInputError: names the data set whose classes are no table of ids, or that gives an id twice.
    """
    names: dict[str, dict[int, str]] = {}
    for dataset, classes in read_json(path).items():
        try:
            ids = {sys.intern(k): int(v) for k, v in classes.items()}
        except (AttributeError, TypeError, ValueError) as error:
            raise UnreadableInputError(
                f"{path.name}: '{dataset}' should be a table of class names and whole numbers."
            ) from error
        known = names[dataset] = dict[int, str]()
        for name, class_id in ids.items():
            if known.setdefault(class_id, name) != name:
                raise UnreadableInputError(
                    f"{path.name}: in '{dataset}' both '{known[class_id]}' and '{name}' have the id {class_id}; "
                    "give each class an id of its own."
                )
    return names


def read_split(root: Path, split: str, listed: Collection[str]) -> set[str]:
    """The pictures that ``root``/split.json counts to ``split``; empty where it does not name that split.

    Raises:
        UnreadableInputError: there is no such file, it is damaged, or it has a picture on both sides.
    """
    path = root / SPLIT
    if not path.is_file():
        raise UnreadableInputError(
            f"{root}: there is no split.json that says what is '{split}'; write one, or use split 'all'."
        )
    content = read_json(path)
    sides = {side: _names(path, content.get(side, []), side) for side in ("train", "val", split)}
    both = [name for name in sides["train"] if name in sides["val"]]
    if both:
        raise UnreadableInputError(
            f"{path}: 'train' and 'val' share {len(both)} pictures, first {both[0]}; take each out of one of them, or "
            "a model is measured on what it has learnt."
        )
    strange = [name for name in sides[split] if name not in listed]
    if strange:
        said = "%s: %d pictures of split '%s' are not in %s and are left out; first: %s"
        log.warning(said, root.name, len(strange), split, LISTING, strange[0])
    return set(sides[split])


def _names(path: Path, names: object, side: str) -> dict[str, None]:
    """The names on one side of a split, in their order."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UnreadableInputError(f"{path}: '{side}' should be a list of pictures, by their names in {LISTING}.")
    return dict.fromkeys(names)
