import numpy as np
import pytest
import torch

from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.engine import zoom
from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.engine.zoom_look import PicturePrompts, ZoomLook
from napari_segsam.model.zoom_encoder import SliceFeatures
from tests.tiny import TINY_NANO, tiny, trust_the_prior

SHAPE = (80, 100)
FRAME = PictureFrame(*SHAPE, *SHAPE)
PICTURE = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(0))


class Watched(ZoomLook):
    """Notes which prompts were put to the model in which squares."""

    def __init__(self, model):
        super().__init__(model, model.config.zoom)
        self.asked = []

    def _look(self, picture, features, scale, prompts, squares):
        self.asked.append((prompts, squares))
        return super()._look(picture, features, scale, prompts, squares)


@pytest.fixture(scope="module")
def model():
    return trust_the_prior(tiny())


@pytest.fixture
def look(model):
    return Watched(model)


def answered(look, prompts):
    square, scale = zoom.fit_slice(PICTURE, TINY_NANO.img_size)
    with torch.inference_mode():
        features = look.model.encode(square.expand(3, -1, -1).unsqueeze(0))
        return look.answer(PICTURE, features, scale, PicturePrompts.of(prompts, FRAME))


def on_picture(answer):
    return zoom.paste(answer.masks[:1], answer.square, SHAPE)[0].numpy() > 0


def test_a_box_is_looked_at_once_with_its_margin(look):
    answer = answered(look, Prompts(box=Box(20, 30, 39, 69)))
    ((_, squares),) = look.asked
    assert [s.side for s in squares] == [round(40 * TINY_NANO.zoom.margin)]
    assert abs(answer.square.row0 + (answer.square.side - 1) / 2 - 29.5) <= 0.5
    assert abs(answer.square.col0 + (answer.square.side - 1) / 2 - 49.5) <= 0.5


def test_a_small_box_is_looked_at_in_the_least_square(look):
    assert answered(look, Prompts(box=Box(20, 30, 21, 30))).square.side == TINY_NANO.zoom.least


def test_a_lone_click_is_looked_at_in_several_sizes_round_it(look):
    answered(look, Prompts((Click(40, 50),)))
    ((prompts, squares),) = look.asked
    assert prompts.is_lone_click
    assert len(squares) == TINY_NANO.zoom.scales
    assert len({s.side for s in squares}) == len(squares)
    for s in squares:
        assert s.row0 <= 40 < s.row0 + s.side and s.col0 <= 50 < s.col0 + s.side


def test_a_clear_prompt_takes_sams_first_mask_and_a_click_one_of_the_others(look):
    assert answered(look, Prompts(box=Box(20, 30, 39, 49))).order[0] == 0
    clicked = answered(look, Prompts((Click(40, 50),)))
    assert sorted(clicked.order) == [1, 2, 3]
    values = clicked.iou
    assert len(values) == 3 and all(0 <= v <= 1 for v in values)


def test_alternatives_are_ranked_by_their_predicted_iou(look):
    answer = answered(look, Prompts(box=Box(20, 30, 39, 49)))
    assert sorted(answer.order) == [0, 1, 2, 3]
    assert answer.iou[1:] == sorted(answer.iou[1:], reverse=True)


def test_a_mask_that_runs_out_of_its_crop_loses_to_one_that_does_not(look, model):
    """Three masks with equal predicted IoU in each of two crops; only one of the six stays inside."""
    with torch.inference_mode():
        square, scale = zoom.fit_slice(PICTURE, 64)
        features = model.encode(square.expand(3, -1, -1).unsqueeze(0))
        prompts = PicturePrompts.of(Prompts((Click(40, 50),)), FRAME)
        squares = look._squares(PICTURE, features, scale, prompts)
        output, insides = look._look(PICTURE, features, scale, prompts, squares)
        output.iou = torch.full_like(output.iou, 0.8)
        output.mask_logits = torch.ones_like(output.mask_logits)
        output.mask_logits[1, 2] = -1
        output.mask_logits[1, 2, 10:20, 10:20] = 1
        chosen = look._choose(squares, output, [torch.ones_like(i) for i in insides], prompts)
    assert (chosen.row, chosen.order[0], chosen.square) == (1, 2, squares[1])


