"""What a person can do, worked out as steps; nothing changes before the session enters one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.labels import MAX_LABEL, Label, LabelMap, Patch
from napari_segsam.core.prediction import Suggestion
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.history import State, Step
from napari_segsam.engine.names import free_value, unnamed
from napari_segsam.engine.objects import CurrentObject, Place, place_of
from napari_segsam.engine.suggest import Settled


def change_prompts(state: State, place: Place, prompts: Prompts, name: str) -> Step:
    """Other prompts on one slice."""
    return Step(name, place, state, replace(state, current=state.current.with_prompts(place, prompts)))


def choose_class(state: State, place: Place, old: str | None, name: str) -> Step:
    """Name the current object, which was called ``old`` so far, and its label where it has one."""
    value, names = state.current.value, state.names
    if value in names:
        names = {**names, value: Label(value, name)}
    title = f"class {old} -> {name}" if old and old != name else f"class {name}"
    return Step(title, place, state, replace(state, current=replace(state.current, class_name=name), names=names))


def choose_candidate(state: State, place: Place, index: int, count: int) -> Step:
    """Show another of an answer's ``count`` masks; ``index`` counts round past the end."""
    candidates = {**state.current.candidates, place: index % count}
    after = replace(state, current=replace(state.current, candidates=candidates))
    return Step(f"mask {index % count + 1} of {count}", place, state, after)


def commit(state: State, labels: LabelMap, view: SliceView, mask: NDArray[np.bool_], name: str) -> Step:
    """Make the (rows, cols) ``mask`` what the current object, called ``name``, has on a slice."""
    title = f"commit {name}"
    patch, current = state.current.commit(labels, view, mask, title)
    names = {**state.names, current.value: Label(current.value, name)}
    return Step(title, place_of(view), state, replace(state, current=current, names=names), patch)


def next_object(state: State, place: Place) -> Step | None:
    """Start an object with a free value; None where nothing was done to the current one yet."""
    if state.current.pristine:
        return None
    return Step("next object", place, state, replace(state, current=CurrentObject(_free_value(state))))


def accept(state: State, labels: LabelMap, view: SliceView, mask: NDArray[np.bool_], suggestion: Suggestion) -> Step:
    """Commit the (rows, cols) mask of a refined suggestion as a new object; the current one stays current."""
    # A brush may have used the current object's value while the suggestion was being refined.
    pristine = state.current.pristine and state.current.value not in state.names
    value = state.current.value if pristine else _free_value(state)
    title = f"accept {suggestion.name}"
    patch, _ = CurrentObject(value).commit(labels, view, mask, title)
    names = {**state.names, value: Label(value, suggestion.name)}
    current = CurrentObject(free_value(names)) if pristine else state.current
    settled = (*state.settled, Settled(place_of(view), suggestion.name, suggestion.box))
    return Step(title, place_of(view), state, State(current, settled, names), patch)


def reject(state: State, place: Place, suggestion: Suggestion) -> Step:
    """Take a suggestion off its slice."""
    settled = (*state.settled, Settled(place, suggestion.name, suggestion.box))
    return Step(f"reject {suggestion.name}", place, state, replace(state, settled=settled))


def stroke(
    state: State, labels: LabelMap, place: Place, own: str | None, indices: NDArray[np.int64],
    before: NDArray[np.uint16], name: str,
) -> Step | None:  # fmt: skip
    """What a brush has done to the labels' voxels already; None where it changed nothing.

    Args:
        state: before it.
        labels: after it.
        place: where the person looked.
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
    names = dict(state.names)
    for value in (int(v) for v in np.unique(patch.after) if v and int(v) not in names):
        said = own if value == state.current.value else None
        names[value] = Label(value, said or unnamed(value))
    return Step(name, place, state, replace(state, names=names), patch)


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
    for value, label in present.items():
        is_same = value in names and names[value].name == label.name
        is_taken = value in names or (value == state.current.value and not state.current.pristine)
        new = free_value({**names, **present, state.current.value: label}) if is_taken and not is_same else value
        names[new], renumbered[value] = replace(label, value=new), new
    indices = np.flatnonzero((labels.voxels == 0) & (found.voxels != 0))
    after = renumbered[found.voxels.reshape(-1)[indices]]
    patch = Patch(name, indices, np.zeros(len(indices), np.uint16), after)
    current = state.current
    if current.pristine and current.value in names:
        current = CurrentObject(free_value(names))
    return Step(name, place, state, replace(state, current=current, names=names), patch)


def _free_value(state: State) -> int:
    """The smallest value that neither a label nor the current object has."""
    return free_value({**state.names, state.current.value: Label(state.current.value, "")})
