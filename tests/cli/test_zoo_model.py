"""A published model's file through the commands."""

import csv
import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from napari_segsam.core.errors import BadCheckpointError, UndecidedModelError, UnknownNameError
from napari_segsam.engine.loading import load_model
from napari_segsam.io.labels.names import parse_names
from napari_segsam.model.zoo import table
from tests.train import sa_med2d
from tests.zoo import BOXES, FAMILY, NAMING, written


@pytest.fixture
def echo(tmp_path, monkeypatch):
    """A file that Echo's family alone claims."""
    return knows(monkeypatch, tmp_path, FAMILY)


def knows(monkeypatch, tmp_path, *families):
    monkeypatch.setattr(table, "FAMILIES", families)
    return written(tmp_path)


def voxels(path):
    return np.asarray(nibabel.load(path).dataobj)


def names(path):
    return parse_names(path.with_name(f"{path.name}.labels.json"))


def test_a_model_that_names_nothing_draws_objects_with_the_prompts_names_or_their_numbers(
    run, scan, prompts, liver, echo, tmp_path
):
    out, report = tmp_path / "labels.nii.gz", tmp_path / "report.json"
    named = {**liver, "id": 2, "class": "Renal Stent", "box": {"min": [12, 10, 3], "max": [20, 18, 3]}}
    done = run("predict", scan, "--prompts", prompts(liver, named), "--out", out, "--model", echo, "--report", report)
    assert done.exit_code == 0, done.stderr
    assert names(out) == {1: "object 1", 2: "renal_stent"}
    drawn = np.argwhere(voxels(out) == 1)
    assert (drawn.min(0).tolist(), drawn.max(0).tolist()) == ([2, 2, 3], [10, 8, 3])
    first = json.loads(report.read_text())["objects"][0]
    assert (first["classes"], first["decoder_agreement"]) == ([], None)
    assert first["iou_predicted"] == pytest.approx(0.6) and json.loads(report.read_text())["suggestions"] == []
    assert "object 1, k 3: 63 voxels, IoU 0.60\n" in done.stderr and "None" not in done.stderr


def test_there_is_nothing_to_suggest_and_no_semantic_map_without_classes(run, scan, prompts, liver, echo, tmp_path):
    for command in (
        ("suggest", scan, "--out", tmp_path / "s.nii.gz"),
        (
            "predict",
            scan,
            "--prompts",
            prompts(liver),
            "--out",
            tmp_path / "l.nii.gz",
            "--semantic",
            tmp_path / "s.nii.gz",
        ),
    ):
        done = run(*command, "--model", echo)
        assert done.exit_code == 2 and len(done.stderr.strip().splitlines()) <= 2
        assert "names nothing by itself" in done.stderr or "has no classes for a semantic map" in done.stderr
        assert not [p for p in tmp_path.iterdir() if p.name[:2] in ("s.", "l.")]


def test_a_prompt_that_the_family_does_not_take_is_refused_and_nothing_is_written(
    run, scan, prompts, tmp_path, monkeypatch
):
    file = knows(monkeypatch, tmp_path, BOXES)
    click = {"id": 1, "axis": "k", "slice": 3, "points": [{"ijk": [4, 4, 3], "positive": True}]}
    done = run("predict", scan, "--prompts", prompts(click), "--out", tmp_path / "l.nii.gz", "--model", file)
    assert done.exit_code == 2 and "Boxes takes boxes only" in done.stderr
    assert not (tmp_path / "l.nii.gz").exists()


def test_a_model_with_classes_labels_slices_unasked(run, scan, tmp_path, monkeypatch):
    file, out = knows(monkeypatch, tmp_path, NAMING), tmp_path / "s.nii.gz"
    done = run("suggest", scan, "--out", out, "--slices", "3", "--model", file, "--window", "90,180")
    assert done.exit_code == 0, done.stderr
    assert set(names(out).values()) == {"liver", "left_kidney"}
    seen = voxels(scan)[:, :, 3]
    assert (voxels(out)[:, :, 3][seen == 180] == 2).all() and not voxels(out)[:, :, 3][seen == -1000].any()


