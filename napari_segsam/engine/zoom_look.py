"""How a model with zoom answers prompts: which squares to look at, and which answer to take."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.engine import zoom
from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.engine.prompting import prompt_batch, zoomed
from napari_segsam.engine.zoom import PromptGeometry, Square
from napari_segsam.model.config import ZoomConfig
from napari_segsam.model.segsam import SegSam, SegSamOutput
from napari_segsam.model.zoom_encoder import SliceFeatures

_CLICK_MARGIN = 1.9
"""Side of the square round a lone click / expected size of its object, which may lie to one side of the click."""


@dataclass(frozen=True)
class PicturePrompts:
    """One object's prompts on the picture.

    Attributes:
        clicks, box: in picture pixels.
        last: (1, H, W) 0..1, the mask to be corrected.
    """

    clicks: tuple[Click, ...]
    box: Box | None
    last: Tensor | None

    @classmethod
    def of(cls, prompts: Prompts, frame: PictureFrame) -> PicturePrompts:
        """Prompts on the slice -> on its picture; a mask of which the picture shows nothing is left out."""
        last = None if prompts.mask is None else frame.mask(prompts.mask)
        return cls(
            tuple(frame.click(c) for c in prompts.clicks),
            None if prompts.box is None else frame.box(prompts.box),
            last if last is not None and bool((last > 0.5).any()) else None,
        )

    @property
    def is_lone_click(self) -> bool:
        """One positive click and nothing else: SAM's ambiguous case."""
        return self.box is None and self.last is None and len(self.clicks) == 1

    def extent(self) -> Box:
        """The box round everything prompted: the last mask, the box and all clicks."""
        boxes = [Box(c.row, c.col, c.row, c.col) for c in self.clicks]
        boxes += [self.box] if self.box is not None else []
        boxes += [Box.around((self.last[0] > 0.5).numpy())] if self.last is not None else []
        rows, cols = [[b.row_min, b.row_max] for b in boxes], [[b.col_min, b.col_max] for b in boxes]
        return Box.between((min(min(rows)), min(min(cols))), (max(map(max, rows)), max(map(max, cols))))


@dataclass(frozen=True)
class Look:
    """One object's answer: the square that was looked at, what the model said, and its masks' order, best first."""

    square: Square
    output: SegSamOutput
    order: list[int]

    @property
    def masks(self) -> Tensor:
        """(M, s, s) binary logits, best first."""
        return self.output.mask_logits[0, self.order]

    @property
    def iou(self) -> list[float]:
        """Predicted IoU of each of :attr:`masks`."""
        return [float(v) for v in self.output.iou[0, self.order].clamp(0, 1)]


def mask_order(output: SegSamOutput, ambiguous: bool) -> list[int]:
    """SAM's masks best first: a clear prompt takes mask 0, a lone click the one of masks 1 to 3 with the best IoU."""
    ranked: list[int] = (1 + output.iou[0, 1:].argsort(descending=True)).tolist()
    return ranked if ambiguous else [0, *ranked]


class ZoomLook:
    """Squares, crops and answers for one model with zoom."""

    def __init__(self, model: SegSam, config: ZoomConfig) -> None:
        self.model, self.config = model, config
        self.mask_side = model.prompt_encoder.mask_input_size[0]

    def normalise(self, square: Tensor, picture: Tensor) -> Tensor:
        """The encoder of a model with zoom reads [-1, 1] as it is, whatever the ``picture``."""
        del picture
        return square

    def answer(self, picture: Tensor, features: SliceFeatures, scale: float, prompts: PicturePrompts) -> Look:
        """Look at the prompted object; several clicks without a box or a mask start from the first one's answer.

        Args:
            picture: (1 or 3, H, W) intensities.
            features: one row.
            scale: pixels of the padded slice per picture pixel.
            prompts: with at least a box or a positive click.
        """
        if prompts.box is None and prompts.last is None and len(prompts.clicks) > 1:
            first = next(c for c in prompts.clicks if c.positive)
            start = self.answer(picture, features, scale, PicturePrompts((first,), None, None))
            last = zoom.paste(start.masks[:1], start.square, (picture.shape[1], picture.shape[2])) > 0
            prompts = PicturePrompts(prompts.clicks, None, last.float() if last.any() else None)
        square = self._square(picture, features, scale, prompts)
        output = self._look(picture, features, scale, prompts, square)
        return Look(square, output, mask_order(output, prompts.is_lone_click))

    def _square(self, picture: Tensor, features: SliceFeatures, scale: float, prompts: PicturePrompts) -> Square:
        box = prompts.box if prompts.last is None else prompts.extent()
        if box is None:
            click = next(c for c in prompts.clicks if c.positive)
            size = self._expected_size(picture, features, scale, click)
            return Square.centred(click.row, click.col, size * _CLICK_MARGIN, self.config.least)
        longer = max(box.row_max - box.row_min, box.col_max - box.col_min) + 1
        row, col = (box.row_min + box.row_max) / 2, (box.col_min + box.col_max) / 2
        return Square.centred(row, col, longer * self.config.margin, self.config.least)

    def _expected_size(self, picture: Tensor, features: SliceFeatures, scale: float, click: Click) -> float:
        """The expected size of the object under a lone click, in picture pixels."""
        side, bins = self.model.config.img_size, self.config.size_bins
        xy = torch.tensor([[(click.col + 0.5) * scale / side * 2 - 1, (click.row + 0.5) * scale / side * 2 - 1]])
        chances = self.model.size_head(features, xy.to(features.tokens))[0].float().cpu().softmax(0)
        return float(zoom.bin_to_size((chances * torch.arange(bins)).sum(), bins)) * max(picture.shape[1:])

    def _look(
        self, picture: Tensor, features: SliceFeatures, scale: float, prompts: PicturePrompts, square: Square
    ) -> SegSamOutput:
        side = self.config.crop
        inside = zoom.cut(torch.ones(1, *picture.shape[1:]), square, side)
        crop = zoom.normalise(zoom.cut(picture, square, side), inside).expand(3, -1, -1)
        geometry = _on_crop(prompts, square, side)
        look = zoomed([geometry], [crop], [inside], [zoom.place_on_slice(square, scale)])
        batch = prompt_batch([geometry], self.mask_side)
        here = features.tokens.device
        answer: SegSamOutput = self.model(features, batch.to(here), look.to(here))
        return answer.to(torch.float32).to(torch.device("cpu"))


def _on_crop(prompts: PicturePrompts, square: Square, side: int) -> PromptGeometry:
    clicks = torch.tensor([[c.row, c.col] for c in prompts.clicks]).reshape(-1, 2)
    box, last = None, None
    if prompts.box is not None:
        b = prompts.box
        box = square.to_crop(torch.tensor([[b.row_min, b.col_min], [b.row_max, b.col_max]]), side).reshape(4)
    if prompts.last is not None:
        last = (zoom.cut(prompts.last, square, side) > 0.5).float() * 2 - 1
    positive = torch.tensor([c.positive for c in prompts.clicks], dtype=torch.bool)
    return PromptGeometry(square.to_crop(clicks, side), positive, box, last)
