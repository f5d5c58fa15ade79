import csv
import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from napari_segsam.core.errors import BadCheckpointError, UnknownNameError, UnreadableInputError, WriteError
from napari_segsam.core.prompts import Box, Prompts
from napari_segsam.engine.predictor import load_predictor
from napari_segsam.model import checkpoint, semantic_decoder
from napari_segsam.train import beginning
from napari_segsam.train import trainer as training
from napari_segsam.train.calibration import calibrate
from napari_segsam.train.config import read_config
from napari_segsam.train.loop import CURVES, LOCK, LOG, start, train
from napari_segsam.train.trainer import MODEL, STATE, Trainer, TrainingError
from tests.tiny import NAMES, TINY_NANO, picture_view, saved, tiny
from tests.train import sa_med2d

STEPS = 5
OPTIONS = f"steps = {STEPS}\nsave_every = 2\nimages = 2\nwarm_up = 2\nlearning_rate = 0.001\ncorrections = 0.5\n"


def tiny_preset(name, n_classes):
    return replace(TINY_NANO, n_classes=n_classes, n_aspects=5, text_dim=384)


def random_cards(cards, encoder):
    return torch.randn(len(list(cards)), 5, 384, generator=torch.Generator().manual_seed(9))


@pytest.fixture(scope="module", autouse=True)
def small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beginning, "preset", tiny_preset)
        patch.setattr(beginning, "embed_cards", random_cards)
        patch.setattr(beginning, "text_encoder", lambda spec, cards: SimpleNamespace(name=spec))
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return sa_med2d.write(tmp_path_factory.mktemp("loop") / "data")


def config_at(root, run, options=OPTIONS, data=""):
    path = root.parent / f"{run}.toml"
    path.write_text(f'run = "{run}"\n{options}\n[data]\nroot = "data"\nsplit = "train"\n{data}')
    return path


@pytest.fixture(scope="module")
def trained(root):
    """An uninterrupted run's folder."""
    return train(config_at(root, "whole")).parent


def rows(run):
    with (run / LOG).open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def test_a_run_leaves_a_state_a_model_and_a_row_for_each_step(trained):
    assert sorted(p.name for p in trained.iterdir()) == sorted([STATE, MODEL, LOG, CURVES, LOCK])
    assert [int(r["step"]) for r in rows(trained)] == list(range(STEPS))
    assert all(np.isfinite(float(v)) for r in rows(trained) for v in r.values() if v)
    assert all(r["total"] and r["binary"] for r in rows(trained))


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


def test_the_exported_checkpoint_answers_prompts(root, trained):
    predictor = load_predictor(trained / MODEL, "cpu")
    assert "liver" in predictor.vocabulary.names
    image = next((root / "images").iterdir())
    view = picture_view(np.asarray(Image.open(image)))
    answer = predictor.predict(predictor.embed(view, None), Prompts(box=Box(6, 6, 24, 24)))
    assert answer.mask.shape == view.shape
    assert {c.name for c in answer.classes} == {"liver", "spleen"}  # the data set's classes that have a card
    assert all(np.isfinite(c.score) for c in answer.classes)


def test_what_is_exported_is_the_average_of_the_weights(trained):
    state, model = load_file(trained / STATE), load_file(trained / MODEL)
    name = "mask_decoder.iou_token.weight"
    assert torch.equal(model[name], state[f"average.{name}"].half())
    assert not torch.equal(state[f"average.{name}"], state[f"model.{name}"])


def test_the_loss_goes_down_on_one_picture(root, monkeypatch):
    monkeypatch.setattr(beginning, "preset", lambda name, k: replace(tiny_preset(name, k), dim=32))
    options = "steps = 60\nimages = 1\nwarm_up = 3\nlearning_rate = 0.004\ncorrections = 0.0\nboxes = 1.0"
    trainer, maker = start(read_config(config_at(root, "one", options, "synthetic = 0.0\n")))
    batch = maker[0]
    totals = [trainer.learn(batch) for _ in range(30)]
    early, late = (np.mean([t["binary"] + t["semantic"] for t in part]) for part in (totals[:3], totals[-3:]))
    assert late < 0.8 * early


