"""Smoothing, holes and islands, on a slice and in a volume."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_segsam.core.prediction import dice
from napari_segsam.engine.through.tidy import (
    fill_holes,
    largest_part,
    parts,
    signed_distance,
    smooth,
    smoothing,
    without_islands,
)


def ball(shape, centre, radius_mm, spacing):
    at = np.meshgrid(*[(np.arange(n) - c) * mm for n, c, mm in zip(shape, centre, spacing, strict=True)], indexing="ij")
    return np.sqrt(sum(a * a for a in at)) <= radius_mm


SHAPES = [((60, 50), (30, 25), (1.0, 1.0)), ((60, 50), (30, 25), (0.7, 1.4)), ((40, 40, 16), (20, 20, 8), (1, 1, 3))]


@pytest.mark.parametrize(("shape", "centre", "spacing"), SHAPES)
def test_smoothing_keeps_a_round_object_as_large_as_it_was(shape, centre, spacing):
    mask = ball(shape, centre, 14.0, spacing)
    found = smooth(mask, spacing, 2.0)
    assert abs(int(found.sum()) / int(mask.sum()) - 1) < 0.03
    assert dice(found, mask) > 0.95


@pytest.mark.parametrize(("shape", "centre", "spacing"), SHAPES)
def test_smoothing_takes_away_what_is_finer_than_its_millimetres(shape, centre, spacing):
    clean = ball(shape, centre, 14.0, spacing)
    band = np.abs(signed_distance(clean, spacing)) < 2.0
    ragged = clean ^ (band & (np.random.default_rng(3).random(shape) < 0.3))
    assert dice(smooth(ragged, spacing, 2.0), clean) > dice(ragged, clean)


def test_a_thin_object_does_not_vanish():
    mask = np.zeros((40, 40), bool)
    mask[20, 5:35] = True
    assert smooth(mask, (1.0, 1.0), 3.0).sum() >= 25


def test_an_object_that_the_border_cuts_off_stays_as_wide_there():
    mask = np.zeros((40, 40), bool)
    mask[:, 15:25] = True
    assert np.array_equal(smooth(mask, (1.0, 1.0), 2.0), mask)


@pytest.mark.parametrize("seed", range(4))
def test_in_parts_it_smooths_as_it_does_at_once(seed):
    spacing, shape = (0.8, 1.0, 2.0), (90, 20, 8)
    mask = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.0 + seed) > 0
    mask[30:60] |= seed == 3  # parts without an edge
    work, pauses = smoothing(mask, spacing, 0.7, part_voxels=1), 0
    while True:
        try:
            next(work)
        except StopIteration as end:
            made = end.value
            break
        pauses += 1
    assert pauses > 4
    assert np.array_equal(made, smooth(mask, spacing, 0.7))


def test_no_smoothing_changes_nothing():
    mask = ball((30, 30), (15, 15), 9, (1.0, 1.0))
    assert np.array_equal(smooth(mask, (1.0, 1.0), 0.0), mask)


@pytest.mark.parametrize("full", [False, True])
def test_nothing_and_everything_stay_what_they_are(full):
    mask = np.full((9, 8), full)
    for tidied in (
        smooth(mask, (1.0, 1.0), 2.0),
        fill_holes(mask),
        largest_part(mask),
        without_islands(mask, (1.0, 1.0), 5.0),
    ):
        assert np.array_equal(tidied, mask)


def test_holes_are_filled_on_a_slice_and_in_a_volume_by_what_encloses_them_there():
    shell = ball((20, 20, 20), (10, 10, 10), 8, (1, 1, 1))
    shell[10, 10, 10] = False
    tube = np.zeros((20, 20, 20), bool)
    tube[5:15, 5:15] = True
    tube[8:12, 8:12] = False
    assert fill_holes(shell)[10, 10, 10]
    assert not fill_holes(tube)[10, 10, 10]
    assert fill_holes(tube[:, :, 10])[10, 10]


def test_a_hole_that_is_closed_at_corners_only_is_a_hole():
    mask = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], bool)
    assert fill_holes(np.pad(mask, 2))[3, 3]


def test_the_largest_part_stays_alone():
    small, large = ball((40, 40), (8, 8), 4, (1.0, 1.0)), ball((40, 40), (28, 28), 7, (1.0, 1.0))
    assert np.array_equal(largest_part(small | large), large)
    assert [int(p.sum()) for p in parts(small | large, 3)] == [int(large.sum()), int(small.sum())]


def test_parts_that_touch_at_a_corner_are_one():
    mask = np.zeros((6, 6), bool)
    mask[1:3, 1:3] = mask[3:5, 3:5] = True
    assert np.array_equal(largest_part(mask), mask)


@pytest.mark.parametrize(
    ("spacing", "below", "stays"), [((1, 1, 1), 30, True), ((1, 1, 1), 40, False), ((1, 1, 2), 40, True)]
)
def test_islands_are_measured_in_cubic_millimetres(spacing, below, stays):
    mask = np.zeros((20, 20, 12), bool)
    mask[2:10, 2:10, 2:10] = True
    mask[14:17, 14:17, 4:8] = True  # 36 voxels
    found = without_islands(mask, spacing, below)
    assert found[15, 15, 5] == stays
    assert found[5, 5, 5]


def test_the_last_part_is_never_taken_for_an_island():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    assert np.array_equal(without_islands(mask, (1.0, 1.0), 1e6), mask)


def test_what_is_given_is_not_changed():
    mask = ball((30, 30), (15, 15), 9, (1.0, 1.0))
    mask[15, 15] = mask[0, 0] = False
    before = mask.copy()
    mask.setflags(write=False)
    for tidied in (smooth(mask, (1.0, 1.0), 2.0), fill_holes(mask), largest_part(mask)):
        tidied[0, 0] = True
    assert np.array_equal(mask, before)


@given(st.integers(0, 10_000), st.floats(0.3, 3.0), st.sampled_from([(1.0, 1.0), (0.6, 1.7)]))
def test_smoothing_changes_nothing_further_from_the_edge_than_twice_its_millimetres(seed, sigma, spacing):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(30, 34)), 1.5)
    mask = noise > np.quantile(noise, 0.7)
    found = smooth(mask, spacing, sigma)
    changed = found != mask
    assert np.abs(signed_distance(mask, spacing)[changed]).max(initial=0.0) <= 2 * sigma
    assert found.sum() >= mask.sum()
    assert found.sum() <= 1.2 * mask.sum() + 3
