import json
from dataclasses import replace

import pytest
import torch

from napari_segsam.model import checkpoint
from napari_segsam.train import new_classes
from tests.tiny import TINY_NANO, saved, tiny
from tests.train.test_new_classes import CARD, Lengths


@pytest.fixture
def model(tmp_path):
    return saved(tiny(replace(TINY_NANO, n_aspects=5)), tmp_path)


@pytest.fixture
def cards(tmp_path, monkeypatch):
    monkeypatch.setattr(new_classes, "text_encoder", lambda spec: Lengths())
    path = tmp_path / "cards.toml"
    path.write_text(CARD)
    return path


def test_the_classes_of_a_model_are_listed_with_id_kinds_and_code(run, model):
    listed = json.loads(run("classes", "list", "--model", model, "--json").stdout)
    assert [(c["id"], c["name"]) for c in listed["classes"]] == [(1, "liver"), (2, "spleen"), (3, "kidney_left")]
    assert listed["classes"][0]["snomed"] == {"code": "10200004", "meaning": "Liver structure"}
    assert listed["classes"][0]["aliases"] == ["hepar"]
    assert listed["text_encoder"] == "minilm"
    plain = run("classes", "list", "--model", model).stdout.splitlines()
    assert len(plain) == 3 and "kidney_left" in plain[2] and "18639004" in plain[2]


def test_the_default_model_is_listed_with_the_kinds_of_picture_of_each_class(run):
    listed = json.loads(run("classes", "list", "--json").stdout)["classes"]
    assert [c["id"] for c in listed] == list(range(1, len(listed) + 1))
    assert all(c["modalities"] for c in listed)


def test_a_described_class_joins_the_list_of_the_model_that_is_written(run, model, cards, tmp_path):
    out = tmp_path / "mine.safetensors"
    done = run("classes", "add", cards, "--model", model, "--out", out)
    assert (done.exit_code, "4 renal_stent" in done.stderr) == (0, True)
    listed = json.loads(run("classes", "list", "--model", out, "--json").stdout)["classes"]
    assert listed[3] | {"aliases": None} == {
        "id": 4, "name": "renal_stent", "aliases": None, "modalities": ["ct", "xray"], "snomed": None,
    }  # fmt: skip
    assert torch.equal(checkpoint.load(out)[0].class_cards.basis, checkpoint.load(model)[0].class_cards.basis)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cards.toml", "mine.safetensors", "tiny.safetensors"]


def test_what_cannot_be_added_leaves_no_file_and_says_why(run, model, cards, tmp_path):
    cards.write_text(CARD.replace("renal_stent", "liver"))
    done = run("classes", "add", cards, "--model", model, "--out", tmp_path / "mine.safetensors")
    assert (done.exit_code, "already the name of a class" in done.stderr) == (2, True)
    assert not (tmp_path / "mine.safetensors").exists()


def test_the_model_that_is_read_is_not_overwritten(run, model, cards):
    before = model.read_bytes()
    done = run("classes", "add", cards, "--model", model, "--out", model)
    assert (done.exit_code, "is an input" in done.stderr) == (2, True)
    assert model.read_bytes() == before


def test_another_suffix_is_refused_before_anything_is_read(run, cards, tmp_path):
    done = run("classes", "add", cards, "--out", tmp_path / "mine.pt")
    assert (done.exit_code, ".safetensors" in done.stderr) == (2, True)


def test_a_file_that_is_no_model_is_refused(run, tmp_path):
    (tmp_path / "notes.safetensors").write_text("none")
    done = run("classes", "list", "--model", tmp_path / "notes.safetensors")
    assert (done.exit_code, "notes.safetensors is no model" in done.stderr) == (2, True)
