"""What a person can do, worked out as steps; nothing changes before the session enters one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.labels import MAX_LABEL, Label, LabelMap, Patch
from napari_segsam.core.prediction import Suggestion
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.terminology import spoken
from napari_segsam.engine.history import State, Step, joined
from napari_segsam.engine.names import free_value, unnamed
from napari_segsam.engine.objects import Drawn, Place, WorkedObject, place_of
from napari_segsam.engine.sharing import Map
from napari_segsam.engine.standing import Standing


def change_prompts(state: State, place: Place, prompts: Prompts, name: str) -> Step:
    """Other prompts on one slice."""
    return Step(name, place, state, replace(state, current=state.current.with_prompts(place, prompts)))


def choose_class(state: State, place: Place, old: str | None, name: str) -> Step:
    """Name the current object, which was called ``old`` so far, and its label where it has one."""
    value, names = state.current.value, state.names
    if value in names:
        names = names.put(value, Label(value, name))
    title = f"class {spoken(old)} -> {spoken(name)}" if old and old != name else f"class {spoken(name)}"
    return Step(title, place, state, replace(state, current=replace(state.current, class_name=name), names=names))


def choose_candidate(state: State, place: Place, index: int, count: int) -> Step:
    """Show another of an answer's ``count`` masks; ``index`` counts round past the end."""
    candidates = state.current.candidates.put(place, index % count)
    after = replace(state, current=replace(state.current, candidates=candidates))
    return Step(f"mask {index % count + 1} of {count}", place, state, after)


def commit(state: State, labels: LabelMap, drawn: Drawn, name: str) -> Step:
    """Make a mask what the current object, called ``name``, has on its slice.

    Raises:
        BadPromptsError: the object is locked, or the mask lies on locked ones only.
    """
    title = f"commit {spoken(name)}"
    patch, after = _drawn_on(state, labels, state.current.value, [drawn], name, title, seen=True)
    return Step(title, place_of(drawn.view), state, after, patch)


def draw(state: State, labels: LabelMap, value: int, drawn: Sequence[Drawn], title: str) -> Step:
    """Make masks what an object, which may be another than the current one, has on parallel slices, in one step.

    Nobody has looked at these masks yet, so they take from other objects only what lies inside those.

    Raises:
        BadPromptsError: the object is locked, or other ones have all of the masks.
    """
    name = state.name_of(value)
    patch, after = _drawn_on(state, labels, value, drawn, name, title, seen=False)
    return Step(title, place_of(drawn[0].view), state, after, patch)


def next_object(state: State, place: Place) -> Step | None:
    """Start an object with a free value; None where nothing was done to the current one yet."""
    if state.current.pristine and state.current.value not in state.names:
        return None
    return Step("next object", place, state, state.working_on(state.free_value))


def go_to(state: State, place: Place, value: int) -> Step | None:
    """Work on another object again; None where it is the current one."""
    if value == state.current.value:
        return None
    return Step(f"go to {spoken(state.name_of(value))}", place, state, state.working_on(value))


def delete(state: State, labels: LabelMap, value: int) -> Step:
    """Take an object off the label map with all that was done to it; what lay under it comes back.

    Raises:
        BadPromptsError: it is locked.
    """
    _check_unlocked(state, value)
    title = f"delete {spoken(state.name_of(value))}"
    names = state.names.without(value)
    patch = state.object(value).erase(labels, title, names.keys() - state.locked)
    after = replace(
        state,
        names=names,
        others=state.others.without(value),
        standings=state.standings.without(value),
    )
    if value == state.current.value:
        after = replace(after, current=WorkedObject(free_value({*names, *after.others})))
    return Step(title, None, state, after, patch)


def stand(state: State, value: int, standing: Standing, title: str) -> Step:
    """Say how far an object is, or lock it."""
    return Step(title, None, state, replace(state, standings=state.standings.put(value, standing)))


def accept(state: State, labels: LabelMap, drawn: Drawn, suggestion: Suggestion) -> Step:
    """Commit the mask of a refined suggestion as a new object; the current one stays current.

    What is suggested is shown below what is committed, so it takes from another object only where it lies inside that.

    Raises:
        BadPromptsError: other objects have all of the mask.
    """
    # A brush may have used the current object's value while the suggestion was being refined.
    pristine = state.current.pristine and state.current.value not in state.names
    value = state.current.value if pristine else state.free_value
    title = f"accept {spoken(suggestion.name)}{_source(suggestion)}"
    patch, after = _drawn_on(state, labels, value, [drawn], suggestion.name, title, seen=False)
    if pristine:
        after = after.working_on(after.free_value)
    place = place_of(drawn.view)
    return Step(title, place, state, after.settling(place, suggestion), patch)


def reject(state: State, place: Place, suggestion: Suggestion) -> Step:
    """Take a suggestion off its slice."""
    title = f"reject {spoken(suggestion.name)}{_source(suggestion)}"
    return Step(title, place, state, state.settling(place, suggestion))


def _source(suggestion: Suggestion) -> str:
    """Who found it, where that was not the model: so the history and the audit trail say it."""
    return f" of {suggestion.source}" if suggestion.source else ""


