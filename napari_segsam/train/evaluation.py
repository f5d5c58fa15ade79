"""Evaluation: Dice and IoU per mask at the picture's own size, through the same Predictor as the product."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.prediction import dice
from napari_segsam.core.prompts import Box, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.engine.protocols import Embedding, Predictor
from napari_segsam.train.asking import Attempt, asking
from napari_segsam.train.baselines import baseline
from napari_segsam.train.targets import Target, random_for, read_mask, read_picture

_BASELINE = "baseline:"
_TAGS_FROM = 2  # tags are scored on pictures with at least so many annotated classes


@dataclass(frozen=True)
class Row:
    """One mask's result; the columns of the CSV file.

    ``correct`` is empty where the model has no name for the class; ``prompts`` is JSON, (row, column) in pixels.
    """

    prompt: str
    mode: str
    dataset: str
    modality: str
    image: str
    mask: str
    class_name: str
    dice: float
    iou: float
    oracle_dice: float
    answer: str
    answer_score: float | None
    correct: bool | None
    iou_predicted: float | None
    decoder_agreement: float | None
    dice_by_click: str
    seconds: float
    prompts: str


@dataclass(frozen=True)
class Tags:
    """Classes that the model sees on a picture by itself, beside the annotated ones that it has a name for."""

    seen: frozenset[str]
    annotated: frozenset[str]


@dataclass
class Evaluation:
    """One run over a list of masks.

    Attributes:
        targets: the masks.
        kinds: kinds of prompt; pictures are embedded once for all of them.
        predictor: may be None where every kind is a baseline.
        seed: of random prompts.
        rows, tags, skipped: the results so far; ``skipped`` says why a mask was left out.
    """

    targets: Sequence[Target]
    kinds: Sequence[str]
    predictor: Predictor | None
    seed: int = 0
    rows: list[Row] = field(default_factory=list)
    tags: dict[Path, Tags] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for kind in self.kinds:
            check_kind(kind)

    def run(self) -> Iterator[Target]:
        """Evaluate picture by picture; yields each mask when it is done, so that a caller can show progress."""
        by_picture: dict[Path, list[Target]] = defaultdict(list)
        for target in self.targets:
            by_picture[target.image].append(target)
        for targets in by_picture.values():
            yield from self._picture(targets)

    def _picture(self, targets: list[Target]) -> Iterator[Target]:
        try:
            picture = _Picture.of(targets[0], None if all(map(is_baseline, self.kinds)) else self.predictor)
        except UnreadableInputError as error:
            self.skipped.append(str(error))
            yield from targets
            return
        if picture.embedding is not None and self.predictor is not None:
            self._note_tags(targets[0], self.predictor, picture.embedding)
        for target in targets:
            self._mask(target, picture)
            yield target

    def _note_tags(self, target: Target, predictor: Predictor, embedding: Embedding) -> None:
        known = _canonical(target.annotated, predictor.vocabulary)
        if len(known) >= _TAGS_FROM:
            self.tags[target.image] = Tags(frozenset(s.name for s in predictor.suggest(embedding)), known)

    def _mask(self, target: Target, picture: _Picture) -> None:
        try:
            truth = read_mask(target, picture.view.shape)
        except UnreadableInputError as error:
            self.skipped.append(str(error))
            return
        for kind in self.kinds:
            self.rows += (
                _baseline_row(kind, target, picture, truth)
                if is_baseline(kind)
                else self._ask(kind, target, picture, truth)
            )

    def _ask(self, kind: str, target: Target, picture: _Picture, truth: NDArray[np.bool_]) -> Iterator[Row]:
        predictor, embedding = self.predictor, picture.embedding
        if predictor is None or embedding is None:
            raise ValueError(f"{kind} needs a predictor")
        begun = time.perf_counter()
        for attempt in asking(kind)(
            lambda p: predictor.predict(embedding, p), truth, random_for(target.name, self.seed)
        ):
            now = time.perf_counter()
            yield _row(kind, target, attempt, truth, predictor.vocabulary, now - begun)
            begun = time.perf_counter()

    def summary(self, kind: str) -> dict[str, object]:
        """The figures of one kind of prompt, ready for JSON; None where there was nothing to measure."""
        rows = [r for r in self.rows if r.prompt == kind]
        named = [r.correct for r in rows if r.correct is not None]
        by_dataset = _by_dataset(rows)
        result: dict[str, object] = {
            "n": _masks(rows),
            "dice_mean": _mean(r.dice for r in rows),
            "dice_dataset_mean": _mean(d for _, d in by_dataset.values()),
            "iou_mean": _mean(r.iou for r in rows),
            "class_accuracy": _mean(map(float, named)),
            "tags_f1": None if is_baseline(kind) else micro_f1(self.tags.values()),
            "by_dataset": {name: {"n": n, "dice_mean": d} for name, (n, d) in by_dataset.items()},
        }
        return result | _extra(kind, rows, len(named), len(self.tags), len(self.skipped))


def check_kind(kind: str) -> None:
    """Refuse a kind of prompt that does not exist.

    Raises:
        UnknownNameError: names the ones there are.
    """
    if is_baseline(kind):
        baseline(kind.removeprefix(_BASELINE))
    else:
        asking(kind)


def is_baseline(kind: str) -> bool:
    """Whether this kind asks no model."""
    return kind.startswith(_BASELINE)


@dataclass(frozen=True, eq=False)
class _Picture:
    view: SliceView
    embedding: Embedding | None

    @classmethod
    def of(cls, target: Target, predictor: Predictor | None) -> _Picture:
        volume, asked = read_picture(target)
        view = SliceView(volume, 2, 0)
        window = predictor.window_for(view, None, asked) if predictor else None
        return cls(view, predictor.embed(view, window) if predictor else None)


def _baseline_row(kind: str, target: Target, picture: _Picture, truth: NDArray[np.bool_]) -> list[Row]:
    prompts = Prompts(box=Box.around(truth))
    begun = time.perf_counter()
    mask = baseline(kind.removeprefix(_BASELINE))(np.ascontiguousarray(picture.view.pixels), Box.around(truth))
    seconds = time.perf_counter() - begun
    overlap, iou = dice(mask, truth), _iou(mask, truth)
    return [
        Row(
            kind, "", target.dataset, target.modality, target.image.name, target.mask.name, target.class_name,
            overlap, iou, overlap, "", None, None, None, None, "", seconds, _prompts_json((prompts,)),
        )
    ]  # fmt: skip


def _row(
    kind: str, target: Target, attempt: Attempt, truth: NDArray[np.bool_], vocabulary: Vocabulary, seconds: float
) -> Row:
    prediction, wanted = attempt.prediction, vocabulary.canonical(target.class_name)
    best = prediction.classes[0] if prediction.classes else None
    return Row(
        kind, attempt.mode, target.dataset, target.modality, target.image.name, target.mask.name, target.class_name,
        dice(attempt.mask, truth), _iou(attempt.mask, truth), dice(attempt.oracle, truth),
        best.name if best else "", best.score if best else None,
        None if wanted is None else best is not None and best.name == wanted,
        prediction.iou_predicted, prediction.decoder_agreement,
        " ".join(f"{d:.4f}" for d in attempt.by_click), seconds, _prompts_json(attempt.prompts),
    )  # fmt: skip


def _prompts_json(asked: Iterable[Prompts]) -> str:
    def one(prompts: Prompts) -> dict[str, object]:
        box = prompts.box
        clicks = [[c.row, c.col, int(c.positive)] for c in prompts.clicks]
        return ({"box": [box.row_min, box.col_min, box.row_max, box.col_max]} if box else {}) | (
            {"clicks": clicks} if clicks else {}
        )

    return json.dumps([one(p) for p in asked])


def _iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    either = int((a | b).sum())
    return int((a & b).sum()) / either if either else 1.0


def _canonical(names: Iterable[str], vocabulary: Vocabulary) -> frozenset[str]:
    return frozenset(found for name in names if (found := vocabulary.canonical(name)) is not None)


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return round(fmean(listed), 5) if listed else None


def _by_dataset(rows: Iterable[Row]) -> dict[str, tuple[int, float]]:
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row.dataset].append(row)
    return {name: (_masks(g), round(fmean(r.dice for r in g), 5)) for name, g in sorted(grouped.items())}


def _masks(rows: Iterable[Row]) -> int:
    """How many masks; the study has five rows for each."""
    return len({r.mask for r in rows})


def micro_f1(tags: Iterable[Tags]) -> float | None:
    """F1 of the seen classes over all pictures together."""
    both = seen = annotated = 0
    for t in tags:
        both, seen, annotated = both + len(t.seen & t.annotated), seen + len(t.seen), annotated + len(t.annotated)
    return round(2 * both / (seen + annotated), 5) if seen + annotated else None


def _extra(kind: str, rows: list[Row], named: int, tagged: int, skipped: int) -> dict[str, object]:
    """What the contract does not ask for and a reader wants: counts behind the means, the study's modes, the clicks."""
    extra: dict[str, object] = {
        "prompt": kind,
        "class_n": named,
        "tags_n": 0 if is_baseline(kind) else tagged,
        "skipped": skipped,
    }
    modes = sorted({r.mode for r in rows} - {""})
    if modes:
        extra["by_mode"] = {m: _mode([r for r in rows if r.mode == m]) for m in modes}
    clicks = [[float(d) for d in r.dice_by_click.split()] for r in rows if r.dice_by_click]
    if clicks:
        extra["dice_by_click"] = [_mean(after) for after in zip(*clicks, strict=True)]
    return extra


def _mode(rows: list[Row]) -> dict[str, object]:
    return {
        "n": len(rows),
        "dice_mean": _mean(r.dice for r in rows),
        "iou_mean": _mean(r.iou for r in rows),
        "oracle_dice_mean": _mean(r.oracle_dice for r in rows),
    }
