"""How a model with zoom answers prompts: which squares to look at, and which answer to take."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.engine import zoom
from napari_segsam.engine.answers import border_share
from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.engine.prompting import prompt_batch, zoomed
from napari_segsam.engine.zoom import PromptGeometry, Square
from napari_segsam.model.config import ZoomConfig
from napari_segsam.model.segsam import SegSam, SegSamOutput
from napari_segsam.model.zoom_encoder import SliceFeatures

_CLICK_MARGIN = 1.7
"""Side of the square round a lone click / expected size of its object, which may lie to one side of the click."""
_BORDER_COST = 1.0
"""How much of the predicted IoU a mask loses that covers the whole border of its crop."""


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


@dataclass(frozen=True)
class Look:
    """The crop that answered: its square, its row of the model's output, and its masks best first."""

    square: Square
    output: SegSamOutput
    row: int
    order: list[int]
    crop_inside: Tensor

    @property
    def masks(self) -> Tensor:
        """(M, s, s) binary logits, best first."""
        return self.output.mask_logits[self.row, self.order]

    @property
    def iou(self) -> list[float]:
        """Predicted IoU of each of :attr:`masks`."""
        return [float(v) for v in self.output.iou[self.row, self.order].clamp(0, 1)]


class ZoomLook:
    """Squares, crops and choice for one model with zoom."""

    def __init__(self, model: SegSam, config: ZoomConfig) -> None:
        self.model, self.config = model, config
        self.mask_side = model.prompt_encoder.mask_input_size[0]

    def normalise(self, square: Tensor, picture: Tensor, scale: float) -> Tensor:
        """The encoder of a model with zoom reads [-1, 1] as it is."""
        del picture, scale
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
        squares = self._squares(picture, features, scale, prompts)
        return self._choose(squares, *self._look(picture, features, scale, prompts, squares), prompts)

    def _squares(self, picture: Tensor, features: SliceFeatures, scale: float, prompts: PicturePrompts) -> list[Square]:
        box = prompts.box if prompts.last is None else self._around(prompts)
        if box is not None:
            longer = max(box.row_max - box.row_min, box.col_max - box.col_min) + 1
            row, col = (box.row_min + box.row_max) / 2, (box.col_min + box.col_max) / 2
            return [Square.centred(row, col, longer * self.config.margin, self.config.least)]
        click = next(c for c in prompts.clicks if c.positive)
        return [
            Square.centred(click.row, click.col, size * _CLICK_MARGIN, self.config.least)
            for size in self._sizes(picture, features, scale, click)
        ]

    def _around(self, prompts: PicturePrompts) -> Box:
        """The box round the last mask, the prompted box and all clicks."""
        assert prompts.last is not None  # called only where there is one
        boxes = [Box.around((prompts.last[0] > 0.5).numpy())]
        boxes += [Box(c.row, c.col, c.row, c.col) for c in prompts.clicks]
        boxes += [prompts.box] if prompts.box is not None else []
        low, high = (min(b.row_min for b in boxes), min(b.col_min for b in boxes)), (
            max(b.row_max for b in boxes),
            max(b.col_max for b in boxes),
        )  # fmt: skip
        return Box.between(low, high)

    def _sizes(self, picture: Tensor, features: SliceFeatures, scale: float, click: Click) -> list[float]:
        """The likeliest sizes of the object under a click, in picture pixels, no two alike."""
        side, bins = self.model.config.img_size, self.config.size_bins
        xy = torch.tensor([[(click.col + 0.5) * scale / side * 2 - 1, (click.row + 0.5) * scale / side * 2 - 1]])
        logits = self.model.size_head(features, xy.to(features.tokens))[0].float().cpu()
        extent = max(picture.shape[1:])
        centre = float((logits.softmax(0) * torch.arange(bins)).sum())
        spread = [0.0] if self.config.scales == 1 else torch.linspace(-1.0, 1.0, self.config.scales).tolist()
        deviation = float((logits.softmax(0) * (torch.arange(bins) - centre) ** 2).sum().sqrt().clamp(0.7, 3.0))
        return [float(zoom.bin_to_size(torch.tensor(centre + s * deviation), bins)) * extent for s in spread]

    def _look(
        self, picture: Tensor, features: SliceFeatures, scale: float, prompts: PicturePrompts, squares: list[Square]
    ) -> tuple[SegSamOutput, list[Tensor]]:
        side = self.config.crop
        whole = torch.ones(1, *picture.shape[1:])
        insides = [zoom.cut(whole, s, side) for s in squares]
        crops = [
            zoom.normalise(zoom.cut(picture, s, side), i).expand(3, -1, -1)
            for s, i in zip(squares, insides, strict=True)
        ]
        geometries = [_on_crop(prompts, s, side) for s in squares]
        look = zoomed(geometries, crops, insides, [zoom.place_on_slice(s, scale) for s in squares])
        batch = prompt_batch(geometries, self.mask_side)
        device = features.tokens.device
        for values in (look, batch):
            for name, tensor in vars(values).items():
                if tensor is not None:
                    setattr(values, name, tensor.to(device))
        output = self.model(features.of(torch.zeros(len(squares), dtype=torch.long, device=device)), batch, look)
        return to_cpu(output), insides

    def _choose(
        self, squares: list[Square], output: SegSamOutput, insides: list[Tensor], prompts: PicturePrompts
    ) -> Look:
        """A clear prompt takes SAM's mask 0; a lone click the mask of all crops with the best predicted IoU."""
        if not prompts.is_lone_click:
            rest = (1 + output.iou[0, 1:].argsort(descending=True)).tolist()
            return Look(squares[0], output, 0, [0, *rest], insides[0])
        cost = torch.stack([border_share(m[1:], i[0]) for m, i in zip(output.mask_logits, insides, strict=True)])
        value = output.iou[:, 1:] - _BORDER_COST * cost  # (crops, 3)
        row = int(value.max(1).values.argmax())
        order = (1 + value[row].argsort(descending=True)).tolist()
        return Look(squares[row], output, row, order, insides[row])


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


def to_cpu(output: SegSamOutput) -> SegSamOutput:
    """Every tensor of an answer on the CPU, fp32."""
    for part in (output, output.semantic):
        for name, value in vars(part).items():
            if isinstance(value, Tensor):
                setattr(part, name, value.float().cpu())
    return output
