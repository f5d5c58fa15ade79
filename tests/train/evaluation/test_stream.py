"""The kinds online:box and online:point: each mask is answered first and learnt from then."""

import time

import numpy as np
import pytest

from napari_segsam.core.errors import SegsamError, UnknownNameError
from napari_segsam.core.prediction import dice
from napari_segsam.core.prompts import Box
from napari_segsam.train import learning
from napari_segsam.train.evaluation.asking import OneMask
from napari_segsam.train.evaluation.report import page
from napari_segsam.train.evaluation.run import Evaluation, check_kind
from napari_segsam.train.evaluation.stream import Stream
from napari_segsam.train.evaluation.targets import draw, list_targets
from napari_segsam.train.online import OnlineLearner, OnlineSettings
from napari_segsam.train.priors import PriorSource
from tests import zoo
from tests.tiny import picture_view
from tests.train.evaluation.test_run import data  # noqa: F401 - a fixture


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A learner that is fast and learns fast."""
    monkeypatch.setattr(learning, "OnlineSettings", lambda: OnlineSettings(base=8, side=32, rate=2e-3))


def pictures(n):
    """A bar in each, and the truth."""
    for seed in range(n):
        pixels = np.random.default_rng(seed).integers(0, 60, (64, 64)).astype(np.uint8)
        pixels[26:38, 20:44] += 150
        pixels[18, 32] = pixels[45, 32] = 255  # so that the box of the truth is higher than the bar
        yield picture_view(pixels), pixels > 120


@pytest.fixture(scope="module")
def played():
    """A model that fills the box, on twelve pictures -> the stream, and what was answered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "OnlineSettings", lambda: OnlineSettings(base=8, side=32, rate=2e-3))
        model, stream, masks = zoo.predictor(), Stream("online:box"), []
        for view, truth in pictures(14):
            embedding = model.embed(view, None)
            ask = OneMask(lambda prompts, e=embedding: model.predict(e, prompts))
            (attempt,) = stream.attempts(model, embedding, view, ask, truth, np.random.default_rng(0), "bars")
            masks.append((attempt.mask, ask(attempt.prompts[0]).mask, truth))
            assert attempt.prompts[0].box == Box.around(truth)
        return stream, masks


def test_the_first_five_answers_are_the_models_own(played):
    stream, masks = played
    assert stream.alphas[:5] == [1] * 5
    assert all(np.array_equal(fused, own) for fused, own, _ in masks[:5])


def test_later_ones_are_better_where_the_model_is_always_wrong_alike(played):
    stream, masks = played
    fused, own, truth = masks[-1]
    assert dice(fused, truth) > dice(own, truth) + 0.1
    said = stream.summary()
    assert said["alone_dice_mean"] == pytest.approx(np.mean([dice(o, t) for _, o, t in masks]), abs=1e-4)
    assert said["gain_mean"] == pytest.approx(np.mean([dice(f, t) - dice(o, t) for f, o, t in masks]), abs=1e-4)
    low, high = said["gain_mean_ci"]
    assert low < said["gain_mean"] < high
    assert said["alpha_last"] < said["alpha_mean"] < 1


def test_it_is_a_kind_of_prompt_beside_the_others_and_each_asks_the_model_once(data):  # noqa: F811
    model = zoo.predictor()
    asked, predict = [], model.predict
    model.predict = lambda e, p: asked.append(p) or predict(e, p)
    run = Evaluation(draw(list_targets(data)[0], 6, 0), ("box", "online:box", "online:point"), model)
    list(run.run())
    box, online = run.summary("box"), run.summary("online:box")
    assert online["alone_dice_mean"] == box["dice_mean"] and online["n"] == 6
    assert "gain_mean" in run.summary("online:point") and "gain_mean" not in box
    assert len(asked) == 12  # a box and a point for each mask
    html = page(run, "data")
    assert "online:box" in html and "Worst cases: box" in html


def test_the_seconds_are_of_the_answer_that_a_person_would_wait_for_and_not_of_the_lesson(monkeypatch):
    clock, steps = 0.0, []

    def slow(work, seconds):
        def done(*given):
            nonlocal clock
            clock += seconds
            return work(*given)

        return done

    monkeypatch.setattr(time, "perf_counter", lambda: clock)
    model, stream = zoo.predictor(), Stream("online:box")
    monkeypatch.setattr(model, "predict", slow(model.predict, 1))
    monkeypatch.setattr(model, "logits", slow(model.logits, 10))
    monkeypatch.setattr(OnlineLearner, "answer", slow(OnlineLearner.answer, 100))
    monkeypatch.setattr(OnlineLearner, "lesson", slow(OnlineLearner.lesson, 1000))
    for view, truth in pictures(6):
        embedding = model.embed(view, None)
        ask = OneMask(lambda prompts, e=embedding: model.predict(e, prompts))
        for _ in stream.attempts(model, embedding, view, ask, truth, np.random.default_rng(0)):
            steps.append(ask.take_seconds())
    assert stream.alphas[4:] == [1, stream.alphas[-1]] and stream.alphas[-1] < 1
    assert steps == [1, 1, 1, 1, 1, 111]  # the model's answer, its logits and what was learnt


def test_the_report_of_what_learns_alone_pictures_no_cases(data):  # noqa: F811
    run = Evaluation(draw(list_targets(data)[0], 2, 0), ("online:point",), zoo.predictor())
    list(run.run())
    assert "Worst cases" not in page(run, "data")


@pytest.mark.parametrize("kind", ["online:study", "online:iterative:9", "online:", "online:baseline:ellipse"])
def test_only_what_asks_once_can_be_learnt_from(kind):
    with pytest.raises(UnknownNameError, match="online:"):
        check_kind(kind)


def test_several_processes_cannot_share_what_learns():
    with pytest.raises(SegsamError, match="--processes"):
        Evaluation((), ("box", "online:box"), None, processes=2)


def test_prior_maps_and_what_learns_are_not_asked_together():
    with pytest.raises(SegsamError, match="--priors"):
        Evaluation((), ("online:box",), None, priors=PriorSource(lambda: None, 4))