def stroke(
    state: State, labels: LabelMap, place: Place, own: str | None, indices: NDArray[np.int64],
    before: NDArray[np.uint16], name: str,
) -> Step | None:  # fmt: skip
    """What a brush has done to the labels' voxels already; None where it changed nothing.

    Args:
        state: before it.
        labels: after it.
        place: the slice that it was made on.
        own: the current object's class.
        indices: (n,) flat C-order indices that it touched; may repeat, oldest first.
        before: (n,) values that were there.
        name: for the history.
    """
    unique, first = np.unique(np.asarray(indices, np.int64), return_index=True)
    was, after = np.asarray(before, np.uint16)[first], labels.voxels.reshape(-1)[unique]
    changed = was != after
    if not changed.any():
        return None
    patch = Patch(name, unique[changed], was[changed], after[changed])
    names = state.names
    for value in (int(v) for v in np.unique(patch.after) if v and int(v) not in names):
        said = own if value == state.current.value else None
        names = names.put(value, Label(value, said or unnamed(value)))
    return Step(name, place, state, replace(state, names=names), patch)


def spare_locked(
    state: State, labels: LabelMap, indices: NDArray[np.int64], before: NDArray[np.uint16]
) -> Patch | None:
    """What gives locked objects back what a brush took from them or added to them; None where it did neither.

    Args:
        state: before the stroke.
        labels: after it.
        indices: (n,) flat C-order indices that it touched; may repeat, oldest first.
        before: (n,) values that were there.
    """
    unique, first = np.unique(np.asarray(indices, np.int64), return_index=True)
    was, now = np.asarray(before, np.uint16)[first], labels.voxels.reshape(-1)[unique]
    locked = list(state.locked)
    wrong = (was != now) & (np.isin(was, locked) | np.isin(now, locked))
    return Patch("locked", unique[wrong], now[wrong], was[wrong]) if wrong.any() else None


def spare_hidden(
    hidden: frozenset[int], labels: LabelMap, indices: NDArray[np.int64], before: NDArray[np.uint16]
) -> Patch | None:
    """What takes off hidden objects what a brush added to them, and gives back what it erased; None for neither.

    Another object may take from a hidden one, as a lesion that is drawn while its organ is out of sight.

    Args:
        hidden: values.
        labels: after the stroke.
        indices: (n,) flat C-order indices that it touched; may repeat, oldest first.
        before: (n,) values that were there.
    """
    unique, first = np.unique(np.asarray(indices, np.int64), return_index=True)
    was, now = np.asarray(before, np.uint16)[first], labels.voxels.reshape(-1)[unique]
    unseen = list(hidden)
    wrong = (was != now) & (np.isin(now, unseen) | ((now == 0) & np.isin(was, unseen)))
    return Patch("hidden", unique[wrong], now[wrong], was[wrong]) if wrong.any() else None


def bring_in(state: State, labels: LabelMap, place: Place, found: LabelMap, name: str) -> Step:
    """Put labels that were made elsewhere below those that are there: no committed voxel changes.

    A value that is taken by another class is exchanged for a free one; the same class goes on under its value.

    Args:
        state: before it.
        labels: before it.
        place: where the person looked.
        found: on the same grid.
        name: for the history.
    """
    present = {int(v): found.labels.get(int(v), Label(int(v), unnamed(int(v)))) for v in np.unique(found.voxels) if v}
    names, renumbered = dict(state.names), np.arange(MAX_LABEL + 1, dtype=np.uint16)
    worked_on = {*state.others, *(() if state.current.pristine else (state.current.value,))}
    for value, label in present.items():
        is_same = value in names and names[value].name == label.name
        is_taken = value in names or value in worked_on
        new = free_value({*names, *present, *worked_on, state.current.value}) if is_taken and not is_same else value
        names[new], renumbered[value] = replace(label, value=new), new
    indices = np.flatnonzero((labels.voxels == 0) & (found.voxels != 0))
    values = renumbered[found.voxels.reshape(-1)[indices]]
    patch = Patch(name, indices, np.zeros(len(indices), np.uint16), values)
    after = replace(state, names=Map(names))
    if state.current.pristine and state.current.value not in state.names and state.current.value in names:
        after = after.working_on(after.free_value)
    return Step(name, place, state, after, patch)


def _drawn_on(
    state: State, labels: LabelMap, value: int, drawn: Sequence[Drawn], name: str, title: str, *, seen: bool
) -> tuple[Patch, State]:
    """The voxels and the state after an object, called ``name``, got these masks.

    Only locked objects keep their voxels where the person has ``seen`` the masks; else all but those that give way.
    """
    _check_unlocked(state, value)
    patches: list[Patch] = []
    changed, firm = state.object(value), set[int]()
    for one in drawn:
        firm = set() if seen else state.names.keys() - giving_way(one, labels, value) - {value}
        patch, changed = changed.commit(labels, one, title, state.names.keys() - state.locked, firm | state.locked)
        patches.append(patch)
    if not any(changed.footprints[place_of(one.view)].voxels.count for one in drawn):
        if firm <= state.locked:
            raise BadPromptsError(f"All of {spoken(name)} lies on locked objects; unlock them first.")
        raise BadPromptsError(
            f"All of {spoken(name)} lies on other objects, from which only your own commit or brush takes."
        )
    label = state.names.get(value)
    names = state.names if label and label.name == name else state.names.put(value, Label(value, name))
    return joined(title, patches), replace(state.with_object(changed), names=names)


def giving_way(drawn: Drawn, labels: LabelMap, value: int) -> set[int]:
    """Values of the other objects that most of a mask lies inside of, as a lesion in its organ.

    One that the mask would take more than half of on this slice is not among them: those two are rivals.
    """
    committed = drawn.view.of(labels.voxels)
    inside, most = np.bincount(committed[drawn.mask]), int(drawn.mask.sum()) / 2
    candidates = (int(v) for v in np.flatnonzero(inside > most) if v not in (0, value))
    return {v for v in candidates if inside[v] <= (committed == v).sum() / 2}


def _check_unlocked(state: State, value: int) -> None:
    if state.standing(value).locked:
        raise BadPromptsError(f"{spoken(state.name_of(value))} is locked; unlock it first.")