def test_several_clicks_start_from_the_first_ones_answer(look):
    clicks = (Click(30, 40, False), Click(40, 50), Click(46, 50))
    answered(look, Prompts(clicks))
    (first, _), (second, squares) = look.asked
    assert (first.clicks, first.last, first.box) == ((Click(40, 50),), None, None)
    assert second.clicks == clicks
    assert second.last.shape == (1, *SHAPE)
    assert bool(second.last[0, 40, 50] > 0.5)
    assert len(squares) == 1


def test_several_clicks_on_nothing_are_still_answered(look, model, monkeypatch):
    answer = ZoomLook.answer

    def empty_first(self, picture, features, scale, prompts):
        found = answer(self, picture, features, scale, prompts)
        if prompts.is_lone_click:
            found.output.mask_logits.fill_(-1)
        return found

    monkeypatch.setattr(ZoomLook, "answer", empty_first)
    found = answered(look, Prompts((Click(40, 50), Click(44, 50))))
    assert look.asked[-1][0].last is None
    assert found.order[0] == 0


def test_clicks_beside_a_box_or_a_mask_are_looked_at_at_once(look):
    mask = np.zeros(SHAPE, bool)
    mask[20:40, 30:50] = True
    answered(look, Prompts((Click(30, 40), Click(35, 40, False)), Box(20, 30, 39, 49)))
    answered(look, Prompts((Click(30, 40), Click(35, 40, False)), mask=mask))
    assert len(look.asked) == 2


def test_a_correction_sees_the_last_mask_the_box_and_all_clicks(look):
    mask = np.zeros(SHAPE, bool)
    mask[20:40, 30:50] = True
    answer = answered(look, Prompts((Click(30, 40), Click(60, 80)), Box(18, 30, 39, 49), mask))
    low = answer.square.row0, answer.square.col0
    high = low[0] + answer.square.side, low[1] + answer.square.side
    assert low[0] <= 18 and low[1] <= 30 and high[0] > 60 and high[1] > 80
    assert abs(int((on_picture(answer) ^ mask).sum())) < 0.15 * mask.sum()  # the prior is the last mask


def test_a_mask_too_small_for_the_picture_is_left_out():
    """A slice of 4000 pixels is shown with 1536; one pixel of it is not seen."""
    frame = PictureFrame(4000, 4000, 1536, 1536)
    mask = np.zeros((4000, 4000), bool)
    mask[1001, 1001] = True
    assert PicturePrompts.of(Prompts((Click(1000, 1000),), mask=mask), frame).last is None


def test_prompts_move_with_the_picture():
    frame = PictureFrame(40, 100, 80, 100)
    prompts = PicturePrompts.of(Prompts((Click(10, 20),), Box(0, 0, 39, 99), np.ones((40, 100), bool)), frame)
    assert prompts.clicks == (Click(20.5, 20),)
    assert prompts.box == Box(0, 0, 79, 99)
    assert prompts.last.shape == (1, 80, 100)


def test_the_expected_size_of_a_clicked_object_sets_the_squares(look, model, monkeypatch):
    sides = {}
    for n, bin_index in (("small", 0), ("large", TINY_NANO.zoom.size_bins - 1)):
        logits = torch.full((1, TINY_NANO.zoom.size_bins), -9.0)
        logits[0, bin_index] = 9.0
        monkeypatch.setattr(model.size_head, "forward", lambda features, points, logits=logits: logits)
        features = SliceFeatures(torch.zeros(1, 16, 4, 4))
        prompts = PicturePrompts.of(Prompts((Click(40, 50),)), FRAME)
        sides[n] = [s.side for s in look._squares(PICTURE, features, 0.64, prompts)]
    assert max(sides["small"]) < min(sides["large"])
    assert max(sides["large"]) >= max(SHAPE)
