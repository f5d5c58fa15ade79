import pytest

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.model_choice import ModelChoice


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("nano", ModelChoice("nano")),
        ("/w/sam.pth@medsam", ModelChoice("/w/sam.pth", ("medsam",))),
        ("hq.pth@hq_sam,hq_only", ModelChoice("hq.pth", ("hq_sam", "hq_only"))),
        ("lora.pth@base=sam_vit_b", ModelChoice("lora.pth", (), "sam_vit_b")),
        ("lora.pth@samed,base=/w/a,b@c.pth", ModelChoice("lora.pth", ("samed",), "/w/a,b@c.pth")),
    ],
)
def test_a_choice_is_written_in_one_text_and_read_again(text, choice):
    assert ModelChoice.of(text) == choice and str(choice) == text


@pytest.mark.parametrize("text", ["@medsam", "", "sam.pth"])
def test_what_is_no_choice_is_taken_for_a_name(text):
    assert ModelChoice.of(text).words == () and ModelChoice.of(text).base is None


def test_a_file_with_an_at_in_its_name_is_that_file(tmp_path):
    file = tmp_path / "me@home.pth"
    file.touch()
    assert ModelChoice.of(str(file)) == ModelChoice(str(file))
    assert ModelChoice.of(f"{file}@medsam") == ModelChoice(str(file), ("medsam",))
    assert ModelChoice.checked(str(file)) == ModelChoice(str(file))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no model"),
        ("@", "names no model"),
        ("@medsam", "names no model"),
        ("a.pth@", "nothing behind its @"),
        ("a.pth@,", "nothing behind its @"),
        ("a.pth@base=", "no base behind base="),
        ("a.pth@samed,base=", "no base behind base="),
    ],
)
def test_a_person_is_told_what_is_missing_of_a_choice(text, said):
    with pytest.raises(SegsamError, match=said):
        ModelChoice.checked(text)


def test_a_whole_choice_is_read_as_it_is():
    assert ModelChoice.checked("a.pth@base=b.pth") == ModelChoice("a.pth", (), "b.pth")
    assert ModelChoice.checked("nano") == ModelChoice("nano")
