"""Class cards -> sentence embeddings; which encoder made them is written into the checkpoint that carries them.

=================================  ==================================================================
``minilm``                         all-MiniLM-L6-v2, 384-d, out of a package of the index: no network
``hub:OWNER/NAME@REVISION``        a sentence-transformers model of the Hugging Face hub, pinned
``tfidf``                          TF-IDF and a truncated SVD, fitted on the cards themselves
``tfidf:FILE.safetensors``         the same, as it was fitted and saved before
=================================  ==================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from torch import Tensor
from torch.nn import functional as F

from napari_segsam.core.errors import UnknownNameError
from napari_segsam.core.terminology import ClassCard, spoken
from napari_segsam.train.text.sentence_models import hub_model, minilm
from napari_segsam.train.text.tfidf import Tfidf

__all__ = ["TextEncoder", "Tfidf", "embed_cards", "text_encoder"]


class TextEncoder(Protocol):
    """Sentences -> vectors."""

    @property
    def name(self) -> str:
        """Identifies it, weights included; what a checkpoint's header says."""

    def encode(self, sentences: Sequence[str]) -> Tensor:
        """As many (n, d) float vectors as there are sentences."""


def text_encoder(spec: str, cards: Iterable[ClassCard] = ()) -> TextEncoder:
    """The encoder that ``spec`` names, see the table above; ``cards`` are what ``tfidf`` is fitted on.

    Raises:
        UnknownNameError: no such encoder.
        SegsamError: what it needs is not installed, not here or not to be had now.
    """
    kind, _, rest = spec.partition(":")
    if spec == "minilm":
        return minilm()
    if kind == "hub" and rest:
        return hub_model(rest)
    if kind == "tfidf":
        return Tfidf.load(Path(rest)) if rest else Tfidf.fit(sentences_of(cards))
    raise UnknownNameError("text encoder", spec, ("minilm", "hub:OWNER/NAME@REVISION", "tfidf"))


def sentences_of(cards: Iterable[ClassCard]) -> list[str]:
    """All cards' sentences, each preceded by its class name so that it says what it is about."""
    return [f"{spoken(c.name)}: {s}" for c in cards for s in c.sentences]


def embed_cards(cards: Iterable[ClassCard], encoder: str | TextEncoder = "minilm") -> Tensor:
    """K cards of A sentences -> (K, A, d) unit vectors, float32.

    Raises:
        SegsamError: see :func:`text_encoder`.
    """
    listed = list(cards)
    made = text_encoder(encoder, listed) if isinstance(encoder, str) else encoder
    vectors = F.normalize(made.encode(sentences_of(listed)).float(), dim=-1)
    return vectors.reshape(len(listed), -1, vectors.shape[-1])
