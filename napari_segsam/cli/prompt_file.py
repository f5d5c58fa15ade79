"""``--prompts``: the file that a person writes, and the prompts on slices that it means."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from napari_segsam.core.errors import BadPromptsError, OutsideImageError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import MAX_LABEL
from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.slices import AXES, SliceView
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.core.volume import Volume
from napari_segsam.engine.names import class_name
from napari_segsam.io.faults import first_fault

_MAX_BYTES = 64 * 2**20
_HALF_VOXEL = 0.5 + 1e-3  # millimetres written with three decimals may land a little over the half
_FARTHEST = 1e9  # in voxels or millimetres: beyond any scan, and below what arithmetic could overflow on

Number = Annotated[float, Field(allow_inf_nan=False, ge=-_FARTHEST, le=_FARTHEST)]
Triple = Annotated[list[Number], Field(min_length=3, max_length=3)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Millimetres(_Strict):
    """A place in the patient: LPS millimetres."""

    mm: Triple


def _way(place: object) -> str:
    return "<mm>" if isinstance(place, dict | Millimetres) else "<ijk>"


Place = Annotated[Annotated[Triple, Tag("<ijk>")] | Annotated[Millimetres, Tag("<mm>")], Discriminator(_way)]


class PointEntry(_Strict):
    """A click: ``{"ijk": [i, j, k]}`` or ``{"mm": [x, y, z]}``, positive unless it says otherwise."""

    ijk: Place | None = None
    mm: Triple | None = None
    positive: bool = True

    @model_validator(mode="after")
    def _one_place(self) -> PointEntry:
        if (self.ijk is None) == (self.mm is None):
            raise ValueError("a point needs either ijk or mm")
        return self

    @property
    def place(self) -> Place:
        """Where it is, in whichever way it was written."""
        return self.ijk if self.ijk is not None else Millimetres(mm=self.mm or [])


class BoxEntry(_Strict):
    """Two opposite corners of a box, both on the slice; the corner voxels belong to it."""

    min: Place
    max: Place


class ObjectEntry(_Strict):
    """One object on one slice."""

    id: Annotated[int, Field(ge=1, le=MAX_LABEL)]
    name: Annotated[str | None, Field(alias="class", min_length=1)] = None
    axis: Literal["i", "j", "k"]
    slice: Annotated[int, Field(ge=0)]
    box: BoxEntry | None = None
    points: list[PointEntry] = []

    @model_validator(mode="after")
    def _points_at_something(self) -> ObjectEntry:
        if self.box is None and not any(p.positive for p in self.points):
            raise ValueError("an object needs a box or a positive point")
        return self


class PromptFile(_Strict):
    """The whole file."""

    objects: Annotated[list[ObjectEntry], Field(min_length=1)]


@dataclass(frozen=True, eq=False)
class PlacedObject:
    """An object of the file with its prompts in the pixels of its slice.

    Attributes:
        value: its voxel value in the label map.
        name: the class that this entry of the file names, None where another one does or the model shall choose.
    """

    value: int
    name: str | None
    view: SliceView
    prompts: Prompts


def read_prompts(path: Path) -> PromptFile:
    """Parse a prompts file.

    Raises:
        BadPromptsError: names the place in the file and what is wrong there.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadPromptsError(f"{path}: larger than 64 MiB, so hardly a prompts file; check its name.")
        text = path.read_bytes()
    except OSError as error:
        raise BadPromptsError(f"{path}: cannot be read ({error.strerror}); check its name.") from error
    try:
        return PromptFile.model_validate(json.loads(text, object_pairs_hook=_without_doubles))
    except ValidationError as error:
        said = ": ".join(part for part in first_fault(error) if part)
    except RecursionError:
        said = "brackets within brackets without end"
    except ValueError as error:  # no JSON, no UTF-8, or a key twice
        said = str(error)
    raise BadPromptsError(f"{path}: {said}. See docs/reference/cli.md for the format.")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON's reader would keep the last of two."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key '{key}' is there twice in one object")
        found[key] = value
    return found


def place_objects(file: PromptFile, volume: Volume) -> tuple[PlacedObject, ...]:
    """Every object's prompts on its slice of ``volume``, in the file's order.

    Raises:
        OutsideImageError: names the object and the prompt that is outside the image or off its slice.
    """
    return tuple(_place(entry, volume) for entry in file.objects)


def _place(entry: ObjectEntry, volume: Volume) -> PlacedObject:
    axis = AXES.index(entry.axis)
    size = volume.grid.shape[axis]
    if entry.slice >= size:
        raise OutsideImageError(
            f"Object {entry.id}: slice {entry.slice} along {entry.axis} is outside the image; it has 0 to {size - 1}."
        )
    view = SliceView(volume, axis, entry.slice)
    clicks = tuple(
        Click(*_on_slice(p.place, view, f"Object {entry.id}, point {n}"), p.positive)
        for n, p in enumerate(entry.points, 1)
    )
    return PlacedObject(entry.id, entry.name, view, Prompts(clicks, _box(entry, view)))


def _box(entry: ObjectEntry, view: SliceView) -> Box | None:
    if entry.box is None:
        return None
    corners = (entry.box.min, "min"), (entry.box.max, "max")
    first, second = (_on_slice(place, view, f"Object {entry.id}, box {which}") for place, which in corners)
    return Box.between(first, second)


def _on_slice(place: Place, view: SliceView, who: str) -> tuple[float, float]:
    """(row, column) of a place that must be in the image and on the slice."""
    ijk = _ijk(place, view.volume.grid)
    shown = f"[{', '.join(f'{v:g}' for v in np.round(ijk, 2))}]"
    if (ijk < -_HALF_VOXEL).any() or (ijk > np.array(view.volume.grid.shape) - 1 + _HALF_VOXEL).any():
        size = " x ".join(map(str, view.volume.grid.shape))
        raise OutsideImageError(f"{who} at ijk {shown} is outside the image of {size} voxels; mend the prompts file.")
    if abs(ijk[view.axis] - view.index) > _HALF_VOXEL:
        raise OutsideImageError(
            f"{who} at ijk {shown} is not on slice {view.index} along {AXES[view.axis]}, which its object names; "
            "mend the prompts file."
        )
    row, col = view.ijk_to_rc(ijk)
    rows, cols = view.shape
    return float(np.clip(row, -0.5, rows - 0.5)), float(np.clip(col, -0.5, cols - 0.5))


def _ijk(place: Place, grid: Grid) -> NDArray[np.float64]:
    return grid.to_ijk(place.mm) if isinstance(place, Millimetres) else np.asarray(place, dtype=np.float64)


def check_classes(objects: tuple[PlacedObject, ...], vocabulary: Vocabulary) -> None:
    """Refuse a class that the model cannot name, and one object of two classes, however they are spelled.

    To a model that names nothing by itself, any name will do.

    Raises:
        UnknownNameError: names the nearest classes.
        BadLabelsError: to a model without classes, a word that cannot be a name.
        BadPromptsError: names the object and both classes.
    """
    names: dict[int, str] = {}
    for entry in objects:
        if entry.name is None:
            continue
        before = names.setdefault(entry.value, entry.name)
        same = vocabulary.id_of if vocabulary else class_name
        if same(entry.name) != same(before):
            raise BadPromptsError(
                f"Object {entry.value} is called both '{before}' and '{entry.name}'; one id is one object."
            )
