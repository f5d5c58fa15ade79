"""ViTs with another branch beside them, trained as any other."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from napari_segsam.core.prompts import Box, Prompts
from napari_segsam.engine.predictor import load_predictor
from napari_segsam.model import build as building
from napari_segsam.model.sam_weights import is_branch
from napari_segsam.train import beginning
from napari_segsam.train.config import read_config
from napari_segsam.train.loop import start, train
from napari_segsam.train.trainer import STATE
from tests.tiny import SLIM_VIT, TINY_VIT, picture_view
from tests.train.loop.runs import OPTIONS, config_at, rows


@pytest.fixture(autouse=True)
def slim(monkeypatch):
    monkeypatch.setitem(building._VITS, "vit_b", SLIM_VIT)
    monkeypatch.setattr(
        beginning, "preset", lambda _name, k: replace(TINY_VIT, dim=32, n_classes=k, n_aspects=5, text_dim=384)
    )


def config(root, branch, run, options=OPTIONS, data=""):
    method = f'{data}[method]\nbranch = "{branch}"\nencoder_mode = "frozen"\n'
    return config_at(root, run, f'model = "vit_b"\n{options}', method)


def test_a_branch_is_trained_saved_and_asked(root):
    path = train(config(root, "pyramid", "met"))
    assert all(np.isfinite(float(v)) for r in rows(path.parent) for v in r.values() if v)
    predictor = load_predictor(path, "cpu")
    view = picture_view(np.asarray(Image.open(next((root / "images").iterdir()))))
    answer = predictor.predict(predictor.embed(view, None), Prompts(box=Box(6, 6, 24, 24)))
    assert answer.mask.shape == view.shape


def test_a_run_with_counts_in_its_weights_goes_on_where_it_stopped(root):
    """Batch normalisation counts its batches in whole numbers, of which there is no average."""
    whole = load_file(train(config(root, "aggregation", "counted")).parent / STATE)
    part = config(root, "aggregation", "parted")
    trainer, maker = start(read_config(part))
    for step in range(3):
        trainer.learn(maker[step])
    trainer.config.run.mkdir()
    trainer.save()
    resumed = load_file(train(part, resume=True).parent / STATE)
    assert resumed.keys() == whole.keys()
    assert all(torch.equal(resumed[k], v) for k, v in whole.items())
    counts = [k for k in whole if k.startswith("average.") and k.endswith("num_batches_tracked")]
    assert counts
    assert all(int(whole[k]) == 5 for k in counts)


@pytest.mark.parametrize("branch", ["resnet34", "aggregation", "pyramid"])
def test_the_loss_goes_down_and_the_frozen_vit_stays(root, branch):
    options = "steps = 60\nimages = 1\nwarm_up = 3\nlearning_rate = 0.007\ncorrections = 0.0\nboxes = 1.0"
    path = config(root, branch, f"one-{branch}", options, "synthetic = 0.0\n")
    trainer, maker = start(read_config(path))
    before = {k: p.detach().clone() for k, p in trainer.model.image_encoder.named_parameters(prefix="image_encoder")}
    batch = maker[0]
    totals = [trainer.learn(batch) for _ in range(20)]
    early, late = (np.mean([t["binary"] + t["semantic"] for t in part]) for part in (totals[:3], totals[-3:]))
    assert late < 0.85 * early
    now = dict(trainer.model.image_encoder.named_parameters(prefix="image_encoder"))
    moved = {k for k, v in before.items() if not torch.equal(v, now[k])}
    assert moved
    assert all(is_branch(k) for k in moved)


def test_a_branch_learns_at_the_full_rate_and_the_vit_beside_it_at_the_backbones(root):
    path = config(root, "pyramid", "rates")
    path.write_text(path.read_text().replace('encoder_mode = "frozen"', 'encoder_mode = "full"'))
    trainer, _ = start(read_config(path))
    assert trainer._rate_of("image_encoder.pyramid.level_embed") == 1.0
    assert trainer._rate_of("image_encoder.sam_img_encoder.blocks.0.norm1.weight") == trainer.config.backbone_rate
