"""What a file's classes are called, which no published format says: ``<file>.labels.json`` beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from napari_segsam.model.zoo.accounts import ModelFileError
from napari_segsam.model.zoo.family import Family, Shapes


def names_path(file: Path) -> Path:
    """Where the names lie: the file's whole name with ``.labels.json`` behind it, as beside a label map."""
    return file.with_name(f"{file.name}.labels.json")


def as_called(family: Family, file: Path, shapes: Shapes) -> Family:
    """``family``, whose classes have the names that lie beside ``file``, where there are any.

    Args:
        family: of the file.
        file: of weights.
        shapes: of its tensors.

    Raises:
        ModelFileError: the names are not one for each class, ``{"1": "liver", ...}``.
    """
    known, beside = family.names(shapes), names_path(file)
    if not known or not beside.is_file():
        return family
    try:
        said = json.loads(beside.read_text(encoding="utf-8"))
        names = tuple(said[str(number)] for number in range(1, len(known) + 1))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ModelFileError(
            f'{beside.name} does not name its {len(known)} classes; it must be {{"1": "liver", ...}}'
        ) from error
    if len(said) != len(known) or not all(isinstance(name, str) and name for name in names):
        raise ModelFileError(f"{beside.name} does not say one name for each of its {len(known)} classes")
    return replace(family, names=lambda _shapes: names)
