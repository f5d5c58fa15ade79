import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from napari_segsam.core.errors import UnknownNameError, UnreadableInputError
from napari_segsam.core.slices import SliceView
from napari_segsam.train.data import pictures
from napari_segsam.train.evaluation import report
from napari_segsam.train.evaluation.run import Evaluation, check_kind
from napari_segsam.train.evaluation.targets import draw, list_targets, random_for, read_picture
from tests.fakes import FakePredictor

GREYS = {"liver": 60, "spleen": 120, "kidney_left": 180}


@pytest.fixture
def data(tmp_path):
    """Two data sets of two pictures; each picture has a liver, a spleen and a thing that the model has no name for."""
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    listing = {}
    for dataset in ("A", "B"):
        for case in range(2):
            stem = f"ct_00--{dataset}--{case}--z_0000"
            picture = np.zeros((20, 30), np.uint8)
            picture[2:9, 3:13] = GREYS["liver"]
            picture[2:9, 16:26] = GREYS["spleen"]
            picture[12:18, 4:20] = 240
            Image.fromarray(picture).save(root / f"images/{stem}.png")
            masks = []
            for number, grey in ((1, 60), (2, 120), (3, 240)):
                name = f"masks/{stem}--{number:04d}_000.png"
                Image.fromarray(picture == grey).save(root / name)
                masks.append(name)
            listing[f"images/{stem}.png"] = masks
    classes = {"Liver": 1, "spleen": 2, "thing": 3}
    (root / "SAMed2D_v1.json").write_text(json.dumps(listing))
    (root / "SAMed2D_v1_class_mapping_id.json").write_text(json.dumps({"A": classes, "B": classes}))
    (root / "split.json").write_text(json.dumps({"train": list(listing)[:3], "val": list(listing)[3:]}))
    return root


def evaluated(data, *kinds, predictor=None, limit=None, seed=0):
    run = Evaluation(draw(list_targets(data)[0], limit, seed), kinds, predictor, seed)
    list(run.run())
    return run


def test_a_perfect_model_gets_one_everywhere(data):
    fake = FakePredictor()
    run = evaluated(data, "box", "point", "points:3", "iterative:4", predictor=fake)
    for kind in run.kinds:
        said = run.summary(kind)
        assert (said["n"], said["dice_mean"], said["iou_mean"], said["dice_dataset_mean"]) == (12, 1.0, 1.0, 1.0)
        assert said["by_dataset"] == {"A": {"n": 6, "dice_mean": 1.0}, "B": {"n": 6, "dice_mean": 1.0}}
    assert len(fake.embedded) == 4  # one per picture, whatever is asked of it


def test_a_class_without_a_name_counts_for_dice_and_not_for_class_accuracy(data):
    said = evaluated(data, "box", predictor=FakePredictor()).summary("box")
    assert (said["class_accuracy"], said["class_n"]) == (1.0, 8)


def test_tags_are_scored_over_pictures_with_two_known_classes(data):
    run = evaluated(data, "box", predictor=FakePredictor())
    assert (run.summary("box")["tags_f1"], run.summary("box")["tags_n"]) == (1.0, 4)


def test_scores_are_at_the_pictures_own_size_in_its_own_frame(data):
    volume, window = read_picture(list_targets(data)[0][0].sample)
    picture = np.asarray(Image.open(list_targets(data)[0][0].image))
    assert np.array_equal(SliceView(volume, 2, 0).pixels, picture)
    assert window.limits == (0.0, 255.0)


def test_a_limit_spreads_over_data_sets_and_is_the_same_every_time(data):
    targets, _ = list_targets(data)
    drawn = draw(targets, 4, 1)
    assert sorted(t.dataset for t in drawn) == ["A", "A", "B", "B"]
    assert drawn == draw(reversed(targets), 4, 1)
    assert draw(targets, 6, 1)[:4] == drawn
    assert draw(targets, 4, 2) != drawn
    assert set(draw(targets, None, 0)) == set(targets)


