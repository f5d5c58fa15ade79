"""A class is found by whatever a person calls it, and the one that is meant comes first."""

import pytest

from napari_segsam.core.terminology import Vocabulary
from napari_segsam.engine.class_index import ClassIndex, Hit
from napari_segsam.io.class_cards import package_cards

VOCABULARY = Vocabulary(
    ("aorta", "kidney", "kidney_cyst", "kidney_left", "liver", "retinal_vessel", "innominate_artery"),
    {"hepar": "liver", "left_renal": "kidney_left", "nobody": "gone"},
    {"retinal_vessel": ("fundus",), "kidney_cyst": ("us",)},
)
INDEX = ClassIndex(VOCABULARY, {"innominate_artery": "Structure of brachiocephalic trunk", "gone": "Nothing"})


def names(text, modality="ct", likely=()):
    return [hit.name for hit in INDEX.find(text, modality, likely)]


def test_what_is_called_so_comes_before_what_begins_so_and_that_before_what_holds_it():
    assert names("kidney") == ["kidney", "kidney_left", "kidney_cyst"]
    assert names("kid")[0] == "kidney" and names("essel") == ["retinal_vessel"]


@pytest.mark.parametrize("text", ["kidney_left", "Kidney Left", "KIDNEY-LEFT", "left kidney", "left kid", "le ki"])
def test_case_punctuation_and_the_order_of_words_do_not_matter(text):
    assert names(text)[0] == "kidney_left"


def test_another_spelling_and_the_meaning_of_a_code_are_said():
    assert INDEX.find("hep", "ct") == [Hit("liver", "hepar")]
    assert INDEX.find("brachioc", "ct") == [Hit("innominate_artery", "Structure of brachiocephalic trunk")]


def test_what_the_picture_cannot_show_comes_later_but_is_found():
    assert names("kidney c", "us") == names("kidney c", "ct") == ["kidney_cyst"]
    assert names("kid", "us").index("kidney_cyst") < names("kid", "ct").index("kidney_cyst")


def test_what_the_model_thinks_likely_comes_first_among_equals():
    assert names("kid", likely=("aorta", "kidney_left"))[0] == "kidney_left"


@pytest.mark.parametrize("text", ["", "  ", "…", "zzz"])
def test_nothing_is_found_where_nothing_fits(text):
    assert INDEX.find(text, "ct") == []


def test_every_class_of_the_package_is_found_first_by_its_own_name_and_by_each_other_spelling():
    cards = package_cards()
    vocabulary = Vocabulary.of(cards.values())
    index = ClassIndex(vocabulary, {})
    assert all(index.find(name, "unknown")[0].name == name for name in list(cards)[::7])
    sample = list(vocabulary.aliases.items())[::29]
    assert all(index.find(alias, "unknown")[0].name == name for alias, name in sample)
