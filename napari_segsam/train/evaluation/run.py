"""Evaluation: Dice and IoU per mask at the picture's own size, through the same Predictor as the product."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import SegsamError, UnreadableInputError
from napari_segsam.core.prediction import dice
from napari_segsam.core.prompts import Box, Prompts
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.engine.protocols import Predictor
from napari_segsam.train.evaluation import figures
from napari_segsam.train.evaluation.asking import Attempt, OneMask, asking
from napari_segsam.train.evaluation.baselines import baseline
from napari_segsam.train.evaluation.picture import Picture
from napari_segsam.train.evaluation.rows import Row, Seen
from napari_segsam.train.evaluation.stream import Stream, check_online, is_online
from napari_segsam.train.evaluation.targets import Target, random_for
from napari_segsam.train.evaluation.workers import shared_out
from napari_segsam.train.priors import PriorSource

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
        priors: whose prior maps; every picture is then asked about with and without, and the surer answer counts.
        rows, seen, skipped: the results so far; ``skipped`` says why a mask was left out.
    """

    targets: Sequence[Target]
    kinds: Sequence[str]
    predictor: Predictor | None
    seed: int = 0
    processes: int = 1
    load: Load | None = None
    priors: PriorSource | None = None
    rows: list[Row] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for kind in self.kinds:
            check_kind(kind)
        self._streams = {kind: Stream(kind) for kind in self.kinds if is_online(kind)}
        if self._streams and self.processes > 1:
            raise SegsamError("What learns takes one mask after another: leave out --processes, or ask in two calls.")
        if self._streams and self.priors is not None:
            raise SegsamError("What learns is not told of prior maps: leave out --priors, or ask in two calls.")

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
        work = partial(evaluate_picture, kinds=tuple(self.kinds), seed=self.seed, priors=self.priors)
        if self.processes == 1:
            return (work(targets, load=lambda: self.predictor, streams=self._streams) for targets in pictures)
        return shared_out(partial(work, load=self.load), pictures, self.processes)

    def summary(self, kind: str) -> dict[str, object]:
        """The figures of one kind of prompt, see :mod:`napari_segsam.train.evaluation.figures`."""
        rows = (r for r in self.rows if r.prompt == kind)
        said = figures.summary(kind, rows, () if is_baseline(kind) else self.seen, len(self.skipped))
        return said | (self._streams[kind].summary() if kind in self._streams else {})


def check_kind(kind: str) -> None:
    """Refuse a kind of prompt that does not exist.

    Raises:
        UnknownNameError: names the ones there are.
    """
    if is_baseline(kind):
        baseline(kind.removeprefix(BASELINE))
    elif is_online(kind):
        check_online(kind)
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


def evaluate_picture(
    targets: Sequence[Target],
    kinds: Sequence[str],
    seed: int,
    load: Load | None,
    priors: PriorSource | None = None,
    streams: Mapping[str, Stream] | None = None,
) -> Answers:
    """Ask for the masks of one picture in every way; what cannot be read is left out and said.

    Args:
        targets: of one picture, at least one.
        kinds: of prompts.
        seed: of random prompts.
        load: gives the predictor, which every kind asks that is no baseline.
        priors: see :class:`Evaluation`.
        streams: of the kinds that learn.
    """
    answers = Answers()
    try:
        asked = None if load is None or all(map(is_baseline, kinds)) else load()
        picture = Picture.of(targets[0].sample, asked, priors)
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
        for kind in kinds:
            answers.rows.extend(_rows(kind, target, picture, truth, ask, seed, (streams or {}).get(kind)))
    seen = picture.seen(targets[0].annotates)
    return answers if seen is None else replace(answers, seen=[seen])


def _rows(
    kind: str, target: Target, picture: Picture, truth: Mask, ask: OneMask | None, seed: int, stream: Stream | None
) -> Iterator[Row]:
    vocabulary = picture.predictor.vocabulary if picture.predictor else Vocabulary(())
    begun = time.perf_counter()
    rng = random_for(target.name, seed)
    asked = attempts(kind, picture, truth, ask, rng)
    if stream is not None and ask is not None and picture.predictor is not None and picture.embedding is not None:
        model = picture.predictor, picture.embedding, picture.view
        asked = stream.attempts(*model, ask, truth, rng, target.dataset)
    for attempt in asked:
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
