"""One prompted object as the model meets it in training: its square, its prompts, and the truth in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_segsam.core.prompts import Box, Click
from napari_segsam.engine import zoom
from napari_segsam.engine.look import PicturePrompts
from napari_segsam.engine.prompting import prompt_batch, zoomed
from napari_segsam.engine.zoom import PromptGeometry, Square
from napari_segsam.model.config import SegSamConfig
from napari_segsam.model.prompt_tokens import PromptBatch
from napari_segsam.model.segsam import Zoomed
from napari_segsam.train import prompt_simulation
from napari_segsam.train.config import TrainConfig
from napari_segsam.train.losses import SetTargets
from napari_segsam.train.prompt_simulation import PromptNoise

_ANY_SIZE = 0.35
"""Share of clicks whose square has nothing to do with the object's size, so that predicted IoU can tell sizes apart."""


_CLOSER = 0.3
"""Share of large objects of which a piece is shown at full resolution with a coarse mask, as ``ZoomLook`` refines."""


@dataclass
class PromptedCrop:
    """One prompted object in the square that its mask is drawn on.

    Attributes:
        crop: (3, s, s) the square's pixels in [-1, 1]; empty for a model without zoom, which sees the slice alone.
        inside: (1, s, s) share of the picture in each pixel.
        geometry: its prompts in the square.
        target: (1, s, s) the truth, 0..1.
        place: the square on the padded slice, see ``zoom.place_on_slice``.
        ambiguous: prompted by a lone click.
        class_index: 0-based, -1 for unknown.
        size_click, size_bin: a click on the object, (x, y) in [-1, 1] of the padded slice, and its size's bin.
        beyond: pixels (of the square's) of the object that lie outside the square.
        others: what else stands on the slice, None where that is not known.
        name: the picture's file.
        lot: number of the prompt in its step, over all processes; its random numbers hang on it.
    """

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
    lot: int


def to_model(
    geometries: list[PromptGeometry], crops: list[PromptedCrop], mask_side: int, longest: int = 0
) -> tuple[PromptBatch, Zoomed | None]:
    """Prompts as tokens, and as maps where the model zooms.

    ``mask_side`` is that of SAM's low-resolution mask; prompts of fewer than ``longest`` points are padded.
    """
    batch = prompt_batch(geometries, mask_side, longest)
    if not crops[0].crop.numel():
        return batch, None
    look = zoomed(geometries, [c.crop for c in crops], [c.inside for c in crops], [c.place for c in crops])
    return batch, look


@dataclass(frozen=True, eq=False)
class Object:
    """What is prompted on a picture.

    Attributes:
        mask: (H, W) whole.
        class_index: 0-based, -1 for unknown.
        others: see :class:`PromptedCrop`.
        name, lot: see :class:`PromptedCrop`.
    """

    mask: NDArray[np.bool_]
    class_index: int
    others: SetTargets | None
    name: str
    lot: int


