"""Evaluation: Dice and IoU per mask at the picture's own size, through the same Predictor as the product."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.prediction import dice
from napari_segsam.core.prompts import Box, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.engine.protocols import Embedding, Predictor
from napari_segsam.train.data.sample import Sample
from napari_segsam.train.evaluation import figures
from napari_segsam.train.evaluation.asking import Attempt, OneMask, asking
from napari_segsam.train.evaluation.baselines import baseline
from napari_segsam.train.evaluation.rows import Row, Seen, Suggested
from napari_segsam.train.evaluation.targets import Target, random_for, read_mask, read_picture
from napari_segsam.train.evaluation.workers import shared_out

BASELINE = "baseline:"
Mask = NDArray[np.bool_]
Load = Callable[[], Predictor | None]


@dataclass
class Evaluation:
    """One run over a list of masks.

    Attributes:
        targets: the masks.
        kinds: kinds of prompt; pictures are embedded once for all of them.
        predictor: may be None where every kind is a baseline, and with several processes.
        seed: of random prompts.
        processes: how many share the pictures; the rows and their order are those of one.
        load: gives a process its predictor, see :func:`load_on_one_core`; sent to it, so a partial of a function.
        rows, seen, skipped: the results so far; ``skipped`` says why a mask was left out.
    """

    targets: Sequence[Target]
    kinds: Sequence[str]
    predictor: Predictor | None
    seed: int = 0
    processes: int = 1
    load: Load | None = None
    rows: list[Row] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for kind in self.kinds:
            check_kind(kind)

    def run(self) -> Iterator[Target]:
        """Evaluate picture by picture; yields each mask when it is done, so that a caller can show progress."""
        by_picture: dict[Path, list[Target]] = defaultdict(list)
        for target in self.targets:
            by_picture[target.image].append(target)
        pictures = list(by_picture.values())
        for targets, answers in zip(pictures, self._answers(pictures), strict=True):
            self.rows += answers.rows
            self.seen += answers.seen
            self.skipped += answers.skipped
            yield from targets

    def _answers(self, pictures: list[list[Target]]) -> Iterator[Answers]:
        work = partial(evaluate_picture, kinds=tuple(self.kinds), seed=self.seed)
        if self.processes == 1:
            return (work(targets, load=lambda: self.predictor) for targets in pictures)
        return shared_out(partial(work, load=self.load), pictures, self.processes)

    def summary(self, kind: str) -> dict[str, object]:
        """The figures of one kind of prompt, see :mod:`napari_segsam.train.evaluation.figures`."""
        rows = (r for r in self.rows if r.prompt == kind)
        return figures.summary(kind, rows, () if is_baseline(kind) else self.seen, len(self.skipped))


def check_kind(kind: str) -> None:
    """Refuse a kind of prompt that does not exist.

    Raises:
        UnknownNameError: names the ones there are.
    """
    if is_baseline(kind):
        baseline(kind.removeprefix(BASELINE))
    else:
        asking(kind)


def is_baseline(kind: str) -> bool:
    """Whether this kind asks no model."""
    return kind.startswith(BASELINE)


@dataclass(frozen=True)
class Answers:
    """What came of one picture; ``seen`` is empty where no model was asked."""

    rows: list[Row] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def evaluate_picture(targets: Sequence[Target], kinds: Sequence[str], seed: int, load: Load | None) -> Answers:
    """Ask for the masks of one picture in every way; what cannot be read is left out and said.

    Args:
        targets: of one picture, at least one.
        kinds: of prompts.
        seed: of random prompts.
        load: gives the predictor, which every kind asks that is no baseline.
    """
    answers = Answers()
    try:
        picture = Picture.of(targets[0].sample, None if load is None or all(map(is_baseline, kinds)) else load())
    except UnreadableInputError as error:
        answers.skipped.append(str(error))
        return answers
    for target in targets:
        try:
            truth = picture.truth(target.mask)
        except UnreadableInputError as error:
            answers.skipped.append(str(error))
            continue
        ask = picture.ask()
        answers.rows.extend(r for kind in kinds for r in _rows(kind, target, picture, truth, ask, seed))
    seen = picture.seen(targets[0].annotates)
    return answers if seen is None else replace(answers, seen=[seen])


def _rows(kind: str, target: Target, picture: Picture, truth: Mask, ask: OneMask | None, seed: int) -> Iterator[Row]:
    vocabulary = picture.predictor.vocabulary if picture.predictor else Vocabulary(())
    begun = time.perf_counter()
    for attempt in attempts(kind, picture, truth, ask, random_for(target.name, seed)):
        seconds = time.perf_counter() - begun if ask is None or is_baseline(kind) else ask.take_seconds()
        yield _row(kind, target, attempt, truth, vocabulary, seconds)


def attempts(
    kind: str, picture: Picture, truth: Mask, ask: OneMask | None, rng: np.random.Generator
) -> Iterator[Attempt]:
    """Every way of prompting of one kind, one after another.

    Args:
        kind: of prompt, or a baseline.
        picture: where the object lies.
        truth: (rows, cols) the mask from which prompts are made.
        ask: puts prompts to the model; a baseline needs none.
        rng: see :func:`random_for`.
    """
    if is_baseline(kind):
        box = Box.around(truth)
        mask = baseline(kind.removeprefix(BASELINE))(np.ascontiguousarray(picture.view.pixels), box)
        yield Attempt("", mask, mask, (Prompts(box=box),))
    elif ask is None:
        raise ValueError(f"{kind} needs a predictor")
    else:
        yield from asking(kind)(ask, truth, rng)


@dataclass(eq=False)
class Picture:
    """A picture that is asked about: embedded once, each of its masks read once."""

    sample: Sample
    view: SliceView
    predictor: Predictor | None = None
    embedding: Embedding | None = None
    masks: dict[Path, Mask] = field(default_factory=dict)

    @classmethod
    def of(cls, sample: Sample, predictor: Predictor | None) -> Picture:
        """Read the picture, and embed it where there is a predictor.

        Raises:
            UnreadableInputError: no picture.
        """
        volume, asked = read_picture(sample)
        view = SliceView(volume, 2, 0)
        if predictor is None:
            return cls(sample, view)
        return cls(sample, view, predictor, predictor.embed(view, predictor.window_for(view, None, asked)))

    def truth(self, path: Path) -> Mask:
        """(rows, cols) a mask of this picture.

        Raises:
            UnreadableInputError: see :func:`read_mask`.
        """
        if path not in self.masks:
            self.masks[path] = read_mask(path, self.view.shape)
        return self.masks[path]

    def ask(self) -> OneMask | None:
        """Puts prompts for one mask to the model, None where there is none."""
        predictor, embedding = self.predictor, self.embedding
        if predictor is None or embedding is None:
            return None
        return OneMask(lambda prompts: predictor.predict(embedding, prompts))

    def seen(self, annotates: Iterable[str]) -> Seen | None:
        """What the model names by itself beside what is annotated, None where there is no model or it names nothing.

        Args:
            annotates: classes that the data set annotates on any picture.
        """
        if self.predictor is None or self.embedding is None or not self.predictor.vocabulary:
            return None
        vocabulary = self.predictor.vocabulary
        masks: dict[str, list[Path]] = defaultdict(list)
        for file in self.sample.masks:
            name = vocabulary.canonical(file.class_name)
            if name is not None:
                masks[name].append(file.path)
        suggested = [
            Suggested(s.name, s.score, self._overlap(s.mask, masks[s.name]) if s.name in masks else None)
            for s in self.predictor.suggest(self.embedding)
        ]
        return Seen(self.sample.path.name, tuple(suggested), frozenset(masks), _canonical(annotates, vocabulary))

    def _overlap(self, mask: Mask, of_class: list[Path]) -> float | None:
        """Dice against all masks of a class together; None where none of them can be read."""
        union = np.zeros_like(mask)
        for path in of_class:
            with suppress(UnreadableInputError):  # said where the mask itself is a target
                union |= self.truth(path)
        return dice(mask, union) if union.any() else None


def _row(kind: str, target: Target, attempt: Attempt, truth: Mask, vocabulary: Vocabulary, seconds: float) -> Row:
    prediction, wanted = attempt.prediction, vocabulary.canonical(target.class_name)
    best = prediction.classes[0] if prediction and prediction.classes else None
    overlap = dice(attempt.mask, truth)
    return Row(
        prompt=kind,
        mode=attempt.mode,
        dataset=target.dataset,
        modality=target.modality,
        image=target.image.name,
        mask=target.mask.name,
        class_name=target.class_name,
        dice=overlap,
        iou=overlap / (2 - overlap),
        oracle_dice=dice(attempt.oracle, truth),
        semantic_mask_dice=None if attempt.semantic is None else dice(attempt.semantic, truth),
        answer=best.name if best else "",
        answer_score=best.score if best else None,
        correct=None if prediction is None or wanted is None else best is not None and best.name == wanted,
        iou_predicted=prediction.iou_predicted if prediction else None,
        decoder_agreement=prediction.decoder_agreement if prediction else None,
        dice_by_click=" ".join(f"{d:.4f}" for d in attempt.by_click),
        seconds=seconds,
        prompts=_prompts_json(attempt.prompts),
    )


def _prompts_json(asked: Iterable[Prompts]) -> str:
    def one(prompts: Prompts) -> dict[str, object]:
        box = prompts.box
        clicks = [[c.row, c.col, int(c.positive)] for c in prompts.clicks]
        return ({"box": [box.row_min, box.col_min, box.row_max, box.col_max]} if box else {}) | (
            {"clicks": clicks} if clicks else {}
        )

    return json.dumps([one(p) for p in asked])


def _canonical(names: Iterable[str], vocabulary: Vocabulary) -> frozenset[str]:
    return frozenset(found for name in names if (found := vocabulary.canonical(name)) is not None)
