"""A person's own cards are kept whole, in the format of the package's, and never lost to a fault."""

from dataclasses import replace

import pytest

from napari_segsam.core.errors import UnreadableInputError, WriteError
from napari_segsam.core.terminology import ClassCard
from napari_segsam.io import class_cards
from napari_segsam.io.class_cards import forget_own, keep_own, own_cards, own_cards_path, package_cards
from napari_segsam.train.new_classes import read_new_cards

SAID = (
    "Beside\nit.",
    'A "long" tube, 2 \\ 3 mm.',
    "Très bright.",
    "Even.\x7f",
    "A stone = short # no",
)
STENT = ClassCard("renal_stent_left", ("ct", "xray"), ("ureter_stent",), "left", ("1", "One"), SAID)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGSAM_STATE", str(tmp_path / "new"))
    return tmp_path / "new"


def test_there_are_none_until_one_is_kept():
    assert own_cards() == {} and not own_cards_path().exists()


def test_a_kept_card_comes_back_on_one_line_each_and_is_what_the_command_line_reads():
    keep_own(STENT)
    keep_own(replace(STENT, name="drain", aliases=(), laterality="", snomed=()))
    assert list(own_cards()) == ["renal_stent_left", "drain"]
    shown = tuple(s.replace("\n", "?").replace("\x7f", "?") for s in SAID)
    assert own_cards()["renal_stent_left"] == replace(STENT, sentences=shown)
    assert read_new_cards(own_cards_path()) == list(own_cards().values())


def test_a_card_takes_the_place_of_one_with_its_name_and_can_be_forgotten():
    keep_own(STENT)
    keep_own(replace(STENT, modalities=("mr",)))
    assert own_cards()["renal_stent_left"].modalities == ("mr",)
    forget_own("renal_stent_left")
    assert own_cards() == {}
    forget_own("renal_stent_left")


def test_a_card_as_the_documentation_shows_it_may_leave_out_what_is_optional(folder):
    folder.mkdir()
    lines = [f'{key} = "Said."' for key in ("location", "shape", "appearance", "texture", "lookalike")]
    (folder / "classes.toml").write_text("\n".join(["[class.drain]", 'modalities = ["ct"]', *lines]))
    assert own_cards()["drain"] == ClassCard("drain", ("ct",), (), "", (), ("Said.",) * 5)


@pytest.mark.parametrize("text", ["[class.a", "class = 3", "[class]\na = 3", '[class.a]\nmodalities = ["ct"]', "\xff"])
def test_a_file_that_was_edited_badly_is_refused_by_name_and_stays_as_it_is(folder, text):
    folder.mkdir()
    own_cards_path().write_bytes(text.encode("latin-1"))
    with pytest.raises(UnreadableInputError, match=r"classes\.toml"):
        own_cards()
    with pytest.raises(UnreadableInputError):
        keep_own(STENT)
    assert own_cards_path().read_bytes() == text.encode("latin-1")


def test_what_is_there_survives_a_failed_write(monkeypatch):
    keep_own(STENT)
    before = own_cards_path().read_bytes()
    monkeypatch.setattr(class_cards, "_table", lambda card: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(WriteError, match=r"classes\.toml was not written"):
        keep_own(replace(STENT, name="drain"))
    assert own_cards_path().read_bytes() == before


def test_the_packages_cards_are_parsed_once():
    assert package_cards() is package_cards() and "liver" in package_cards()
