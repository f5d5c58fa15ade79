import numpy as np
import pytest
import torch

from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.engine import zoom
from napari_segsam.engine.look import PicturePrompts, likeliest
from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.engine.zoom_look import ZoomLook
from napari_segsam.model.segsam import SegSamOutput
from napari_segsam.model.semantic_decoder import SemanticOutput
from napari_segsam.model.zoom_encoder import SliceFeatures
from tests.tiny import TINY_NANO, tiny, trust_the_prior

SHAPE = (80, 100)
FRAME = PictureFrame(*SHAPE, *SHAPE)
PICTURE = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(0))


class Watched(ZoomLook):
    """Notes which prompts were put to the model in which square."""

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
    return answer.on_picture(SHAPE)[0].numpy() > 0


def test_a_box_is_looked_at_once_with_its_margin(look):
    answer = answered(look, Prompts(box=Box(20, 30, 59, 69)))
    ((_, (square,)),) = look.asked
    assert square.side == round(40 * TINY_NANO.zoom.margin)
    assert abs(answer.square.row0 + (answer.square.side - 1) / 2 - 39.5) <= 0.5
    assert abs(answer.square.col0 + (answer.square.side - 1) / 2 - 49.5) <= 0.5


def test_a_small_box_is_looked_at_in_the_least_square(look):
    assert answered(look, Prompts(box=Box(20, 30, 21, 30))).square.side == TINY_NANO.zoom.least


def test_a_lone_click_is_looked_at_in_squares_of_several_sizes_round_it(look):
    answered(look, Prompts((Click(40, 50),)))
    ((prompts, squares),) = look.asked
    assert prompts.is_lone_click
    assert len({s.side for s in squares}) == len(squares) > 1
    for square in squares:
        assert abs(square.row0 + (square.side - 1) / 2 - 40) <= 0.5
        assert abs(square.col0 + (square.side - 1) / 2 - 50) <= 0.5


def answer_of(masks, iou):
    """Logits of masks 1 to 3 in each square; mask 0 does not answer clicks."""
    logits = torch.cat([torch.ones(len(masks), 1, 32, 32), torch.stack(masks)], 1)
    semantic = SemanticOutput(*(torch.zeros(len(masks), 1, 1, 1) for _ in range(4)))
    return SegSamOutput(logits, torch.tensor(iou), semantic, None)


def disk_in(square, radius, at=(50.0, 50.0)):
    """Logits of a disk on the picture, as a crop of ``square`` shows it."""
    cells = (torch.arange(32) + 0.5) * square.side / 32 - 0.5
    rows, cols = cells + square.row0, cells + square.col0
    inside = torch.hypot(rows.reshape(-1, 1) - at[0], cols.reshape(1, -1) - at[1]) < radius
    return inside.float() * 8 - 4