def test_random_points_hang_on_the_mask_and_the_seed_alone():
    assert random_for("m", 0).integers(1 << 30) == random_for("m", 0).integers(1 << 30)
    assert random_for("m", 0).integers(1 << 30) != random_for("m", 1).integers(1 << 30)
    assert random_for("n", 0).integers(1 << 30) != random_for("m", 0).integers(1 << 30)


def test_every_picture_is_read_and_embedded_once_and_every_mask_read_once(data, monkeypatch):
    read = []
    for what in ("read_mask", "read_picture"):
        real = getattr(pictures, what)
        monkeypatch.setattr(pictures, what, lambda path, real=real: read.append(path.name) or real(path))
    fake = FakePredictor()
    evaluated(data, "box", "point", "study", "baseline:ellipse", predictor=fake)
    assert len(read) == len(set(read)) == 4 + 12
    assert len(fake.embedded) == 4


def test_what_is_asked_twice_of_a_mask_is_answered_once(data):
    fake = FakePredictor()
    run = evaluated(data, "box", "point", "study", predictor=fake, limit=1)
    assert len(run.rows) == 1 + 1 + 5
    assert len(fake.predicted) == 3  # the box, a random click, and the centre; the mask has one component
    assert all(r.seconds > 0 for r in run.rows if r.prompt == "box")


def test_several_processes_give_the_rows_of_one_in_the_same_order(data):
    targets, kinds = list_targets(data)[0], ("box", "points:3", "baseline:ellipse")
    targets[4].mask.write_bytes(b"no picture")
    one = Evaluation(targets, kinds, FakePredictor(), 3)
    two = Evaluation(targets, kinds, None, 3, processes=2, load=FakePredictor)
    assert list(one.run()) == list(two.run()) == list(targets)
    assert [replace(r, seconds=0.0) for r in one.rows] == [replace(r, seconds=0.0) for r in two.rows]
    assert (one.seen, one.skipped) == (two.seen, two.skipped)
    assert len(one.rows) == 3 * 11


def test_an_unprompted_class_is_compared_with_all_of_its_masks_together(tmp_path):
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    picture = np.zeros((20, 30), np.uint8)
    picture[2:9, 3:13] = picture[12:18, 16:26] = GREYS["liver"]
    picture[12:18, 3:7] = GREYS["spleen"]
    Image.fromarray(picture).save(root / "images/ct_00--A--1--z_0000.png")
    masks = []
    for instance, rows in enumerate((slice(2, 9), slice(12, 18))):
        mask = np.zeros(picture.shape, bool)
        mask[rows] = picture[rows] == GREYS["liver"]
        masks.append(f"masks/ct_00--A--1--z_0000--0001_{instance:03d}.png")
        Image.fromarray(mask).save(root / masks[-1])
    (root / "SAMed2D_v1.json").write_text(json.dumps({"images/ct_00--A--1--z_0000.png": masks}))
    (root / "SAMed2D_v1_class_mapping_id.json").write_text(json.dumps({"A": {"Liver": 1, "kidney_left": 2}}))
    (seen,) = evaluated(root, "box", predictor=FakePredictor(), limit=1).seen
    assert (seen.annotated, seen.annotates) == (frozenset({"liver"}), frozenset({"liver", "kidney_left"}))
    assert [(s.name, s.dice) for s in seen.suggested] == [("liver", 1.0), ("spleen", None)]


def test_the_split_comes_from_its_file_and_all_needs_none(data):
    assert [len(list_targets(data, s)[0]) for s in ("train", "val", "all")] == [9, 3, 12]
    (data / "split.json").unlink()
    assert len(list_targets(data, "all")[0]) == 12
    with pytest.raises(UnreadableInputError, match=r"split\.json"):
        list_targets(data, "val")
    with pytest.raises(UnknownNameError, match="val"):
        list_targets(data, "vall")


def test_dirt_is_skipped_and_said(data):
    targets, _ = list_targets(data)
    Image.fromarray(np.zeros((20, 30), bool)).save(targets[0].mask)
    Image.fromarray(np.ones((5, 5), bool)).save(targets[1].mask)
    targets[2].mask.write_bytes(b"no picture")
    targets[3].image.write_bytes(targets[3].image.read_bytes()[:60])
    run = evaluated(data, "box", predictor=FakePredictor())
    assert (run.summary("box")["n"], len(run.skipped)) == (6, 4)


