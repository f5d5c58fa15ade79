"""What each part of SEG-SAM is worth: the same short training with one thing changed, over seeds, on the same masks.

    python benchmarks/accuracy/ablation.py --data DIR --out DIR [--rows ladder|all|NAME,...] [--seeds 0,1,2]
        [--steps N] [--backbone FILE] [--limit N] [--page FILE]

A row of the table is a handful of keys of the training configuration (``ablation_rows.py``); everything else is what
``segsam train`` does by default, at a small scale. Every run trains through ``train.loop`` and is evaluated through
``train.evaluation`` on masks of ``val`` of DIR/split.json, with one box and with one point each. OUT/ROW-SEED/ keeps
its configuration, log, model and ``result.json``. A run that has a result is not repeated and one that was
interrupted goes on, so the same command can be given until it is done; the table is written anew after each run.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ablation_rows import ROWS, Row, chosen
from ablation_table import Run, write_csv, write_page

from napari_segsam.core.errors import SegsamError
from napari_segsam.engine.predictor import load_predictor
from napari_segsam.io.atomic import replacing
from napari_segsam.train.config import LossWeights, read_config
from napari_segsam.train.evaluation.rows import Row as Answer
from napari_segsam.train.evaluation.run import Evaluation
from napari_segsam.train.evaluation.targets import Target, draw, list_targets
from napari_segsam.train.loop import train
from napari_segsam.train.trainer import STATE

CONFIG, RESULT, TABLE = "config.toml", "result.json", "ablation.csv"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "ablation.md"
_DRAW = 0
"""Seed of the draw of masks and of the points on them: the same for every row and every seed of training."""


@dataclass(frozen=True)
class Plan:
    """What all runs of one table share.

    Attributes:
        data: a folder in the SA-Med2D layout with a split.json.
        out: holds a folder for each run.
        steps: of training.
        backbone: pretrained MobileNetV2 to start from, None for random weights.
        limit: masks to evaluate, None for all of ``val``.
    """

    data: Path
    out: Path
    steps: int
    backbone: Path | None
    limit: int | None

    def folder(self, row: Row, seed: int) -> Path:
        """Where the run of ``row`` and ``seed`` lives."""
        return self.out / f"{row.name}-{seed}"

    def configuration(self, row: Row, seed: int) -> str:
        """The run's TOML: the small scale that all rows share, and what the row changes."""
        values: dict[str, object] = {
            "run": ".", "seed": seed, "steps": self.steps, "images": 4, "prompts": 2, "warm_up": self.steps // 10,
            "average": 0.99, "calibrate": False, "threads": 1,
        }  # fmt: skip
        if self.backbone is not None:
            values["backbone"] = str(self.backbone.resolve())
        tables: dict[str, dict[str, object]] = {"data": {"root": str(self.data.resolve()), "split": "train"}}
        for name, changes in row.changes.items():
            tables.setdefault(name, {}).update(changes)
        return _toml(values) + "".join(f"\n[{name}]\n{_toml(table)}" for name, table in tables.items())


def _toml(values: dict[str, object]) -> str:
    """Strings, numbers and booleans, which JSON and TOML write alike."""
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())


def prepare(plan: Plan, row: Row, seed: int) -> None:
    """Make the run's folder and configuration, or check that what is there is the same run.

    Raises:
        SegsamError: the training refuses the row's configuration, or the folder holds another run.
    """
    folder, text = plan.folder(row, seed), plan.configuration(row, seed)
    path = folder / CONFIG
    folder.mkdir(parents=True, exist_ok=True)
    begun = any(p != path for p in folder.iterdir())
    if begun and not (path.is_file() and path.read_text(encoding="utf-8") == text):
        raise SegsamError(f"{folder} holds a run with other settings; choose another --out, or remove that folder.")
    path.write_text(text, encoding="utf-8")
    read_config(path)


