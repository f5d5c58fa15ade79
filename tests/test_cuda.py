"""What only a GPU can show: the same answers as on the CPU, and a training that goes on where it stopped."""

import numpy as np
import pytest
import torch

from napari_segsam.core.prediction import dice
from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.engine.predictor import load_predictor
from napari_segsam.train.loop import train
from napari_segsam.train.trainer import MODEL
from tests.conftest import ROOT
from tests.tiny import picture_view, saved, tiny
from tests.train import sa_med2d

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU is available to torch")
NANO = ROOT / "weights" / "nano.safetensors"


ASKED = {"box": Prompts(box=Box(30, 40, 90, 110)), "click": Prompts((Click(60, 70),))}
CONFIG = """
run = "run"
warm_start = "start.safetensors"
images = 2
precision = "bf16"
workers = 2
save_every = 2
steps = {steps}
[data]
root = "data"
"""


@pytest.mark.parametrize("prompts", ASKED.values(), ids=ASKED)
def test_a_gpu_answers_as_the_cpu_does(prompts):
    mask = np.hypot(*(np.mgrid[:160, :180] - np.array([60, 75]).reshape(2, 1, 1))) < 32
    pixels = (60 + 120 * mask + np.random.default_rng(0).normal(0, 8, mask.shape)).clip(0, 255).astype(np.uint8)
    answers = {}
    for device in ("cpu", "cuda"):
        predictor = load_predictor(NANO, device)
        answers[device] = predictor.predict(predictor.embed(picture_view(pixels), None), prompts)
    assert dice(answers["cuda"].mask, answers["cpu"].mask) > 0.97
    assert answers["cuda"].iou_predicted == pytest.approx(answers["cpu"].iou_predicted, abs=0.03)


def test_a_training_on_the_gpu_goes_on_where_it_stopped(tmp_path):
    sa_med2d.write(tmp_path / "data")
    saved(tiny(), tmp_path, "start")
    (tmp_path / "run.toml").write_text(CONFIG.format(steps=2))
    train(tmp_path / "run.toml")
    (tmp_path / "run.toml").write_text(CONFIG.format(steps=4))
    assert load_predictor(train(tmp_path / "run.toml", resume=True), "cuda").name == MODEL.removesuffix(".safetensors")
    log = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert len(log) == 5
    assert "nan" not in "".join(log)