def test_a_picture_of_one_pixel_is_skipped_and_said_as_in_training(data):
    target = list_targets(data)[0][0]
    Image.fromarray(np.zeros((1, 1), np.uint8)).save(target.image)
    for file in target.sample.masks:
        Image.fromarray(np.ones((1, 1), bool)).save(file.path)
    run = evaluated(data, "box", predictor=FakePredictor())
    said = run.summary("box")
    assert (said["n"], said["skipped"], said["dice_mean"]) == (9, 1, 1.0)
    assert run.skipped[0].endswith("a picture of one row or column")


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_grey_picture_saved_in_colour_keeps_its_modality(data, mode):
    target = list_targets(data)[0][0]
    grey = Image.open(target.image)
    grey.convert(mode).save(target.image)
    volume, window = read_picture(target.sample)
    assert (volume.modality, window.limits) == ("ct", (0.0, 255.0))
    assert np.array_equal(SliceView(volume, 2, 0).pixels, np.asarray(grey))


def test_targets_are_listed_from_files_with_a_byte_order_mark(data):
    for file in data.glob("*.json"):
        file.write_text(file.read_text(), encoding="utf-8-sig")
    assert len(list_targets(data, "val")[0]) == 3


def test_colour_pictures_keep_their_channels(tmp_path, data):
    target = list_targets(data)[0][0]
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    Image.fromarray(pixels).save(target.image)
    volume, window = read_picture(target.sample)
    assert np.array_equal(SliceView(volume, 2, 0).pixels, pixels)
    assert (volume.modality, window) == ("rgb", None)


@pytest.mark.parametrize("kind", ["boxes", "points:0", "points:", "iterative:9999", "study:2", "baseline:none", ""])
def test_an_unknown_kind_of_prompt_is_refused(kind):
    with pytest.raises(UnknownNameError):
        check_kind(kind)


def test_the_ellipses_known_value_on_the_training_set(shared_train):
    """Whole masks of the validation split: 0.71 over data sets, 0.77 over masks; a part of them comes close."""
    run = Evaluation(draw(list_targets(shared_train, "val")[0], 300, 0), ("baseline:ellipse",), None)
    list(run.run())
    assert run.summary("baseline:ellipse")["dice_dataset_mean"] == pytest.approx(0.71, abs=0.05)


def test_data_sets_are_chosen_by_name_and_the_draw_spreads_over_those(data):
    targets, left_out = list_targets(data, datasets=("B",))
    assert {t.dataset for t in targets} == {"B"}
    assert targets == tuple(t for t in list_targets(data)[0] if t.dataset == "B")
    assert {t.dataset for t in draw(targets, 2, 0)} == {"B"}
    assert {t.dataset for t in draw(list_targets(data, datasets=("B", "A"))[0], 2, 0)} == {"A", "B"}
    assert left_out == ()


def test_dirt_of_data_sets_that_were_not_chosen_is_not_counted(data):
    for target in list_targets(data)[0]:
        if target.dataset == "A":
            target.mask.unlink()
    assert list_targets(data, datasets=("B",))[1] == ()
    assert len(list_targets(data)[1]) == 6


def test_a_data_set_that_is_not_there_is_refused_with_the_nearest_ones(data):
    with pytest.raises(UnknownNameError, match=r"^Unknown data set 'C'\. Did you mean: A, B\?$"):
        list_targets(data, datasets=("A", "C"))
    with pytest.raises(UnknownNameError, match=r"^Unknown data set in split val: 'A'\. Did you mean: B\?$"):
        list_targets(data, "val", ("A",))  # it is there, and none of it is for validation


# -- the command


def invoke(*arguments):
    from typer.testing import CliRunner

    from napari_segsam.cli.commands import app

    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def fake(monkeypatch):
    from napari_segsam.cli import loading

    predictor = FakePredictor()
    monkeypatch.setattr(loading, "load_model", lambda name, device: predictor)
    return predictor


