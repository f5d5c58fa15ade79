"""What a run teaches, what it leaves behind, and how its scores are fitted."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from napari_segsam.core.prompts import Box, Prompts
from napari_segsam.engine.predictor import load_predictor
from napari_segsam.model import checkpoint
from napari_segsam.train import beginning
from napari_segsam.train.calibration import calibrate
from napari_segsam.train.config import read_config
from napari_segsam.train.loop import CURVES, LOCK, LOG, start, train
from napari_segsam.train.trainer import MODEL, STATE, TrainingError
from tests.tiny import picture_view
from tests.train import sa_med2d
from tests.train.loop.runs import OPTIONS, STEPS, config_at, rows, tiny_preset


def test_a_run_leaves_a_state_a_model_and_a_row_for_each_step(trained):
    assert sorted(p.name for p in trained.iterdir()) == sorted([STATE, MODEL, LOG, CURVES, LOCK])
    assert [int(r["step"]) for r in rows(trained)] == list(range(STEPS))
    assert all(np.isfinite(float(v)) for r in rows(trained) for v in r.values() if v)
    assert all(r["total"] and r["binary"] for r in rows(trained))


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


def test_one_class_is_enough(root):
    data = root.parent / "single"
    shutil.copytree(root, data)
    listing = sa_med2d.listing_of(data)
    sa_med2d.describe(data, {image: masks[:1] for image, masks in listing.items()})
    path = root.parent / "single.toml"
    path.write_text(f'run = "single-run"\n{OPTIONS}\n[data]\nroot = "single"\n')
    assert checkpoint.load(train(path))[1].names == ("liver",)


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
