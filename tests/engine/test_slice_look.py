import numpy as np
import pytest
import torch

from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.engine import zoom
from napari_segsam.engine.look import PicturePrompts
from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.engine.slice_look import SliceLook
from napari_segsam.model import build as building
from napari_segsam.model.prompt_tokens import BOX_MAX, BOX_MIN, PAD, POSITIVE
from tests.tiny import SLIM_VIT, TINY_VIT, loaded, picture_view, tiny

SHAPE = (50, 100)
FRAME = PictureFrame(*SHAPE, *SHAPE)
PICTURE = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(0)) * 400


@pytest.fixture(scope="module")
def model():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(building._VITS, "vit_b", SLIM_VIT)
        yield tiny(TINY_VIT)


@pytest.fixture
def look(model, monkeypatch):
    look = SliceLook(model)
    look.batches = []
    forward = model.forward

    def watched(features, prompts, zoomed=None):
        look.batches.append(prompts)
        assert zoomed is None
        return forward(features, prompts)

    monkeypatch.setattr(model, "forward", watched)
    return look


def answered(look, prompts):
    square, scale = zoom.fit_slice(PICTURE, look.side)
    normalised = look.normalise(square.expand(3, -1, -1), PICTURE)
    with torch.inference_mode():
        features = look.model.encode(normalised.unsqueeze(0))
        return look.answer(PICTURE, features, scale, PicturePrompts.of(prompts, FRAME))


def test_the_encoder_reads_sams_normalisation_with_zero_padding(look):
    square = torch.cat([torch.full((3, 32, 64), -1.0), torch.zeros(3, 32, 64)], 1)
    square[:, :16] = 1.0
    normalised = look.normalise(square, PICTURE)
    white = [(255 - m) / s for m, s in zip((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), strict=True)]
    black = [-m / s for m, s in zip((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), strict=True)]
    assert normalised[:, 0, 0].tolist() == pytest.approx(white)
    assert normalised[:, 20, 0].tolist() == pytest.approx(black)
    assert bool((normalised[:, 32:] == 0).all())


@pytest.mark.parametrize("height", [25, 50, 51, 52, 53, 54, 55])
def test_every_row_of_the_picture_is_seen_and_no_row_of_padding(look, height):
    picture = torch.ones(1, height, 100)
    square, _ = zoom.fit_slice(picture, look.side)
    normalised = look.normalise(square.expand(3, -1, -1), picture)
    rows = zoom.fitted(picture, look.side)[0]
    assert bool((normalised[:, :rows] != 0).all())
    assert bool((normalised[:, rows:] == 0).all())


def test_prompts_are_in_the_padded_squares_pixels(look):
    answered(look, Prompts((Click(49.5, 99.5),)))
    answered(look, Prompts(box=Box(0, 0, 24, 49)))
    click, box = look.batches
    assert click.labels.tolist() == [[POSITIVE, PAD]]
    assert click.points_xy[0, 0].tolist() == pytest.approx([63.5, 31.5])
    assert box.labels.tolist() == [[BOX_MIN, BOX_MAX]]
    assert box.points_xy[0].flatten().tolist() == pytest.approx([-0.18, -0.18, 31.18, 15.18])


def test_a_click_takes_one_of_the_alternatives_and_a_box_sams_first_mask(look):
    assert sorted(answered(look, Prompts((Click(25, 50),))).order) == [1, 2, 3]
    assert answered(look, Prompts(box=Box(5, 5, 30, 40))).order[0] == 0
    assert answered(look, Prompts((Click(25, 50), Click(30, 50)))).order[0] == 0


def test_masks_come_at_the_padded_squares_resolution(look):
    answer = answered(look, Prompts(box=Box(5, 5, 30, 40)))
    assert answer.on_picture((80, 100)).shape == (5, 80, 100)
    assert answer.output.semantic.mask_logits.shape == (1, 1, 64, 64)
    assert (answer.square.row0, answer.square.col0, answer.square.side) == (0, 0, 100)


def test_the_last_mask_is_prompted_where_it_lies(look):
    mask = np.zeros(SHAPE, bool)
    mask[:25, :50] = True
    answered(look, Prompts((Click(10, 10),), mask=mask))
    (batch,) = look.batches
    assert batch.has_mask.tolist() == [True]
    assert batch.mask_logits.shape == (1, 1, 16, 16)
    inside = batch.mask_logits[0, 0] > 0
    assert inside.nonzero().max(0).values.tolist() == [3, 7]  # a quarter down (half is padding), half across


@pytest.mark.parametrize("shape", [(50, 100), (100, 50), (64, 64), (7, 33)])
def test_a_vit_answers_through_the_predictor(model, tmp_path, monkeypatch, shape):
    monkeypatch.setitem(building._VITS, "vit_b", SLIM_VIT)
    predictor = loaded(model, tmp_path)
    view = picture_view(np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8), (2.0, 1.0))
    embedding = predictor.embed(view, None)
    for prompts in (Prompts((Click(3, 3),)), Prompts(box=Box(1, 1, 5, 20)), Prompts((Click(3, 3), Click(4, 9, False)))):
        answer = predictor.predict(embedding, prompts)
        assert answer.mask.shape == answer.semantic_mask.shape == shape
        assert all(np.isfinite(c.score) for c in answer.classes)
    assert all(s.mask.shape == shape for s in predictor.suggest(embedding))
