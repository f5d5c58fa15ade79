"""History: unlimited, named undo and redo of everything that an annotator did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from napari_segsam.core.labels import Label, Patch
from napari_segsam.engine.names import free_value, unnamed
from napari_segsam.engine.objects import CurrentObject, Place
from napari_segsam.engine.standing import Standing
from napari_segsam.engine.suggest import Settled


@dataclass(frozen=True, eq=False)
class State:
    """All that a step can change, but for voxels.

    Attributes:
        current: the object being worked on.
        settled: suggestions that were accepted or rejected.
        names: value -> Label of the label map.
        others: value -> object that was worked on and can be gone back to.
        standings: value -> what the person said of the object; absent = a draft.
    """

    current: CurrentObject
    settled: tuple[Settled, ...] = ()
    names: Mapping[int, Label] = field(default_factory=dict)
    others: Mapping[int, CurrentObject] = field(default_factory=dict)
    standings: Mapping[int, Standing] = field(default_factory=dict)

    @property
    def class_name(self) -> str | None:
        """The current object's class: chosen, else that of its label, None where nobody said it."""
        label = self.names.get(self.current.value)
        own = None if label is None or label.name == unnamed(label.value) else label.name
        return self.current.class_name or own

    @property
    def free_value(self) -> int:
        """The smallest value that no label and no object has."""
        return free_value({*self.names, *self.others, self.current.value})

    @property
    def locked(self) -> frozenset[int]:
        """Values whose voxels stay as they are."""
        return frozenset(v for v, s in self.standings.items() if s.locked)

    def standing(self, value: int) -> Standing:
        """What the person said of an object."""
        return self.standings.get(value, Standing())

    def name_of(self, value: int) -> str:
        """What an object is called."""
        return self.names[value].name if value in self.names else unnamed(value)

    def object(self, value: int) -> CurrentObject:
        """The object with this value; a new one where nobody worked on it yet."""
        return self.current if value == self.current.value else self.others.get(value, CurrentObject(value))

    def with_object(self, changed: CurrentObject) -> State:
        """The same with another state of one object."""
        if changed.value == self.current.value:
            return replace(self, current=changed)
        return replace(self, others={**self.others, changed.value: changed})

    def working_on(self, value: int) -> State:
        """The same with another object as the current one; the last one is kept where anything was done to it."""
        others = dict(self.others)
        if not self.current.pristine:
            others[self.current.value] = self.current
        return replace(self, current=others.pop(value, CurrentObject(value)), others=others)


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

    def followed_by(self, other: Step) -> Step:
        """This step and the one after it as one, under the other's name."""
        patches = [step.patch for step in (self, other) if step.patch is not None]
        return Step(other.name, self.place, self.before, other.after, joined(other.name, patches) if patches else None)

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


def in_one(steps: Sequence[Step]) -> Step:
    """Steps that were entered one after another, at least one, as one that is of no slice."""
    name = f"{len(steps)} steps"
    patches = [step.patch for step in steps if step.patch is not None]
    return Step(name, None, steps[0].before, steps[-1].after, joined(name, patches) if patches else None)


def inverse(patch: Patch) -> Patch:
    """The patch whose ``after`` is this one's ``before``."""
    return Patch(patch.name, patch.indices, patch.after, patch.before)


def joined(name: str, patches: Sequence[Patch]) -> Patch:
    """Patches that were applied one after another as one: each voxel's first ``before`` and last ``after``."""
    indices = np.concatenate([p.indices for p in patches])
    before, after = np.concatenate([p.before for p in patches]), np.concatenate([p.after for p in patches])
    unique, first = np.unique(indices, return_index=True)
    _, last = np.unique(indices[::-1], return_index=True)
    return Patch(name, unique, before[first], after[::-1][last])


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

    @property
    def last(self) -> Step | None:
        """What was done last, None where that is nothing."""
        return self._done[-1] if self._done else None

    def amend(self, step: Step) -> None:
        """The last step went on: undo takes both back at once."""
        self._done[-1] = self._done[-1].followed_by(step)
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