def test_a_frozen_decoder_of_sams_is_neither_moved_nor_remembered(root):
    data = "synthetic = 0.0\n[method]\ntrain_sag = false\n"
    trainer, maker = start(read_config(config_at(root, "still", data=data)))
    before = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    trainer.learn(maker[0])
    moved = {k for k, v in trainer.model.state_dict().items() if not torch.equal(v, before[k])}
    assert any(k.startswith("semantic_decoder.") for k in moved)
    assert not any(k.startswith("mask_decoder.") for k in moved)
    learned = [p for n, p in trainer.model.named_parameters() if not n.startswith("mask_decoder.")]
    assert {id(p) for g in trainer.optimiser.param_groups for p in g["params"]} == {id(p) for p in learned}
    frozen = trainer.model.mask_decoder.parameters()
    assert all(p.grad is None and p not in trainer.optimiser.state for p in frozen)


def test_a_mask_for_each_class_is_trained_saved_and_asked(root):
    path = train(config_at(root, "each", data='[method]\ncls_head = "k_masks"\n'))
    predictor = load_predictor(path, "cpu")
    view = picture_view(np.asarray(Image.open(next((root / "images").iterdir()))))
    answer = predictor.predict(predictor.embed(view, None), Prompts(box=Box(6, 6, 24, 24)))
    assert answer.semantic_mask.shape == view.shape
    assert {c.name for c in answer.classes} == {"liver", "spleen"}
    assert sum(c.score for c in answer.classes) == pytest.approx(1)


def test_more_classes_than_masks_are_offered_for_are_refused_before_training(root, monkeypatch):
    monkeypatch.setattr(semantic_decoder, "_MOST_MASKS", 1)
    with pytest.raises(UnreadableInputError, match=r"\[method\]: cls_head 'k_masks' .* not 2; choose"):
        train(config_at(root, "too-many", data='[method]\ncls_head = "k_masks"\n'))


def test_a_loss_that_is_not_finite_stops_and_names_the_files(root):
    trainer, maker = start(read_config(config_at(root, "nan", data="synthetic = 0.0\n")))
    with torch.no_grad():
        trainer.model.mask_decoder.iou_token.weight.fill_(float("nan"))
    before = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    batch = maker[0]
    with pytest.raises(TrainingError, match=r"nan at step 0.*ct_00--.*\.png"):
        trainer.learn(batch)
    assert trainer.step == 0
    assert all(torch.equal(v, before[k]) or v.isnan().any() for k, v in trainer.model.state_dict().items())


