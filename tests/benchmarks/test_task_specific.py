import json

import pytest

from benchmarks.accuracy import task_specific
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.train.evaluation import unet
from tests.fakes import FakePredictor
from tests.train import sa_med2d


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A small data set, small networks, and a predictor that is none."""
    monkeypatch.setattr(task_specific, "locate", lambda name: name)
    monkeypatch.setattr(task_specific, "load_predictor", lambda path, device: FakePredictor())
    monkeypatch.setattr(unet, "SIDE", 32)
    monkeypatch.setattr(unet, "_WIDTHS", (8, 16))
    return sa_med2d.write(tmp_path / "data")


def asked(data, out, *more):
    return ["--data", str(data), "--out", str(out), "--steps", "1", *more]


def test_one_command_trains_compares_and_writes_the_table(data, tmp_path, capsys):
    task_specific.main(asked(data, tmp_path / "out"))
    told = json.loads((tmp_path / "out/results.json").read_text())
    done = json.loads((tmp_path / "out/ct.json").read_text())
    assert (done["steps"], done["trained_on"], done["classes"]) == (1, 4, 3)
    assert {r["class_name"] for r in done["results"]} == {"liver", "spleen"}  # SEG-SAM has no name for the third
    assert told["ct"]["n"] == told["all"]["n"] == len(done["results"]) == 4
    assert "SEG-SAM is given a box" in (tmp_path / "out/results.md").read_text()
    assert "| ct | 2 | 4 |" in capsys.readouterr().out


def test_what_is_done_is_not_done_again_and_not_mixed_with_another_run(data, tmp_path, monkeypatch):
    task_specific.main(asked(data, tmp_path / "out"))
    monkeypatch.setattr(task_specific, "train_unet", lambda *a, **k: pytest.fail("trained again"))
    task_specific.main(asked(data, tmp_path / "out"))
    with pytest.raises(SystemExit, match="choose another --out"):
        task_specific.main(asked(data, tmp_path / "out", "--seed", "1"))


def test_classes_have_one_name_and_only_those_of_the_data_set_are_allowed(data):
    classes = {"A": sa_med2d.CLASSES, "B": {"Hepar": 1, "spleen": 2}}
    (data / "SAMed2D_v1_class_mapping_id.json").write_text(json.dumps(classes))
    task = task_specific.Task(data, "ct", Vocabulary(("liver", "spleen"), {"hepar": "liver"}))
    assert task.vocabulary.names == ("liver", "spleen", "thing")
    assert task.allowed("A").tolist() == [True, True, True, True]
    assert task.allowed("B").tolist() == [True, True, True, False]


def test_tag_f1_is_over_all_pictures_together():
    tags = [task_specific.Tags(2, 3, 2, 1, 1), task_specific.Tags(1, 1, 0, 1, 1)]
    told = task_specific.figures([task_specific.Result("A", "i", "liver", 0.5, 0.2, 0.9)], tags)
    assert told["tags_f1_unet"]["f1"] == pytest.approx(2 * 2 / (4 + 3))
    assert told["tags_f1_segsam"]["f1"] == pytest.approx(2 * 2 / (2 + 3))
    assert told["unet"]["dice_dataset_mean"] == 0.5
