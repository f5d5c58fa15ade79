import numpy as np
import pytest
import torch

from napari_segsam.core.terminology import Vocabulary
from napari_segsam.engine.answers import rank_classes, rule_out, suggestions, to_bool
from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.model.semantic_decoder import Unprompted
from tests.tiny import NAMES

WORDS = Vocabulary(NAMES)
FRAME = PictureFrame(32, 64, 32, 64)
SHARE = (0.5, 1.0)
CELLS = 16


def said(*queries):
    """(class index or None, confidence, (rows, cols) of the 16 x 16 cells) -> one row of answers."""
    classes = torch.zeros(1, len(queries), 4)
    masks = torch.full((1, len(queries), CELLS, CELLS), -5.0)
    for n, (k, logit, place) in enumerate(queries):
        classes[0, n, 3 if k is None else k] = logit
        if place:
            masks[0, n][place] = 5.0
    return Unprompted(classes, masks)


LEFT, RIGHT = (slice(1, 6), slice(1, 6)), (slice(1, 6), slice(9, 15))
BELOW = (slice(9, 15), slice(1, 6))
"""Outside the slice: its share of the padded square is the upper half."""


def test_what_is_named_with_confidence_is_suggested_best_first():
    found = suggestions(said((0, 4.0, LEFT), (1, 6.0, RIGHT), (None, 9.0, LEFT)), WORDS, FRAME, SHARE, 0.5)
    assert [s.name for s in found] == ["spleen", "liver"]
    assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)
    assert all(s.mask.shape == (32, 64) and s.mask.dtype == bool for s in found)


def test_a_suggestions_mask_lies_where_its_cells_do():
    (found,) = suggestions(said((0, 6.0, LEFT)), WORDS, FRAME, SHARE, 0.5)
    box = found.box  # cells are 4 x 4 pixels
    expected = (4, 4, 23, 23)
    assert (box.row_min, box.col_min, box.row_max, box.col_max) == pytest.approx(expected, abs=1)


def test_what_is_said_without_confidence_is_not_suggested():
    output = said((0, 2.0, LEFT))
    score = float(output.co_class_logits.softmax(-1)[0, 0, 0])
    assert suggestions(output, WORDS, FRAME, SHARE, score - 0.01)
    assert suggestions(output, WORDS, FRAME, SHARE, score + 0.01) == ()
    assert suggestions(output, WORDS, FRAME, SHARE, score - 0.01, temperature=3.0) == ()


def test_a_class_is_suggested_once():
    found = suggestions(said((0, 5.0, LEFT), (0, 6.0, RIGHT)), WORDS, FRAME, SHARE, 0.5)
    assert len(found) == 1
    assert found[0].mask[:, 36:].any() and not found[0].mask[:, :30].any()  # the surer one


def test_the_prompted_object_is_not_suggested():
    prompted = np.zeros((32, 64), bool)
    prompted[5:23, 5:23] = True
    output = said((0, 6.0, LEFT), (1, 5.0, RIGHT))
    found = suggestions(output, WORDS, FRAME, SHARE, 0.5, prompted=prompted)
    assert [s.name for s in found] == ["spleen"]
    again = said((0, 6.0, LEFT), (0, 5.0, RIGHT))  # another object of the prompted one's class
    assert len(suggestions(again, WORDS, FRAME, SHARE, 0.5, prompted=prompted)) == 1


def test_next_to_nothing_and_what_lies_on_the_padding_is_not_suggested():
    speck = (slice(2, 3), slice(2, 4))
    assert suggestions(said((0, 6.0, speck), (1, 6.0, BELOW), (2, 6.0, None)), WORDS, FRAME, SHARE, 0.5) == ()


def test_a_model_that_draws_no_masks_suggests_nothing():
    assert suggestions(Unprompted(torch.full((1, 2, 4), 9.0), None), WORDS, FRAME, SHARE, 0.1) == ()


def test_classes_are_ranked_with_probabilities():
    ranked = rank_classes(torch.tensor([1.0, 3.0, 2.0]), WORDS, 1.0)
    assert [r.name for r in ranked] == ["spleen", "kidney_left", "liver"]
    assert sum(r.score for r in ranked) == pytest.approx(1)
    cooler = rank_classes(torch.tensor([1.0, 3.0, 2.0]), WORDS, 2.0)
    assert [r.name for r in cooler] == [r.name for r in ranked]
    assert cooler[0].score < ranked[0].score


def test_as_many_classes_are_offered_as_there_are_number_keys():
    many = Vocabulary(tuple(f"class_{i}" for i in range(20)))
    assert len(rank_classes(torch.zeros(20), many, 1.0)) == 9


def test_a_mask_is_where_logits_are_positive():
    assert to_bool(torch.tensor([[-1.0, 0.0, 1.0]])).tolist() == [[False, False, True]]


def test_a_picture_of_one_modality_is_not_called_what_only_another_shows():
    words = Vocabulary(
        ("liver", "polyp", "fetal_head"), {}, {"liver": ("ct", "mr"), "polyp": ("endoscopy",), "fetal_head": ("us",)}
    )
    assert words.possible("ct") == (True, False, False)
    assert words.possible("us") == (False, False, True)
    assert words.possible("rgb") == (False, True, True)  # an ultrasound picture may have colours
    assert words.possible("unknown") == (True, True, True)
    seen = rule_out(torch.tensor([1.0, 9.0, 5.0]), torch.tensor(words.possible("ct")))
    (only,) = rank_classes(seen, words, 1.0)
    assert (only.name, only.score) == ("liver", 1.0)


def test_no_object_is_never_ruled_out_and_nothing_is_where_every_class_would_be():
    logits = torch.tensor([[1.0, 2.0, 3.0]])
    assert rule_out(logits, torch.tensor([False, True])).tolist() == [[float("-inf"), 2.0, 3.0]]
    assert torch.equal(rule_out(logits, torch.tensor([False, False])), logits)