def test_the_rate_warms_up_and_ends_at_zero(root):
    options = "steps = 100\nwarm_up = 10\nlearning_rate = 0.01"
    trainer, _ = start(read_config(config_at(root, "rate", options)))
    rates = [trainer.rate(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.001)
    assert max(rates) == pytest.approx(rates[9], rel=0.05)
    assert rates[100] == pytest.approx(0, abs=1e-12)
    assert rates[9:] == sorted(rates[9:], reverse=True)


def test_the_backbone_learns_slowly_and_nothing_thin_decays(root):
    trainer, _ = start(read_config(config_at(root, "groups")))
    rates = {id(p): (g["rate"], g["weight_decay"]) for g in trainer.optimiser.param_groups for p in g["params"]}
    named = dict(trainer.model.named_parameters())
    assert len(rates) == len(named)
    assert rates[id(named["image_encoder.backbone.stem.weight"])] == (0.25, 0.01)
    assert rates[id(named["image_encoder.slice_neck.fine.weight"])] == (1.0, 0.01)
    assert rates[id(named["mask_decoder.iou_token.weight"])] == (0.5, 0.01)
    assert rates[id(named["mask_decoder.prior_trust"])] == (0.5, 0.0)


def test_a_term_of_weight_zero_teaches_nothing(root):
    data = "synthetic = 0.0\n[losses]\n" + "".join(
        f"{name} = 0\n" for name in ("semantic", "classes", "co_classes", "co_masks", "alignment", "text", "size")
    )
    trainer, maker = start(read_config(config_at(root, "binary", data=data)))
    trainer.learn(maker[0])
    learned = {n for n, p in trainer.model.named_parameters() if p.grad is not None}
    assert any(n.startswith("mask_decoder.") for n in learned)
    assert not any(n.startswith(("semantic_decoder.", "size_head.")) for n in learned)


def test_an_unknown_key_is_refused_by_name_before_anything_is_written(root):
    with pytest.raises(UnreadableInputError, match="'stepps'"):
        train(config_at(root, "typo", "stepps = 3"))
    assert not (root.parent / "typo").exists()


def test_excluding_every_data_set_is_refused(root):
    with pytest.raises(UnreadableInputError, match="exclude"):
        train(config_at(root, "none", data='exclude = ["A", "B"]\n'))


def test_there_must_be_something_to_resume(root):
    with pytest.raises(BadCheckpointError, match="nothing to resume in fresh"):
        train(config_at(root, "fresh"), resume=True)


@pytest.mark.parametrize("module", [training, checkpoint])
def test_a_full_disk_ends_the_run_in_one_sentence_and_leaves_what_was_saved(root, trained, monkeypatch, module):
    run = root.parent / f"full-{module.__name__.rsplit('.', 1)[-1]}"
    shutil.copytree(trained, run)
    before = {p.name: p.read_bytes() for p in run.iterdir()}
    longer = OPTIONS.replace(f"steps = {STEPS}", f"steps = {STEPS + 1}")

    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise SafetensorError("Error while serializing: No space left on device")

    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(WriteError, match=r"step 6 was not saved .*No space left.*--resume"):
        train(config_at(root, run.name, longer), resume=True)
    after = {p.name: p.read_bytes() for p in run.iterdir()}
    assert after.pop(LOG).startswith(before.pop(LOG))
    assert after == before


def test_a_disk_that_is_full_at_the_very_end_leaves_the_trained_model(root, trained, monkeypatch):
    run = root.parent / "end"
    shutil.copytree(trained, run)
    before = (run / MODEL).read_bytes()

    def full(path, model, header):
        raise SafetensorError("Error while serializing: No space left on device")

    monkeypatch.setattr(checkpoint, "save", full)
    with pytest.raises(WriteError, match=r"scores were not saved .*No space left.*--resume"):
        train(config_at(root, "end"), resume=True)
    assert (run / MODEL).read_bytes() == before


# --- scores after training


def test_a_finished_run_fits_its_scores_on_pictures_that_it_has_not_seen(root, trained, caplog):
    fitted = checkpoint.load(trained / MODEL)[1]
    with caplog.at_level("INFO"):
        path = train(config_at(root, "raw", OPTIONS + "calibrate = false\n"))
    raw = checkpoint.load(path)[1]
    assert (raw.temperature, raw.suggest_at) == (1.0, 0.5)
    assert "fitting scores" not in caplog.text
    assert calibrate(path, root, "val") == fitted != raw


@pytest.mark.parametrize("options", ['split = "all"', 'exclude = ["B"]'])
def test_what_was_trained_on_or_left_out_fits_no_scores(root, caplog, options):
    """The first four pictures are for training; here the only ones for validation are of data set B."""
    data = root.parent / "sides"
    if not data.exists():
        shutil.copytree(root, data)
        split = json.loads((data / "split.json").read_text())
        (data / "split.json").write_text(json.dumps(split | {"val": [v for v in split["val"] if "--B--" in v]}))
    config = root.parent / "sides.toml"
    config.write_text(f'run = "sides-{options[:5]}"\n{OPTIONS}\n[data]\nroot = "sides"\n{options}\n')
    header = checkpoint.load(train(config))[1]
    assert (header.temperature, header.suggest_at) == (1.0, 0.5)
    assert "not calibrated" in caplog.text


# --- a folder that holds a run already


@pytest.mark.parametrize(("name", "way_out"), [(STATE, "pass --resume or"), (MODEL, f"{MODEL}.; choose another")])
def test_a_new_run_does_not_overwrite_one_that_is_there(root, name, way_out):
    run = root.parent / "taken"
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir()
    for kept in (name, LOG):
        (run / kept).write_text("hours of work")
    with pytest.raises(WriteError, match=rf"taken already holds a run .*{way_out}"):
        train(config_at(root, "taken"))
    assert {p.name: p.read_text() for p in run.iterdir()} == dict.fromkeys((name, LOG), "hours of work")


def test_a_run_folder_that_cannot_be_made_is_refused_by_name(root):
    (root.parent / "file").write_text("no folder")
    with pytest.raises(WriteError, match=r"file.*choose another folder"):
        train(config_at(root, "file"))


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


# --- what a run starts from


def test_a_warm_start_takes_the_weights_and_not_the_optimiser(root, trained):
    options = f'{OPTIONS}warm_start = "whole/{MODEL}"'
    trainer, _ = start(read_config(config_at(root, "warm", options)))
    model, _ = checkpoint.load(trained / MODEL)
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in trainer.model.state_dict().items())
    assert (trainer.step, trainer.optimiser.state_dict()["state"]) == (0, {})


