"""A person's own classes are in every model that can have them, and never in the way of one that cannot."""

import logging
import os
import time
from dataclasses import replace
from hashlib import sha256

import pytest
import torch
from filelock import FileLock

from napari_segsam.core.errors import BadCheckpointError, SegsamError
from napari_segsam.core.terminology import ClassCard
from napari_segsam.engine.predictor import load_predictor
from napari_segsam.io.class_cards import keep_own, own_cards
from napari_segsam.model import checkpoint
from napari_segsam.train import new_classes, own_classes
from napari_segsam.train.own_classes import learn, with_own_classes
from tests.tiny import NAMES, TINY_NANO, header_of, saved, tiny

SAID, OTHER = ("A long thin tube.", "Very bright on CT."), ("A round bead.", "Dark on MR.")
MISSING = SegsamError("Embedding class cards needs the extra 'text': pip install 'napari-segsam[text]'.")


class Lengths:
    """An encoder by hand: a sentence's vector hangs on its letters alone."""

    name = "minilm"
    runs = 0

    def encode(self, sentences):
        Lengths.runs += 1
        return torch.tensor([[s.count(c) for c in "abcdeghilnor"] for s in sentences], dtype=torch.float32)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGSAM_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SEGSAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Lengths, "runs", 0)
    has_encoder(monkeypatch)
    return tmp_path


def has_encoder(monkeypatch, error=None):
    def made(_spec):
        if error is not None:
            raise error
        return Lengths()

    for module in (new_classes, own_classes):
        monkeypatch.setattr(module, "text_encoder", made)


@pytest.fixture
def path(tmp_path):
    return saved(tiny(), tmp_path)


def card(name="renal_stent", sentences=SAID):
    """As a person writes it, but of two sentences, which is what the tiny model's cards have."""
    return ClassCard(name, ("ct",), (), "", (), sentences)


@pytest.fixture(autouse=True)
def two_sentences(monkeypatch):
    """The file keeps five; the tiny model reads the first two."""
    rows = new_classes.embed_cards
    shorter = lambda cards, encoder: rows([replace(c, sentences=c.sentences[:2]) for c in cards], encoder)  # noqa: E731
    monkeypatch.setattr(new_classes, "embed_cards", shorter)


def five(name="renal_stent", sentences=SAID):
    return card(name, (*sentences, "Even.", "Sharp.", "None."))


def test_without_own_classes_the_models_own_file_is_loaded(path):
    assert with_own_classes(path) == path


def test_a_learnt_class_is_in_the_model_that_is_loaded_next_under_the_models_name(path):
    learn(path, five())
    made = load_predictor(with_own_classes(path), "cpu")
    assert made.vocabulary.names == (*NAMES, "renal_stent") and made.name == "tiny"
    assert made.sha256 != load_predictor(path, "cpu").sha256
    assert list(own_cards()) == ["renal_stent"]


def test_the_sentence_encoder_runs_once_for_a_class(path):
    learn(path, five())
    runs = Lengths.runs
    assert runs > 0 and with_own_classes(path) == with_own_classes(path) != path
    assert Lengths.runs == runs


def test_one_grown_file_is_kept_for_each_model_once_nobody_is_about_to_open_the_last_one(path, home):
    learn(path, five())
    last = with_own_classes(path)
    learn(path, five("drain", OTHER))
    other = saved(tiny(seed=1), home, "other")
    with_own_classes(other)
    assert last.exists()  # another window may have been given it just now
    seal = next(last.parent.glob("*.sha256"))
    os.utime(seal, (time.time() - 3600,) * 2)
    with_own_classes(path)
    assert files_of(home) == ["other.safetensors", "tiny.safetensors"]
    assert checkpoint.read_header(with_own_classes(path)).names == (*NAMES, "renal_stent", "drain")


def test_another_file_in_the_models_place_is_grown_anew(path, home):
    learn(path, five())
    before = with_own_classes(path)
    saved(tiny(replace(TINY_NANO, mlp_dim=32)), home)
    assert with_own_classes(path) != before


def files_of(home):
    return sorted(p.name for p in (home / "cache").rglob("*.safetensors"))


def test_a_model_that_was_only_touched_is_not_grown_again(path, home):
    learn(path, five())
    before, runs = with_own_classes(path), Lengths.runs
    for time_ns in (1, 2, 3):
        os.utime(path, ns=(time_ns, time_ns))
        assert with_own_classes(path) == before
    assert Lengths.runs == runs and files_of(home) == ["tiny.safetensors"]


def test_what_was_made_of_an_older_file_at_the_models_place_goes(path, home, monkeypatch):
    monkeypatch.setattr(own_classes, "_ABOUT_TO_BE_OPENED_S", -1)
    learn(path, five())
    saved(tiny(seed=1), home)
    with_own_classes(path)
    assert files_of(home) == ["tiny.safetensors"]


def truncated(data):
    return data[: len(data) // 2]


def with_another_byte(data):
    return data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]


@pytest.mark.parametrize("damage", [truncated, with_another_byte, lambda _: b""])
def test_a_damaged_grown_file_is_grown_again(path, damage):
    learn(path, five())
    grown = with_own_classes(path)
    seal, whole = next(grown.parent.glob("*.sha256")), grown.read_bytes()
    for lost in (False, True):
        grown.write_bytes(damage(whole))
        if lost:
            seal.unlink()
        assert with_own_classes(path) == grown and checkpoint.load(grown)[1].names == (*NAMES, "renal_stent")
        assert seal.read_text() == sha256(grown.read_bytes()).hexdigest()


