"""Interpolation between drawn slices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segsam.core.errors import BadPromptsError, GridMismatchError
from napari_segsam.core.prediction import dice
from napari_segsam.engine.through.interpolate import interpolate

SHAPE = (60, 80)


def disk(row, col, radius, spacing=(1.0, 1.0), shape=SHAPE):
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    return np.hypot((rows - row) * spacing[0], (cols - col) * spacing[1]) <= radius


def centre(mask):
    return np.argwhere(mask).mean(0)


def test_drawn_slices_come_back_as_they_were_and_all_between_them_are_there():
    drawn = {9: disk(30, 40, 8), 2: disk(30, 40, 3), 5: disk(20, 30, 5)}
    found = interpolate(drawn, (1.0, 1.0))
    assert list(found) == list(range(2, 10))
    assert all(np.array_equal(found[k], drawn[k]) for k in drawn)


def test_what_is_given_is_not_changed_and_not_shared():
    drawn = {0: disk(30, 40, 8), 2: disk(30, 40, 4)}
    before = {k: m.copy() for k, m in drawn.items()}
    interpolate(drawn, (1.0, 1.0))[0][:] = True
    assert all(np.array_equal(drawn[k], before[k]) for k in drawn)


def test_the_radius_of_a_cone_falls_evenly():
    found = interpolate({0: disk(30, 40, 20), 10: disk(30, 40, 5)}, (1.0, 1.0))
    for index, mask in found.items():
        assert dice(mask, disk(30, 40, 20 - 1.5 * index)) > 0.96


def test_distances_are_millimetres_where_rows_and_columns_are_spaced_differently():
    spacing = (3.0, 1.0)
    drawn = {0: disk(30, 40, 24, spacing), 4: disk(30, 40, 12, spacing)}
    assert dice(interpolate(drawn, spacing)[2], disk(30, 40, 18, spacing)) > 0.95


def test_slices_that_do_not_overlap_are_joined_along_the_line_between_their_centres():
    found = interpolate({0: disk(15, 15, 6), 5: disk(40, 60, 6)}, (1.0, 1.0))
    for index, mask in found.items():
        assert dice(mask, disk(15 + 5 * index, 15 + 9 * index, 6)) > 0.85


def test_an_object_that_grows_to_one_side_keeps_its_other_side():
    narrow, wide = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    narrow[20:40, 10:30], wide[20:40, 10:70] = True, True
    found = interpolate({0: narrow, 2: wide}, (1.0, 1.0))[1]
    cols = np.flatnonzero(found[30])
    assert abs(cols[0] - 10) <= 2
    assert 32 < cols[-1] < 67


def test_an_object_that_splits_is_whole_first_and_two_later():
    whole = np.zeros(SHAPE, bool)
    whole[25:35, 15:65] = True
    split = whole.copy()
    split[:, 35:45] = False
    found = interpolate({0: whole, 10: split}, (1.0, 1.0))
    assert found[1][30, 40]
    assert not found[9][30, 40]
    assert all(found[n][30, 20] and found[n][30, 60] for n in found)


def test_each_of_two_parts_that_move_goes_with_the_nearest():
    drawn = {0: disk(15, 20, 5) | disk(45, 20, 5), 4: disk(15, 50, 5) | disk(45, 50, 5)}
    found = interpolate(drawn, (1.0, 1.0))[2]
    assert dice(found, disk(15, 35, 5) | disk(45, 35, 5)) > 0.9


def test_a_part_without_a_partner_shrinks_away_and_leaves_the_others_alone():
    stays, goes = disk(15, 20, 8), disk(40, 60, 8)
    found = interpolate({0: stays | goes, 4: stays}, (1.0, 1.0))
    lasting, vanishing = np.s_[:, :40], np.s_[:, 40:]
    sizes = [int(found[n][vanishing].sum()) for n in range(5)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[3] > 0 == sizes[4]
    assert all(np.array_equal(found[n][lasting], stays[lasting]) for n in found)


def test_an_object_that_is_not_there_on_a_drawn_slice_ends_before_it():
    nothing = np.zeros(SHAPE, bool)
    found = interpolate({0: nothing, 4: disk(30, 40, 10), 6: nothing, 8: nothing}, (1.0, 1.0))
    sizes = [int(found[n].sum()) for n in range(9)]
    assert sizes[0] == sizes[6] == sizes[7] == sizes[8] == 0
    assert 0 < sizes[1] < sizes[2] < sizes[3] < sizes[4] > sizes[5] > 0


def test_a_mask_that_fills_the_slice_shrinks_to_what_was_drawn_next():
    found = interpolate({0: np.ones(SHAPE, bool), 3: disk(30, 40, 10)}, (1.0, 1.0))
    assert found[0].sum() > found[1].sum() >= found[2].sum() >= found[3].sum()


def test_one_slice_is_refused():
    with pytest.raises(BadPromptsError, match="two slices"):
        interpolate({4: disk(30, 40, 10)}, (1.0, 1.0))


def test_slices_of_different_sizes_are_refused():
    with pytest.raises(GridMismatchError):
        interpolate({0: disk(30, 40, 10), 3: np.ones((4, 5), bool)}, (1.0, 1.0))


@given(
    st.tuples(st.integers(12, 48), st.integers(12, 68), st.integers(3, 11)),
    st.tuples(st.integers(12, 48), st.integers(12, 68), st.integers(3, 11)),
    st.integers(2, 6),
)
def test_turned_round_the_same_slices_give_the_same_masks(a, b, gap):
    forth = interpolate({0: disk(*a), gap: disk(*b)}, (1.0, 2.0))
    back = interpolate({0: disk(*b), gap: disk(*a)}, (1.0, 2.0))
    for n in range(gap + 1):
        assert forth[n].any()
        assert dice(forth[n], back[gap - n]) > 0.8
