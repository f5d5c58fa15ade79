"""Class names: the cards that ship, the order of the logits, and how a person may spell a class."""

from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segsam.core.errors import UnknownNameError
from napari_segsam.core.terminology import ClassCard, Vocabulary, colour_of, read_cards

CARDS = read_cards(files("napari_segsam.weights").joinpath("class_cards.toml").read_text(encoding="utf-8"))
VOCABULARY = Vocabulary.of(CARDS.values())


def test_every_shipped_card_says_all_five_things():
    assert len(CARDS) > 50
    assert [name for name, card in CARDS.items() if len(card.sentences) != 5 or not all(card.sentences)] == []


def test_no_shipped_alias_is_another_classs_name_or_alias():
    owners: dict[str, set[str]] = {}
    for card in CARDS.values():
        for spelling in (card.name, *card.aliases):
            owners.setdefault(spelling, set()).add(card.name)
    assert {spelling: names for spelling, names in owners.items() if len(names) > 1} == {}


def test_left_and_right_are_said_where_the_name_says_them():
    sided = {
        name: "left" if name.endswith("_left") else "right" for name in CARDS if name.endswith(("_left", "_right"))
    }
    assert {name: CARDS[name].laterality for name in sided} == sided


@given(st.sampled_from(VOCABULARY.names), st.sampled_from([str.lower, str.upper, str.title]), st.sampled_from("_ -"))
def test_case_and_separators_do_not_matter(name, case, separator):
    assert VOCABULARY.canonical(case(name).replace("_", separator)) == name


@given(st.sampled_from(VOCABULARY.names))
def test_a_class_id_leads_to_the_name_and_back(name):
    assert VOCABULARY.name_of(VOCABULARY.id_of(name)) == name
    assert 1 <= VOCABULARY.id_of(name) <= len(VOCABULARY)


def test_every_alias_leads_to_its_class():
    assert {alias: VOCABULARY.canonical(alias) for alias in VOCABULARY.aliases} == dict(VOCABULARY.aliases)


def test_an_unknown_class_brings_the_nearest_ones():
    with pytest.raises(UnknownNameError, match=r"Unknown class 'livver'. Did you mean: liver"):
        VOCABULARY.id_of("livver")


@pytest.mark.parametrize("class_id", [0, -1, len(VOCABULARY) + 1])
def test_an_id_that_is_no_class_is_refused_not_wrapped(class_id):
    with pytest.raises(UnknownNameError, match="class id"):
        VOCABULARY.name_of(class_id)


def test_a_class_wins_over_another_classs_alias():
    def card(name: str, *aliases: str) -> ClassCard:
        return ClassCard(name, (), aliases, "", (), ("",) * 5)

    assert Vocabulary.of([card("kidney", "ren"), card("ren")]).canonical("ren") == "ren"


def test_colours_are_stable_in_range_and_mostly_distinct():
    colours = {name: colour_of(name) for name in VOCABULARY.names}
    assert colours == {name: colour_of(name) for name in VOCABULARY.names}
    assert all(0 <= channel <= 1 for colour in colours.values() for channel in colour)
    assert len(set(colours.values())) > 0.9 * len(colours)
