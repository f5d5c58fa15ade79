"""Lasso, scribble and mask as prompts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.prediction import dice
from napari_segsam.core.prompts import Click
from napari_segsam.engine.gestures import clicks_inside, lasso, of_mask, scribble

SHAPE = (40, 60)
MM = (1.0, 1.0)


def circle(row, col, radius, turns=1.0, n=60):
    angle = np.linspace(0, 2 * np.pi * turns, n)
    return np.stack([row + radius * np.sin(angle), col + radius * np.cos(angle)], axis=-1)


def disk(row, col, radius):
    rows, cols = np.ogrid[: SHAPE[0], : SHAPE[1]]
    return np.hypot(rows - row, cols - col) <= radius


def test_a_lasso_holds_what_it_encloses_and_clicks_its_middle():
    prompts = lasso(circle(20, 30, 12), SHAPE, MM)
    assert dice(prompts.mask, disk(20, 30, 12)) > 0.98
    assert [c.positive for c in prompts.clicks] == [True]
    assert np.hypot(prompts.clicks[0].row - 20, prompts.clicks[0].col - 30) < 2
    assert prompts.box is None
    assert prompts


def test_a_lasso_that_is_not_closed_is_closed_with_a_straight_line():
    half = lasso(circle(20, 30, 12, turns=0.5), SHAPE, MM).mask
    assert half[25, 30]
    assert not half[15, 30]


def test_a_lasso_that_runs_past_its_beginning_has_no_hole_where_it_overlaps():
    once, more = (lasso(circle(20, 30, 12, turns), SHAPE, MM).mask for turns in (1.0, 1.4))
    assert dice(once, more) > 0.97


def test_a_lasso_that_leaves_the_slice_follows_its_border():
    mask = lasso(circle(2, 3, 12), SHAPE, MM).mask
    assert mask[0, 0]
    assert dice(mask, disk(2, 3, 12)) > 0.95


def test_each_loop_of_a_figure_of_eight_is_clicked():
    path = np.array([[10, 10], [30, 50], [10, 50], [30, 10]])
    prompts = lasso(path, SHAPE, MM)
    assert prompts.mask[20, 14] and prompts.mask[20, 46] and not prompts.mask[12, 30]


@given(st.lists(st.tuples(st.floats(-50, 90), st.floats(-50, 90)), min_size=1, max_size=12))
def test_any_path_gives_prompts_inside_the_slice_and_inside_the_mask(path):
    prompts = lasso(path, SHAPE, MM)
    prompts.check_inside(SHAPE)
    assert prompts.mask.shape == SHAPE
    assert all(prompts.mask[int(c.row), int(c.col)] for c in prompts.clicks)


@given(st.lists(st.tuples(st.floats(-50, 90), st.floats(-50, 90)), min_size=1, max_size=12), st.booleans())
def test_any_stroke_gives_one_to_eight_different_clicks_on_the_slice(path, positive):
    clicks = scribble(path, SHAPE, (0.7, 1.9), positive)
    assert 1 <= len(clicks) <= 8
    assert len(set(clicks)) == len(clicks)
    assert all(c.positive is positive for c in clicks)
    assert all(0 <= c.row < SHAPE[0] and 0 <= c.col < SHAPE[1] for c in clicks)


def test_clicks_are_spread_by_length_and_not_by_the_speed_of_the_hand():
    cols = [2, 2.1, 2.2, 2.3, 2.4, 2.5, 44]  # slow, then fast
    clicks = scribble([(10, c) for c in cols], SHAPE, MM)
    assert sorted(c.col for c in clicks) == [2, 8, 14, 20, 26, 32, 38, 44]
    assert {c.row for c in clicks} == {10}


def test_the_middle_of_a_stroke_is_clicked_first():
    clicks = scribble([(10, 0), (10, 40)], SHAPE, MM)
    assert 15 < clicks[0].col < 25


def test_length_is_measured_in_millimetres():
    clicks = scribble([(0, 0), (0, 10), (30, 10)], SHAPE, (1.0, 6.0))  # 60 mm along the row, then 30 mm down
    assert sum(c.row == 0 for c in clicks) == 5


def test_a_dot_is_one_click():
    assert scribble([(7.2, 8.4)], SHAPE, MM, positive=False) == (Click(7, 8, False),)


def test_a_short_stroke_has_few_clicks():
    assert len(scribble([(5, 5), (5, 9)], SHAPE, MM)) == 3


@pytest.mark.parametrize("path", [[], [(np.nan, 3.0)]])
def test_no_path_is_refused(path):
    with pytest.raises(BadPromptsError, match="Nothing was drawn"):
        scribble(path, SHAPE, MM)
    with pytest.raises(BadPromptsError, match="Nothing was drawn"):
        lasso(path, SHAPE, MM)


def test_a_mask_becomes_a_mask_prompt_of_its_own():
    mask = disk(20, 30, 8)
    prompts = of_mask(mask, MM)
    mask[:] = False
    assert prompts.mask.sum() == disk(20, 30, 8).sum()
    assert len(prompts.clicks) == 1


def test_an_empty_mask_is_refused():
    with pytest.raises(BadPromptsError, match="empty"):
        of_mask(np.zeros(SHAPE, bool), MM)


def test_large_parts_are_clicked_and_specks_are_not():
    mask = disk(10, 10, 6) | disk(28, 40, 8) | disk(5, 50, 1)
    assert [(c.row, c.col) for c in clicks_inside(mask, MM)] == [(28, 40), (10, 10)]
