"""Overlap of masks, and the box of an object that nobody prompted."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_segsam.core.prediction import Suggestion, dice

pairs = st.tuples(arrays(bool, (4, 5)), arrays(bool, (4, 5)))


@given(pairs)
def test_dice_is_symmetric_between_0_and_1(pair):
    a, b = pair
    assert 0 <= dice(a, b) == dice(b, a) <= 1


@given(arrays(bool, (4, 5)))
def test_a_mask_overlaps_itself_wholly_even_if_it_is_empty(mask):
    assert dice(mask, mask) == 1.0
    assert dice(mask, ~mask) == 0.0


def test_dice_of_half_an_overlap():
    assert dice(np.array([True, True, False]), np.array([False, True, True])) == 0.5


def test_a_suggestion_has_the_box_of_its_mask():
    mask = np.zeros((6, 7), bool)
    mask[2:4, 1:6] = True
    box = Suggestion("liver", 0.9, mask).box
    assert (box.row_min, box.col_min, box.row_max, box.col_max) == (2, 1, 3, 5)
