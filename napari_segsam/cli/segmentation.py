"""Segmentation: the answers of one run, gathered into a label map, a semantic map and a report."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segsam.cli.outputs import Staging
from napari_segsam.cli.prompt_file import PlacedObject
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.prediction import Prediction, Suggestion, dice
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import AXES, SliceView
from napari_segsam.core.terminology import Vocabulary, spoken
from napari_segsam.core.volume import Volume, Window
from napari_segsam.engine.cache import EmbeddingCache, ViewKey
from napari_segsam.engine.names import own_name, unnamed
from napari_segsam.engine.proposals import MOST, beyond, called, filled
from napari_segsam.engine.protocols import BoxDetector, Embedding, Predictor

_SAME_OBJECT_DICE = 0.5


@dataclass(frozen=True, eq=False)
class Answer:
    """What the model said to one entry of the prompts file."""

    object: PlacedObject
    prediction: Prediction


@dataclass(frozen=True, eq=False)
class Seen:
    """An object that the model names by itself on a slice, and the window that it was seen through."""

    view: SliceView
    suggestion: Suggestion
    window: Window | None


@dataclass(eq=False)
class Segmentation:
    """One run on one volume.

    Attributes:
        asked: the window of ``--window``, None = the model chooses.
        detector: whose boxes `suggest` puts to the model; None: the model names what it finds by itself.
        at_least: the least score of such a box.
        vocabulary: the classes of the semantic map: the model's, or the detector's, which the model may call otherwise.
        seconds: by stage, as the report has them.
    """

    volume: Volume
    predictor: Predictor
    asked: Window | None = None
    detector: BoxDetector | None = None
    at_least: float = 0.0
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("load", "embed", "decode", "write"), 0.0))
    answers: list[Answer] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    cache: EmbeddingCache = field(default_factory=EmbeddingCache)

    def __post_init__(self) -> None:
        self.labels = LabelMap(self.volume.grid)
        self.semantic = LabelMap(self.volume.grid)
        self.warnings += self.volume.warnings
        own = self.predictor.vocabulary
        names = () if self.detector is None else dict.fromkeys(called(n, own) for n in self.detector.classes)
        self.vocabulary = Vocabulary(tuple(names)) if names else own

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Count what happens inside towards a stage of the report."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - begun

    def answer(self, entry: PlacedObject) -> None:
        """Ask the model about one entry."""
        prediction = self._predict(entry.view, entry.prompts)
        self.answers.append(Answer(entry, prediction))
        if not prediction.mask.any():
            self.warnings.append(f"Object {entry.value}: the model found nothing on {_where(entry.view)}.")
        elif not self.predictor.takes:
            self.warnings.append(
                f"Object {entry.value}: {self.predictor.name} takes no prompts; this is all that it labels as "
                f"{spoken(prediction.classes[0].name)} on {_where(entry.view)}, which most of the prompts lie in."
            )

    def suggest(self, view: SliceView, prompts: Prompts | None = None) -> None:
        """Ask what the model names by itself on a slice; prompts only choose the window, and with it the embedding."""
        if self.detector is not None:
            self._propose(view, self.detector)
            return
        embedding = self._embedding(view, prompts)
        with self.timed("decode"):
            found = self.predictor.suggest(embedding)
        self.seen += [Seen(view, s, embedding.window) for s in found if not self._better_known(view, s)]

    def _propose(self, view: SliceView, detector: BoxDetector) -> None:
        """Put each box of the detector to the model, as if a person had drawn it."""
        with self.timed("decode"):
            boxes = detector.propose(view, self.asked, self.at_least)
        for box in boxes[:MOST]:
            window = self.predictor.window_for(view, Prompts((), box.box), self.asked)
            found = filled(box, detector, partial(self._predict, view), self.predictor.vocabulary)
            if found is not None and not self._better_known(view, found):
                self.seen.append(Seen(view, found, window))
        if len(boxes) > MOST:
            self.warnings.append(f"{_where(view).capitalize()}: {beyond(len(boxes) - MOST)}")

    def suggest_around_prompts(self) -> None:
        """Suggestions for every slice that was prompted, through every window that it was embedded with."""
        for answer in self.answers:
            self.suggest(answer.object.view, answer.object.prompts)

    def _better_known(self, view: SliceView, new: Suggestion) -> bool:
        """Whether the same object was seen on this slice before; the one with the better score stays."""
        for old in self.seen:
            same_slice = (old.view.axis, old.view.index) == (view.axis, view.index)
            if (
                same_slice
                and old.suggestion.name == new.name
                and dice(old.suggestion.mask, new.mask) > _SAME_OBJECT_DICE
            ):
                if old.suggestion.score >= new.score:
                    return True
                self.seen.remove(old)
                return False
        return False

    def _predict(self, view: SliceView, prompts: Prompts) -> Prediction:
        embedding = self._embedding(view, prompts)
        with self.timed("decode"):
            return self.predictor.predict(embedding, prompts)

    def _embedding(self, view: SliceView, prompts: Prompts | None) -> Embedding:
        window = self.predictor.window_for(view, prompts, self.asked)
        with self.timed("embed"):
            key = ViewKey.of(view, window, self.predictor.sha256)
            return self.cache.get_or_make(key, lambda: self.predictor.embed(view, window))

    def paint(self) -> None:
        """Merge the answers into :attr:`labels`, and suggestions and answers into :attr:`semantic`.

        Where two objects overlap the one with the smaller mask keeps the voxel: a lesion its own within an organ, and
        a small organ what a large one's mask spills into it.
        """
        names = self.names()
        self.labels.labels = {value: Label(value, name) for value, name in names.items()}
        largest_first = sorted(self.answers, key=lambda a: -int(a.prediction.mask.sum()))
        for answer in largest_first:
            self._paint_object(answer)
        for seen in sorted(self.seen, key=lambda s: s.suggestion.score):  # the best score is painted last
            self._name(seen.view, seen.suggestion.mask, seen.suggestion.name)
        for answer in largest_first:
            name = names[answer.object.value]
            if self.predictor.vocabulary.canonical(name) is not None:
                self._name(answer.object.view, answer.prediction.mask, name)
        present = set(np.unique(self.semantic.voxels).tolist())
        self.semantic.labels = {v: label for v, label in self.semantic.labels.items() if v in present}

    def _paint_object(self, answer: Answer) -> None:
        entry = answer.object
        for other, voxels in _add(self.labels, entry.view, answer.prediction.mask, entry.value).items():
            self.warnings.append(
                f"Object {entry.value} took {voxels} voxels from object {other} on {_where(entry.view)}."
            )

    def _name(self, view: SliceView, mask: NDArray[np.bool_], name: str) -> None:
        class_id = self.vocabulary.id_of(name)
        _add(self.semantic, view, mask, class_id)
        self.semantic.labels[class_id] = Label(class_id, self.vocabulary.name_of(class_id))

    def names(self) -> dict[int, str]:
        """Voxel value -> class: the one of the prompts file, else the one with the best scores over all its slices."""
        given = {a.object.value: a.object.name for a in self.answers if a.object.name is not None}
        scores: dict[int, Counter[str]] = {}
        for answer in self.answers:
            total = scores.setdefault(answer.object.value, Counter())
            for c in answer.prediction.classes:
                total[c.name] += c.score  # type: ignore[assignment]  # a Counter of floats
        chosen = {v: max(total, key=total.__getitem__) if total else unnamed(v) for v, total in scores.items()}
        return chosen | {value: own_name(name, self.predictor.vocabulary) for value, name in given.items()}

    def write(self, staging: Staging, labels: Path | None, semantic: Path | None) -> None:
        """Stage the label maps that were asked for, each with its table of names.

        Raises:
            WriteError: a format that cannot be written, or a full disk; nothing was changed.
        """
        from napari_segsam.io.formats import write_labels

        with self.timed("write"):
            for target, label_map in ((labels, self.labels), (semantic, self.semantic)):
                if target is not None:
                    names = {v: label.name for v, label in label_map.labels.items()}
                    write_labels(staging.path(target), label_map, names, resampled=self.volume.resampled)


def _add(labels: LabelMap, view: SliceView, mask: NDArray[np.bool_], value: int) -> Counter[int]:
    """Give the mask's voxels ``value``, keep those that have it; how many voxels that took from which other values."""
    current = view.of(labels.voxels)
    patch = labels.patch(view, mask | (current == value), value, "add")
    labels.apply(patch)
    return Counter(int(v) for v in patch.before if v)


def _where(view: SliceView) -> str:
    return f"slice {view.index} along {AXES[view.axis]}"
