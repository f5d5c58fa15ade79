"""From the rows of an evaluation to the figures that are quoted, each with its 95 % confidence interval."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segsam.train.evaluation import bootstrap
from napari_segsam.train.evaluation.asking import STUDY_MODES
from napari_segsam.train.evaluation.rows import Row, Seen

Values = NDArray[np.float64]
Words = NDArray[np.str_]

TAGS_FROM = 2  # tags are scored on pictures with at least so many annotated classes
MASKS_FROM = 8  # data sets with fewer masks say little by themselves
CALIBRATION_BINS = 15
_CORRECTIONS = 5
# Trees of vessels and ridges, a few pixels wide; a lone blood_vessel is a cross-section.
_THIN = re.compile(r"(?<!blood)_vessels?$|_ridges?(_lines?)?$")


def summary(kind: str, rows: Iterable[Row], seen: Sequence[Seen], skipped: int = 0) -> dict[str, object]:
    """The figures of one kind of prompt, ready for JSON; None where there was nothing to measure.

    Args:
        kind: of prompt.
        rows: of this kind; the study's five rows of a mask count as one, their mean.
        seen: what the model named by itself; empty for a baseline.
        skipped: masks and entries that were left out.
    """
    listed = list(rows)
    scores = Scores.of(listed)
    return (
        {"n": len(scores.dice)}
        | _mean("dice_mean", scores.groups(scores.dice))
        | _mean_of_means("dice_dataset_mean", scores.groups(scores.dice))
        | _mean("iou_mean", scores.groups(scores.iou))
        | _mean("class_accuracy", scores.groups(scores.correct))
        | _tags(seen)
        | {"by_dataset": _by(scores, scores.dataset, lambda s: {"n": len(s.dice), "dice_mean": mean(s.dice)})}
        | {"prompt": kind, "class_n": int(np.isfinite(scores.correct).sum()), "skipped": skipped}
        | _semantic(scores)
        | _calibration(listed)
        | {"suggestions": _suggestions(seen)}
        | _large_and_thin(scores)
        | {"by_modality": _by(scores, scores.modality, _several), "by_class": _by(scores, scores.class_name, _several)}
        | _modes(listed)
        | _clicks(listed)
    )


@dataclass(frozen=True, eq=False)
class Scores:
    """One entry for each mask, (n,) each; NaN where there is nothing to measure.

    Attributes:
        dataset, modality, class_name: words; the class as its data set calls it, in lower case with underscores.
        dice, iou: of the answer.
        correct: 1 where the best class is the right one, NaN where the model has no name for it.
        semantic: Dice of the semantic-aware decoder's mask, 0 where the class is wrong, NaN where it has no name.
        semantic_mask: the same Dice whatever the class.
    """

    dataset: Words
    modality: Words
    class_name: Words
    dice: Values
    iou: Values
    correct: Values
    semantic: Values
    semantic_mask: Values

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Scores:
        """Gather rows of one kind of prompt, in the order of their masks' first rows."""
        number = {name: n for n, name in enumerate(dict.fromkeys(r.mask for r in rows))}
        place = np.array([number[r.mask] for r in rows], np.int64)

        def average(value: Callable[[Row], float | None]) -> Values:
            values = np.array([np.nan if (v := value(r)) is None else float(v) for r in rows])
            count = np.bincount(place, minlength=len(number))
            return np.asarray(np.bincount(place, values, len(number)) / count)

        first = {r.mask: r for r in reversed(rows)}
        masks = [first[name] for name in number]
        return cls(
            np.array([m.dataset for m in masks], np.str_),
            np.array([m.modality for m in masks], np.str_),
            np.array([_word(m.class_name) for m in masks], np.str_),
            average(lambda r: r.dice),
            average(lambda r: r.iou),
            average(lambda r: r.correct),
            average(_semantic_dice),
            average(lambda r: r.semantic_mask_dice),
        )

    def where(self, chosen: NDArray[np.bool_]) -> Scores:
        """Only the chosen masks, (n,)."""
        return Scores(*(v[chosen] for v in vars(self).values()))

    def groups(self, values: Values) -> list[Values]:
        """(n,) values -> those of each data set, without NaN."""
        known = np.isfinite(values)
        return [values[known & (self.dataset == d)] for d in np.unique(self.dataset[known])]


def _semantic_dice(row: Row) -> float | None:
    if row.correct is None or row.semantic_mask_dice is None:
        return None
    return row.semantic_mask_dice if row.correct else 0.0


