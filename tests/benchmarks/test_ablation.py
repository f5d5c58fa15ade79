import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from napari_segsam.core.errors import UnknownNameError
from napari_segsam.train import beginning
from napari_segsam.train.config import read_config
from napari_segsam.train.trainer import STATE
from tests.tiny import TINY_NANO
from tests.train import sa_med2d

ROOM = Path(__file__).resolve().parents[2] / "benchmarks/accuracy"


@pytest.fixture(scope="module")
def modules():
    """The command and its two modules, found beside it as they are when it is run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOM)
        import ablation
        import ablation_rows
        import ablation_table

        yield ablation, ablation_rows, ablation_table


@pytest.fixture
def table(modules):
    return modules[2]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(
        beginning, "preset", lambda name, n_classes: replace(TINY_NANO, n_classes=n_classes, n_aspects=5, text_dim=384)
    )
    monkeypatch.setattr(beginning, "text_encoder", lambda spec, cards: SimpleNamespace(name=spec))
    monkeypatch.setattr(beginning, "embed_cards", lambda cards, *_, **__: torch.randn(len(list(cards)), 5, 384))


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("before\n<!-- ablation: begin -->\nold\n<!-- ablation: end -->\nafter\n")
    return path


@pytest.fixture
def command(modules, tmp_path, page):
    """Runs the command on a tiny data set; returns its exit code."""
    data, out = sa_med2d.write(tmp_path / "data"), tmp_path / "out"

    def run(*more):
        return modules[0].main(
            ["--data", str(data), "--out", str(out), "--steps", "2", "--limit", "4", "--page", str(page), *more]
        )

    run.out = out
    return run


def test_every_row_is_a_configuration_that_training_accepts(modules, tmp_path):
    ablation, rows, _ = modules
    plan = ablation.Plan(tmp_path / "data", tmp_path / "out", 2, None, 4)
    read = {}
    for row in rows.ROWS.values():
        ablation.prepare(plan, row, 0)
        read[row.name] = read_config(plan.folder(row, 0) / ablation.CONFIG).model_dump(exclude={"run"})
    assert len({json.dumps(v, default=str) for v in read.values()}) == len(read)  # and no two are the same training


def test_every_row_is_compared_with_one_of_the_table(modules):
    rows = modules[1].ROWS
    assert [name for name, row in rows.items() if row.against not in rows] == ["sam"]


def test_rows_are_chosen_by_group_or_by_name_in_the_tables_order(modules):
    chosen = modules[1].chosen
    assert [r.name for r in chosen("focal,full")] == ["full", "focal"]
    assert len(chosen("all")) > len(chosen("ladder")) == 5
    with pytest.raises(UnknownNameError, match="fokal"):
        chosen("full,fokal")


def test_runs_are_trained_evaluated_and_written_into_the_page(command, page):
    assert command("--rows", "full,sam", "--seeds", "1") == 0
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "4 masks of 2 data sets" in text
    with (command.out / "ablation.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(r["row"], r["seed"], r["masks"]) for r in lines] == [("sam", "1", "4"), ("full", "1", "4")]
    assert all(0 <= float(r["box_datasets"]) <= 1 for r in lines)
    assert [bool(r["semantic_datasets"]) for r in lines] == [False, True]  # SAM alone names nothing


def test_a_run_that_has_a_result_is_not_repeated_and_stays_in_the_table(command, modules, monkeypatch):
    assert command("--rows", "full", "--seeds", "0") == 0
    trained = []
    real = modules[0].train
    monkeypatch.setattr(modules[0], "train", lambda path, resume: trained.append(path) or real(path, resume))
    assert command("--rows", "full,focal", "--seeds", "0") == 0
    assert [p.parent.name for p in trained] == ["focal-0"]
    assert command("--rows", "full", "--seeds", "0") == 0
    assert (command.out / "ablation.csv").read_text().count("\n") == 3


def test_an_interrupted_run_goes_on(command, modules, monkeypatch):
    with monkeypatch.context() as cut:
        cut.setattr(modules[0], "evaluate", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            command("--rows", "full", "--seeds", "0")
    assert (command.out / "full-0" / STATE).is_file()
    assert command("--rows", "full", "--seeds", "0") == 0
    assert sorted(p.name for p in (command.out / "full-0").iterdir()) == [
        ".lock", "config.toml", "curves.png", "log.csv", "model.safetensors", "result.json",
    ]  # fmt: skip


def test_runs_of_other_settings_are_not_mixed_into_a_table(command, capsys):
    assert command("--rows", "full", "--seeds", "0") == 0
    assert command("--rows", "full", "--seeds", "0", "--steps", "3") == 2
    assert command("--rows", "full", "--seeds", "0", "--limit", "3") == 2
    said = capsys.readouterr().err
    assert "full-0 holds a run with other settings" in said and "--limit 4" in said


def test_a_page_without_markers_is_refused_and_left_alone(table, tmp_path, page):
    page.write_text("no markers")
    with pytest.raises(Exception, match="markers"):
        table.write_page(page, [run_of(table, "full", 0, {"a": 0.5})])
    assert page.read_text() == "no markers"


def run_of(table, row, seed, box, datasets=None):
    """A run with these box Dices by mask; all masks belong to one data set unless it is said."""
    masks = {
        m: {"dataset": (datasets or {}).get(m, "A"), "box": d, "point": d, "semantic": None, "named": None,
            "agreement": None}
        for m, d in box.items()
    }  # fmt: skip
    return table.Run.of({"row": row, "seed": seed, "steps": 2, "masks": masks, "tags_f1": None})


def test_a_row_shows_its_seeds_mean_and_spread_and_the_row_it_is_compared_with(table):
    runs = [run_of(table, "text", 0, {"a": 0.5}), run_of(table, "text", 1, {"a": 0.7})]
    runs += [run_of(table, "full", 0, {"a": 0.6}), run_of(table, "full", 1, {"a": 0.8})]
    text = table.tables(runs)
    assert "| 2 | 0.600 ± 0.141 |" in text and "| 2 | 0.700 ± 0.141 |" in text
    assert "| `full` | `text` | +0.100 (+0.100 to +0.100) |" in text
    assert "| `text` | `t_co` |" not in text  # which has not been run


def test_every_data_set_counts_the_same(table):
    run = run_of(table, "full", 0, {"a": 1.0, "b": 1.0, "c": 1.0, "d": 0.0}, {"d": "B"})
    summary = run.summary()
    assert (summary["box_datasets"], summary["box_masks"]) == (0.5, 0.75)
    assert summary["semantic_datasets"] is None and summary["tags_f1"] is None


def test_a_difference_is_paired_by_seed_and_mask(table):
    """Masks differ a hundred times more from each other than the rows do: only pairing sees the gain."""
    masks = {f"m{i}": i / 100 for i in range(80)}
    better = {m: d + 0.01 for m, d in masks.items()}
    ours = [run_of(table, "full", s, better) for s in (0, 1)]
    theirs = [run_of(table, "text", s, masks) for s in (0, 1, 2)]
    assert table.difference("box", ours, theirs) == pytest.approx((0.01, 0.01, 0.01))


def test_seeds_that_disagree_widen_the_interval(table):
    zero = {f"m{i}": 0.5 for i in range(20)}
    agree = [run_of(table, "full", s, {m: 0.52 for m in zero}) for s in (0, 1)]
    disagree = [run_of(table, "full", s, {m: 0.52 + (0.04 if s else -0.04) for m in zero}) for s in (0, 1)]
    base = [run_of(table, "text", s, zero) for s in (0, 1)]
    same, low, high = table.difference("box", agree, base)
    assert (same, low, high) == pytest.approx((0.02, 0.02, 0.02))
    mean, low, high = table.difference("box", disagree, base)
    assert (mean, low, high) == pytest.approx((0.02, -0.02, 0.06))


def test_rows_without_a_common_mask_or_seed_have_no_difference(table):
    a, b = run_of(table, "full", 0, {"a": 1.0}), run_of(table, "text", 0, {"b": 1.0})
    assert table.difference("box", [a], [b]) is None
    assert table.difference("box", [a], [run_of(table, "text", 1, {"a": 1.0})]) is None
    assert table.difference("semantic", [a], [a]) is None


def test_data_sets_that_disagree_widen_the_interval(table):
    datasets = {"a": "A", "b": "B"}
    ours, theirs = (
        [run_of(table, r, 0, d, datasets)] for r, d in (("full", {"a": 0.9, "b": 0.1}), ("text", {"a": 0.5, "b": 0.5}))
    )
    assert table.difference("box", ours, theirs) == pytest.approx((0.0, -0.4, 0.4))
