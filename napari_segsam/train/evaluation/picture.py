"""Picture: what is asked about, embedded once for all of its masks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.prediction import dice
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.engine.protocols import Embedding, Predictor
from napari_segsam.train.data.sample import Sample
from napari_segsam.train.evaluation.asking import OneMask
from napari_segsam.train.evaluation.rows import Seen, Suggested
from napari_segsam.train.evaluation.targets import read_mask, read_picture
from napari_segsam.train.priors import PriorSource, augmented_view, surer_answer

Mask = NDArray[np.bool_]


@dataclass(eq=False)
class Picture:
    """A picture that is asked about: embedded once (and once with its prior maps), each of its masks read once."""

    sample: Sample
    view: SliceView
    predictor: Predictor | None = None
    embedding: Embedding | None = None
    augmented: Embedding | None = None
    masks: dict[Path, Mask] = field(default_factory=dict)

    @classmethod
    def of(cls, sample: Sample, predictor: Predictor | None, priors: PriorSource | None = None) -> Picture:
        """Read the picture, and embed it where there is a predictor, once more with ``priors`` where these are asked.

        Raises:
            UnreadableInputError: no picture.
        """
        volume, asked = read_picture(sample)
        view = SliceView(volume, 2, 0)
        if predictor is None:
            return cls(sample, view)
        picture = cls(sample, view, predictor, predictor.embed(view, predictor.window_for(view, None, asked)))
        if priors is not None:
            second = augmented_view(view, priors.maps(view, asked))
            picture.augmented = predictor.embed(second, predictor.window_for(second, None, None))
        return picture

    def truth(self, path: Path) -> Mask:
        """(rows, cols) a mask of this picture.

        Raises:
            UnreadableInputError: see :func:`read_mask`.
        """
        if path not in self.masks:
            self.masks[path] = read_mask(path, self.view.shape)
        return self.masks[path]

    def ask(self) -> OneMask | None:
        """Puts prompts for one mask to the model, None where there is none."""
        predictor, embedding, augmented = self.predictor, self.embedding, self.augmented
        if predictor is None or embedding is None:
            return None
        if augmented is not None:
            return OneMask(lambda prompts: surer_answer(predictor, (embedding, augmented), prompts))
        return OneMask(lambda prompts: predictor.predict(embedding, prompts))

    def seen(self, annotates: Iterable[str]) -> Seen | None:
        """What the model names by itself beside what is annotated, None where there is no model or it names nothing.

        Args:
            annotates: classes that the data set annotates on any picture.
        """
        if self.predictor is None or self.embedding is None or not self.predictor.vocabulary:
            return None
        vocabulary = self.predictor.vocabulary
        masks: dict[str, list[Path]] = defaultdict(list)
        for file in self.sample.masks:
            name = vocabulary.canonical(file.class_name)
            if name is not None:
                masks[name].append(file.path)
        suggested = [
            Suggested(s.name, s.score, self._overlap(s.mask, masks[s.name]) if s.name in masks else None)
            for s in self.predictor.suggest(self.embedding)
        ]
        return Seen(self.sample.path.name, tuple(suggested), frozenset(masks), _canonical(annotates, vocabulary))

    def _overlap(self, mask: Mask, of_class: list[Path]) -> float | None:
        """Dice against all masks of a class together; None where none of them can be read."""
        union = np.zeros_like(mask)
        for path in of_class:
            with suppress(UnreadableInputError):  # said where the mask itself is a target
                union |= self.truth(path)
        return dice(mask, union) if union.any() else None


def _canonical(names: Iterable[str], vocabulary: Vocabulary) -> frozenset[str]:
    return frozenset(found for name in names if (found := vocabulary.canonical(name)) is not None)
