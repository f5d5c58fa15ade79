"""Where an NRRD image lies in the patient, and which of its axes do."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.io.images.layout import UNPLACED, grid_at, with_normal
from napari_segsam.io.images.text_header import bad_field, numbers, whole
from napari_segsam.io.images.units import MILLIMETRES, NO_SPACING, NO_UNIT, converted

Affine = NDArray[np.float64]
Placing = tuple[tuple[int, ...], Affine, tuple[str, ...]]
"""Which stored axes are i, j (and k), their affine to LPS millimetres, and what to say about it."""

_TO_LPS: dict[str, tuple[float, float, float] | None] = {
    **dict.fromkeys(("right-anterior-superior", "ras"), (-1.0, -1.0, 1.0)),
    **dict.fromkeys(("left-anterior-superior", "las"), (1.0, -1.0, 1.0)),
    **dict.fromkeys(("left-posterior-superior", "lps"), (1.0, 1.0, 1.0)),
    **dict.fromkeys(("scanner-xyz", "3d-right-handed", "3d-left-handed"), None),  # of no known patient
}
_WITH_TIME = {"rast": "ras", "last": "las", "lpst": "lps"}
_IN_SPACE = ("domain", "space", "none", "???", "")
_NO_ORIGIN = "The file does not say where its first voxel lies; it is put at 0, 0, 0 mm."


@dataclass(frozen=True)
class Place:
    """The grid of each volume, which stored axes are its i, j (and k), and what to say about it."""

    grid: Grid
    space: tuple[int, ...]
    warnings: tuple[str, ...]


def placed(fields: Mapping[str, str], stored: tuple[int, ...], name: str) -> Place:
    """What the header says of space; what it leaves out is said in the warnings.

    Raises:
        UnreadableInputError: not 2 or 3 axes in space, or no usable affine.
    """
    find = _by_directions if "space directions" in fields else _by_spacings
    space, affine, warnings = find(fields, len(stored), name)
    i, j, k = (*(stored[a] for a in space), 1)[:3]
    return Place(grid_at((i, j, k), affine, name), space, warnings)


def per_axis(fields: Mapping[str, str], field: str, count: int, name: str) -> tuple[str, ...]:
    """One word for each stored axis; empty words where the field is absent.

    Raises:
        UnreadableInputError: more or fewer.
    """
    words = tuple(fields.get(field, "").split())
    if words and len(words) != count:
        raise bad_field(field, name)
    return words or ("",) * count


def _by_directions(fields: Mapping[str, str], count: int, name: str) -> Placing:
    to_lps, dimension, warnings = _world(fields, name)
    vectors = _vectors(fields, "space directions", dimension, name)
    if len(vectors) != count:
        raise bad_field("space directions", name)
    known = {axis: v for axis, v in enumerate(vectors) if v and (any(v[:3]) or not any(v[3:]))}
    if len(known) not in (2, 3) or any(any(vector[3:]) for vector in known.values()):
        raise _no_image(len(known), name)
    affine, rows = np.eye(4), min(dimension, 3)
    for column, vector in enumerate(known.values()):
        affine[:rows, column] = vector[:rows]
    if len(known) == 2 and rows == 3:
        affine = with_normal(affine)
    origin = _vectors(fields, "space origin", dimension, name)
    if origin and origin[0]:
        affine[:rows, 3] = origin[0][:rows]
    else:
        warnings = (*warnings, _NO_ORIGIN)
    scales, said = _scales(fields, "space units", dimension, tuple(range(rows)))
    affine[:rows] *= scales[:, np.newaxis]
    affine[:3] *= to_lps[:, np.newaxis]
    return tuple(known), affine, (*warnings, *said)


def _by_spacings(fields: Mapping[str, str], count: int, name: str) -> Placing:
    """Voxel sizes alone; the first three axes that may lie in space are taken to do so."""
    kinds = per_axis(fields, "kinds", count, name)
    space = tuple(a for a, kind in enumerate(kinds) if kind.lower() in _IN_SPACE)[:3]
    if len(space) < 2:
        raise _no_image(len(space), name)
    words = per_axis(fields, "spacings", count, name)
    spacings = [numbers(words[a] or "nan", 1, "spacings", name)[0] for a in space]
    unknown = any(math.isnan(s) for s in spacings)
    scales, said = _scales(fields, "units", count, space)
    affine = np.eye(4)
    for column, (scale, spacing) in enumerate(zip(scales, spacings, strict=True)):
        affine[column, column] = 1.0 if math.isnan(spacing) else spacing * scale
    return space, affine, (UNPLACED, *((NO_SPACING,) if unknown else ()), *said)


def _world(fields: Mapping[str, str], name: str) -> tuple[NDArray[np.float64], int, tuple[str, ...]]:
    """(3,) factors from its first three axes to LPS, how many axes it has, and what to say about it."""
    if "space" not in fields:
        dimension = whole(fields.get("space dimension", ""), "space", name)
        if dimension not in (2, 3, 4):
            raise bad_field("space dimension", name)
        return np.ones(3), dimension, (UNPLACED,)
    said = fields["space"].lower()
    base = said.removesuffix("-time")
    base = _WITH_TIME.get(base, base)
    if base not in _TO_LPS:
        raise bad_field("space", name)
    factors = _TO_LPS[base]
    return np.array(factors or (1.0, 1.0, 1.0)), 3 if base == said else 4, () if factors else (UNPLACED,)


def _vectors(fields: Mapping[str, str], field: str, dimension: int, name: str) -> tuple[tuple[float, ...] | None, ...]:
    """Each ``(x,y,z)``; None for ``none`` and for a vector of NaN, which some programs write instead."""
    found: list[tuple[float, ...] | None] = []
    for text in re.findall(r"\([^()]*\)|[^\s()]+|[()]", fields.get(field, "")):
        if text.lower() == "none":
            found.append(None)
            continue
        if not (text.startswith("(") and text.endswith(")")):
            raise bad_field(field, name)
        vector = numbers(text[1:-1].replace(",", " "), dimension, field, name)
        found.append(None if all(math.isnan(x) for x in vector) else vector)
    return tuple(found)


def _scales(
    fields: Mapping[str, str], field: str, count: int, axes: tuple[int, ...]
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Millimetres in the unit of each of ``axes``, and what to say about it; no unit at all is the millimetre."""
    names = re.findall(r'"([^"]*)"', fields.get(field, ""))
    if len(names) != count:
        return np.ones(len(axes)), ()
    known = [MILLIMETRES.get(names[a].strip().lower() or "mm") for a in axes]
    scales = np.array([1.0 if s is None else s for s in known])
    return scales, (*((NO_UNIT,) if None in known else ()), *(converted(s) for s in sorted({*scales} - {1.0})))


def _no_image(axes: int, name: str) -> UnreadableInputError:
    return UnreadableInputError(f"{name} has {axes} axes in space, not 2 or 3; choose an image.")
