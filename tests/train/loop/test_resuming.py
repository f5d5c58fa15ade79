"""A run that goes on: as if it had not been interrupted, for longer, and not as another run."""

import json
import shutil

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from napari_segsam.core.errors import BadCheckpointError
from napari_segsam.model import checkpoint
from napari_segsam.train import loop
from napari_segsam.train.config import read_config
from napari_segsam.train.loop import CURVES, start, train
from napari_segsam.train.trainer import MODEL, STATE, Trainer, TrainingError
from tests.train.loop.runs import OPTIONS, STEPS, config_at, rows


def test_a_run_that_was_interrupted_goes_on_as_if_it_had_not_been(root, trained, monkeypatch):
    config = config_at(root, "cut")
    learn = Trainer.learn

    def learn_until_cut(self, batch):
        if self.step == 3:  # saved after step 1, so that step 2 is lost
            raise KeyboardInterrupt
        return learn(self, batch)

    monkeypatch.setattr(Trainer, "learn", learn_until_cut)
    with pytest.raises(KeyboardInterrupt):
        train(config)
    monkeypatch.setattr(Trainer, "learn", learn)
    run = root.parent / "cut"
    assert [int(r["step"]) for r in rows(run)] == [0, 1, 2]
    train(config, resume=True)
    assert rows(run) == rows(trained)
    assert (run / CURVES).read_bytes() == (trained / CURVES).read_bytes()
    for name in (STATE, MODEL):
        mine, theirs = load_file(run / name), load_file(trained / name)
        assert mine.keys() == theirs.keys()
        assert [k for k in mine if not torch.equal(mine[k], theirs[k])] == []


def test_a_resumed_run_holds_its_tensors_as_one_that_was_not_interrupted(root, trained):
    """In the same order in memory, and none of them in the file, which has to be replaced."""
    trainer, _ = start(read_config(root.parent / "whole.toml"), resume=True)
    trainer.resume()
    own = trainer.model.state_dict()
    assert all(v.stride() == own[k].stride() for k, v in trainer.average.items())
    for parameter, state in trainer.optimiser.state.items():
        assert state["exp_avg"].stride() == state["exp_avg_sq"].stride() == parameter.stride()
    stored = load_file(trained / STATE)
    assert all(torch.equal(v, stored[f"average.{k}"]) for k, v in trainer.average.items())


def test_resuming_a_finished_run_changes_nothing(root, trained):
    before = (trained / STATE).read_bytes(), rows(trained)
    assert train(root.parent / "whole.toml", resume=True) == trained / MODEL
    assert ((trained / STATE).read_bytes(), rows(trained)) == before


def test_there_must_be_something_to_resume(root):
    with pytest.raises(BadCheckpointError, match="nothing to resume in fresh"):
        train(config_at(root, "fresh"), resume=True)


@pytest.mark.parametrize("damage", ["damaged", "foreign"])
def test_a_state_of_another_run_or_a_damaged_one_is_refused_by_name(root, trained, damage):
    run = root.parent / damage
    run.mkdir()
    shutil.copy(trained / MODEL, run)
    if damage == "damaged":
        (run / STATE).write_bytes((trained / STATE).read_bytes()[:-100])
    else:
        save_file({"model.x": torch.zeros(1)}, run / STATE, {"step": "3"})
    with pytest.raises(BadCheckpointError, match=STATE):
        train(config_at(root, damage), resume=True)


def test_a_state_that_holds_no_numbers_is_refused(root, trained):
    run = root.parent / "nans"
    shutil.copytree(trained, run)
    tensors = load_file(run / STATE)
    with safe_open(run / STATE, framework="pt") as file:
        said = file.metadata()
    name = next(k for k in tensors if k.startswith("model.") and tensors[k].is_floating_point())
    save_file(tensors | {name: tensors[name].float() * float("nan")}, run / STATE, said)
    with pytest.raises(BadCheckpointError, match="not finite"):
        train(config_at(root, "nans", OPTIONS.replace("steps = 5", "steps = 6")), resume=True)


def test_a_run_is_not_resumed_with_another_objective(root, trained):
    run = root.parent / "moved"
    shutil.copytree(trained, run)
    with pytest.raises(TrainingError, match=r"'losses.text' was 0.25 .* is 1.0 now"):
        train(config_at(root, "moved", data="[losses]\ntext = 1.0\n"), resume=True)


def test_a_run_older_than_prior_maps_does_not_go_on_with_them_nor_are_any_made(root, trained, monkeypatch):
    run = root.parent / "before_maps"
    shutil.copytree(trained, run)
    with safe_open(run / STATE, framework="pt") as file:
        said = file.metadata()
    then = {k: v for k, v in json.loads(said["config"]).items() if not k.startswith("priors.")}
    save_file(load_file(trained / STATE), run / STATE, said | {"config": json.dumps(then)})
    monkeypatch.setattr(loop, "_priors", lambda *_: pytest.fail("maps were made"))
    with pytest.raises(TrainingError, match=r"'priors.model' was null .* is \"nano\" now"):
        train(config_at(root, "before_maps", data="[priors]\nmodel = 'nano'\n"), resume=True)


def test_a_run_may_be_resumed_for_longer_and_at_another_pace(root, trained):
    run = root.parent / "longer"
    shutil.copytree(trained, run)
    options = OPTIONS.replace(f"steps = {STEPS}", f"steps = {STEPS + 1}") + "threads = 1\nworkers = 1\n"
    train(config_at(root, "longer", options), resume=True)
    assert len(rows(run)) == STEPS + 1


def test_a_run_keeps_its_classes_whatever_its_data_annotates_by_now(root, trained):
    """The same weights would get other names."""
    run = root.parent / "renamed"
    shutil.copytree(trained, run)
    before = checkpoint.load(run / MODEL)[1].names
    data = root.parent / "other-words"
    shutil.copytree(root, data)
    classes = {"A": {"spleen": 1, "aorta": 2, "union_organs": 3, "thing": 4}}
    (data / "SAMed2D_v1_class_mapping_id.json").write_text(json.dumps({"A": classes["A"], "B": classes["A"]}))
    path = root.parent / "renamed.toml"
    path.write_text(f'run = "renamed"\n{OPTIONS.replace("steps = 5", "steps = 6")}\n[data]\nroot = "other-words"\n')
    train(path, resume=True)
    assert checkpoint.load(run / MODEL)[1].names == before


def test_to_resume_neither_the_backbone_nor_the_warm_start_is_needed(root, trained):
    run = root.parent / "alone"
    shutil.copytree(trained, run)
    options = OPTIONS.replace("steps = 5", "steps = 6") + 'warm_start = "deleted.safetensors"\n'
    train(config_at(root, "alone", options), resume=True)
    assert len(rows(run)) == 6