def _word(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def is_thin(class_name: str) -> bool:
    """Whether a class is a tree of vessels or a ridge: a few pixels wide, which Dice punishes beside other classes."""
    return _THIN.search(_word(class_name)) is not None


def mean(values: Values) -> float | None:
    """The mean without NaN, to five digits; None of nothing."""
    known = values[np.isfinite(values)]
    return round(float(known.mean()), 5) if len(known) else None


def rounded(interval: bootstrap.Interval | None) -> list[float] | None:
    """To five digits."""
    return None if interval is None else [round(v, 5) for v in interval]


def _mean(key: str, groups: Sequence[Values]) -> dict[str, object]:
    every = np.concatenate(groups) if groups else np.empty(0)
    return {key: mean(every), f"{key}_ci": rounded(bootstrap.of_mean(groups))}


def _mean_of_means(key: str, groups: Sequence[Values]) -> dict[str, object]:
    means = np.array([g.mean() for g in groups])
    return {key: mean(means), f"{key}_ci": rounded(bootstrap.of_mean_of_means(groups))}


def _ratio(key: str, numerators: Sequence[float], denominators: Sequence[float]) -> dict[str, object]:
    above, below = np.array(numerators, np.float64), np.array(denominators, np.float64)
    value = round(float(above.sum() / below.sum()), 5) if below.sum() else None
    return {key: value, f"{key}_ci": None if value is None else rounded(bootstrap.of_ratio(above, below))}


def _by(scores: Scores, words: Words, figures: Callable[[Scores], dict[str, object]]) -> dict[str, dict[str, object]]:
    return {str(word): figures(scores.where(words == word)) for word in np.unique(words)}


def _several(scores: Scores) -> dict[str, object]:
    return {
        "n": len(scores.dice),
        "dice_mean": mean(scores.dice),
        "semantic_dice": mean(scores.semantic),
        "class_accuracy": mean(scores.correct),
    }


def _tags(seen: Sequence[Seen]) -> dict[str, object]:
    """F1 of the seen classes over all pictures with at least two annotated classes together."""
    tagged = [s for s in seen if len(s.annotated) >= TAGS_FROM]
    names = [{t.name for t in s.suggested} for s in tagged]
    both = [2.0 * len(n & s.annotated) for n, s in zip(names, tagged, strict=True)]
    either = [len(n) + len(s.annotated) for n, s in zip(names, tagged, strict=True)]
    return _ratio("tags_f1", both, either) | {"tags_n": len(tagged)}


def _suggestions(seen: Sequence[Seen]) -> dict[str, object] | None:
    """How good unprompted objects are; a class that the data set never annotates counts neither way."""
    if not seen:
        return None
    counted = [sum(t.name in s.annotates for t in s.suggested) for s in seen]
    right = [[t for t in s.suggested if t.name in s.annotated] for s in seen]
    found = [len(r) for r in right]
    overlaps = np.array([t.dice for r in right for t in r if t.dice is not None], np.float64)
    return {
        "n": sum(counted),
        **_ratio("precision", found, counted),
        "n_annotated": sum(len(s.annotated) for s in seen),
        **_ratio("recall", found, [len(s.annotated) for s in seen]),
        "dice_mean": mean(overlaps),
        "n_right": sum(found),
        "pictures": len(seen),
    }


def _semantic(scores: Scores) -> dict[str, object]:
    groups = scores.groups(scores.semantic)
    both = _mean("semantic_dice", groups) | _mean_of_means("semantic_dice_dataset_mean", groups)
    return both | _mean("semantic_mask_dice", scores.groups(scores.semantic_mask))


def _calibration(rows: Iterable[Row]) -> dict[str, object]:
    """Expected calibration error of the best class's score (Naeini et al. 2015), bins of equal mass.

    ``calibration`` has each bin's number of answers, mean score and share of right ones.
    """
    told = [(r.answer_score, r.correct) for r in rows if r.correct is not None and r.answer_score is not None]
    ordered = np.array(sorted(told, key=lambda t: t[0]), np.float64).reshape(-1, 2)
    bins = [b for b in np.array_split(ordered, CALIBRATION_BINS) if len(b)]
    gaps = [len(b) * abs(b[:, 0].mean() - b[:, 1].mean()) for b in bins]
    listed = [{"n": len(b), "score": mean(b[:, 0]), "accuracy": mean(b[:, 1])} for b in bins]
    ece = round(float(sum(gaps)) / len(ordered), 5) if len(ordered) else None
    return {"ece": ece, "ece_bins": f"{CALIBRATION_BINS} of equal mass", "calibration": listed}


def _large_and_thin(scores: Scores) -> dict[str, object]:
    groups = scores.groups(scores.dice)
    large = [g for g in groups if len(g) >= MASKS_FROM]
    thin = np.array([is_thin(str(c)) for c in scores.class_name], bool)
    apart, rest = scores.where(thin), scores.where(~thin)
    few = {"n": len(apart.dice), "dice_mean": mean(apart.dice), "datasets": sorted(set(apart.dataset.tolist()))}
    return (
        _mean_of_means(f"dice_dataset_mean_{MASKS_FROM}", large)
        | {f"dice_dataset_mean_{MASKS_FROM}_n": len(large)}
        | {"thin": few}
        | _mean_of_means("dice_dataset_mean_without_thin", rest.groups(rest.dice))
    )


def _modes(rows: Sequence[Row]) -> dict[str, object]:
    """The study's modes, and those whose prompts the model did not take."""
    by_mode = {m: [r for r in rows if r.mode == m] for m in sorted({r.mode for r in rows} - {""})}
    if not by_mode:
        return {}
    left_out = [m for m in STUDY_MODES if m not in by_mode]
    said = {"by_mode": {m: _mode(group) for m, group in by_mode.items()}}
    return said | ({"modes_not_asked": left_out} if left_out else {})


def _mode(rows: Sequence[Row]) -> dict[str, object]:
    return {
        "n": len(rows),
        "dice_mean": mean(np.array([r.dice for r in rows])),
        "iou_mean": mean(np.array([r.iou for r in rows])),
        "oracle_dice_mean": mean(np.array([r.oracle_dice for r in rows])),
    }


def _clicks(rows: Sequence[Row]) -> dict[str, object]:
    """Dice after each click of iterative prompts; the first click is the prompt, the others are corrections."""
    clicked = [r for r in rows if r.dice_by_click]
    if not clicked:
        return {}
    after = np.array([[float(d) for d in r.dice_by_click.split()] for r in clicked])  # (n, clicks)
    told: dict[str, object] = {"dice_by_click": [mean(d) for d in after.T]}
    if after.shape[1] <= _CORRECTIONS:
        return told
    datasets = np.array([r.dataset for r in clicked])
    groups = [after[datasets == d, _CORRECTIONS] for d in np.unique(datasets)]
    return told | _mean(f"dice_{_CORRECTIONS}_corrections", groups)
