"""ZooEmbedding: one slice as a published model's encoder saw it."""

from __future__ import annotations

from dataclasses import dataclass

from napari_segsam.core.volume import Window
from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.engine.protocols import Embedding
from napari_segsam.model.zoo.family import Features


@dataclass(frozen=True, eq=False)
class ZooEmbedding:
    """One slice as the encoder saw it.

    Attributes:
        frame: slice pixels <-> the part of the square that the slice covers.
        features: the encoder's.
        window: what the intensities were clipped to, None for percentiles or an 8-bit picture.
        seconds: time that it took.
    """

    frame: PictureFrame
    features: Features
    window: Window | None
    seconds: float

    @property
    def nbytes(self) -> int:
        """Bytes held by the features."""
        return sum(feature.nbytes for feature in self.features.values())


def own(embedding: Embedding) -> ZooEmbedding:
    """The embedding itself, which must be one of a :class:`ZooPredictor`."""
    if not isinstance(embedding, ZooEmbedding):
        raise TypeError(f"an embedding of this predictor is needed, not {type(embedding).__name__}")
    return embedding
