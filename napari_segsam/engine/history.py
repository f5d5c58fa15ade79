"""History: unlimited, named undo and redo of everything that an annotator did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from napari_segsam.core.labels import Label, Patch
from napari_segsam.engine.names import unnamed
from napari_segsam.engine.objects import CurrentObject, Place
from napari_segsam.engine.suggest import Settled


@dataclass(frozen=True, eq=False)
class State:
    """All that a step can change, but for voxels.

    Attributes:
        current: the object being worked on.
        settled: suggestions that were accepted or rejected.
        names: value -> Label of the label map.
    """

    current: CurrentObject
    settled: tuple[Settled, ...] = ()
    names: Mapping[int, Label] = field(default_factory=dict)

    @property
    def class_name(self) -> str | None:
        """The current object's class: chosen, else that of its label, None where nobody said it."""
        label = self.names.get(self.current.value)
        own = None if label is None or label.name == unnamed(label.value) else label.name
        return self.current.class_name or own


@dataclass(frozen=True, eq=False)
class Step:
    """One thing that was done.

    Attributes:
        name: for a person, e.g. "commit liver".
        place: the slice where it happened, None where it is not of one slice.
        before, after: states.
        patch: voxels that it changed, None where it changed none.
    """

    name: str
    place: Place | None
    before: State
    after: State
    patch: Patch | None = None

    @property
    def reversed(self) -> Step:
        """The step that takes this one back."""
        return Step(self.name, self.place, self.after, self.before, self.patch and inverse(self.patch))

    @property
    def renames(self) -> bool:
        """Whether names of labels differ."""
        return dict(self.before.names) != dict(self.after.names)

    @property
    def relabels(self) -> bool:
        """Whether voxels or names of labels differ."""
        return self.patch is not None or self.renames

    @property
    def reopens(self) -> bool:
        """Whether other suggestions may be open: some were settled, or labels differ."""
        return self.before.settled is not self.after.settled or self.relabels


def inverse(patch: Patch) -> Patch:
    """The patch whose ``after`` is this one's ``before``."""
    return Patch(patch.name, patch.indices, patch.after, patch.before)


def no_voxels(name: str) -> Patch:
    """A patch that changes nothing."""
    return Patch(name, np.empty(0, np.int64), np.empty(0, np.uint16), np.empty(0, np.uint16))


class History:
    """Two stacks. A new step empties the second one."""

    def __init__(self) -> None:
        self._done: list[Step] = []
        self._undone: list[Step] = []

    def push(self, step: Step) -> None:
        """Something new was done."""
        self._done.append(step)
        self._undone.clear()

    def undo(self) -> Step | None:
        """The step that takes the last one back, None where there is none."""
        if not self._done:
            return None
        self._undone.append(self._done.pop())
        return self._undone[-1].reversed

    def redo(self) -> Step | None:
        """The step that was undone last, None where there is none."""
        if not self._undone:
            return None
        self._done.append(self._undone.pop())
        return self._done[-1]

    @property
    def undo_names(self) -> tuple[str, ...]:
        """Names of what can be undone, next first."""
        return tuple(s.name for s in reversed(self._done))

    @property
    def redo_names(self) -> tuple[str, ...]:
        """Names of what can be redone, next first."""
        return tuple(s.name for s in reversed(self._undone))
