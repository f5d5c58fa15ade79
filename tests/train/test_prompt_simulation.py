import numpy as np
import pytest

from napari_segsam.core.prompts import Box
from napari_segsam.train import prompt_simulation
from napari_segsam.train.prompt_simulation import PromptNoise, box_of, click_on, corrections
from tests.train.sa_med2d import disk

MASK = disk(20, 30, 7)


def test_a_click_lies_on_the_object():
    rng = np.random.default_rng(0)
    clicks = {(c.row, c.col) for c in (click_on(MASK, rng) for _ in range(200))}
    assert all(MASK[int(r), int(c)] for r, c in clicks)
    assert len(clicks) > 60  # anywhere on it


def test_a_steady_hand_draws_the_tight_box():
    assert box_of(MASK, np.random.default_rng(0), PromptNoise(0)) == Box.around(MASK)


def test_each_side_of_a_box_moves_on_its_own_and_stays_in_the_picture():
    rng, tight = np.random.default_rng(0), Box.around(MASK)
    boxes = [box_of(MASK, rng, PromptNoise(0.2)) for _ in range(100)]
    assert all(0 <= b.row_min <= b.row_max <= 47 and 0 <= b.col_min <= b.col_max <= 47 for b in boxes)
    moved = np.array([[b.row_min - tight.row_min, b.row_max - tight.row_max] for b in boxes])
    assert abs(np.corrcoef(moved.T)[0, 1]) < 0.4
    assert moved[:, 0].std() == pytest.approx(0.2 * 15, rel=0.4)


def test_corrections_lie_on_errors_and_say_which_kind():
    predicted = disk(20, 34, 7)
    clicks = corrections(predicted, MASK, np.random.default_rng(0), 40)
    assert len(clicks) == 40
    for click in clicks:
        at = int(click.row), int(click.col)
        assert predicted[at] != MASK[at]
        assert click.positive == MASK[at]
    assert {c.positive for c in clicks} == {True, False}


def test_a_perfect_mask_is_not_corrected():
    assert corrections(MASK, MASK, np.random.default_rng(0), 3) == []


# --- SAM-Med2D's own way


def test_sam_med2ds_box_is_the_tight_one_shifted_as_a_whole():
    mask = np.zeros((60, 60), bool)
    mask[20:40, 10:50] = True
    mask[2, 2] = True  # another component, which does not count
    boxes = [prompt_simulation.med2d_box(mask, np.random.default_rng(seed)) for seed in range(80)]
    offsets = {(b.row_min - 20, b.col_min - 10) for b in boxes}
    assert {(b.row_max - b.row_min, b.col_max - b.col_min) for b in boxes} == {(19, 39)}
    assert {o for pair in offsets for o in pair} == set(range(-5, 5))


def test_the_box_of_a_speck_stays_where_it_is():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    box = prompt_simulation.med2d_box(mask, np.random.default_rng(0))
    assert (box.row_min, box.col_min, box.row_max, box.col_max) == (4, 4, 4, 4)


def test_two_of_sam_med2ds_eight_rounds_show_the_mask_alone_and_the_last_is_one():
    for seed in range(40):
        rounds = prompt_simulation.med2d_rounds(8, np.random.default_rng(seed))
        assert len(rounds) == 8
        assert set(rounds) <= {0, 1, 3, 5, 9}
        assert (rounds[-1], rounds[0] > 0, rounds.count(0)) == (0, True, 2)
    assert prompt_simulation.med2d_rounds(0, np.random.default_rng(0)) == []
