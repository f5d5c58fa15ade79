"""How a model with zoom answers prompts: which squares to look at, and which answer to take."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segsam.core.prompts import Click
from napari_segsam.engine import zoom
from napari_segsam.engine.look import Look, PicturePrompts, checked, likeliest, mask_order, refuse_unless_finite
from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.engine.prompting import prompt_batch, zoomed
from napari_segsam.engine.zoom import Square
from napari_segsam.model.config import ZoomConfig
from napari_segsam.model.prompt_tokens import PromptBatch
from napari_segsam.model.segsam import SegSam, SegSamOutput
from napari_segsam.model.zoo.family import Masks
from napari_segsam.model.zoom_encoder import SliceFeatures

_CLICK_SIZES = (0.55, 0.8, 1.15, 1.7)
"""Squares round a lone click, in parts of the one that fits the expected size."""
_THIN = 0.7
"""A mask is looked at again if less than this share of it lies further than a crop's pixel from its edge."""
_AT_ONCE = 8
"""Pieces of a closer look that are put to the model together."""
_CLICK_MARGIN = 1.9
"""Side of the square round a lone click / expected size of its object, which may lie to one side of the click."""


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
        if prompts.is_clicks_alone:
            # This one is looked at closer as well: on 39 thin masks that is worth 0.008 Dice (-0.001 to 0.016).
            first = next(c for c in prompts.clicks if c.positive)
            start = self.answer(picture, features, scale, PicturePrompts((first,), None, None))
            last = start.on_picture((picture.shape[1], picture.shape[2]))[:1] > 0
            prompts = PicturePrompts(prompts.clicks, None, last.float() if last.any() else None)
        return self._closer(picture, features, scale, self._whole(picture, features, scale, prompts))

    def masks(self, picture: Tensor, features: SliceFeatures, scale: float, batch: PromptBatch) -> Masks:
        """Masks 0 to 3 for each of P prompts in pixels of the padded slice, on all of it, and their predicted IoU.

        Each prompt is looked at on its own, as :meth:`answer` does; (P, 4, side, side) logits.
        """
        shape, side = (picture.shape[1], picture.shape[2]), self.model.config.img_size
        inside = zoom.fitted(picture, side)
        logits, iou = torch.full((len(batch), 4, side, side), zoom.OUTSIDE), []
        for row in range(len(batch)):
            look = self.answer(picture, features, scale, PicturePrompts.in_batch(batch, row, shape, side))
            full = zoom.paste(look.output.mask_logits[0], look.square, shape)
            if look.fine is not None:
                full[look.order[0]] = look.fine[0]
            logits[row, :, : inside[0], : inside[1]] = PictureFrame.resize(full, inside)
            iou.append(look.output.iou[0])
        return Masks(logits, torch.stack(iou))

    def _whole(self, picture: Tensor, features: SliceFeatures, scale: float, prompts: PicturePrompts) -> Look:
        """Look at all of the object at once."""
        squares = self._squares(picture, features, scale, prompts)
        output = self._look(picture, features, scale, prompts, squares)
        if len(squares) == 1:
            return Look(squares[0], output, mask_order(output, prompts.is_lone_click))
        row, mask = likeliest(output, squares)
        others = [m for m in mask_order(output.row(row), True) if m != mask]
        return Look(squares[row], output.row(row), [mask, *others])

    def _squares(self, picture: Tensor, features: SliceFeatures, scale: float, prompts: PicturePrompts) -> list[Square]:
        """The square round what is prompted; for a lone click several, since its object may have any size."""
        box = prompts.box if prompts.last is None else prompts.extent()
        if box is None:
            click = next(c for c in prompts.clicks if c.positive)
            side = self._expected_size(picture, features, scale, click) * _CLICK_MARGIN
            several = _CLICK_SIZES if prompts.is_lone_click else (1.0,)
            sides = [min(side * s, zoom.widest((picture.shape[1], picture.shape[2]))) for s in several]
            return [Square.centred(click.row, click.col, s, self.config.least) for s in sides]
        longer = max(box.row_max - box.row_min, box.col_max - box.col_min) + 1
        row, col = (box.row_min + box.row_max) / 2, (box.col_min + box.col_max) / 2
        return [Square.centred(row, col, longer * self.config.margin, self.config.least)]

    def _closer(self, picture: Tensor, features: SliceFeatures, scale: float, look: Look) -> Look:
        """Look again, piece by piece at the picture's resolution, at an object whose parts are thin in its crop."""
        coarse = look.output.mask_logits[0, look.order[0]] > 0
        if look.square.side < zoom.LARGE * self.config.crop or not _is_thin(coarse):
            return look
        shape = (picture.shape[1], picture.shape[2])
        first = look.best_on_picture(shape)
        prompts = PicturePrompts((), None, (first[:1] > 0).float())
        pieces = zoom.pieces(look.square, first[0] > 0, self.config.crop)
        weighted, weights = torch.zeros_like(first), torch.zeros(1, *shape)
        window = zoom.window(self.config.crop)
        for n in range(0, len(pieces), _AT_ONCE):
            some = pieces[n : n + _AT_ONCE]
            output = self._look(picture, features, scale, prompts, some)
            for i, piece in enumerate(some):
                said = torch.cat([output.mask_logits[i, :1], output.semantic.mask_logits[i]])
                weight = zoom.paste(window, piece, shape, 0.0)
                weighted += zoom.paste(said, piece, shape, 0.0) * weight
                weights += weight
        return replace(look, fine=torch.where(weights > 0, weighted / weights.clamp(min=1e-6), first))

    def _expected_size(self, picture: Tensor, features: SliceFeatures, scale: float, click: Click) -> float:
        """The expected size of the object under a lone click, in picture pixels."""
        side, bins = self.model.config.img_size, self.config.size_bins
        xy = torch.tensor([[(click.col + 0.5) * scale / side * 2 - 1, (click.row + 0.5) * scale / side * 2 - 1]])
        chances = self.model.size_head(features, xy.to(features.tokens))[0].float().cpu().softmax(0)
        refuse_unless_finite(chances)
        return float(zoom.bin_to_size((chances * torch.arange(bins)).sum(), bins)) * max(picture.shape[1:])

    def _look(
        self, picture: Tensor, features: SliceFeatures, scale: float, prompts: PicturePrompts, squares: list[Square]
    ) -> SegSamOutput:
        """The same prompts in each of the squares, one row each, on the CPU."""
        side = self.config.crop
        insides = [zoom.cut(torch.ones(1, *picture.shape[1:]), s, side) for s in squares]
        crops = [zoom.normalise(zoom.cut(picture, s, side), i) for s, i in zip(squares, insides, strict=True)]
        geometries = [prompts.in_square(s, side) for s in squares]
        places = [zoom.place_on_slice(s, scale) for s in squares]
        look = zoomed(geometries, [c.expand(3, -1, -1) for c in crops], insides, places)
        batch = prompt_batch(geometries, self.mask_side)
        here = features.tokens.device
        own = features.of(torch.zeros(len(squares), dtype=torch.long, device=here))
        answer: SegSamOutput = self.model(own, batch.to(here), look.to(here))
        return checked(answer.to(torch.float32).to(torch.device("cpu")))


def _is_thin(mask: Tensor) -> bool:
    """Whether most of a (s, s) mask lies within a pixel of its edge."""
    eroded = -F.max_pool2d(-mask.float()[None, None], 3, stride=1, padding=1)
    return bool(mask.any()) and float(eroded.sum()) < _THIN * float(mask.sum())