def test_where_a_damaged_grown_file_cannot_be_grown_again_the_models_own_is_loaded(path, monkeypatch, caplog):
    learn(path, five())
    with_own_classes(path).write_bytes(b"x")
    has_encoder(monkeypatch, MISSING)
    with caplog.at_level(logging.WARNING):
        assert with_own_classes(path) == path
    assert "renal_stent is not suggested: Embedding class cards needs" in caplog.text


def test_a_window_that_waits_too_long_for_another_one_goes_on_without(path, monkeypatch, caplog):
    learn(path, five())
    monkeypatch.setattr(own_classes, "_WAIT_S", 0)
    with FileLock(with_own_classes(path).parents[2].with_suffix(".lock")), caplog.at_level(logging.WARNING):
        assert with_own_classes(path) == path
    assert "another window works on it" in caplog.text
    assert with_own_classes(path) != path


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")
def test_grown_files_are_their_owners_alone(path, home):
    folder = home / "cache" / "own-classes"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    learn(path, five())
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["liver", "hepar"])
def test_a_name_that_the_model_understands_already_is_refused_and_not_kept(path, name):
    with pytest.raises(SegsamError, match=rf"has '{name}' already, as its class 'liver'"):
        learn(path, five(name))
    assert own_cards() == {}


def test_the_encoder_runs_once_for_a_class_that_is_described_anew(path):
    learn(path, five())
    learn(path, five("drain", OTHER))
    learn(path, five(sentences=("A wide sack.", "Dark on CT.")))
    runs = Lengths.runs
    assert with_own_classes(path) != path and Lengths.runs == runs


def test_where_the_encoder_is_missing_it_says_what_to_install_and_the_card_is_kept_for_then(path, monkeypatch, caplog):
    has_encoder(monkeypatch, MISSING)
    with pytest.raises(SegsamError, match="napari-segsam"):
        learn(path, five())
    with caplog.at_level(logging.WARNING):
        assert with_own_classes(path) == path
    assert "renal_stent is not suggested" in caplog.text
    has_encoder(monkeypatch)
    assert checkpoint.read_header(with_own_classes(path)).names[-1] == "renal_stent"


def test_what_was_learnt_stays_while_the_encoder_is_missing_for_a_newer_class(path, monkeypatch):
    learn(path, five())
    has_encoder(monkeypatch, MISSING)
    with pytest.raises(SegsamError, match="napari-segsam"):
        learn(path, five("drain", OTHER))
    assert list(own_cards()) == ["renal_stent", "drain"]
    assert checkpoint.read_header(with_own_classes(path)).names == (*NAMES, "renal_stent")


def test_a_card_that_cannot_be_learnt_takes_no_other_one_with_it(path):
    learn(path, five())
    keep_own(five("stent"))
    keep_own(five("drain", OTHER))
    assert checkpoint.read_header(with_own_classes(path)).names == (*NAMES, "renal_stent", "drain")


def test_a_model_with_a_head_of_fixed_size_says_so_and_goes_on_without(path, home):
    header = replace(header_of(tiny()), config=replace(TINY_NANO, cls_head="linear"))
    closed = home / "closed.safetensors"
    checkpoint.write(closed, {"any": torch.zeros(1)}, header)
    with pytest.raises(BadCheckpointError, match="fixed size"):
        learn(closed, five())
    assert with_own_classes(closed) == closed
    assert checkpoint.read_header(with_own_classes(path)).names[-1] == "renal_stent"


def test_a_card_that_is_another_ones_is_refused_and_not_kept_and_the_others_stay(path):
    learn(path, five())
    with pytest.raises(SegsamError, match="only their names would tell the two apart"):
        learn(path, five("stent"))
    assert list(own_cards()) == ["renal_stent"]
    assert checkpoint.read_header(with_own_classes(path)).names == (*NAMES, "renal_stent")


def test_a_new_description_takes_the_place_of_the_old_one(path):
    learn(path, five())
    before = with_own_classes(path)
    learn(path, five(sentences=OTHER))
    header = checkpoint.read_header(with_own_classes(path))
    assert with_own_classes(path) != before and header.names == (*NAMES, "renal_stent")


def test_a_class_that_the_model_has_already_is_not_added_again(path):
    keep_own(five("liver"))
    assert with_own_classes(path) == path


def test_no_file_of_own_classes_keeps_a_model_from_loading(path, home):
    (home / "state").mkdir()
    (home / "state" / "classes.toml").write_text("[class.a")
    assert with_own_classes(path) == path
    damaged = home / "damaged.safetensors"
    damaged.write_bytes(b"x")
    (home / "state" / "classes.toml").unlink()
    keep_own(five())
    assert with_own_classes(damaged) == damaged


def test_a_cache_that_cannot_be_written_keeps_no_model_from_loading(path, home, monkeypatch):
    (home / "file").write_text("")
    monkeypatch.setenv("SEGSAM_CACHE", str(home / "file"))
    with pytest.raises(SegsamError, match="SEGSAM_CACHE"):
        learn(path, five())
    assert with_own_classes(path) == path and "renal_stent" in own_cards()
