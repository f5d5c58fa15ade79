"""Codes for names: a card's, a file's, a person's own; and a slip in a code is found."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segsam.core.errors import BadLabelsError, UnreadableInputError
from napari_segsam.core.labels import Label
from napari_segsam.core.terminology import Code, Coding
from napari_segsam.io.labels.codes import _is_snomed, read_codes, with_codes, with_known_codes

CYST = """
[kidney_cyst]
category = {value = "49755003", meaning = "Morphologically Abnormal Structure"}
type = {value = "367643001", meaning = "Cyst"}
modifier = {value = "7771000", meaning = "Left"}
"""
CODING = Coding(
    Code("49755003", "Morphologically Abnormal Structure"), Code("367643001", "Cyst"), Code("7771000", "Left")
)


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "codes.toml").write_text(CYST)
    said = {
        "kidney_cyst": {
            "category": {"value": "49755003", "meaning": "Morphologically Abnormal Structure", "scheme": "SCT"},
            "type": {"value": "367643001", "meaning": "Cyst"},
            "modifier": {"value": "7771000", "meaning": "Left"},
        }
    }
    (tmp_path / "codes.json").write_text(json.dumps(said))
    assert read_codes(tmp_path / "codes.toml") == read_codes(tmp_path / "codes.json") == {"kidney_cyst": CODING}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a]\ntype = {value = '367643001', meaning = 'Cyst'}", "a.category': is missing"),
        (CYST + "[b]\nwhatever = 1", "b"),
        (CYST.replace("367643001", "367643002"), "check digit"),
        (CYST.replace("367643001", "367634001"), "check digit"),
        (CYST.replace('"Cyst"', '""'), "must not be empty"),
        (CYST.replace('"Cyst"', '"a\\\\b"'), "backslash"),
        (CYST.replace('"367643001"', "367643001"), "must be text"),
        ("[", "neither TOML nor JSON"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "codes.toml").write_text(text)
    with pytest.raises(UnreadableInputError, match=said):
        read_codes(tmp_path / "codes.toml")


def test_a_scheme_of_ones_own_needs_no_check_digit(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(CYST.replace('value = "367643001"', 'value = "C-1", scheme = "99LOCAL"'))
    assert read_codes(tmp_path / "c.toml")["kidney_cyst"].type == Code("C-1", "Cyst", "99LOCAL")


@given(st.sampled_from(["10200004", "91723000", "24028007", "18639004", "9846003"]), st.data())
def test_every_slip_of_one_digit_or_two_swapped_ones_is_found(code: str, data: st.DataObject) -> None:
    assert _is_snomed(code)
    place = data.draw(st.integers(0, len(code) - 1))
    digit = data.draw(st.sampled_from([d for d in "0123456789" if d != code[place]]))
    assert not _is_snomed(code[:place] + digit + code[place + 1 :])
    if place and code[place - 1] != code[place]:
        assert not _is_snomed(code[: place - 1] + code[place] + code[place - 1] + code[place + 1 :])


def test_ones_own_code_goes_before_the_files_and_that_before_the_cards() -> None:
    read = Coding(Code("91723000", "Anatomical Structure"), Code("T-62000", "Liver", "SRT"))
    labels = [Label(1, "liver"), Label(2, "liver", read), Label(3, "Liver structure")]
    card, from_file, none = with_known_codes(labels, {})
    assert (card.coding.type.value, from_file.coding, none.coding) == ("10200004", read, None)
    assert [label.coding for label in with_codes(labels[:2], {"liver": CODING}, "x.dcm")] == [CODING, CODING]


def test_all_names_without_a_code_are_listed_once() -> None:
    labels = [Label(1, "zebra"), Label(2, "liver"), Label(3, "zebra"), Label(4, "ant")]
    with pytest.raises(BadLabelsError, match="no code is known for ant, zebra; give each one"):
        with_codes(labels, {}, "x.dcm")
