"""Audit: what a journal says about who made what of an object, how, and in how much time; one row for each deed."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Literal, TextIO

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.grid import Grid
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import AXES, SliceView
from napari_segsam.core.volume import Volume
from napari_segsam.engine.gestures import LASSO
from napari_segsam.engine.history import State, Step
from napari_segsam.engine.journal.journal import read
from napari_segsam.engine.journal.replay import Deed, Replay
from napari_segsam.engine.objects import Place, WorkedObject

Outcome = Literal["accepted", "edited", ""]


@dataclass(frozen=True)
class Row:
    """One deed, with the columns of the CSV.

    Attributes:
        time: ISO 8601, UTC.
        action: as the history calls it, e.g. "commit liver", "undo: point".
        object, class_name: its voxel value, and its class by then; empty where nobody said it.
        slice: e.g. "k=57", empty where it was not on one slice.
        positive, negative, boxes: how many prompts the object has on that slice.
        prompts: these as JSON, as ``segsam predict --prompts`` takes them, in voxel indices (i, j, k).
        voxels: how many changed.
        outcome: "accepted" while all of it is what the model answered to the first prompts, "edited" once that answer
            was corrected by another prompt or changed by hand; empty where no model drew any of it. A box or a lasso
            says anew where the object is, so its answer is a first one.
        model, sha256: whose answers were shown, and of its weights.
        seconds: since the deed before, or since the scan was opened.
    """

    time: str
    action: str
    object: int
    class_name: str
    slice: str
    positive: int
    negative: int
    boxes: int
    prompts: str
    voxels: int
    outcome: Outcome
    model: str
    sha256: str
    seconds: float


def audit(path: Path) -> list[Row]:
    """The rows of a journal, oldest first.

    Raises:
        UnreadableInputError: it cannot be read, or another version wrote it.
    """
    replay = Replay(read(path))
    affine, shape = np.array(replay.header["affine"]), tuple(replay.header["shape"])
    # A slice knows where its pixels lie in the file; of the voxels, which the journal has not, only the shape counts.
    volume = Volume(Grid(shape, affine), np.broadcast_to(np.uint8(0), shape))
    outcomes = {id(replay.state): dict[int, Outcome]()}
    lassos: set[int] = set()  # the replay holds all objects, so that no id is another one's later
    rows = []
    for deed in replay.deeds():
        step = deed.step
        if step is not None and deed.kind in ("do", "amend"):
            lassos |= _lasso(step)
            outcomes[id(step.after)] = _outcomes(step, outcomes[id(step.before)], lassos)
        rows.append(_row(deed, replay.state, outcomes[id(replay.state)], volume))
    return rows


def write_csv(rows: list[Row], file: TextIO) -> None:
    """Rows below the names of their columns; ``file`` was opened with ``newline=""``."""
    table = csv.writer(file)
    table.writerow(field.name for field in fields(Row))
    table.writerows(astuple(row) for row in rows)


def _row(deed: Deed, state: State, outcomes: Mapping[int, Outcome], volume: Volume) -> Row:
    head, step = deed.head, deed.step
    value = state.current.value if step is None else _object_of(step)
    model, sha256 = head["model"] or ("", "")
    place = None if step is None else step.place
    prompts = Prompts() if place is None else _prompts(state, value, place)
    return Row(
        time=head["time"],
        action=_action(deed),
        object=value,
        class_name=_class_of(deed, state, value),
        slice="" if place is None else f"{AXES[place[0]]}={place[1]}",
        positive=sum(c.positive for c in prompts.clicks),
        negative=sum(not c.positive for c in prompts.clicks),
        boxes=int(prompts.box is not None),
        prompts="" if place is None else _in_voxels(prompts, SliceView(volume, *place)),
        voxels=0 if step is None or step.patch is None else len(step.patch),
        outcome=outcomes.get(value, ""),
        model=model,
        sha256=sha256,
        seconds=head["seconds"],
    )


def _action(deed: Deed) -> str:
    if deed.step is not None:
        return deed.step.name if deed.kind in ("do", "amend") else f"{deed.kind}: {deed.step.name}"
    if deed.kind == "mark":
        return "take over unsaved labels" if deed.head["unsaved"] else "save"
    return deed.kind


def _object_of(step: Step) -> int:
    """The object that a step was about."""
    return next(_candidates(step))


def _candidates(step: Step) -> Iterator[int]:
    before, after = step.before, step.after
    yield from sorted(before.names.keys() ^ after.names.keys())
    then, now = _objects(before), _objects(after)
    yield from (v for v, o in now.items() if v in then and then[v].footprints is not o.footprints)
    if step.patch is not None:
        for values in (step.patch.after, step.patch.before):
            yield from _most_frequent(values)
    yield from (v for v in {**before.standings, **after.standings} if before.standing(v) != after.standing(v))
    yield after.current.value


def _most_frequent(values: NDArray[np.uint16]) -> list[int]:
    counts = np.bincount(values[values > 0])
    return [int(counts.argmax())] if counts.size else []


def _objects(state: State) -> Mapping[int, WorkedObject]:
    return {**state.others, state.current.value: state.current}


def _class_of(deed: Deed, state: State, value: int) -> str:
    if value == state.current.value:
        return deed.head["class"] or ""
    known = state.names.get(value) or (deed.step and deed.step.before.names.get(value))
    return known.name if known else ""


def _prompts(state: State, value: int, place: Place) -> Prompts:
    """What an object has on a slice, or had when it was committed."""
    known = _objects(state).get(value, WorkedObject(value))
    committed = known.footprints.get(place)
    return known.prompts.get(place, committed.prompts if committed else Prompts())


def _lasso(step: Step) -> set[int]:
    """The id of the prompts that a lasso round the object made, where the step is one."""
    return {id(step.after.current.prompts.get(step.place))} if step.name == LASSO and step.place else set()


def _outcomes(step: Step, before: Mapping[int, Outcome], lassos: Collection[int]) -> dict[int, Outcome]:
    """What became of each object that a model drew any of; ``lassos``: prompts whose mask is no answer."""
    after, then = dict(before), _objects(step.before)
    drawn_by_model = False
    for value, known in _objects(step.after).items():
        old = then[value].footprints if value in then else {}
        for footprint in (f for p, f in known.footprints.items() if old.get(p) is not f and f.quality is not None):
            drawn_by_model = True
            corrects = footprint.prompts.packed is not None and id(footprint.prompts) not in lassos
            after[value] = "edited" if corrects or before.get(value) == "edited" else "accepted"
    if step.patch is not None and not drawn_by_model:
        touched = {int(v) for values in (step.patch.before, step.patch.after) for v in np.unique(values)}
        after |= {value: "edited" for value in touched & after.keys()}
    return after


def _in_voxels(prompts: Prompts, view: SliceView) -> str:
    said: dict[str, object] = {}
    if prompts.clicks:
        ijk = view.rc_to_ijk([(c.row, c.col) for c in prompts.clicks])
        points = zip(prompts.clicks, ijk.round(2).tolist(), strict=True)
        said["points"] = [{"ijk": at, "positive": click.positive} for click, at in points]
    if prompts.box is not None:
        box = prompts.box
        corners = view.rc_to_ijk([(box.row_min, box.col_min), (box.row_max, box.col_max)])
        said["box"] = {"min": corners.min(0).round(2).tolist(), "max": corners.max(0).round(2).tolist()}
    return json.dumps(said) if said else ""