def test_the_last_line_is_the_summary_and_the_csv_has_a_row_per_mask(data, fake, tmp_path):
    out = tmp_path / "rows.csv"
    done = invoke("evaluate", data, "--prompt", "box", "--limit", 5, "--out", out)
    said = json.loads(done.stdout.splitlines()[-1])
    wanted = {"n", "dice_mean", "dice_dataset_mean", "iou_mean", "class_accuracy", "tags_f1", "by_dataset"}
    assert (done.exit_code, said["n"]) == (0, 5)
    assert wanted < set(said)
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert len(rows) == 5
    assert {r["dice"] for r in rows} == {"1.0"}
    assert json.loads(rows[0]["prompts"])[0]["box"]


def test_the_page_is_written_with_the_csv_or_neither_is(data, fake, tmp_path, monkeypatch):
    out, page = tmp_path / "rows.csv", tmp_path / "report.html"
    asked = ("evaluate", data, "--prompt", "box", "--limit", 2, "--out", out, "--out-report", page)
    assert invoke(*asked).exit_code == 0
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "on data, split all" in page.read_text(encoding="utf-8")
    before = page.read_text(encoding="utf-8"), out.read_text()
    monkeypatch.setattr(report, "page", lambda run, data: 1 / 0)
    assert isinstance(invoke(*asked).exception, ZeroDivisionError)
    assert (page.read_text(encoding="utf-8"), out.read_text()) == before


def test_only_the_data_sets_that_were_named_are_asked(data, fake, tmp_path):
    out, page = tmp_path / "rows.csv", tmp_path / "report.html"
    done = invoke("evaluate", data, "--prompt", "box", "--datasets", "B", "--out", out, "--out-report", page)
    assert set(json.loads(done.stdout.splitlines()[-1])["by_dataset"]) == {"B"}
    assert {r["dataset"] for r in csv.DictReader(out.read_text().splitlines())} == {"B"}
    assert "on data, split all, B<" in page.read_text(encoding="utf-8")
    done = invoke("evaluate", data, "--prompt", "box", "--datasets", "A, B", "--limit", 4)
    assert json.loads(done.stdout.splitlines()[-1])["by_dataset"].keys() == {"A", "B"}


def test_several_kinds_share_the_same_masks(data, fake, tmp_path):
    out = tmp_path / "rows.csv"
    done = invoke("evaluate", data, "--prompt", "study", "--prompt", "baseline:ellipse", "--limit", 4, "--out", out)
    study, ellipse = map(json.loads, done.stdout.splitlines())
    assert (study["n"], ellipse["n"], set(study["by_mode"])) == (4, 4, set("12345"))
    assert (ellipse["class_accuracy"], ellipse["tags_f1"]) == (None, None)
    rows = list(csv.DictReader(out.read_text().splitlines()))
    masks = {kind: {r["mask"] for r in rows if r["prompt"] == kind} for kind in ("study", "baseline:ellipse")}
    assert masks["study"] == masks["baseline:ellipse"]


def test_a_baseline_loads_no_model(data, monkeypatch):
    from napari_segsam.cli import loading

    monkeypatch.setattr(loading, "load_model", lambda name, device: pytest.fail("loaded a model"))
    assert invoke("evaluate", data, "--prompt", "baseline:ellipse").exit_code == 0


def test_what_cannot_be_evaluated_is_refused(data, tmp_path):
    for arguments in (
        (tmp_path, "--prompt", "box"),
        (data, "--prompt", "boxx"),
        (data, "--prompt", "box", "--split", "test"),
        (data, "--prompt", "box", "--datasets", "b"),
        (data, "--prompt", "box", "--datasets", "A,"),
        (data, "--prompt", "baseline:ellipse", "--out", tmp_path / "none" / "o.csv"),
    ):
        done = invoke("evaluate", *arguments)
        assert done.exit_code == 2
        assert len(done.stderr.strip().splitlines()) == 1