@dataclass(frozen=True)
class Prompter:
    """Prompts objects as the run's config says, for one model."""

    config: TrainConfig
    model: SegSamConfig

    @property
    def side(self) -> int:
        """Side of the square that masks are drawn on."""
        return self.model.zoom.crop if self.model.zoom else self.model.img_size

    def __call__(
        self, picture: Tensor, scale: float, thing: Object, is_box: bool, rng: np.random.Generator
    ) -> PromptedCrop:
        """Prompt ``thing`` on the (3, H, W) ``picture``; ``scale`` leads from its pixels to the padded slice's."""
        mask, side = thing.mask, self.side
        tight = Box.around(mask)
        longer = max(tight.row_max - tight.row_min, tight.col_max - tight.col_min) + 1
        click = prompt_simulation.click_on(mask, rng)
        box = self._box(mask, rng) if is_box else None
        square = self._square(picture, box, click, longer, rng)
        prompts = PicturePrompts(() if is_box else (click,), box, None)
        whole = torch.from_numpy(mask[None].astype(np.float32))
        closer = self._closer(whole, square, rng)
        if closer is not None:
            square, prompts = closer
        target = zoom.cut(whole, square, side)
        inside = zoom.cut(torch.ones_like(picture[:1]), square, side)
        sees = self.model.zoom is not None
        extent = max(picture.shape[1:])
        return PromptedCrop(
            crop=zoom.normalise(zoom.cut(picture, square, side), inside) if sees else torch.empty(0),
            inside=inside,
            geometry=prompts.in_square(square, side),
            target=target,
            place=zoom.place_on_slice(square, scale),
            ambiguous=not is_box and closer is None,
            class_index=thing.class_index,
            size_click=_slice_xy(click, scale, self.model.img_size),
            size_bin=self._size_bin(longer / extent),
            beyond=max(float(mask.sum()) * (side / square.side) ** 2 - float(target.sum()), 0.0),
            others=thing.others,
            name=thing.name,
            lot=thing.lot,
        )

    def _box(self, mask: NDArray[np.bool_], rng: np.random.Generator) -> Box:
        if self.config.simulation == "sam-med2d":
            return prompt_simulation.med2d_box(mask, rng)
        return prompt_simulation.box_of(mask, rng, PromptNoise())

    def _closer(self, whole: Tensor, square: Square, rng: np.random.Generator) -> tuple[Square, PicturePrompts] | None:
        """A piece of a large object, and the coarse mask that a first look at ``square`` may have left of it all."""
        side = self.side
        by_hand = self.model.zoom is not None and self.config.simulation == "hand"
        if not by_hand or square.side < zoom.LARGE * side or rng.random() >= _CLOSER:
            return None
        coarse = prompt_simulation.coarse(zoom.cut(whole, square, side)[0], rng)
        found = zoom.paste(coarse.float().unsqueeze(0) - 0.5, square, (whole.shape[1], whole.shape[2])) > 0
        if not bool(found.any()):
            return None
        centre = prompt_simulation.click_on(found[0].numpy(), rng)
        piece = zoom.piece_side(square.side, side) * rng.uniform(0.8, 1.25)
        shift = rng.normal(0, 0.2 * piece, 2)
        near = Square.centred(centre.row + shift[0], centre.col + shift[1], piece, 1)
        return near, PicturePrompts((), None, found.float())

    def _size_bin(self, share: float) -> float:
        bins = self.model.zoom.size_bins if self.model.zoom else 2
        return float(zoom.size_to_bin(torch.tensor(share), bins))

    def _square(
        self, picture: Tensor, box: Box | None, click: Click, longer: float, rng: np.random.Generator
    ) -> Square:
        """Boxes: 1.25 to 1.7 times the longer side; clicks: mostly 1 to 2.8 times, centred on them; both a little off.

        Without zoom it is the padded slice.
        """
        if self.model.zoom is None:
            return Square(0, 0, max(picture.shape[1:]))
        if box is not None:
            longer = max(box.row_max - box.row_min, box.col_max - box.col_min) + 1
            side = longer * rng.uniform(1.25, 1.7)
            row, col = (box.row_min + box.row_max) / 2, (box.col_min + box.col_max) / 2
        else:
            low, high = (0.3, 6.0) if rng.random() < _ANY_SIZE else (1.0, 2.8)
            side = longer * np.exp(rng.uniform(np.log(low), np.log(high)))
            side = min(side, zoom.widest((picture.shape[1], picture.shape[2])))
            row, col = click.row, click.col
        shift = rng.normal(0, 0.03 * side, 2)
        return Square.centred(row + shift[0], col + shift[1], side, self.model.zoom.least)


def _slice_xy(click: Click, scale: float, side: int) -> tuple[float, float]:
    """A click -> (x, y) in [-1, 1] of the padded slice."""
    return (click.col + 0.5) * scale / side * 2 - 1, (click.row + 0.5) * scale / side * 2 - 1
