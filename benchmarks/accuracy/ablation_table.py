"""From the results of the ablation's runs to its CSV and to the tables of docs/ablation.md."""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ablation_rows import ROWS
from numpy.typing import NDArray

from napari_segsam.io.atomic import replacing

sys.path.append(str(Path(__file__).parents[1]))  # pages.py lies above the rooms
from pages import table, write_between

_RESAMPLES = 2000
_PER_MASK = ("box", "point", "semantic", "named", "agreement")

FIGURES = {
    "box_datasets": "box Dice, data sets", "box_masks": "box Dice, masks", "point_datasets": "point Dice, data sets",
    "point_masks": "point Dice, masks", "semantic_datasets": "semantic Dice, data sets",
    "named_masks": "class accuracy", "tags_f1": "tags F1", "agreement_masks": "agreement",
}  # fmt: skip
"""Columns of the CSV and of the first table."""
COMPARED = {"box": "box Dice", "point": "point Dice", "semantic": "semantic Dice", "named": "class accuracy"}
"""Columns of the second table: means of data sets."""


@dataclass(frozen=True)
class Run:
    """One run's result.

    Attributes:
        row, seed: which.
        steps: of training.
        datasets: mask -> its data set.
        figures: name of the figure -> mask -> value; a mask or a figure that has none is not there.
        tags_f1: None where the row has no t_co.
    """

    row: str
    seed: int
    steps: int
    datasets: Mapping[str, str]
    figures: Mapping[str, Mapping[str, float]]
    tags_f1: float | None

    @classmethod
    def of(cls, result: dict) -> Run:  # type: ignore[type-arg]
        """What ``result.json`` holds."""
        masks = result["masks"]
        figures = {f: {m: float(v[f]) for m, v in masks.items() if v[f] is not None} for f in _PER_MASK}
        datasets = {m: v["dataset"] for m, v in masks.items()}
        return cls(result["row"], result["seed"], result["steps"], datasets, figures, result["tags_f1"])

    def summary(self) -> dict[str, float | None]:
        """The run's value of every one of ``FIGURES``."""
        values: dict[str, float | None] = {"tags_f1": self.tags_f1}
        for name, of_masks in self.figures.items():
            values[f"{name}_masks"] = float(np.mean(list(of_masks.values()))) if of_masks else None
            values[f"{name}_datasets"] = mean_of_datasets(of_masks, self.datasets)
        return {name: values[name] for name in FIGURES}


def mean_of_datasets(of_masks: Mapping[str, float], datasets: Mapping[str, str]) -> float | None:
    """Every data set counts the same, however many masks it has."""
    grouped: dict[str, list[float]] = defaultdict(list)
    for mask, value in of_masks.items():
        grouped[datasets[mask]].append(value)
    return float(np.mean([np.mean(g) for g in grouped.values()])) if grouped else None


def difference(figure: str, runs: Sequence[Run], others: Sequence[Run]) -> tuple[float, float, float] | None:
    """How much better ``runs`` are than ``others`` in one figure: mean of data sets' means, and its 95 % interval.

    Runs are paired by seed and values by mask. Each of 2,000 resamples (percentile bootstrap, fixed seed) draws seeds,
    data sets, and masks within each data set anew, so that the luck of a training counts as well as that of the draw.
    None where the two share no seed or no mask.
    """
    by_seed = {r.seed: r.figures[figure] for r in others}
    pairs = [(r.figures[figure], by_seed[r.seed]) for r in runs if r.seed in by_seed]
    masks = sorted(set.intersection(*(set(side) for pair in pairs for side in pair))) if pairs else []
    if not masks:
        return None
    gains = np.array([[a[m] - b[m] for m in masks] for a, b in pairs])  # (S, N)
    groups = _indices_by([runs[0].datasets[m] for m in masks])
    rng = np.random.default_rng(0)
    seeds, datasets = _drawn(len(pairs), rng), _drawn(len(groups), rng)
    resampled = np.zeros(_RESAMPLES)
    for share, group in zip(datasets.T, groups, strict=True):
        resampled += share * ((_drawn(len(group), rng) @ gains[:, group].T) * seeds).sum(1)
    low, high = np.percentile(resampled, (2.5, 97.5))
    return float(np.mean([gains[:, g].mean() for g in groups])), float(low), float(high)


def _drawn(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(R, n) the share that each of ``n`` has in each resample."""
    return rng.multinomial(n, np.full(n, 1 / n), _RESAMPLES) / n


def _indices_by(names: Sequence[str]) -> list[NDArray[np.intp]]:
    listed = np.array(names)
    return [np.flatnonzero(listed == name) for name in sorted(set(names))]


def by_row(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Runs of each row, in the table's order."""
    grouped: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        grouped[run.row].append(run)
    return {name: grouped[name] for name in ROWS if name in grouped}


def write_csv(path: Path, runs: Sequence[Run]) -> None:
    """One line for each run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("row", "seed", "steps", "masks", *FIGURES))
    for name, of_row in by_row(runs).items():
        for run in of_row:
            values = ("" if v is None else f"{v:.5f}" for v in run.summary().values())
            writer.writerow((name, run.seed, run.steps, len(run.datasets), *values))
    with replacing(path) as (part,):
        part.write_text(text.getvalue(), encoding="utf-8")


def write_page(path: Path, runs: Sequence[Run]) -> None:
    """Put the tables between the page's two markers; see :func:`pages.write_between`."""
    write_between(path, "ablation", tables(runs))


def tables(runs: Sequence[Run]) -> str:
    """Means of all rows, and differences to the rows that they are compared with, in Markdown."""
    rows = by_row(runs)
    steps = ", ".join(f"{n:,}" for n in sorted({r.steps for r in runs}))
    masks = Counter(len(r.datasets) for r in runs).most_common(1)[0][0]
    datasets = len(set(runs[0].datasets.values()))
    return (
        f"{steps} steps of 4 pictures with 2 prompts each; {masks} masks of {datasets} data sets.\n\n"
        + table(("row", "", "seeds", *FIGURES.values()), (_means(n, r) for n, r in rows.items()))
        + "\n"
        + table(
            ("row", "against", *COMPARED.values()),
            (_differences(n, r, rows) for n, r in rows.items() if ROWS[n].against in rows),
        )
    )


def _means(name: str, runs: Sequence[Run]) -> list[str]:
    summaries = [r.summary() for r in runs]
    cells = [[v for s in summaries if (v := s[f]) is not None] for f in FIGURES]
    return [f"`{name}`", ROWS[name].title, str(len(runs)), *(_mean_and_sd(c) for c in cells)]


def _mean_and_sd(values: Sequence[float]) -> str:
    if not values:
        return "–"
    return f"{np.mean(values):.3f}" + (f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else "")


def _differences(name: str, runs: Sequence[Run], rows: Mapping[str, Sequence[Run]]) -> list[str]:
    other = ROWS[name].against
    found = (difference(f, runs, rows[other]) for f in COMPARED)
    cells = ["–" if d is None else f"{d[0]:+.3f} ({d[1]:+.3f} to {d[2]:+.3f})" for d in found]
    return [f"`{name}`", f"`{other}`", *cells]
