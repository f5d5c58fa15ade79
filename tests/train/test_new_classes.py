from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from napari_segsam.core.errors import BadCheckpointError, SegsamError, UnreadableInputError, WriteError
from napari_segsam.core.terminology import ClassCard
from napari_segsam.engine.predictor import load_predictor
from napari_segsam.model import checkpoint
from napari_segsam.train import new_classes
from napari_segsam.train.new_classes import add_classes, read_new_cards
from napari_segsam.train.text import Tfidf, sentences_of
from tests.tiny import NAMES, TINY_NANO, header_of, prompts, saved, tiny, zoomed

SILENT = replace(TINY_NANO, text_mode="off")
CARD = """
[class.renal_stent]
modalities = ["ct", "xray"]
aliases = ["ureter_stent"]
location = "Between kidney and bladder."
shape = "A long thin tube."
appearance = "Very bright on CT."
texture = "Even, with sharp edges."
lookalike = "A stone is short."
"""


class Lengths:
    """An encoder by hand: a sentence's vector hangs on its letters alone."""

    name = "minilm"

    def encode(self, sentences):
        return torch.tensor([[s.count(c) for c in "abcdeghilnor"] for s in sentences], dtype=torch.float32)


@pytest.fixture(autouse=True)
def encoder(monkeypatch):
    monkeypatch.setattr(new_classes, "text_encoder", lambda spec: Lengths())


SAID = ("A long thin tube.", "Very bright on CT.")
OTHER = ("A round bead.", "Dark on MR.")


def card(name="renal_stent", *aliases, sentences=SAID):
    return ClassCard(name, ("ct",), aliases, "", (), sentences)


@pytest.fixture
def path(tmp_path):
    return saved(tiny(), tmp_path)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "grown.safetensors"


def test_the_logits_of_the_old_classes_stay_and_the_new_class_has_its_own(path, out):
    add_classes(path, [card()], out)
    (old, _), (new, header) = checkpoint.load(path), checkpoint.load(out)
    tokens = torch.randn(5, TINY_NANO.dim)
    with torch.no_grad():
        before = old.semantic_decoder.classes(tokens, old.class_cards())
        after = new.semantic_decoder.classes(tokens, new.class_cards())
    assert header.names == (*NAMES, "renal_stent")
    assert after.shape == (5, len(NAMES) + 2)
    torch.testing.assert_close(after[:, [0, 1, 2, 4]], before)
    assert (after[:, 3:4] - after[:, :3]).abs().min() > 1e-4  # the new one is not a copy of an old one


def test_where_no_text_is_read_whole_answers_stay_as_they_were(tmp_path, out):
    add_classes(saved(tiny(SILENT), tmp_path), [card(), card("stone", sentences=OTHER)], out)
    (old, _), (new, _) = checkpoint.load(tmp_path / "tiny.safetensors"), checkpoint.load(out)
    picture, asked, crops = torch.randn(1, 3, 64, 64), prompts([[2, 3]], 32), zoomed(1)
    with torch.no_grad():
        before, after = (m(m.encode(picture), asked, crops) for m in (old, new))
        free = [m.unprompted(m.encode(picture)).co_class_logits for m in (old, new)]
    torch.testing.assert_close(after.semantic.class_logits[:, :3], before.semantic.class_logits)
    torch.testing.assert_close(after.mask_logits, before.mask_logits)
    torch.testing.assert_close(free[1][..., [0, 1, 2, 5]], free[0])
    assert after.semantic.class_logits.shape == (1, 5)


def test_every_other_tensor_is_kept_bit_for_bit_in_its_own_precision(tmp_path, out):
    half = tmp_path / "half.safetensors"
    model = tiny()
    checkpoint.save(half, model, header_of(model))
    add_classes(half, [card()], out)
    (_, before), (_, after) = checkpoint.read(half), checkpoint.read(out)
    rows = after.pop("class_cards.sentences")
    kept = before.pop("class_cards.sentences")
    assert before.keys() == after.keys()
    assert all(before[k].dtype == after[k].dtype and torch.equal(before[k], after[k]) for k in before)
    assert rows.dtype == torch.float16 and torch.equal(rows[:3], kept)
    told = F.normalize(Lengths().encode(sentences_of([card()])), dim=-1)
    assert torch.equal(rows[3], told.half())


