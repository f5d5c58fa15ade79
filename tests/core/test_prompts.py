"""What a person points at: boxes around masks, clicks in order, nothing outside the slice."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_segsam.core.errors import BadPromptsError, OutsideImageError
from napari_segsam.core.prompts import Box, Click, Prompts

masks = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))).filter(np.any)
places = st.floats(-10, 10)


@given(masks)
def test_the_box_around_a_mask_holds_all_of_it_and_touches_it_on_each_side(mask):
    box = Box.around(mask)
    rows, cols = slice(int(box.row_min), int(box.row_max) + 1), slice(int(box.col_min), int(box.col_max) + 1)
    assert mask[rows, cols].sum() == mask.sum()
    inside = mask[rows, cols]
    assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()


def test_there_is_no_box_around_nothing():
    with pytest.raises(BadPromptsError, match="empty"):
        Box.around(np.zeros((3, 3), bool))


@given(places, places, places, places)
def test_a_box_may_be_dragged_from_any_corner(a, b, c, d):
    assert Box.between((a, b), (c, d)) == Box.between((c, d), (a, b)) == Box.between((a, d), (c, b))


def test_clicks_keep_their_order():
    first, second = Click(1, 2), Click(3, 4, positive=False)
    before = Prompts().with_click(first)
    assert before.with_click(second).clicks == (first, second)
    assert before.clicks == (first,), "prompts are values: the earlier ones stay as they were"


def test_prompts_ask_for_something_only_with_a_box_or_a_positive_click():
    assert not Prompts()
    assert not Prompts(clicks=(Click(0, 0, positive=False),))
    assert Prompts(clicks=(Click(0, 0),))
    assert Prompts(box=Box(0, 0, 1, 1))


@given(st.integers(1, 20), st.integers(1, 20), places, places)
def test_a_prompt_is_refused_exactly_where_there_is_no_pixel(rows, cols, row, col):
    inside = -0.5 <= row <= rows - 0.5 and -0.5 <= col <= cols - 0.5
    for prompts in (Prompts(clicks=(Click(row, col),)), Prompts(box=Box(row, col, row, col))):
        if inside:
            prompts.check_inside((rows, cols))
        else:
            with pytest.raises(OutsideImageError, match=f"outside the slice of {rows} x {cols} pixels"):
                prompts.check_inside((rows, cols))


@pytest.mark.parametrize("where", [np.nan, np.inf])
def test_a_place_that_is_no_number_is_outside(where):
    with pytest.raises(OutsideImageError):
        Prompts(clicks=(Click(where, 0),)).check_inside((5, 5))


def test_a_mask_prompt_comes_back_from_little_memory():
    mask = np.tri(64, 48, dtype=bool)
    prompts = Prompts((Click(1, 2),), mask=mask)
    assert np.array_equal(prompts.mask, mask) and len(prompts.packed.data) < mask.nbytes / 10
    mask[...] = False
    assert prompts.mask.any(), "it is no view of what it was made of"


def test_a_mask_prompt_outlasts_other_prompts_until_it_is_replaced():
    mask = np.eye(5, dtype=bool)
    prompts = Prompts(mask=mask).with_click(Click(1, 2))
    assert prompts.packed is prompts.with_click(Click(3, 4)).packed
    assert np.array_equal(replace(prompts, box=Box(0, 0, 1, 1)).mask, mask)
    assert replace(prompts, mask=None).mask is None and Prompts().mask is None
