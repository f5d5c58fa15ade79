"""Class names: the cards that ship, the order of the logits, and how a person may spell a class."""

from collections import Counter
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.sr.codedict import Collection

from napari_segsam.core.errors import UnknownNameError
from napari_segsam.core.terminology import (
    CATEGORIES,
    KINDS,
    SIDES,
    ClassCard,
    Code,
    Coding,
    Vocabulary,
    read_cards,
    spelled,
    told_apart,
)
from napari_segsam.core.volume import MODALITIES

CARDS = read_cards(files("napari_segsam.weights").joinpath("class_cards.toml").read_text(encoding="utf-8"))
VOCABULARY = Vocabulary.of(CARDS.values())


def words(name: str) -> set[str]:
    return set(name.split("_"))


def valid_check_digit(code: str) -> bool:
    """Verhoeff's check digit, as SNOMED CT's identifiers have it: the dihedral group of ten and a permutation."""
    power, total = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4), 0
    for place, digit in enumerate(reversed(code)):
        value = int(digit)
        for _ in range(place % 8):
            value = power[value]
        if total < 5:
            total = (total + value) % 5 + (5 if value >= 5 else 0)
        else:
            total = (total - value) % 5 + (5 if value < 5 else 0)
    return total == 0


def test_every_shipped_card_says_all_five_things_in_a_sentence_each():
    assert len(CARDS) > 240
    lengths = {name: [len(s.strip()) for s in card.sentences] for name, card in CARDS.items()}
    assert {name: n for name, n in lengths.items() if len(n) != 5 or not all(40 <= x <= 200 for x in n)} == {}


def test_no_two_shipped_cards_share_a_sentence():
    said = Counter(s for card in CARDS.values() for s in card.sentences)
    assert [s for s, n in said.items() if n > 1] == []


def test_the_first_cards_keep_the_ids_that_trained_models_know():
    names = list(CARDS)
    assert (names[0], names[168]) == ("adenocarcinoma", "vertebrae_upper")
    assert names[:169] == sorted(names[:169]) and names[169:] == sorted(names[169:])


def test_shipped_cards_name_kinds_of_pictures_that_there_are():
    assert set(KINDS) > set(MODALITIES) - {"rgb", "unknown"}
    assert {name: card.modalities for name, card in CARDS.items() if not card.modalities} == {}
    assert {m for card in CARDS.values() for m in card.modalities} <= set(KINDS)


def test_snomed_codes_are_identifiers_and_have_a_meaning():
    assert valid_check_digit("10200004") and not valid_check_digit("10200005") and not valid_check_digit("12000004")
    coded = {name: card.snomed for name, card in CARDS.items() if card.snomed}
    assert len(coded) > 100
    assert {
        name: code for name, (code, _) in coded.items() if not (6 <= len(code) <= 18 and valid_check_digit(code))
    } == {}
    assert all(meaning.strip() for _, meaning in coded.values())


def test_no_shipped_alias_is_another_classs_name_or_alias():
    owners: dict[str, set[str]] = {}
    for card in CARDS.values():
        for spelling in (card.name, *card.aliases):
            owners.setdefault(spelling, set()).add(card.name)
    assert {spelling: names for spelling, names in owners.items() if len(names) > 1} == {}


def test_left_and_right_are_said_where_the_name_says_them():
    sides = {name: "".join(words(name) & {"left", "right"}) for name in CARDS}
    assert {name: card.laterality for name, card in CARDS.items()} == sides


def test_a_paired_structure_has_a_card_for_each_side():
    twins = {name: name.replace("left", "right") if "left" in name else name.replace("right", "left") for name in CARDS}
    alone = {name for name, card in CARDS.items() if card.laterality and twins[name] not in CARDS}
    assert alone == {"lung_middle_lobe_right", "atrial_appendage_left"}


@given(st.sampled_from(VOCABULARY.names), st.sampled_from([str.lower, str.upper, str.title]), st.sampled_from("_ -"))
def test_case_and_separators_do_not_matter(name, case, separator):
    assert VOCABULARY.canonical(case(name).replace("_", separator)) == name


@given(st.sampled_from(VOCABULARY.names))
def test_a_class_id_leads_to_the_name_and_back(name):
    assert VOCABULARY.name_of(VOCABULARY.id_of(name)) == name
    assert 1 <= VOCABULARY.id_of(name) <= len(VOCABULARY)


