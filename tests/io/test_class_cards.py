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


FIVE = "\n".join(f'{key} = "Said."' for key in ("location", "shape", "appearance", "texture", "lookalike"))
WRITTEN = f"""# My own classes. Ask Ann about the drain.
[class.drain]  # of silicone
modalities = [
  "ct",  # in any phase
]
category = "abnormal"
snomed = ["1", "One"]
{FIVE}

# The stent comes next.
[ class . 'stent' ]
modalities = ["mr"]
{FIVE}
# The end.
"""


@pytest.fixture
def written(folder):
    folder.mkdir()
    own_cards_path().write_text(WRITTEN)
    return own_cards_path()


@pytest.mark.parametrize("name", ['"bile duct"', '"bile.duct"', "bile.duct", '"Drain"', '""', "union_drains", '"a]b"'])
def test_a_name_that_is_none_is_refused_when_the_file_is_read_and_the_file_stays(folder, name):
    folder.mkdir()
    text = f'[class.{name}]\nmodalities = ["ct"]\n{FIVE}\n'
    own_cards_path().write_text(text)
    for attempt in (own_cards, lambda: keep_own(STENT), lambda: forget_own("drain")):
        with pytest.raises(UnreadableInputError, match=r"classes\.toml: 'class\."):
            attempt()
    assert own_cards_path().read_text() == text


@pytest.mark.parametrize("name", ["bile duct", "bile.duct", "a]\nb", "", "union_drains"])
def test_a_card_that_could_not_be_read_again_is_not_written(written, name):
    with pytest.raises(UnreadableInputError, match=r"classes\.toml"):
        keep_own(replace(STENT, name=name))
    with pytest.raises(UnreadableInputError, match="needs 1 or more"):
        keep_own(replace(STENT, modalities=()))
    assert written.read_text() == WRITTEN


def test_adding_a_card_leaves_every_letter_that_a_person_wrote(written):
    keep_own(STENT)
    assert written.read_text().startswith(WRITTEN)
    assert own_cards()["drain"].category == "abnormal" and list(own_cards()) == ["drain", "stent", "renal_stent_left"]


def test_replacing_or_forgetting_a_card_leaves_the_other_tables_and_comments(written):
    stent = own_cards()["stent"]
    keep_own(replace(own_cards()["drain"], modalities=("us",)))
    text = written.read_text()
    assert own_cards()["drain"].modalities == ("us",) and own_cards()["drain"].category == "abnormal"
    assert own_cards()["stent"] == stent
    assert all(part in text for part in ("Ask Ann", "# The stent comes next.\n[ class . 'stent' ]", "# The end."))
    assert "of silicone" not in text and text.count("[class.") == 1
    forget_own("stent")
    assert list(own_cards()) == ["drain"] and "# The end." in written.read_text()


def test_where_the_layout_does_not_allow_that_the_file_is_written_anew_with_all_cards(written):
    table = ", ".join(f'{key} = "Said."' for key in ("location", "shape", "appearance", "texture", "lookalike"))
    written.write_text(f'class = {{drain = {{modalities = ["ct"], category = "anatomy", {table}}}}}\n')
    before = own_cards()
    keep_own(replace(STENT, sentences=("Said.",) * 5))
    assert own_cards() == before | {"renal_stent_left": replace(STENT, sentences=("Said.",) * 5)}


def test_sentences_over_several_lines_and_with_odd_letters_outlive_a_file_that_is_written_anew(written):
    said = 'shape = """Long,\n[class.stent]\nthin\\u007f\u00a0"tube" \\\\."""'
    written.write_text(WRITTEN.replace('shape = "Said."', said, 1), newline="\n")
    drain = own_cards()["drain"]
    assert drain.sentences[1] == 'Long,\n[class.stent]\nthin\x7f\u00a0"tube" \\.'
    forget_own("stent")
    assert own_cards() == {"drain": drain}


@pytest.mark.parametrize(
    ("text", "line"),
    [(b"# one\n[class.a", 2), (b'# one\n\n[class.a]\nshape = "x\n', 4), (b"# one\r\n\r\n# \xff", 3)],
)
def test_a_file_that_is_no_toml_is_refused_with_its_line(folder, text, line):
    folder.mkdir()
    own_cards_path().write_bytes(text)
    with pytest.raises(UnreadableInputError, match=rf"classes\.toml .*\(.*at line {line}\b.*; correct it there\.$"):
        own_cards()


def test_a_file_with_a_byte_order_mark_and_the_line_ends_of_windows_can_be_added_to(written):
    written.write_bytes(b"\xef\xbb\xbf" + WRITTEN.replace("\n", "\r\n").encode())
    keep_own(STENT)
    assert list(own_cards()) == ["drain", "stent", "renal_stent_left"] and b"in any phase\r\n" in written.read_bytes()


def test_the_file_does_not_grow_when_a_card_is_replaced_again_and_again():
    keep_own(STENT)
    size = own_cards_path().stat().st_size
    for _ in range(3):
        keep_own(STENT)
    assert own_cards_path().stat().st_size == size