def test_what_a_model_does_not_say_is_left_empty_in_an_evaluation(run, tmp_path, monkeypatch):
    silent = replace(FAMILY, abilities=replace(FAMILY.abilities, iou=False))
    file = knows(monkeypatch, tmp_path, silent)
    sa_med2d.write(tmp_path / "data")
    out = tmp_path / "rows.csv"
    done = run("evaluate", tmp_path / "data", "--prompt", "box", "--prompt", "study", "--model", file, "--out", out)
    assert done.exit_code == 0, done.stderr
    rows = list(csv.DictReader(out.read_text().splitlines()))
    unsaid = ("correct", "answer", "iou_predicted", "decoder_agreement", "semantic_mask_dice")
    assert rows and not any(row[column] for row in rows for column in unsaid)
    figures = json.loads(done.stdout.splitlines()[0])
    assert figures["dice_mean"] > 0.5
    assert [figures[k] for k in ("class_accuracy", "tags_f1", "semantic_mask_dice", "suggestions")] == [None] * 4


def test_of_the_study_a_model_that_takes_boxes_is_asked_its_boxes(run, tmp_path, monkeypatch):
    file = knows(monkeypatch, tmp_path, BOXES)
    sa_med2d.write(tmp_path / "data")
    done = run("evaluate", tmp_path / "data", "--prompt", "study", "--model", file, "--limit", "2")
    assert done.exit_code == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert set(figures["by_mode"]) == set("345") and figures["modes_not_asked"] == ["1", "2"]
    assert "of its modes 1, 2 were not asked" in done.stderr


# -- which model a file is


def test_of_families_whose_files_are_alike_the_one_that_is_named_is_loaded(tmp_path, monkeypatch):
    file = knows(monkeypatch, tmp_path, FAMILY, BOXES)
    with pytest.raises(UndecidedModelError, match="@echo or @boxes") as caught:
        load_model(file, "cpu")
    assert (caught.value.families, caught.value.base) == ({"echo": "Echo", "boxes": "Boxes"}, "")
    one, other = (load_model(file, "cpu", words=(word,)) for word in ("echo", "boxes"))
    assert (one.family.name, other.family.name) == ("echo", "boxes") and one.sha256 != other.sha256


def test_an_option_of_a_family_is_a_word_too_and_makes_another_model_of_it(run, scan, tmp_path, monkeypatch):
    def turn(model, family):
        model.turned = True
        return model, replace(family, title="Turned")

    family = replace(FAMILY, options={"upside_down": turn})
    file = knows(monkeypatch, tmp_path, family)
    plain, turned = load_model(file, "cpu"), load_model(file, "cpu", words=("upside_down",))
    assert turned.model.turned and not hasattr(plain.model, "turned") and plain.sha256 != turned.sha256
    assert (plain.name, turned.name) == ("echo", "echo@upside_down")
    assert (plain.family.title, turned.family.title) == ("Echo", "Turned")
    done = run("suggest", scan, "--out", tmp_path / "s.nii.gz", "--model", f"{file}@upside_dwon")
    assert done.exit_code == 2 and "Did you mean: upside_down" in done.stderr


def test_a_word_that_means_nothing_to_a_file_is_refused_with_what_does(tmp_path, monkeypatch):
    alone = knows(monkeypatch, tmp_path, FAMILY)
    with pytest.raises(BadCheckpointError, match="a file of Echo, which has no options; leave out the word 'boxes_'"):
        load_model(alone, "cpu", words=("boxes_",))
    alike = knows(monkeypatch, tmp_path, FAMILY, BOXES)
    with pytest.raises(UnknownNameError, match="Did you mean: boxes"):
        load_model(alike, "cpu", words=("echo", "boxs"))


def test_a_file_that_is_a_difference_needs_its_base(run, scan, tmp_path, monkeypatch):
    difference = replace(FAMILY, name="difference", title="Difference", base="boxes")
    file = knows(monkeypatch, tmp_path, difference, replace(BOXES, recognises=lambda _: False))
    with pytest.raises(UndecidedModelError) as caught:
        load_model(file, "cpu")
    assert (caught.value.families, caught.value.base) == ({"difference": "Difference"}, "Boxes")
    done = run("suggest", scan, "--out", tmp_path / "s.nii.gz", "--model", file)
    assert done.exit_code == 2 and "@base=FILE" in done.stderr


def test_a_seg_sam_checkpoint_is_what_it_says(tmp_path):
    from tests.tiny import saved, tiny

    path = saved(tiny(), tmp_path)
    assert load_model(path, "cpu").vocabulary.names[0] == "liver"
    with pytest.raises(Exception, match="says all of itself"):
        load_model(path, "cpu", words=("echo",))