def run(plan: Plan, row: Row, seed: int, targets: Sequence[Target]) -> None:
    """Train and evaluate; what an interrupted run has done already is not done again."""
    folder = plan.folder(row, seed)
    began = time.monotonic()
    model = train(folder / CONFIG, resume=(folder / STATE).exists())
    trained = time.monotonic()
    result = {
        "row": row.name, "seed": seed, "steps": plan.steps, "limit": plan.limit,
        **evaluate(model, targets, read_config(folder / CONFIG).losses),
        "seconds": {"train": round(trained - began, 1), "evaluate": round(time.monotonic() - trained, 1)},
    }  # fmt: skip
    with replacing(folder / RESULT) as (part,):
        part.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (folder / STATE).unlink()  # three times the size of the model, and there is nothing left to resume


def evaluate(model: Path, targets: Sequence[Target], losses: LossWeights) -> dict[str, object]:
    """Figures of each mask and of all tags; None for what a model without that loss has never learned."""
    evaluation = Evaluation(targets, ("box", "point"), load_predictor(model), _DRAW)
    for _ in evaluation.run():
        pass
    clicked = {r.mask: r.dice for r in evaluation.rows if r.prompt == "point"}
    masks = {r.mask: _of_box(r, losses) | {"point": clicked[r.mask]} for r in evaluation.rows if r.prompt == "box"}
    return {"masks": masks, "tags_f1": evaluation.summary("box")["tags_f1"] if losses.co_classes else None}


def _of_box(row: Answer, losses: LossWeights) -> dict[str, object]:
    """What one mask's row says; the semantic mask of an object counts nothing under a wrong name."""
    named = row.correct if losses.classes else None
    semantic, agreement = None, None
    if losses.semantic:
        semantic = None if named is None else row.semantic_mask_dice if named else 0.0
        agreement = row.decoder_agreement
    return {"dataset": row.dataset, "box": row.dice, "named": named, "semantic": semantic, "agreement": agreement}


def finished(plan: Plan) -> list[Run]:
    """All results that OUT holds, those of rows that were not asked for this time as well, by seed.

    Raises:
        SegsamError: one is of another length of training or number of masks, and so no part of this table.
    """
    runs = []
    for path in sorted(plan.out.glob(f"*/{RESULT}")):
        result = json.loads(path.read_text(encoding="utf-8"))
        if (result["steps"], result["limit"]) != (plan.steps, plan.limit):
            raise SegsamError(
                f"{path} was made with --steps {result['steps']} --limit {result['limit']}; choose another --out."
            )
        runs.append(Run.of(result))
    return sorted(runs, key=lambda r: r.seed)


def run_all(plan: Plan, rows: Sequence[Row], seeds: Sequence[int], page: Path) -> None:
    """Every run that has no result yet, seed by seed, so that a table with all rows is there early."""
    for row in rows:
        for seed in seeds:
            prepare(plan, row, seed)
    listed, _ = list_targets(plan.data, "val")
    targets = draw(listed, plan.limit, _DRAW)
    missing = [(row, seed) for seed in seeds for row in rows if not (plan.folder(row, seed) / RESULT).is_file()]
    write_tables(plan, page)
    for n, (row, seed) in enumerate(missing, 1):
        print(f"run {n} of {len(missing)}: {row.name}, seed {seed}", flush=True)
        run(plan, row, seed, targets)
        write_tables(plan, page)


def write_tables(plan: Plan, page: Path) -> None:
    """The CSV in OUT and the tables of the page, from the results that there are."""
    runs = finished(plan)
    if runs:
        write_csv(plan.out / TABLE, runs)
        write_page(page, runs)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder in the SA-Med2D layout with split.json")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", default="ladder", help=f"ladder, all, or some of: {', '.join(ROWS)}")
    parser.add_argument("--seeds", type=_numbers, default="0,1,2", help="seeds of training")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--backbone", type=Path, help="safetensors of a pretrained MobileNetV2")
    parser.add_argument("--limit", type=int, default=400, help="masks of val, spread evenly over the data sets")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page whose tables are written")
    asked = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    plan = Plan(asked.data, asked.out, asked.steps, asked.backbone, asked.limit)
    try:
        run_all(plan, chosen(asked.rows), asked.seeds, asked.page)
    except SegsamError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
