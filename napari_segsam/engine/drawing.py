"""Drawing: a predictor whose decoder can be asked in its own square, many prompts at a time."""

from __future__ import annotations

from typing import Protocol

from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.engine.protocols import Embedding
from napari_segsam.model.prompt_tokens import PromptBatch
from napari_segsam.model.zoo.family import Masks


class Drawing(Protocol):
    """What both predictors have beside the Predictor protocol, for callers that know torch."""

    @property
    def side(self) -> int:
        """Of the square that the slice is fitted into, from its upper left corner, in pixels."""

    def frame_of(self, embedding: Embedding) -> PictureFrame:
        """Where the slice lies in the square."""

    def masks(self, embedding: Embedding, batch: PromptBatch) -> Masks:
        """All masks for P prompts in pixels of the square: logits over the whole square, float32 on the CPU.

        Raises:
            SegsamError: numbers that are none, or a model that takes no prompts.
        """
