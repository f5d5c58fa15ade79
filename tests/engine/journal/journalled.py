"""A person who does anything to a session in any order, and what it takes for two sessions to be the same."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import Code, Coding
from napari_segsam.core.volume import Window
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.executor import ImmediateExecutor
from napari_segsam.engine.journal.fingerprint import Identity
from napari_segsam.engine.journal.recorder import Recorder, Surroundings
from napari_segsam.engine.objects import Drawn, Quality
from napari_segsam.engine.session import Session
from napari_segsam.engine.sharing import Map
from napari_segsam.engine.standing import Standing
from tests.fakes import CLASSES, FakePredictor, ManualExecutor, block_volume

SHAPE = (12, 10, 5)
CODING = Coding(Code("91723000", "Anatomical Structure"), Code("10200004", "Liver structure"), None)


def labelled(value: int = 1) -> LabelMap:
    """Labels that were made earlier, one with codes."""
    labels = LabelMap(block_volume(SHAPE).grid)
    labels.voxels[2:5, 2:5, 1:4], labels.voxels[7:9, 2:4, 2] = value, value + 3
    labels.labels.update({value: Label(value, "liver", CODING), value + 3: Label(value + 3, "spleen")})
    return labels


class Walk:
    """Each deed is drawn by ``random``; the same seed makes the same session."""

    def __init__(self, random: Random, folder: Path, *, with_labels: bool = False, disk: Any = None) -> None:
        volume = block_volume(SHAPE)
        self.random = random
        self.session = Session(volume, labelled() if with_labels else None)
        self.controller = Controller(self.session, FakePredictor(), ImmediateExecutor(), neighbours=())
        self.disk, self.failures = disk or ManualExecutor(), list[str]()
        around = Surroundings(folder, self.disk, lambda: self.controller.predictor, self.failures.append)
        self.recorder = Recorder(self.session, Identity(volume), around)

    def go(self, count: int) -> None:
        for _ in range(count):
            deed = self.random.choice(sorted(DEEDS))
            with suppress(SegsamError):
                DEEDS[deed](self)

    def any_row_and_col(self) -> tuple[float, float]:
        rows, cols = self.session.view.shape
        return float(self.random.randrange(rows)), self.random.randrange(2 * cols - 1) / 2

    def any_object(self) -> int:
        return self.random.choice([*self.session.objects, self.session.value, 9])

    # -- deeds
    def scroll(self) -> None:
        axis = self.random.choice([2, 2, 2, 1, 0])
        self.controller.show(axis, self.random.randrange(SHAPE[axis]))

    def window(self) -> None:
        self.controller.set_window(self.random.choice([None, Window(40.0, 400.0, "soft"), Window(-600.0, 1500.0)]))

    def click(self) -> None:
        self.controller.click(*self.any_row_and_col(), self.random.choice([True, True, False]))

    def box(self) -> None:
        self.controller.box(self.any_row_and_col(), self.any_row_and_col())

    def change_prompts(self) -> None:
        mask = np.zeros(self.session.view.shape, bool)
        mask[1, 1] = True
        self.session.change_prompts(Prompts((Click(1, 1.5),), Box(0, 0, 2, 2), mask), "scribble")

    def remove(self) -> None:
        self.random.choice([self.controller.remove_last_prompt, self.controller.clear_prompts])()

    def choose_class(self) -> None:
        self.controller.choose_class(self.random.choice(CLASSES))

    def choose_candidate(self) -> None:
        self.controller.choose_candidate(self.session.candidate + 1)

    def commit(self) -> None:
        self.controller.commit()

    def draw(self) -> None:
        first = self.random.randrange(SHAPE[2] - 1)
        value, goes_on = self.any_object(), False
        for index in (first, first + 1):
            view = SliceView(self.session.volume, 2, index)
            mask = np.zeros(view.shape, bool)
            mask[tuple(self.random.randrange(n) for n in view.shape)] = True
            drawn = [Drawn(view, mask, self.random.choice([None, Quality(0.9, float(np.float32(0.7)))]))]
            self.session.draw(value, drawn, f"propagate {value}", goes_on=goes_on)
            goes_on = True

    def next_object(self) -> None:
        self.controller.next_object()

    def go_to(self) -> None:
        self.controller.go_to(self.any_object())

    def delete(self) -> None:
        self.controller.delete(self.any_object())

    def stand(self) -> None:
        status = self.random.choice(["done", "flagged"])
        locked = self.random.random() < 0.2
        self.session.stand(self.any_object(), Standing(status, locked), f"mark {status}")

    def accept(self) -> None:
        self.controller.suggest()
        if self.session.suggestions:
            self.controller.accept(self.random.choice(self.session.suggestions))

    def reject(self) -> None:
        self.controller.suggest()
        if self.session.suggestions:
            self.controller.reject(self.random.choice(self.session.suggestions))

    def record_stroke(self) -> None:
        size, flat = self.random.randrange(1, 9), self.session.labels.voxels.reshape(-1)
        indices = np.array([self.random.randrange(flat.size) for _ in range(size)] * 2, np.int64)
        before = flat[indices].copy()
        flat[indices] = self.random.choice([0, self.session.value, 7])
        self.controller.record_stroke(indices, before)

    def bring_in(self) -> None:
        self.controller.bring_in(labelled(self.random.choice([1, 2, 5])), "old.nii.gz")

    def undo(self) -> None:
        self.controller.undo()

    def redo(self) -> None:
        self.controller.redo()

    def save(self) -> None:
        self.random.choice([self.session.mark_saved, self.session.mark_unsaved])()

    def write(self) -> None:
        self.disk.run_all()

    def take_for(self) -> None:
        self.session.take_for(replace(self.session.volume, modality=self.random.choice(["ct", "mr"])))


DEEDS: dict[str, Callable[[Walk], None]] = {
    name: deed for name, deed in vars(Walk).items() if callable(deed) and name not in ("go", "any_row_and_col",
    "any_object") and not name.startswith("_")
}  # fmt: skip


def facts(session: Session) -> dict[str, Any]:
    """All of a session but what a model said: two that have equal ones, by `differs`, are the same session."""
    return {
        "voxels": session.labels.voxels,
        "names": {value: (label.name, label.coding) for value, label in session.labels.labels.items()},
        "state": session._state,
        "done": tuple(tuple(entry) for entry in session._history._done),
        "undone": tuple(session._history._undone),
        "unsaved": session.unsaved,
        "place": session.place,
        "window": session.window,
        "modality": session.volume.modality,
        "uncommitted": session.uncommitted,
    }


def differs(a: Any, b: Any, at: str = "", met: dict[int, Any] | None = None) -> str:
    """Where two values differ, empty where nowhere. What is one object in ``a`` has to be one object in ``b``.

    Of tuples, and of small values that are as good as any equal ones, that is not asked.
    """
    met = {} if met is None else met
    if a is None or isinstance(a, (bool, int, float, str, bytes)):
        return "" if type(a) is type(b) and a == b else f"{at}: {a!r} is {b!r}"
    if not isinstance(a, (np.ndarray, tuple, dict, Map)) and not is_dataclass(a):
        return f"{at}: cannot compare a {type(a).__name__}"
    if type(a) is not type(b):
        return f"{at}: {type(a).__name__} is {type(b).__name__}"
    if isinstance(a, (tuple, Click, Box, Quality, Standing)):
        return _parts_differ(a, b, at, met)
    if id(a) in met or ("back", id(b)) in met:
        same = met.get(id(a)) is b and met.get(("back", id(b))) is a
        return "" if same else f"{at}: identity"
    met[id(a)], met["back", id(b)] = b, a
    return _parts_differ(a, b, at, met)


def _parts_differ(a: Any, b: Any, at: str, met: dict[Any, Any]) -> str:
    if isinstance(a, np.ndarray):
        return "" if a.dtype == b.dtype and np.array_equal(a, b) else f"{at}: array"
    if isinstance(a, tuple):
        parts = [(f"{at}[{n}]", x, y) for n, (x, y) in enumerate(zip(a, b, strict=False))]
        lengths = "" if len(a) == len(b) else f"{at}: {len(a)} parts are {len(b)}"
    elif isinstance(a, (dict, Map)):
        parts = [(f"{at}[{key}]", a[key], b.get(key)) for key in a]
        lengths = "" if sorted(a) == sorted(b) else f"{at}: keys {sorted(a)} are {sorted(b)}"
    else:
        names = [f.name for f in fields(a) if (type(a), f.name) != (Prompts, "mask")]  # it is made anew at each look
        parts = [(f"{at}.{name}", getattr(a, name), getattr(b, name)) for name in names]
        lengths = ""
    return lengths or next((found for where, x, y in parts if (found := differs(x, y, where, met))), "")