def test_every_alias_leads_to_its_class():
    assert {alias: VOCABULARY.canonical(alias) for alias in VOCABULARY.aliases} == dict(VOCABULARY.aliases)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [("Head of Femur (L)", "femoral_head_left"), ("prostate/uterus", "prostate_or_uterus"), ("arota", "aorta")],
)
def test_spellings_of_public_data_sets_are_understood(spelling, name):
    assert VOCABULARY.canonical(spelling) == name


def test_an_unknown_class_brings_the_nearest_ones():
    with pytest.raises(UnknownNameError, match=r"Unknown class 'livver'. Did you mean: liver"):
        VOCABULARY.id_of("livver")


def test_where_a_name_may_be_no_class_its_id_is_zero():
    assert [VOCABULARY.id_or_zero(name) for name in ("livver", "", None)] == [0, 0, 0]
    assert VOCABULARY.id_or_zero("Hepar") == VOCABULARY.id_of("liver") > 0


@pytest.mark.parametrize("class_id", [0, -1, len(VOCABULARY) + 1])
def test_an_id_that_is_no_class_is_refused_not_wrapped(class_id):
    with pytest.raises(UnknownNameError, match="class id"):
        VOCABULARY.name_of(class_id)


def test_a_class_wins_over_another_classs_alias():
    def card(name: str, *aliases: str) -> ClassCard:
        return ClassCard(name, (), aliases, "", (), ("",) * 5)

    assert Vocabulary.of([card("kidney", "ren"), card("ren")]).canonical("ren") == "ren"


def test_every_coded_card_says_its_category_and_no_other_does():
    assert {c.name: c.category for c in CARDS.values() if bool(c.snomed) != (c.category in CATEGORIES)} == {}
    assert CARDS["liver"].coding == Coding(
        Code("91723000", "Anatomical Structure"), Code("10200004", "Liver structure")
    )
    assert CARDS["liver_tumor"].coding.category.value == "49755003"
    assert CARDS["polyp"].coding is None


def test_the_side_is_coded_once():
    assert CARDS["femur_left"].coding.modifier == Code("7771000", "Left")
    assert CARDS["femur_right"].coding.modifier == Code("24028007", "Right")
    assert CARDS["kidney_left"].coding.modifier is None  # "Left kidney structure"
    sided = {n: c for n, c in CARDS.items() if c.laterality and c.coding}
    assert all(c.coding.modifier or c.laterality in c.coding.type.meaning.lower() for c in sided.values())


def test_categories_sides_and_listed_types_are_those_of_the_dicom_standard():
    standard = {code.value: code.meaning for cid in ("CID7150", "CID244") for code in Collection(cid).concepts.values()}
    ours = {code.value: code.meaning for code in (*CATEGORIES.values(), *SIDES.values())}
    assert {value: standard.get(value) for value in ours} == ours


def test_no_two_cards_share_their_codes_but_the_two_oedemas():
    by_coding: dict[Coding, list[str]] = {}
    for card in CARDS.values():
        if card.coding:
            by_coding.setdefault(card.coding, []).append(card.name)
    shared = [names for names in by_coding.values() if len(names) > 1]
    assert shared == [["perihematomal_edema", "peritumoral_edema"]]


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Left Kidney", "left_kidney"),
        ("  polyp -- (LARGE)_", "polyp_large"),
        ("Селезёнка 2", "селезёнка_2"),
        ("Le\u0301sion", "lésion"),
        ("यकृत", "यकृत"),
        ("!?", ""),
    ],
)
def test_a_name_keeps_its_letters_and_digits_in_any_script(said, name):
    assert spelled(said) == name


@given(st.text(max_size=20))
def test_a_name_that_is_spelled_so_is_a_class_of_that_name(said):
    name = spelled(said)
    assert spelled(name) == name
    assert not name or Vocabulary((name,)).canonical(said) == name


@given(st.lists(st.sampled_from(["polyp", "Polyp", "?", "", "class 0", "class_1", "class_3", "肝"]), max_size=8))
def test_classes_that_are_told_apart_are_as_many_as_before_and_all_different(said):
    names = told_apart(said)
    assert len(names) == len(set(names)) == len(said) and all(names)
    assert all(spelled(name) == name for name in names)
