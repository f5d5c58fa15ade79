"""History: unlimited, named undo and redo of everything that an annotator did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from napari_segsam.core.labels import Label, Patch
from napari_segsam.core.packed import PackedVoxels
from napari_segsam.core.prediction import Suggestion
from napari_segsam.engine.names import free_value, unnamed
from napari_segsam.engine.objects import Place, WorkedObject
from napari_segsam.engine.sharing import Map
from napari_segsam.engine.standing import Standing
from napari_segsam.engine.suggest import Settled


@dataclass(frozen=True, eq=False, slots=True)
class State:
    """All that a step can change, but for voxels.

    Attributes:
        current: the object being worked on.
        settled: suggestions that were accepted or rejected, by slice.
        names: value -> Label of the label map.
        others: value -> object that was worked on and can be gone back to.
        standings: value -> what the person said of the object; absent = a draft.
    """

    current: WorkedObject
    settled: Map[Place, tuple[Settled, ...]] = field(default_factory=Map)
    names: Map[int, Label] = field(default_factory=Map)
    others: Map[int, WorkedObject] = field(default_factory=Map)
    standings: Map[int, Standing] = field(default_factory=Map)

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

    def object(self, value: int) -> WorkedObject:
        """The object with this value; a new one where nobody worked on it yet."""
        return self.current if value == self.current.value else self.others.get(value, WorkedObject(value))

    def with_object(self, changed: WorkedObject) -> State:
        """The same with another state of one object."""
        if changed.value == self.current.value:
            return replace(self, current=changed)
        return replace(self, others=self.others.put(changed.value, changed))

    def settling(self, place: Place, one: Suggestion) -> State:
        """The same with one suggestion more that is open no longer."""
        settled = (*self.settled.get(place, ()), Settled.of(one, place))
        return replace(self, settled=self.settled.put(place, settled))

    def working_on(self, value: int) -> State:
        """The same with another object as the current one; the last one is kept where anything was done to it."""
        last, others = self.current, self.others.without(value)
        kept = others if last.pristine or last.value == value else others.put(last.value, last)
        return replace(self, current=self.object(value), others=kept)


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
        return _rename(self.before, self.after)

    @property
    def relabels(self) -> bool:
        """Whether voxels or names of labels differ."""
        return self.patch is not None or self.renames

    @property
    def reopens(self) -> bool:
        """Whether other suggestions may be open: some were settled, or labels differ."""
        return self.before.settled is not self.after.settled or self.relabels


def _rename(then: State, now: State) -> bool:
    """Whether names of labels differ."""
    return then.names is not now.names and dict(then.names) != dict(now.names)


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
    ascending = np.sort(indices)
    if (ascending[1:] != ascending[:-1]).all():  # those of different slices are
        return Patch(name, indices, before, after)
    in_order = np.argsort(indices, kind="stable")
    indices = indices[in_order]
    is_other = indices[1:] != indices[:-1]
    first, last = np.append(True, is_other), np.append(is_other, True)
    return Patch(name, indices[first], before[in_order[first]], after[in_order[last]])


def no_voxels(name: str) -> Patch:
    """A patch that changes nothing."""
    return Patch(name, np.empty(0, np.int64), np.empty(0, np.uint16), np.empty(0, np.uint16))


@dataclass(frozen=True, eq=False, slots=True)
class _Kept:
    """A step in little memory."""

    name: str
    place: Place | None
    before: State
    after: State
    voxels: PackedVoxels | None

    @classmethod
    def of(cls, step: Step) -> _Kept:
        patch = step.patch
        voxels = None if patch is None else PackedVoxels.of(patch.indices, patch.before, patch.after)
        return cls(step.name, step.place, step.before, step.after, voxels)

    @property
    def relabels(self) -> bool:
        return self.voxels is not None or _rename(self.before, self.after)

    @property
    def step(self) -> Step:
        patch = None
        if self.voxels is not None:
            indices, values = self.voxels.unpack()
            patch = Patch(self.name, indices, *values)
        return Step(self.name, self.place, self.before, self.after, patch)


class History:
    """Two stacks. A new step empties the second one.

    An entry is one step, or several that went on from each other; those are joined only when the entry is undone, since
    that takes the longer the more voxels they have.
    """

    def __init__(self) -> None:
        self._done: list[tuple[_Kept, ...]] = []
        self._undone: list[_Kept] = []

    def push(self, step: Step) -> None:
        """Something new was done."""
        self._done.append((_Kept.of(step),))
        self._undone.clear()

    def amend(self, step: Step) -> None:
        """The last step went on: undo takes both back at once."""
        self._done[-1] = (*self._done[-1], _Kept.of(step))
        self._undone.clear()

    def holds(self, state: State) -> bool:
        """Whether what led to a state is done and not undone."""
        return any(step.after is state or step.before is state for entry in self._done for step in entry)

    def undo(self) -> Step | None:
        """The step that takes the last entry back, None where there is none."""
        if not self._done:
            return None
        step = _joined_steps([kept.step for kept in self._done.pop()])
        self._undone.append(_Kept.of(step))
        return step.reversed

    def redo(self) -> Step | None:
        """The step that was undone last, None where there is none."""
        if not self._undone:
            return None
        self._done.append((self._undone.pop(),))
        return self._done[-1][0].step

    @property
    def relabelled(self) -> State | None:
        """After the last entry that is done and changed labels, None where none did: where it is the same, they are."""
        entries = (entry for entry in reversed(self._done) if any(step.relabels for step in entry))
        return next((entry[-1].after for entry in entries), None)

    @property
    def next_undo(self) -> str | None:
        """The name of what can be undone next."""
        return self._done[-1][-1].name if self._done else None

    @property
    def next_redo(self) -> str | None:
        """The name of what can be redone next."""
        return self._undone[-1].name if self._undone else None

    @property
    def undo_names(self) -> tuple[str, ...]:
        """Names of what can be undone, next first."""
        return tuple(entry[-1].name for entry in reversed(self._done))

    @property
    def redo_names(self) -> tuple[str, ...]:
        """Names of what can be redone, next first."""
        return tuple(s.name for s in reversed(self._undone))


def _joined_steps(entry: Sequence[Step]) -> Step:
    """Steps that went on from each other as one, under the last one's name."""
    first, last = entry[0], entry[-1]
    if first is last:
        return first
    patches = [step.patch for step in entry if step.patch is not None]
    patch = joined(last.name, patches) if patches else None
    return Step(last.name, first.place, first.before, last.after, patch)
