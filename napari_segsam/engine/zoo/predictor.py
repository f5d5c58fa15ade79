"""ZooPredictor: a published model behind the engine's Predictor protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.prediction import Candidate, Prediction, Suggestion
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import Vocabulary, told_apart
from napari_segsam.core.volume import Window
from napari_segsam.engine.answers import to_bool
from napari_segsam.engine.look import refuse_unless_finite
from napari_segsam.engine.on_device import OnDevice
from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.engine.protocols import Embedding
from napari_segsam.engine.stored_features import array_of, code_version, tensor_of
from napari_segsam.engine.zoo import preparing, semantic
from napari_segsam.engine.zoo.embedding import ZooEmbedding, own
from napari_segsam.engine.zoo.prompting import batch_for, prompts_for
from napari_segsam.model.prompt_tokens import PromptBatch
from napari_segsam.model.zoo.family import Family, Features, Labelling, Masks, Prompted, Shapes, Zoo

_MADE_BY = (
    "look.py",
    "on_device.py",
    "preprocess.py",
    "stored_features.py",
    "zoom.py",
    "zoo/predictor.py",
    "zoo/preparing.py",
)
"""Files of ``engine`` between a slice's pixels and a published model's features, beside all of ``model``."""


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
        self.vocabulary = Vocabulary(told_apart(family.names(shapes)))
        self._on_device = OnDevice(model if isinstance(model, nn.Module) else nn.Module(), device)
        self._named: WeakKeyDictionary[ZooEmbedding, tuple[Suggestion, ...]] = WeakKeyDictionary()

    @property
    def about(self) -> str:
        """See ``Predictor.about``."""
        silent = "" if self.vocabulary else " Say what each object is."
        return f"{self.family.title}, {self.preparation.side} px. {self.family.limits}{silent}"

    @property
    def options(self) -> tuple[str, ...]:
        """Its family's."""
        return tuple(self.family.options)

    @property
    def takes(self) -> frozenset[str]:
        """Its family's."""
        may = self.family.abilities
        return frozenset(kind for kind, does in (("points", may.points), ("boxes", may.boxes)) if does)

    @property
    def device(self) -> str:
        """Where it runs now."""
        return self._on_device.device

    def when_full(self, make_room: Callable[[], object]) -> None:
        """See ``Predictor.when_full``."""
        self._on_device.make_room = make_room

    def window_for(self, view: SliceView, prompts: Prompts | None, asked: Window | None = None) -> Window | None:
        """See :func:`preparing.window_for`."""
        return preparing.window_for(view, prompts, asked, self.preparation, self.family.title)

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
        made_by = self.sha256, self.family.name, code_version(_MADE_BY), self._on_device.precision
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
        mine = own(embedding)
        if not isinstance(self.model, Prompted):
            shape = mine.frame.rows, mine.frame.cols
            prompts.check_inside(shape)
            return replace(semantic.picked(prompts, self.suggest(mine), shape), window=mine.window)
        said, order = self._ask(mine, prompts)
        return self._prediction(mine, said, order)

    def logits(self, embedding: Embedding, prompts: Prompts) -> NDArray[np.float32]:
        """See ``Predictor.logits``; BadPromptsError from a family that takes no prompts, too."""
        mine = own(embedding)
        said, order = self._ask(mine, prompts)
        found: NDArray[np.float32] = self._on_slice(mine.frame, said.logits[0, order[0]]).numpy()
        return found

    def masks(self, embedding: Embedding, batch: PromptBatch) -> Masks:
        """See ``Drawing.masks``; prompts are taken as they are, whatever the family takes."""
        mine, model = own(embedding), self._prompted()

        def answer() -> Masks:
            return model.answer(self._here(mine.features), batch.to(torch.device(self.device)))

        said = self._on_device(answer)
        refuse_unless_finite(said.logits, said.iou)
        return Masks(said.logits.float().cpu(), None if said.iou is None else said.iou.float().cpu())

    @property
    def side(self) -> int:
        """Of the square, in pixels."""
        return self.preparation.side

    def frame_of(self, embedding: Embedding) -> PictureFrame:
        """Where the slice lies in the square."""
        return own(embedding).frame

    def suggest(self, embedding: Embedding) -> tuple[Suggestion, ...]:
        """Each of its classes that it finds on the slice; nothing where it has none."""
        mine, model = own(embedding), self.model
        if not isinstance(model, Labelling):
            return ()
        if mine not in self._named:
            logits = self._on_device(lambda: model.semantic(self._here(mine.features)))
            refuse_unless_finite(logits)
            self._named.clear()  # masks are as large as the slice: those of the last one are kept
            covered = self._covered(logits[0], mine.frame)
            self._named[mine] = semantic.named(covered, self.vocabulary.names, mine.frame)
        return self._named[mine]

    def _prompted(self) -> Prompted:
        if isinstance(self.model, Prompted):
            return self.model
        raise BadPromptsError(
            f"{self.family.title} labels a slice by itself and takes neither points nor boxes; choose another model."
        )

    def _ask(self, embedding: ZooEmbedding, prompts: Prompts) -> tuple[Masks, list[int]]:
        """What the decoder says to one object's prompts, and its masks best first."""
        mask_side = self._prompted().mask_side
        on_picture = prompts_for(self.family, prompts, embedding.frame)
        said = self.masks(embedding, batch_for(self.family, on_picture, self.preparation.side, mask_side))
        iou = said.iou[0] if said.iou is not None and self.family.abilities.iou else None
        ambiguous = on_picture.is_lone_click or self.family.abilities.best_of_three
        order = ranked(said.logits.shape[1], iou, ambiguous)  # SAM's own figures pass 1, where cut ones would be alike
        return Masks(said.logits, None if iou is None else iou[None].clamp(0, 1)), order

    def _on_slice(self, frame: PictureFrame, logits: Tensor) -> Tensor:
        """(h, w) logits on the whole square -> (rows, cols)."""
        return frame.back(self._covered(logits[None], frame))[0]

    def _prediction(self, embedding: ZooEmbedding, said: Masks, order: list[int]) -> Prediction:
        frame, candidates = embedding.frame, []
        for n in order:  # one at a time: slices may be large
            mask = to_bool(self._on_slice(frame, said.logits[0, n]))
            candidates.append(Candidate(mask, None if said.iou is None else float(said.iou[0, n])))
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
