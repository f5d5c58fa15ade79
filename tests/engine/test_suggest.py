"""Suggestions: which are open, where their centre is, how they are kept."""

import numpy as np
import pytest

from napari_segsam.core.prediction import Suggestion
from napari_segsam.core.volume import Window
from napari_segsam.engine.suggest import PackedSuggestions, Settled, centre_of, refinement_prompts, still_open


def block(rows, cols, shape=(12, 16)):
    mask = np.zeros(shape, bool)
    mask[slice(*rows), slice(*cols)] = True
    return mask


def test_the_centre_lies_in_the_thickest_part_and_not_at_the_mean():
    mask = block((0, 1), (0, 16)) | block((5, 12), (9, 16))
    assert centre_of(mask, (1.0, 1.0)) == (8, 12)


def test_the_picture_s_border_counts_as_an_edge():
    assert centre_of(np.ones((5, 9), bool), (1.0, 1.0)) in [(2, c) for c in range(2, 7)]


def test_the_thickness_is_measured_in_millimetres():
    mask = block((1, 10), (1, 3)) | block((10, 12), (1, 12))
    row_wise, col_wise = centre_of(mask, (1.0, 10.0)), centre_of(mask, (10.0, 1.0))
    assert row_wise[0] < 10 and col_wise[0] >= 10


def test_a_suggestion_is_refined_by_its_own_box_and_centre():
    prompts = refinement_prompts(Suggestion("liver", 0.9, block((2, 7), (3, 8))), (1.0, 1.0))
    assert (prompts.clicks[0].row, prompts.clicks[0].col, prompts.clicks[0].positive) == (4, 5, True)
    assert (prompts.box.row_min, prompts.box.col_max) == (2, 7)


@pytest.mark.parametrize(
    ("place", "name", "rows", "is_open"),
    [
        ((2, 4), "liver", (3, 5), False),
        ((2, 4), "liver", (9, 11), True),
        ((2, 4), "spleen", (3, 5), True),
        ((2, 5), "liver", (3, 5), True),
        ((1, 4), "liver", (3, 5), True),
    ],
)
def test_a_settled_suggestion_closes_those_of_its_class_that_overlap_it_on_its_slice(place, name, rows, is_open):
    settled = Settled((2, 4), "liver", Suggestion("liver", 0.9, block((2, 7), (3, 8))).box)
    other = Suggestion(name, 0.5, block(rows, (3, 8)))
    assert bool(still_open([other], place, (settled,))) is is_open


@pytest.mark.parametrize(("source", "is_open"), [("", False), ("detector 0123456789ab", True)])
def test_a_settled_suggestion_closes_those_of_its_own_source_only(source, is_open):
    settled = Settled((2, 4), "liver", Suggestion("liver", 0.9, block((2, 7), (3, 8))).box)
    other = Suggestion("liver", 0.5, block((2, 7), (3, 8)), source=source)
    assert bool(still_open([other], (2, 4), (settled,))) is is_open


def test_an_empty_suggestion_is_never_listed():
    assert still_open([Suggestion("liver", 0.9, np.zeros((4, 4), bool))], (2, 0), ()) == ()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_packed_suggestions_come_back_as_they_were(count):
    rng = np.random.default_rng(0)
    before = tuple(Suggestion(f"class {i}", i / 10, rng.random((7, 5)) < 0.5) for i in range(count))
    packed = PackedSuggestions.of(before, Window(40, 400))
    after = packed.unpack()
    assert [(s.name, s.score) for s in after] == [(s.name, s.score) for s in before]
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(after, before, strict=True))
    assert packed.window == Window(40, 400)
