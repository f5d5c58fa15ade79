"""SegSamPredictor: embed a slice once, answer prompts on it, suggest what nobody prompted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_segsam.core.errors import BadCheckpointError
from napari_segsam.core.prediction import Candidate, Prediction, Suggestion, dice
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.core.volume import Window
from napari_segsam.engine import stored_features, zoom
from napari_segsam.engine.answers import rank_classes, rule_out, suggestions, to_bool
from napari_segsam.engine.look import Look, PicturePrompts, refuse_unless_finite
from napari_segsam.engine.on_device import OnDevice, choose_device
from napari_segsam.engine.preprocess import PictureFrame, choose_window, make_picture
from napari_segsam.engine.protocols import Embedding
from napari_segsam.engine.slice_embedding import SliceEmbedding, own
from napari_segsam.engine.slice_look import SliceLook
from napari_segsam.engine.zoom_look import ZoomLook
from napari_segsam.model import checkpoint
from napari_segsam.model.prompt_tokens import PromptBatch
from napari_segsam.model.segsam import SegSam
from napari_segsam.model.semantic_decoder import Unprompted
from napari_segsam.model.zoo.family import Masks
from napari_segsam.model.zoom_encoder import SliceFeatures

R = TypeVar("R")


def look_of(model: SegSam) -> ZoomLook | SliceLook:
    """How this model answers prompts: on crops round them, or on the whole slice."""
    return SliceLook(model) if model.config.zoom is None else ZoomLook(model, model.config.zoom)


@dataclass
class SegSamPredictor:
    """A loaded checkpoint behind the engine's Predictor protocol.

    Numbers that are not finite are refused instead of drawn; for what befalls the device, see :class:`OnDevice`.

    Attributes:
        starts_on: the device that the model is on.
    """

    model: SegSam
    header: checkpoint.Header
    name: str
    sha256: str
    starts_on: str = "cpu"
    vocabulary: Vocabulary = field(init=False)

    def __post_init__(self) -> None:
        self.vocabulary = Vocabulary(self.header.names, self.header.aliases, self.header.modalities)
        self._look = look_of(self.model)
        self._on_device = OnDevice(self.model, self.starts_on)

    @property
    def about(self) -> str:
        """Nothing: a SEG-SAM does whatever the dock offers."""
        return ""

    @property
    def options(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def takes(self) -> frozenset[str]:
        """All."""
        return frozenset({"points", "boxes"})

    @property
    def device(self) -> str:
        """Where it runs now."""
        return self._on_device.device

    def when_full(self, make_room: Callable[[], object]) -> None:
        """See ``Predictor.when_full``."""
        self._on_device.make_room = make_room

    def window_for(self, view: SliceView, prompts: Prompts | None, asked: Window | None = None) -> Window | None:
        """See ``preprocess.choose_window``."""
        return choose_window(view, prompts, asked)

    def embed(self, view: SliceView, window: Window | None) -> SliceEmbedding:
        """Encode the slice."""
        began = time.perf_counter()
        picture = make_picture(view, window, PictureFrame.of(view))
        square, _ = zoom.fit_slice(picture, self.model.config.img_size)
        square = self._look.normalise(square.expand(3, -1, -1), picture)

        def encode() -> SliceFeatures:
            return self.model.encode(square.unsqueeze(0).to(self.device))

        features = self._on_device(encode)
        refuse_unless_finite(features.tokens, features.detail, features.local)
        return self._embedding(view, window, picture, features, time.perf_counter() - began)

    def digest(self, view: SliceView, window: Window | None) -> str:
        """See ``Predictor.digest``; takes a few milliseconds."""
        picture = make_picture(view, window, PictureFrame.of(view)).contiguous()
        code, precision, shape = stored_features.code_version(), self._on_device.precision, tuple(picture.shape)
        digest = sha256(f"{self.sha256} {code} {precision} {picture.dtype} {shape}".encode())
        digest.update(picture.numpy().data)
        return digest.hexdigest()

    def to_arrays(self, embedding: Embedding) -> dict[str, NDArray]:  # type: ignore[type-arg]
        """The encoder's features."""
        return stored_features.to_arrays(own(embedding).features)

    def from_arrays(
        self,
        view: SliceView,
        window: Window | None,
        arrays: Mapping[str, NDArray],  # type: ignore[type-arg]
        seconds: float,
    ) -> SliceEmbedding:
        """See ``Predictor.from_arrays``."""
        picture = make_picture(view, window, PictureFrame.of(view))
        features = self._on_device(lambda: self._here(stored_features.from_arrays(arrays)))
        return self._embedding(view, window, picture, features, seconds)

    def _embedding(
        self, view: SliceView, window: Window | None, picture: Tensor, features: SliceFeatures, seconds: float
    ) -> SliceEmbedding:
        scale = self.model.config.img_size / max(picture.shape[1:])
        possible = torch.tensor(self.vocabulary.possible(view.volume.modality))
        return SliceEmbedding(PictureFrame.of(view), picture, features, scale, possible, window, seconds)

    def predict(self, embedding: Embedding, prompts: Prompts) -> Prediction:
        """Answer one object's prompts.

        Raises:
            OutsideImageError: a prompt outside the slice.
            BadPromptsError: no box and no positive click.
        """
        mine = own(embedding)
        return self._asked(mine, prompts, lambda look: self._prediction(mine, look))

    def logits(self, embedding: Embedding, prompts: Prompts) -> NDArray[np.float32]:
        """See ``Predictor.logits``."""
        mine = own(embedding)
        shape = mine.frame.height, mine.frame.width
        best = self._asked(mine, prompts, lambda look: mine.frame.back(look.on_picture(shape)[:1])[0])
        found: NDArray[np.float32] = best.numpy()
        return found

    @property
    def side(self) -> int:
        """Of the square that the encoder reads, in pixels."""
        return self.model.config.img_size

    def frame_of(self, embedding: Embedding) -> PictureFrame:
        """Where the slice lies in the square."""
        mine = own(embedding)
        return PictureFrame(mine.frame.rows, mine.frame.cols, *zoom.fitted(mine.picture, self.side))

    def masks(self, embedding: Embedding, batch: PromptBatch) -> Masks:
        """See ``Drawing.masks``; a model with zoom looks at one prompt after another, as it does in ``predict``."""
        mine = own(embedding)
        return self._on_device(lambda: self._look.masks(mine.picture, self._here(mine.features), mine.scale, batch))

    def _asked(self, embedding: SliceEmbedding, prompts: Prompts, read: Callable[[Look], R]) -> R:
        """What is read from the look at one object."""
        on_picture = PicturePrompts.of(prompts, embedding.frame)

        def answer() -> R:
            features = self._here(embedding.features)
            return read(self._look.answer(embedding.picture, features, embedding.scale, on_picture))

        return self._on_device(answer)

    def class_logits(self, embedding: Embedding, prompts: Prompts) -> Tensor:
        """(K,) class logits of the prompted object as the model gives them: no class ruled out, not calibrated."""
        return self._asked(own(embedding), prompts, lambda look: look.output.semantic.class_logits[0])

    def tag_logits(self, embedding: Embedding) -> Tensor:
        """(N_co, K + 1) logits of what stands unprompted on the slice, as the model gives them."""
        mine = own(embedding)
        return self._on_device(
            lambda: self.model.unprompted(self._here(mine.features)).co_class_logits[0].float().cpu()
        )

    def suggest(self, embedding: Embedding) -> tuple[Suggestion, ...]:
        """What the classification-oriented tokens find on the slice when nothing is prompted."""
        mine = own(embedding)
        output = self._on_device(lambda: self.model.unprompted(self._here(mine.features)))
        refuse_unless_finite(output.co_class_logits, output.co_mask_logits)
        return self._suggestions(mine, output)

    def _prediction(self, embedding: SliceEmbedding, look: Look) -> Prediction:
        semantic = look.output.semantic
        full = embedding.frame.back(look.on_picture((embedding.frame.height, embedding.frame.width)))
        masks = [to_bool(m) for m in full]
        classes = rule_out(semantic.class_logits[0], embedding.possible)
        return Prediction(
            mask=masks[0],
            semantic_mask=masks[-1],
            classes=rank_classes(classes, self.vocabulary, self.header.temperature),
            iou_predicted=look.iou[0],
            decoder_agreement=dice(masks[0], masks[-1]),
            candidates=tuple(Candidate(m, i) for m, i in zip(masks[:-1], look.iou, strict=True)),
            suggestions=self._suggestions(embedding, semantic, masks[0]),
            window=embedding.window,
        )

    def _suggestions(
        self, embedding: SliceEmbedding, output: Unprompted, prompted: NDArray[np.bool_] | None = None
    ) -> tuple[Suggestion, ...]:
        named = Unprompted(rule_out(output.co_class_logits.cpu(), embedding.possible), output.co_mask_logits)
        share = embedding.share(self.model.config.img_size)
        at, temperature = self.header.suggest_at, self.header.temperature
        return suggestions(named, self.vocabulary, embedding.frame, share, at, temperature, prompted)

    def _here(self, features: SliceFeatures) -> SliceFeatures:
        """Features on the device in use, which may have changed since they were made: a GPU's are bf16 in part."""
        dtype = torch.float32 if self.device == "cpu" else None
        each = (features.tokens, features.detail, features.local)
        moved = [None if t is None else t.to(self.device, dtype) for t in each]
        assert moved[0] is not None  # tokens always are
        return SliceFeatures(moved[0], moved[1], moved[2])


def load_predictor(path: Path, device: str = "auto", name: str | None = None) -> SegSamPredictor:
    """Load a SEG-SAM checkpoint; for any model see :func:`napari_segsam.engine.loading.load_model`.

    Args:
        path: a .safetensors file.
        device: see :func:`choose_device`.
        name: what to call it; by default the file's stem, with its folder's name where that is only "model".

    Raises:
        BadCheckpointError: damaged, of another family, or tensors missing.
    """
    chosen = choose_device(device)
    try:
        digest = sha256(path.read_bytes()).hexdigest()
        model, header = checkpoint.load(path, chosen)
    except OSError as error:
        raise BadCheckpointError(f"{path.name} cannot be read: {error.strerror}.") from error
    except checkpoint.CheckpointError as error:
        raise BadCheckpointError(
            f"{path.name} is no model that can be used here: {error}. Try `segsam models`."
        ) from error
    return SegSamPredictor(model, header, name or called(path), digest, chosen)


def called(path: Path) -> str:
    """Every training writes a file of the same name; its folder says which run it was."""
    return f"{path.resolve().parent.name}/{path.stem}" if path.stem == "model" else path.stem