def test_a_warm_start_brings_its_own_classes_and_sizes_along(root):
    """Its class 2 stays class 2, whatever the cards and the data are."""
    saved(tiny(), root.parent, "other")
    trainer, _ = start(read_config(config_at(root, "cold", OPTIONS + 'warm_start = "other.safetensors"')))
    assert trainer.header.names == NAMES
    assert trainer.model.config == TINY_NANO


@pytest.mark.parametrize(
    ("options", "why"), [('model = "vit_b"\n', "it is no vit_b"), ("[method]\nco = 'off'\n", "co_tokens")]
)
def test_a_warm_start_from_another_model_is_refused_by_name(root, options, why):
    saved(tiny(), root.parent, "other")
    model = options if "model" in options else ""
    text = f'{OPTIONS}{model}warm_start = "other.safetensors"\n{"" if model else options}'
    with pytest.raises(BadCheckpointError, match=rf"other\.safetensors cannot be the warm start .*{why}"):
        train(config_at(root, "colder", text))


def test_a_warm_start_that_is_not_there_is_refused_by_name(root):
    with pytest.raises(BadCheckpointError, match=r"none\.safetensors cannot be the warm start"):
        train(config_at(root, "coldest", OPTIONS + 'warm_start = "none.safetensors"'))


@pytest.mark.parametrize("content", [None, b"no weights"])
def test_a_backbone_that_is_none_is_refused_by_name(root, content):
    path = root.parent / "backbone.safetensors"
    path.unlink(missing_ok=True)
    if content:
        path.write_bytes(content)
    with pytest.raises(BadCheckpointError, match=r"backbone\.safetensors"):
        train(config_at(root, "based", OPTIONS + 'backbone = "backbone.safetensors"'))


def test_a_backbone_is_taken_without_its_classifier(root):
    torch.manual_seed(3)
    tensors = {k: torch.randn_like(v) for k, v in tiny().image_encoder.backbone.state_dict().items()}
    save_file({**tensors, "head.weight": torch.zeros(2)}, root.parent / "good.safetensors")
    trainer, _ = start(read_config(config_at(root, "good", OPTIONS + 'backbone = "good.safetensors"')))
    mine = trainer.model.image_encoder.backbone.state_dict()
    assert all(torch.equal(v, mine[k]) for k, v in tensors.items())


# --- going on with other words


def test_a_run_is_not_resumed_with_another_objective(root, trained):
    run = root.parent / "moved"
    shutil.copytree(trained, run)
    with pytest.raises(TrainingError, match=r"'losses.text' was 0.25 .* is 1.0 now"):
        train(config_at(root, "moved", data="[losses]\ntext = 1.0\n"), resume=True)


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


def test_a_slip_in_what_is_to_be_left_out_is_refused_by_name(root):
    with pytest.raises(UnknownNameError, match="'a'"):
        train(config_at(root, "slip", data='exclude = ["a"]\n'))


def test_two_programs_do_not_train_in_one_folder(root):
    run = root.parent / "shared"
    run.mkdir()
    with FileLock(run / LOCK), pytest.raises(WriteError, match="another program is training there"):
        train(config_at(root, "shared"))


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


def test_a_method_that_no_weighed_term_can_teach_is_refused(root):
    losses = "".join(
        f"{n} = 0\n" for n in ("binary", "semantic", "classes", "co_classes", "co_masks", "alignment", "size")
    )
    with pytest.raises(TrainingError, match=r"No term of \[losses\]"):
        train(config_at(root, "mute", data=f'[losses]\n{losses}[method]\ntext_mode = "off"\n'))


def test_a_warm_start_beside_a_backbone_is_refused(root):
    with pytest.raises(UnreadableInputError, match="leave 'backbone' out"):
        train(config_at(root, "both", OPTIONS + 'warm_start = "a.safetensors"\nbackbone = "b.safetensors"\n'))


def test_one_class_is_enough(root):
    data = root.parent / "single"
    shutil.copytree(root, data)
    listing = sa_med2d.listing_of(data)
    sa_med2d.describe(data, {image: masks[:1] for image, masks in listing.items()})
    path = root.parent / "single.toml"
    path.write_text(f'run = "single-run"\n{OPTIONS}\n[data]\nroot = "single"\n')
    assert checkpoint.load(train(path))[1].names == ("liver",)
