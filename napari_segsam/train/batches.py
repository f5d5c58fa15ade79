"""From pictures in memory to one training step's tensors, the same for the same seed and step."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.prompts import Box, Click
from napari_segsam.engine import zoom
from napari_segsam.engine.prompting import prompt_batch, zoomed
from napari_segsam.engine.zoom import PromptGeometry, Square
from napari_segsam.model.config import SegSamConfig
from napari_segsam.model.prompt_tokens import PromptBatch
from napari_segsam.model.segsam import Zoomed
from napari_segsam.train import augment, prompt_simulation, synthetic
from napari_segsam.train.config import TrainConfig
from napari_segsam.train.dataset import LoadedSample
from napari_segsam.train.losses import SetTargets
from napari_segsam.train.prompt_simulation import PromptNoise

_MIN_VISIBLE = 12
"""Objects with fewer pixels are not prompted."""
_BENT = 0.4
"""Share of pictures that are turned and stretched a little."""
_ANY_SIZE = 0.35
"""Share of clicks whose square has nothing to do with the object's size, so that predicted IoU can tell sizes apart."""
_CLASSES_COUNTED = 8
"""Classes of a data set beyond so many do not make it be drawn more often."""
_INVERTED = 0.05
"""Share of pictures shown light for dark."""


@dataclass
class PromptedCrop:
    """One prompted object in its crop: pixels, prompts, truth; ``beyond`` counts crop pixels of it outside the crop."""

    crop: Tensor
    inside: Tensor
    geometry: PromptGeometry
    target: Tensor
    place: list[float]
    ambiguous: bool
    class_index: int
    size_click: tuple[float, float]
    size_bin: float
    beyond: float
    others: SetTargets | None
    name: str


@dataclass
class Batch:
    """One step: B slices and P prompted crops; see the fields of PromptedCrop."""

    slices: Tensor
    owner: Tensor
    crops: list[PromptedCrop]
    present: list[SetTargets | None]

    @property
    def names(self) -> list[str]:
        """File names, for a message about a bad batch."""
        return sorted({c.name for c in self.crops})


def to_model(geometries: list[PromptGeometry], crops: list[PromptedCrop], mask_side: int) -> tuple[PromptBatch, Zoomed]:
    """Prompts as tokens and as maps for P crops; ``mask_side`` is the side of SAM's low-resolution mask prompt."""
    look = zoomed(geometries, [c.crop for c in crops], [c.inside for c in crops], [c.place for c in crops])
    return prompt_batch(geometries, mask_side), look


@dataclass
class _Drawn:
    """A picture of 0..1 (H, W, C), objects to prompt on it (class id 0 is not learned), and what else stands on it."""

    pixels: NDArray[np.float32]
    masks: list[NDArray[np.bool_]]
    class_ids: list[int]
    stands: SetTargets | None
    name: str


