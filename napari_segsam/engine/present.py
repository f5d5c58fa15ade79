"""What is present: the class of a voxel, and the classes on the visible slice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.labels import MAX_LABEL
from napari_segsam.engine.names import unnamed
from napari_segsam.engine.session import Session


@dataclass(frozen=True)
class Present:
    """A class on a slice.

    Attributes:
        name: of the class, or of an object that has none.
        how: committed, shown as the uncommitted answer to prompts, or suggested by the model.
    """

    name: str
    how: Literal["committed", "prompted", "suggested"]


def class_at(session: Session, ijk: tuple[int, int, int]) -> str | None:
    """The class of a voxel: of the committed object there, else of what is prompted or suggested. Takes microseconds.

    None where there is nothing; "object 3" where an object has no class.
    """
    value = int(session.labels.voxels[ijk])
    if value:
        return session.name_of(value)
    class_id = int(session.semantic.voxels[ijk])
    return session.semantic.labels[class_id].name if class_id else None


def values_in(plane: NDArray[np.uint16]) -> list[int]:
    """Which values a slice of a label map has but 0. Takes some 10 ms where its pixels lie far apart in memory."""
    seen = np.zeros(MAX_LABEL + 1, bool)
    seen[plane] = True  # faster than sorting, which np.unique does
    return [int(value) for value in np.flatnonzero(seen) if value]


def classes_on_slice(session: Session, values: Iterable[int]) -> list[Present]:
    """Each class on the visible slice once, by name; committed before prompted, prompted before suggested.

    Args:
        session: which slice is visible, and what is prompted and suggested there.
        values: see :func:`values_in`; one that is no object's any more is left out.
    """
    names = [session.labels.labels[value].name for value in values if value in session.labels.labels]
    found = {name: Present(name, "committed") for name in names}
    shown = session.prediction
    if shown is not None and shown.mask.any():
        name = session.class_name or unnamed(session.value)
        found.setdefault(name, Present(name, "prompted"))
    for suggestion in session.suggestions:
        found.setdefault(suggestion.name, Present(suggestion.name, "suggested"))
    return sorted(found.values(), key=lambda one: one.name)
