"""Text embedding without a language model: TF-IDF of words, and a truncated SVD of it.

Source: latent semantic analysis (Deerwester et al., "Indexing by latent semantic analysis", 1990). It knows the cards'
own words only and no synonyms: the baseline that a learned sentence encoder has to beat.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor

from napari_segsam.core.errors import SegsamError

FORMAT = "segsam-tfidf-1"
_PATTERN = r"(?u)\b\w+\b"  # a lone letter or digit counts: rib 7, zone T


class Tfidf:
    """What was fitted: which terms there are, how rare each is, and the directions that are kept."""

    def __init__(self, terms: Sequence[str], rarity: NDArray[np.float32], directions: NDArray[np.float32]) -> None:
        """Terms in order; (V,) inverse document frequencies; (d, V) directions."""
        self._terms = tuple(terms)
        self._rarity, self._directions = rarity, directions
        self._counter = _counter(vocabulary={term: i for i, term in enumerate(terms)})
        self._counter.idf_ = rarity.astype(np.float64)

    @classmethod
    def fit(cls, sentences: Sequence[str], width: int = 384) -> Tfidf:
        """Fit on ``sentences``; ``width`` directions, or fewer where the sentences do not span as many.

        Raises:
            SegsamError: scikit-learn is not installed, or there are fewer than two sentences.
        """
        if len(sentences) < 2:
            raise SegsamError(
                "TF-IDF is fitted on two or more sentences; name what was fitted: tfidf:FILE.safetensors."
            )
        counter = _counter()
        weights = counter.fit_transform(sentences)
        from sklearn.decomposition import TruncatedSVD

        svd = TruncatedSVD(min(width, min(weights.shape) - 1), random_state=0).fit(weights)
        terms = [str(term) for term in counter.get_feature_names_out()]
        return cls(terms, counter.idf_.astype(np.float32), svd.components_.astype(np.float32))

    @property
    def name(self) -> str:
        """``tfidf:`` and the first digits of a hash over all that was fitted."""
        digest = sha256("\n".join(self._terms).encode())
        digest.update(self._rarity.tobytes() + self._directions.tobytes())
        return f"tfidf:{digest.hexdigest()[:16]}"

    def encode(self, sentences: Sequence[str]) -> Tensor:
        """As many (n, d) vectors as there are sentences.

        Raises:
            SegsamError: a sentence of which no word is known.
        """
        weights = self._counter.transform(sentences)
        for sentence, known in zip(sentences, weights.getnnz(axis=1), strict=True):
            if not known:
                raise SegsamError(
                    f"'{sentence}' has no word that the TF-IDF encoder was fitted on; say it in other words."
                )
        return torch.from_numpy(np.asarray(weights @ self._directions.T, dtype=np.float32))

    def save(self, path: Path) -> None:
        """Write it to a ``.safetensors`` file."""
        arrays = {"rarity": self._rarity, "directions": np.ascontiguousarray(self._directions)}
        save_file(arrays, path, {"format": FORMAT, "terms": json.dumps(self._terms)})

    @classmethod
    def load(cls, path: Path) -> Tfidf:
        """Read what :meth:`save` wrote.

        Raises:
            SegsamError: no such file, another kind of file, or scikit-learn is not installed.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                said = file.metadata() or {}
                if said.get("format") != FORMAT:
                    raise ValueError(f"no '{FORMAT}' in its header")
                terms = [str(term) for term in json.loads(said["terms"])]
                rarity, directions = file.get_tensor("rarity"), file.get_tensor("directions")
            if not rarity.shape == (len(terms),) == directions.shape[1:]:
                raise ValueError(f"arrays of other sizes than its {len(terms)} terms")
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise SegsamError(f"{path.name} is no fitted TF-IDF encoder ({error}); name another file.") from error
        return cls(terms, rarity, directions)


def _counter(**choices: Any) -> Any:
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError as error:
        raise SegsamError("The text encoder 'tfidf' needs scikit-learn: pip install 'napari-segsam[text]'.") from error
    return TfidfVectorizer(sublinear_tf=True, token_pattern=_PATTERN, **choices)
