"""A model that learns: off it is the model itself, on its first answers are fused with what was learnt."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Window
from napari_segsam.engine.cache import EmbeddingCache
from napari_segsam.engine.zoo.prior_maps import clickable
from napari_segsam.train.learning import LearningPredictor, picture_of
from napari_segsam.train.online import OnlineSettings
from tests import zoo
from tests.fakes import FakePredictor, block_volume
from tests.tiny import loaded, picture_view, tiny

SMALL = OnlineSettings(base=8, side=32, rate=2e-3)
BOX = Prompts(box=Box(20, 20, 43, 43))
CLICK = Prompts((Click(32, 32),))


def a_view(seed=0, shape=(64, 64)):
    pixels = np.random.default_rng(seed).integers(0, 60, shape).astype(np.uint8)
    pixels[26:38, 20:44] += 150
    return picture_view(pixels)


TRUTH = a_view().pixels > 120
"""A bar in the box of which the model draws all."""


def taught(times=8, model=None):
    """A model that was told as often that of what it draws in the box only the bar is right."""
    learning = LearningPredictor(zoo.predictor() if model is None else model, SMALL)
    learning.learns = True
    for n in range(times):
        view = a_view(n)
        learning.predict(learning.embed(view, None), BOX)
        teach(learning, view, BOX, view.pixels > 120)
    return learning


def teach(learning, view, prompts, truth, of=None):
    embedding = learning.embed(view, None)
    learning.predict(embedding, prompts)
    return [None for _ in learning.lesson(view, prompts, truth, of)]


@pytest.fixture(scope="module")
def pupil():
    """Not to be taught by a test."""
    return taught()


def same(a, b):
    """Bit for bit."""
    for field in fields(a):
        mine, its = getattr(a, field.name), getattr(b, field.name)
        if field.name in ("candidates", "suggestions"):
            assert len(mine) == len(its) and all(same(m, i) for m, i in zip(mine, its, strict=True))
        elif isinstance(mine, np.ndarray):
            assert np.array_equal(mine, its)
        else:
            assert mine == its
    return True


# --- off


@pytest.mark.parametrize("prompts", [BOX, CLICK])
def test_while_it_does_not_learn_the_answers_are_the_models_bit_for_bit(pupil, prompts, tmp_path):
    for model in (zoo.predictor(), loaded(tiny(), tmp_path)):
        view = a_view(3)
        fresh = LearningPredictor(model)
        embedding = fresh.embed(view, None)
        said = model.predict(embedding, prompts)
        assert same(fresh.predict(embedding, prompts), said)
        assert np.array_equal(fresh.logits(embedding, prompts), model.logits(embedding, prompts))
    pupil.learns = False
    try:
        assert same(
            pupil.predict(pupil.embed(view, None), prompts), zoo.predictor().predict(embedding_of(view), prompts)
        )
    finally:
        pupil.learns = True


def embedding_of(view):
    return zoo.predictor().embed(view, None)


def test_what_it_names_by_itself_is_what_the_model_names():
    model = FakePredictor()
    view = SliceView(block_volume(), 2, 3)
    learning = LearningPredictor(model)
    found = learning.suggest(learning.embed(view, None))
    assert [s.name for s in found] == ["liver", "spleen", "kidney_left"]
    assert all(same(mine, its) for mine, its in zip(found, model.suggest(model.embed(view, None)), strict=True))


def test_before_five_lessons_the_answers_are_the_models_and_nothing_says_otherwise():
    view, model = a_view(9), zoo.predictor()
    learning = taught(4)
    assert (learning.alpha, learning.corrections, learning.lacks, learning.name) == (1, 4, 1, "echo")
    assert same(learning.predict(learning.embed(view, None), BOX), model.predict(model.embed(view, None), BOX))


def test_all_that_it_does_not_change_is_the_models(pupil):
    model = zoo.predictor()
    for name in ("sha256", "device", "vocabulary", "options", "about"):
        assert getattr(pupil, name) == getattr(model, name)
    view, window = a_view(), Window(100, 200)
    assert pupil.digest(view, window) == model.digest(view, window)
    embedding = pupil.embed(view, None)
    assert clickable(pupil).frame_of(embedding) == model.frame_of(embedding)


# --- on


def test_a_first_answer_is_fused_and_better_where_the_model_is_always_wrong_alike(pupil):
    view = a_view(20)
    embedding = pupil.embed(view, None)
    said, own = pupil.predict(embedding, BOX), zoo.predictor().predict(embedding, BOX)
    assert pupil.alpha < 0.7 and pupil.lacks == 0
    wrong = [(a.mask != (view.pixels > 120)).sum() for a in (said, own)]
    assert wrong[0] < 0.5 * wrong[1]
    outside = np.ones(view.shape, bool)
    outside[20:44, 20:44] = False
    assert np.array_equal(said.mask[outside], own.mask[outside])


def test_nobody_has_predicted_how_good_a_fused_mask_is_and_the_models_own_can_still_be_chosen(pupil):
    view = a_view(20)
    embedding = pupil.embed(view, None)
    said, own = pupil.predict(embedding, BOX), zoo.predictor().predict(embedding, BOX)
    assert said.iou_predicted is None and said.window == own.window and said.classes == own.classes
    assert said.candidates[0].mask is said.mask and said.candidates[0].iou_predicted is None
    assert all(same(a, b) for a, b in zip(said.candidates[1:-1], own.candidates[1:], strict=True))
    assert np.array_equal(said.candidates[-1].mask, own.mask)
    assert said.candidates[-1].iou_predicted == own.iou_predicted


def test_the_name_says_how_much_was_learnt_and_the_cache_does_not_mind(pupil):
    assert pupil.name == f"echo + learnt {1 - pupil.alpha:.2f}"
    assert pupil.sha256 == zoo.predictor().sha256


@pytest.mark.parametrize(
    "prompts",
    [Prompts(CLICK.clicks, mask=TRUTH), Prompts((*CLICK.clicks, Click(22, 22, False))), replace(BOX, mask=TRUTH)],
)
def test_an_answer_that_corrects_is_the_models_own(pupil, prompts):
    view = a_view(20)
    embedding = pupil.embed(view, None)
    assert same(pupil.predict(embedding, prompts), zoo.predictor().predict(embedding, prompts))


def test_a_slice_that_it_was_not_told_of_is_answered_by_the_model_alone(pupil):
    view = a_view(20)
    elsewhere = zoo.predictor().embed(view, None)
    assert same(pupil.predict(elsewhere, BOX), zoo.predictor().predict(elsewhere, BOX))
    arrays = pupil.to_arrays(elsewhere)
    assert not np.array_equal(
        pupil.predict(pupil.from_arrays(view, None, arrays, 1.0), BOX).mask,
        zoo.predictor().predict(elsewhere, BOX).mask,
    )


def test_no_scan_is_kept_alive_by_what_was_made_of_it(pupil):
    view = a_view(21)
    embedding = pupil.embed(view, None)
    del view
    assert same(pupil.predict(embedding, BOX), zoo.predictor().predict(embedding, BOX))


# --- learning


def test_a_lesson_is_about_the_answer_to_the_first_prompt_whatever_corrected_it(monkeypatch):
    model, view, asked = zoo.predictor(), a_view(), []
    learning = LearningPredictor(model, SMALL)
    real = model.logits
    monkeypatch.setattr(model, "logits", lambda e, p: asked.append(p) or real(e, p))
    corrected = Prompts((Click(30, 30), Click(22, 22, False), Click(31, 40)), mask=TRUTH)
    teach(learning, view, corrected, TRUTH)
    teach(learning, view, replace(corrected, box=BOX.box), TRUTH)
    assert [(p.clicks, p.box, p.mask) for p in asked] == [((Click(30, 30),), None, None), ((), BOX.box, None)]


def test_a_lesson_takes_as_many_pieces_as_crops_and_one_for_the_models_logits():
    learning = LearningPredictor(zoo.predictor(), SMALL)
    assert [len(teach(learning, a_view(n), BOX, TRUTH)) for n in range(10)] == [2, 3, 4, 5, 6, 7, 8, 9, 9, 9]


def test_the_same_object_again_is_no_further_correction():
    learning = LearningPredictor(zoo.predictor(), SMALL)
    for n in range(3):
        teach(learning, a_view(), BOX, TRUTH, of=1)
        assert (learning.corrections, learning.lacks) == (1, 4), n
    teach(learning, a_view(), BOX, TRUTH, of=2)
    assert learning.corrections == 2


def test_nothing_is_learnt_where_nothing_was_asked_or_the_first_prompt_gave_nothing():
    model = zoo.predictor()
    model.model.answer = lambda features, prompts: zoo.Masks(torch.full((1, 4, 64, 64), -1.0), None)
    learning, view = LearningPredictor(model, SMALL), a_view()
    assert list(learning.lesson(view, CLICK, TRUTH)) == []
    teach(learning, view, CLICK, TRUTH)
    assert learning.corrections == 0


def test_nothing_is_learnt_on_a_slice_whose_embedding_is_gone():
    learning, view, cache = LearningPredictor(zoo.predictor(), SMALL), a_view(), EmbeddingCache()
    learning.predict(cache.embedding(learning, view, None), BOX)
    cache.clear()
    assert list(learning.lesson(view, BOX, TRUTH)) == []


def test_it_learns_on_slices_that_another_one_of_the_same_weights_embedded():
    """As after loading the model anew on another device, with other options or a class more."""
    view, cache = a_view(), EmbeddingCache()
    former = LearningPredictor(zoo.predictor(), SMALL)
    cache.embedding(former, view, None)
    learning = LearningPredictor(zoo.predictor(), SMALL)
    learning.predict(cache.embedding(learning, view, None), BOX)
    assert list(learning.lesson(view, BOX, TRUTH)) != []
    assert (learning.corrections, former.corrections) == (1, 0)


def test_after_forgetting_it_answers_alone_and_a_lesson_under_way_is_lost():
    learning = taught(6)
    view = a_view(30)
    embedding = learning.embed(view, None)
    learning.predict(embedding, BOX)
    lesson = learning.lesson(view, BOX, TRUTH)
    next(lesson), next(lesson)
    learning.forget()
    assert list(lesson) == []
    assert (learning.alpha, learning.corrections, learning.lacks) == (1, 0, 5)
    assert same(learning.predict(embedding, BOX), zoo.predictor().predict(embedding, BOX))


@pytest.mark.parametrize("number", ["alpha", "lacks", "corrections"])
def test_its_numbers_can_be_read_while_another_thread_forgets(number):
    class Fickle(LearningPredictor):
        """Another thread forgets between any two looks at what was learnt."""

        @property
        def _learner(self):
            learnt, self.learnt = self.learnt, None
            return learnt

        @_learner.setter
        def _learner(self, learner):
            self.learnt = learner

    fickle = Fickle(zoo.predictor(), SMALL)
    fickle._learner = fickle._new()
    assert getattr(fickle, number) == {"alpha": 1, "lacks": 5, "corrections": 0}[number]


def test_a_gpu_that_fails_takes_along_what_was_learnt_and_the_answer_is_the_models(monkeypatch, caplog):
    learning, view = taught(6), a_view(40)
    embedding = learning.embed(view, None)

    def fails(crop, logits):
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(learning._learner, "answer", fails)
    assert same(learning.predict(embedding, BOX), zoo.predictor().predict(embedding, BOX))
    assert learning.corrections == 0 and "what was learnt is gone" in caplog.text
    teach(learning, a_view(), BOX, TRUTH)
    assert learning.corrections == 1


def test_the_picture_is_what_the_model_was_shown_in_256_levels():
    ct = np.array([[-1000, -160, 40], [240, 500, 3000]], np.int16)
    view = picture_view(ct, modality="ct")
    assert picture_of(view, Window(40, 400)).tolist() == [[0, 0, 128], [255, 255, 255]]
    dark = picture_view(ct, modality="xray", inverted=True)
    assert picture_of(dark, Window(40, 400)).tolist() == [[255, 255, 128], [0, 0, 0]]
    rgb = np.arange(2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 3)
    assert np.array_equal(picture_of(picture_view(rgb, modality="rgb"), None), rgb)