def test_of_a_clicks_squares_the_mask_is_taken_that_agrees_best_with_the_others():
    """Two squares see the same disk; the third is sure of a speck, and nobody else is."""
    squares = [zoom.Square(50 - s // 2, 50 - s // 2, s) for s in (20, 40, 80)]
    empty = torch.full((32, 32), -4.0)
    masks = [
        torch.stack([disk_in(squares[0], 2), empty, empty]),
        torch.stack([empty, disk_in(squares[1], 15), empty]),
        torch.stack([empty, empty, disk_in(squares[2], 15)]),
    ]
    iou = [[0.9, 0.7, 0.1, 0.1], [0.9, 0.1, 0.5, 0.1], [0.9, 0.1, 0.1, 0.6]]
    assert likeliest(answer_of(masks, iou), squares) in {(1, 2), (2, 3)}
    iou[0][1] = 5.0  # however sure, it counts as one at most
    assert likeliest(answer_of(masks, iou), squares) in {(1, 2), (2, 3)}


def test_a_mask_that_its_predicted_iou_gives_up_convinces_nobody():
    squares = [zoom.Square(30, 30, 40)] * 2
    empty = torch.full((32, 32), -4.0)
    small, large = disk_in(squares[0], 4), disk_in(squares[0], 14)
    masks = [torch.stack([large, large, small]), torch.stack([small, empty, empty])]
    iou = [[0.0, 0.05, 0.05, 0.8], [0.0, 0.8, 0.0, 0.0]]
    assert likeliest(answer_of(masks, iou), squares) in {(0, 3), (1, 1)}


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


def test_several_clicks_start_from_the_first_ones_answer(look):
    clicks = (Click(30, 40, False), Click(40, 50), Click(46, 50))
    answered(look, Prompts(clicks))
    (first, _), (second, _) = look.asked
    assert (first.clicks, first.last, first.box) == ((Click(40, 50),), None, None)
    assert second.clicks == clicks
    assert second.last.shape == (1, *SHAPE)
    assert bool(second.last[0, 40, 50] > 0.5)


def test_several_clicks_on_nothing_are_still_answered(look, model, monkeypatch):
    whole = ZoomLook._whole

    def empty_first(self, picture, features, scale, prompts):
        found = whole(self, picture, features, scale, prompts)
        if prompts.is_lone_click:
            found.output.mask_logits.fill_(-1)
        return found

    monkeypatch.setattr(ZoomLook, "_whole", empty_first)
    found = answered(look, Prompts((Click(40, 50), Click(44, 50))))
    assert look.asked[-1][0].last is None
    assert found.order[0] == 0


def test_of_several_clicks_the_first_and_their_own_answer_are_looked_at_closer(look, monkeypatch):
    closer = []
    monkeypatch.setattr(look, "_closer", lambda picture, features, scale, found: closer.append(found) or found)
    answer = answered(look, Prompts((Click(40, 50), Click(46, 50))))
    assert len(look.asked) == len(closer) == 2
    assert closer[-1] is answer


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


def test_the_expected_size_of_a_clicked_object_sets_the_square(look, model, monkeypatch):
    sides = {}
    for n, bin_index in (("small", 0), ("large", TINY_NANO.zoom.size_bins - 1)):
        logits = torch.full((1, TINY_NANO.zoom.size_bins), -9.0)
        logits[0, bin_index] = 9.0
        monkeypatch.setattr(model.size_head, "forward", lambda features, points, logits=logits: logits)
        features = SliceFeatures(torch.zeros(1, 16, 4, 4))
        prompts = PicturePrompts.of(Prompts((Click(40, 50),)), FRAME)
        sides[n] = max(s.side for s in look._squares(PICTURE, features, 0.64, prompts))
    assert sides["small"] < sides["large"]
    assert sides["large"] >= max(SHAPE)


# --- a closer look


def comb(height=80, width=100):
    """Thin teeth: three pixels wide, less than one of the crop's."""
    mask = np.zeros((height, width), bool)
    for tooth in range(10, 90, 12):
        mask[10:70, tooth : tooth + 3] = True
    return mask


def test_thin_parts_of_a_large_object_are_looked_at_again_at_the_pictures_resolution(look):
    """The crop of this model has 32 pixels, so that a mask of 80 loses its teeth; the prior of a piece shows them."""
    mask = comb()
    answer = answered(look, Prompts((Click(40, 50),), mask=mask))
    (_, (whole,)), *closer = look.asked
    assert whole.side >= zoom.LARGE * TINY_NANO.zoom.crop
    assert closer
    assert all(p.last is not None and not p.clicks and p.box is None for p, _ in closer)
    sides = {s.side for _, squares in closer for s in squares}
    assert max(sides) <= 40 < whole.side
    assert answer.fine.shape == (2, *SHAPE)


def test_pieces_cover_the_mask_and_nothing_else():
    mask = torch.zeros(*SHAPE, dtype=torch.bool)
    mask[5:75, 8] = True
    mask[40, 8:95] = True
    square = zoom.Square(-10, 0, 100)
    found = zoom.pieces(square, mask, 32)
    covered = torch.zeros_like(mask)
    for p in found:
        inside = covered[max(p.row0, 0) : p.row0 + p.side, max(p.col0, 0) : p.col0 + p.side]
        inside[:] = True
        assert bool(mask[max(p.row0, 0) : p.row0 + p.side, max(p.col0, 0) : p.col0 + p.side].any())
    assert bool(covered[mask].all())
    assert not bool(covered.all())


def test_a_compact_object_is_looked_at_once(look):
    mask = np.zeros(SHAPE, bool)
    mask[10:70, 15:85] = True
    answer = answered(look, Prompts((Click(40, 50),), mask=mask))
    assert len(look.asked) == 1
    assert answer.fine is None
