"""SliceEmbedding: one slice as the encoder saw it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from napari_segsam.core.volume import Window
from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.engine.protocols import Embedding
from napari_segsam.model.zoom_encoder import SliceFeatures


@dataclass(frozen=True, eq=False)
class SliceEmbedding:
    """One slice as the encoder saw it, with what is needed to answer prompts on it.

    Attributes:
        frame: slice pixels <-> picture pixels.
        picture: (1 or 3, H, W) intensities that crops are cut from.
        features: the encoder's, one row.
        scale: pixels of the padded square per picture pixel.
        possible: (K,) which classes a picture of this modality can show.
        window: what the intensities were clipped to, None for percentiles.
        seconds: time that it took.
    """

    frame: PictureFrame
    picture: Tensor
    features: SliceFeatures
    scale: float
    possible: Tensor
    window: Window | None
    seconds: float

    @property
    def nbytes(self) -> int:
        """Bytes held by picture and features."""
        tensors = [self.picture, self.features.tokens, self.features.detail, self.features.local]
        return sum(t.nbytes for t in tensors if t is not None)

    def share(self, side: int) -> tuple[float, float]:
        """Height and width of the picture in the padded square of ``side``, 0..1."""
        return min(self.frame.height * self.scale / side, 1.0), min(self.frame.width * self.scale / side, 1.0)


def own(embedding: Embedding) -> SliceEmbedding:
    """The embedding itself, which must be one of a :class:`SegSamPredictor`."""
    if not isinstance(embedding, SliceEmbedding):
        raise TypeError(f"an embedding of this predictor is needed, not {type(embedding).__name__}")
    return embedding