class BatchMaker:
    """Draws batches from loaded samples: data sets by the root of pictures x classes, then a picture, then objects."""

    def __init__(
        self, samples: list[LoadedSample], told: dict[str, NDArray[np.bool_]], config: TrainConfig, model: SegSamConfig
    ) -> None:
        if model.zoom is None:
            raise ValueError("batches are crops round prompts: the model needs zoom")
        if config.data.synthetic < 1 and not any(
            s.mask(i).sum() >= _MIN_VISIBLE for s in samples for i in range(len(s.packed))
        ):
            raise UnreadableInputError(f"{config.data.root.name}: no picture shows an object of {_MIN_VISIBLE} pixels.")
        self.samples, self.config, self.model, self.zoom = samples, config, model, model.zoom
        self.told = {name: torch.from_numpy(t) for name, t in told.items()}
        groups: dict[str, list[int]] = {}
        for i, s in enumerate(samples):
            groups.setdefault(s.sample.dataset, []).append(i)
        self.groups = list(groups.values())
        weights = np.sqrt([len(g) * self._variety(g) for g in self.groups])
        self.chances = weights / weights.sum()
        self.cells = model.img_size // 4
        self._stands: dict[int, SetTargets] = {}

    def _variety(self, group: list[int]) -> int:
        """How many classes a data set teaches, within reason: twenty tissues are harder than one nodule."""
        return min(len({k for i in group for k in self.samples[i].class_ids}), _CLASSES_COUNTED)

    def __call__(self, step: int) -> Batch:
        """The batch of ``step``: a pure function of seed and step, so that a resumed run sees what it would have."""
        rng = np.random.default_rng((self.config.seed, step))
        slices: list[Tensor] = []
        crops: list[PromptedCrop] = []
        owner: list[int] = []
        present: list[SetTargets | None] = []
        while len(slices) < self.config.images:
            made = self._picture(rng)
            if made is not None:
                owner += [len(slices)] * len(made[1])
                slices.append(made[0])
                crops += made[1]
                present.append(made[2])
        return Batch(torch.stack(slices), torch.tensor(owner), crops, present)

    def stream(self, first: int, last: int) -> Iterator[tuple[int, Batch]]:
        """Batches ``first`` to ``last - 1``, the next one being made while one is used."""
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(self, first)
            for step in range(first, last):
                batch = coming.result()
                if step + 1 < last:
                    coming = pool.submit(self, step + 1)
                yield step, batch

    def _picture(self, rng: np.random.Generator) -> tuple[Tensor, list[PromptedCrop], SetTargets | None] | None:
        drawn = self._procedural(rng) if rng.random() < self.config.data.synthetic else self._real(rng)
        usable = [i for i, m in enumerate(drawn.masks) if m.sum() >= _MIN_VISIBLE][: self.config.prompts]
        if not usable:
            return None
        usable = [usable[i % len(usable)] for i in range(self.config.prompts)]  # seen again from another square
        channels = np.ascontiguousarray(drawn.pixels.transpose(2, 0, 1), dtype=np.float32)
        picture = torch.from_numpy(channels).expand(3, -1, -1)
        small, scale = zoom.fit_slice(picture, self.model.img_size)
        return small, [self._crop(picture, scale, drawn, i, rng) for i in usable], drawn.stands

    def _procedural(self, rng: np.random.Generator) -> _Drawn:
        grey, masks = synthetic.picture(rng)
        pixels = grey[..., None].astype(np.float32) / np.float32(255)
        return _Drawn(pixels, masks, [0] * len(masks), None, "a procedural picture")

    def _real(self, rng: np.random.Generator) -> _Drawn:
        """A picture with some of its objects, turned and recoloured; a turned anatomy says nothing about classes."""
        group = self.groups[rng.choice(len(self.groups), p=self.chances)]
        index = group[rng.integers(len(group))]
        s = self.samples[index]
        pixels: NDArray[np.float32] = s.picture.reshape(*s.picture.shape[:2], -1).astype(np.float32) / np.float32(255)
        chosen = [int(i) for i in rng.permutation(len(s.packed))[: self.config.prompts]]
        drawn = _Drawn(pixels, [s.mask(i) for i in chosen], [s.class_ids[i] for i in chosen], None, s.sample.path.name)
        anatomical = s.sample.modality in augment.ANATOMICAL
        if rng.random() < (0.35 if anatomical else 0.6):
            drawn.pixels, drawn.masks = augment.turn(drawn.pixels, drawn.masks, rng)
            drawn.class_ids = [0] * len(chosen) if anatomical else drawn.class_ids
        else:
            drawn.stands = self._standing(index)
        if rng.random() < _BENT:
            self._bend(drawn, augment.Bend.drawn(rng))
        if rng.random() < _INVERTED:
            drawn.pixels = 1 - drawn.pixels
        drawn.pixels = augment.recolour(drawn.pixels, rng)
        return drawn

    def _bend(self, drawn: _Drawn, how: augment.Bend) -> None:
        height, width = drawn.pixels.shape[:2]
        drawn.pixels, drawn.masks = augment.bend(drawn.pixels, drawn.masks, how)
        if drawn.stands is not None:
            scale = self.cells / max(height, width)
            within = max(round(height * scale), 1), max(round(width * scale), 1)
            drawn.stands.masks = how(drawn.stands.masks, within)

    def _crop(self, picture: Tensor, scale: float, drawn: _Drawn, i: int, rng: np.random.Generator) -> PromptedCrop:
        mask, side = drawn.masks[i], self.zoom.crop
        tight = Box.around(mask)
        longer = max(tight.row_max - tight.row_min, tight.col_max - tight.col_min) + 1
        click, is_box = prompt_simulation.click_on(mask, rng), bool(rng.random() < self.config.boxes)
        box = prompt_simulation.box_of(mask, rng, PromptNoise()) if is_box else None
        square = self._square(box, click, longer, rng)
        target = zoom.cut(torch.from_numpy(mask[None].astype(np.float32)), square, side)
        inside = zoom.cut(torch.ones_like(picture[:1]), square, side)
        size = torch.tensor(longer / max(picture.shape[1:]))
        return PromptedCrop(
            crop=zoom.normalise(zoom.cut(picture, square, side), inside),
            inside=inside,
            geometry=_geometry(box, [] if is_box else [click], square, side),
            target=target,
            place=zoom.place_on_slice(square, scale),
            ambiguous=not is_box,
            class_index=drawn.class_ids[i] - 1,
            size_click=_slice_xy(click, scale, self.model.img_size),
            size_bin=float(zoom.size_to_bin(size, self.zoom.size_bins)),
            beyond=max(float(mask.sum()) * (side / square.side) ** 2 - float(target.sum()), 0.0),
            others=self._others(drawn.stands, mask, drawn.class_ids[i] - 1, scale),
            name=drawn.name,
        )

    def _square(self, box: Box | None, click: Click, longer: float, rng: np.random.Generator) -> Square:
        """Boxes: 1.25 to 1.7 times the longer side; clicks: mostly 1 to 2.8 times, centred on them; both a little off."""
        if box is not None:
            longer = max(box.row_max - box.row_min, box.col_max - box.col_min) + 1
            side = longer * rng.uniform(1.25, 1.7)
            row, col = (box.row_min + box.row_max) / 2, (box.col_min + box.col_max) / 2
        else:
            low, high = (0.3, 6.0) if rng.random() < _ANY_SIZE else (1.0, 2.8)
            side = longer * np.exp(rng.uniform(np.log(low), np.log(high)))
            row, col = click.row, click.col
        shift = rng.normal(0, 0.03 * side, 2)
        return Square.centred(row + shift[0], col + shift[1], side, self.zoom.least)

    def _standing(self, index: int) -> SetTargets:
        """All annotated classes of a sample as set targets on the slice's cells, made once."""
        if index not in self._stands:
            s = self.samples[index]
            extent = max(s.picture.shape[:2])
            known = sorted(s.known)[: self.model.n_co]
            scale = self.model.img_size / extent
            masks = [self._cells(s.class_mask(k), scale) for k in known]
            self._stands[index] = SetTargets(
                torch.tensor([k - 1 for k in known], dtype=torch.long),
                torch.stack(masks).half() if masks else torch.zeros(0, self.cells, self.cells).half(),
                self.told[s.sample.dataset],
            )
        kept = self._stands[index]
        return SetTargets(kept.classes, kept.masks.float(), kept.told_absent)

    def _cells(self, mask: NDArray[np.bool_], scale: float) -> Tensor:
        """(H, W) mask -> (cells, cells) share of each cell of the padded slice."""
        h, w = (max(round(n * scale / 4), 1) for n in mask.shape)
        small = F.interpolate(torch.from_numpy(mask.astype(np.float32))[None, None], (h, w), mode="area")[0, 0]
        return F.pad(small, (0, self.cells - w, 0, self.cells - h))

    def _others(self, stands: SetTargets | None, mask: NDArray[np.bool_], k: int, scale: float) -> SetTargets | None:
        """What stands on the slice besides the prompted object."""
        if stands is None:
            return None
        masks = stands.masks.clone()
        masks[stands.classes == k] = (masks[stands.classes == k] - self._cells(mask, scale)).clamp(min=0)
        left = masks.sum((1, 2)) > 0.5
        return SetTargets(stands.classes[left], masks[left], stands.told_absent)


def _geometry(box: Box | None, clicks: list[Click], square: Square, side: int) -> PromptGeometry:
    at = torch.tensor([[c.row, c.col] for c in clicks]).reshape(-1, 2)
    corners = None
    if box is not None:
        rc = torch.tensor([[box.row_min, box.col_min], [box.row_max, box.col_max]])
        corners = square.to_crop(rc, side).reshape(4)
    return PromptGeometry(
        square.to_crop(at, side), torch.tensor([c.positive for c in clicks], dtype=torch.bool), corners
    )


def _slice_xy(click: Click, scale: float, side: int) -> tuple[float, float]:
    """A click -> (x, y) in [-1, 1] of the padded slice."""
    return (click.col + 0.5) * scale / side * 2 - 1, (click.row + 0.5) * scale / side * 2 - 1
