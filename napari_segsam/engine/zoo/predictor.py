"""ZooPredictor: a published model behind the engine's Predictor protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segsam.core.prediction import Candidate, Prediction, Suggestion
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.core.volume import Window
from napari_segsam.engine.answers import to_bool
from napari_segsam.engine.look import refuse_unless_finite
from napari_segsam.engine.on_device import OnDevice
from napari_segsam.engine.preprocess import PictureFrame, choose_window
from napari_segsam.engine.protocols import Embedding
from napari_segsam.engine.stored_features import array_of, code_version, tensor_of
from napari_segsam.engine.zoo import preparing, semantic
from napari_segsam.engine.zoo.embedding import ZooEmbedding, own
from napari_segsam.engine.zoo.prompting import batch_for, prompts_for
from napari_segsam.model.prompt_tokens import PromptTokens
from napari_segsam.model.zoo.family import Family, Features, Masks, Shapes, Zoo

_CODE = (
    ("model", "model/zoo"),
    ("preprocess.py", "zoom.py", "stored_features.py", "on_device.py", "zoo/preparing.py", "zoo/predictor.py"),
)
"""What lies between a slice's pixels and a published model's features."""


class ZooPredictor:
    """A published model, its pictures prepared as its family says; what it cannot say is None or empty.

    Numbers that are not finite are refused instead of drawn; for what befalls the device, see :class:`OnDevice`.

    Args:
        model: in evaluation mode, on ``device``.
        family: what it is.
        shapes: of its file's tensors.
        name: the registry's, or the file's.
        sha256: of the file, and of whatever else says which weights these are.
        device: as torch calls it.
    """

    def __init__(
        self, model: Zoo, family: Family, shapes: Shapes, *, name: str, sha256: str, device: str = "cpu"
    ) -> None:
        self.model, self.family, self.name, self.sha256 = model, family, name, sha256
        self.preparation = family.preparation(shapes)
        self.vocabulary = Vocabulary(tuple("_".join(n.lower().split()) for n in family.names(shapes)))
        module = model if isinstance(model, nn.Module) else nn.Module()
        encoders = [m for m in module.modules() if isinstance(m, PromptTokens)]
        self._mask_side: int = encoders[0].mask_input_size[0] if encoders else self.preparation.side // 4
        self._on_device = OnDevice(module, device)

    @property
    def about(self) -> str:
        """See ``Predictor.about``."""
        silent = "" if self.vocabulary else " It names nothing: say what each object is."
        return f"{self.family.title}, {self.preparation.side} px. {self.family.limits}{silent}"

    @property
    def options(self) -> tuple[str, ...]:
        """Its family's."""
        return tuple(self.family.options)

    @property
    def device(self) -> str:
        """Where it runs now."""
        return self._on_device.device

    def when_full(self, make_room: Callable[[], object]) -> None:
        """See ``Predictor.when_full``."""
        self._on_device.make_room = make_room

    def window_for(self, view: SliceView, prompts: Prompts | None, asked: Window | None = None) -> Window | None:
        """``asked``; in CT the family's own, else by the prompted region; None for all else.

        Unsigned voxels are no Hounsfield units, which reach far below zero in air, whatever the modality.
        """
        if asked is not None or view.volume.voxels.dtype.kind == "u":
            return asked
        if self.preparation.window_hu is None or view.volume.modality != "ct":
            return choose_window(view, prompts, None)
        low, high = self.preparation.window_hu
        return Window((low + high) / 2, high - low, self.family.title)

    def embed(self, view: SliceView, window: Window | None) -> ZooEmbedding:
        """Encode the slice."""
        began = time.perf_counter()
        frame = preparing.frame_for(view, self.preparation)
        values = preparing.values_of(view, window, self.preparation)
        square = preparing.square(values, frame, self.preparation).unsqueeze(0)
        features = self._on_device(lambda: self.model.encode(square.to(self.device)))
        refuse_unless_finite(*features.values())
        return ZooEmbedding(frame, features, window, time.perf_counter() - began)

    def digest(self, view: SliceView, window: Window | None) -> str:
        """See ``Predictor.digest``."""
        values = preparing.values_of(view, window, self.preparation)
        made_by = self.sha256, self.family.name, code_version(*_CODE), self._on_device.precision
        seen = self.preparation, preparing.frame_for(view, self.preparation), tuple(values.shape)
        digest = sha256(f"{made_by} {seen}".encode())
        digest.update(values.numpy().data)
        return digest.hexdigest()

    def to_arrays(self, embedding: Embedding) -> dict[str, NDArray]:  # type: ignore[type-arg]
        """The encoder's features."""
        return {name: array_of(feature) for name, feature in own(embedding).features.items()}

    def from_arrays(
        self,
        view: SliceView,
        window: Window | None,
        arrays: Mapping[str, NDArray],  # type: ignore[type-arg]
        seconds: float,
    ) -> ZooEmbedding:
        """See ``Predictor.from_arrays``."""
        features = self._on_device(lambda: self._here({name: tensor_of(array) for name, array in arrays.items()}))
        return ZooEmbedding(preparing.frame_for(view, self.preparation), features, window, seconds)

    def predict(self, embedding: Embedding, prompts: Prompts) -> Prediction:
        """Answer one object's prompts.

        Raises:
            OutsideImageError: a prompt outside the slice.
            BadPromptsError: no box and no positive click, or a prompt that the family does not take.
        """
        mine, takes = own(embedding), self.family.abilities
        if not (takes.points or takes.boxes):
            shape = mine.frame.rows, mine.frame.cols
            prompts.check_inside(shape)
            return replace(semantic.picked(prompts, self.suggest(mine), shape), window=mine.window)
        on_picture = prompts_for(self.family, prompts, mine.frame)
        batch = batch_for(self.family, on_picture, self.preparation.side, self._mask_side)

        def answer() -> Masks:
            return self.model.answer(self._here(mine.features), batch.to(torch.device(self.device)))

        said = self._on_device(answer)
        refuse_unless_finite(said.logits, said.iou)
        return self._prediction(mine, said, on_picture.is_lone_click or takes.best_of_three)

    def suggest(self, embedding: Embedding) -> tuple[Suggestion, ...]:
        """Each of its classes that it finds on the slice; nothing where it has none."""
        mine = own(embedding)
        if not self.family.abilities.classes:
            return ()
        logits = self._on_device(lambda: self.model.semantic(self._here(mine.features)))
        refuse_unless_finite(logits)
        return semantic.named(self._covered(logits[0], mine.frame), self.vocabulary.names, mine.frame)

    def _prediction(self, embedding: ZooEmbedding, said: Masks, ambiguous: bool) -> Prediction:
        iou = None if said.iou is None or not self.family.abilities.iou else said.iou[0].float().cpu().clamp(0, 1)
        frame, candidates = embedding.frame, []
        for n in ranked(said.logits.shape[1], iou, ambiguous):
            on_slice = frame.back(self._covered(said.logits[0, n : n + 1], frame))  # one at a time: slices may be large
            candidates.append(Candidate(to_bool(on_slice[0]), None if iou is None else float(iou[n])))
        best = candidates[0]
        others = tuple(s for s in self.suggest(embedding) if not (s.mask & best.mask).any())
        return Prediction(
            best.mask,
            iou_predicted=best.iou_predicted,
            candidates=tuple(candidates),
            suggestions=others,
            window=embedding.window,
        )

    def _covered(self, logits: Tensor, frame: PictureFrame) -> Tensor:
        """(M, h, w) logits on the whole square -> (M, H, W) on the part that the slice covers."""
        side = self.preparation.side
        full = F.interpolate(logits.float().cpu()[None], (side, side), mode="bilinear", align_corners=False)[0]
        return full[:, : frame.height, : frame.width]

    def _here(self, features: Features) -> Features:
        """Features on the device in use, which may have changed since they were made: a GPU's are bf16 in part."""
        dtype = torch.float32 if self.device == "cpu" else None
        return {name: feature.to(self.device, dtype) for name, feature in features.items()}


def ranked(masks: int, iou: Tensor | None, ambiguous: bool) -> list[int]:
    """Masks best first. SAM's four: the first one answers a clear prompt, the best of the others an ambiguous one.

    Args:
        masks: how many there are.
        iou: (masks,) predicted, None where the family predicts none: then they keep their order.
        ambiguous: whether the answer is among the others: to a lone click, and in families that draw no other masks.
    """
    if iou is None:
        return list(range(masks))
    best: list[int] = iou.argsort(descending=True).tolist()
    if masks != 4:
        return best
    several = [n for n in best if n]
    return several if ambiguous else [0, *several]