def test_a_model_with_a_new_class_knows_it_by_its_aliases_and_keeps_its_calibration(path, out, monkeypatch):
    header, tensors = checkpoint.read(path)
    checkpoint.write(path, tensors, replace(header, temperature=1.5, suggest_at=0.4))
    grown = add_classes(path, [card("renal_stent", "ureter_stent")], out)
    vocabulary = load_predictor(out, "cpu").vocabulary
    assert vocabulary.id_of("Ureter stent") == 4 and vocabulary.canonical("hepar") == "liver"
    assert vocabulary.possible("mr") == (True, True, True, False)
    assert (grown.temperature, grown.suggest_at) == (1.5, 0.4)
    assert checkpoint.read_header(out) == grown


@pytest.mark.parametrize(
    ("choice", "why"),
    [({"cls_head": "linear"}, "class head of fixed size"), ({"co": "class_queries"}, "token of its own")],
)
def test_a_model_whose_class_list_is_closed_is_refused(tmp_path, out, choice, why):
    header = replace(header_of(tiny()), config=replace(TINY_NANO, **choice))
    checkpoint.write(tmp_path / "closed.safetensors", {"any": torch.zeros(1)}, header)
    with pytest.raises(BadCheckpointError, match=rf"closed\.safetensors.*{why}"):
        add_classes(tmp_path / "closed.safetensors", [card()], out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("cards", "taken"),
    [
        (
            [card("liver")],
            "The name of the new class 'liver' is already the name of a class in tiny.safetensors; "
            "choose another name.",
        ),
        (
            [card("hepar")],
            "The name of the new class 'hepar' is already another name of 'liver' in tiny.safetensors; "
            "choose another name.",
        ),
        (
            [card("organ", "spleen")],
            "The alias 'spleen' of 'organ' is already the name of a class in tiny.safetensors; leave the alias out.",
        ),
        (
            [card("organ", "hepar")],
            "The alias 'hepar' of 'organ' is already another name of 'liver' in tiny.safetensors; leave the alias out.",
        ),
        (
            [card("stent"), card("tube", "stent")],
            "The alias 'stent' of 'tube' is already the name of a class among the new classes; leave the alias out.",
        ),
    ],
)
def test_a_spelling_that_already_means_something_is_refused_in_plain_words(path, out, cards, taken):
    with pytest.raises(SegsamError) as refusal:
        add_classes(path, cards, out)
    assert str(refusal.value) == taken
    assert not out.exists()


def test_a_card_that_says_what_another_says_is_refused(tmp_path, path, out):
    add_classes(path, [card(), card("bead", sentences=(SAID[0], OTHER[1]))], out)  # one sentence may be the same
    again = tmp_path / "again.safetensors"
    with pytest.raises(SegsamError, match="All sentences of the new class 'tube' are those of 'renal_stent'"):
        add_classes(out, [card("tube")], again)
    with pytest.raises(SegsamError, match="the new class 'tube' are those of 'stent'"):
        add_classes(path, [card("stent", sentences=OTHER), card("tube", sentences=OTHER)], again)
    assert not again.exists()


def test_vectors_of_another_encoder_are_not_mixed_in(path, out):
    header, tensors = checkpoint.read(path)
    checkpoint.write(path, tensors, replace(header, text_encoder="hub:owner/name@0"))
    with pytest.raises(SegsamError, match="embedded with hub:owner/name@0, not with minilm"):
        add_classes(path, [card()], out)


def test_a_card_with_another_number_of_sentences_is_refused(path, out):
    with pytest.raises(SegsamError, match="1 vectors of 12 numbers where the model's cards have 2 of 12"):
        add_classes(path, [card(sentences=("Alone.",))], out)


def test_a_model_of_tfidf_cards_asks_for_what_was_fitted(path, out, tmp_path, monkeypatch):
    fit = Tfidf.fit([f"word{i} of {i} and tube bright" for i in range(30)], width=12)
    monkeypatch.setattr(new_classes, "text_encoder", lambda spec: fit)
    header, tensors = checkpoint.read(path)
    checkpoint.write(path, tensors, replace(header, text_encoder=fit.name))
    with pytest.raises(SegsamError, match="name its fitted file"):
        add_classes(path, [card()], out)
    assert add_classes(path, [card()], out, "tfidf:fit.safetensors").text_encoder == fit.name


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, out):
    (tmp_path / "notes.safetensors").write_text("none")
    with pytest.raises(BadCheckpointError, match=r"notes\.safetensors is no model"):
        add_classes(tmp_path / "notes.safetensors", [card()], out)


def test_a_place_that_cannot_be_written_is_said(path, tmp_path):
    with pytest.raises(WriteError, match=r"grown\.safetensors was not written"):
        add_classes(path, [card()], tmp_path / "nowhere" / "grown.safetensors")


def test_a_card_file_gives_cards_in_its_order(tmp_path):
    file = tmp_path / "cards.toml"
    file.write_text(CARD + CARD.replace("renal_stent", "a_stent").replace('aliases = ["ureter_stent"]\n', ""))
    first, second = read_new_cards(file)
    assert (first.name, first.aliases, first.modalities) == ("renal_stent", ("ureter_stent",), ("ct", "xray"))
    assert (second.name, second.aliases, second.snomed, second.laterality) == ("a_stent", (), (), "")
    assert first.sentences[0] == "Between kidney and bladder." and len(first.sentences) == 5


def test_a_side_that_agrees_with_the_name_or_stands_alone_is_read(tmp_path):
    file = tmp_path / "cards.toml"
    for name in ("stent_left", "stent"):
        file.write_text(CARD.replace("renal_stent]", f'{name}]\nlaterality = "left"'))
        assert read_new_cards(file)[0].laterality == "left"


def test_a_card_file_with_a_byte_order_mark_is_read(tmp_path):
    (tmp_path / "cards.toml").write_text(CARD, encoding="utf-8-sig")
    assert read_new_cards(tmp_path / "cards.toml")[0].name == "renal_stent"


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("shape = ", "form = ", "class.renal_stent.shape': is missing"),
        ('"A stone is short."', '""', "class.renal_stent.lookalike': must not be empty"),
        ('"A stone is short."', '"  "', "class.renal_stent.lookalike': must not be empty"),
        ("renal_stent]", '"Renal stent"]', "class.Renal stent': must be lower-case words"),
        ("ureter_stent", "Ureter", r"class.renal_stent.aliases\[0\]': must be lower-case words"),
        ("renal_stent]", "union_stents]", "class.union_stents': must not begin with union_"),
        (
            "renal_stent]",
            'stent_left]\nlaterality = "right"',
            "class': 'stent_left' has the laterality 'right', which its name contradicts",
        ),
        ('"ct"', '"cat"', r"class.renal_stent.modalities\[0\]': must be 'ct'"),
        ('["ct", "xray"]', "[]", "class.renal_stent.modalities': needs 1 or more"),
        ("[class.renal_stent]", "[klass.renal_stent]", "'klass': unknown key"),
        ("location", 'snomed = ["1"]\nlocation', "class.renal_stent': snomed is a code and its meaning"),
        (
            "location",
            'category = "organ"\nlocation',
            "class.renal_stent.category': must be '', 'anatomy' or 'abnormal'",
        ),
        ("[class", "class", "cannot be read as TOML"),
        (CARD, "", "has no .class.NAME. table"),
    ],
)
def test_a_faulty_card_file_is_refused_by_the_place_of_the_fault(tmp_path, before, after, why):
    file = tmp_path / "cards.toml"
    file.write_text(CARD.replace(before, after, 1))
    with pytest.raises(UnreadableInputError, match=rf"cards\.toml.*{why}"):
        read_new_cards(file)


def test_a_card_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UnreadableInputError, match=r"gone\.toml could not be opened"):
        read_new_cards(tmp_path / "gone.toml")
