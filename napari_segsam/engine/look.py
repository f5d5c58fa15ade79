"""What an object's prompts are on the picture, and what the model answered there, with or without zoom."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_segsam.core.errors import BadPromptsError, SegsamError
from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.engine import zoom
from napari_segsam.engine.preprocess import PictureFrame
from napari_segsam.engine.zoom import PromptGeometry, Square
from napari_segsam.model.prompt_tokens import BOX_MAX, BOX_MIN, NEGATIVE, POSITIVE, PromptBatch
from napari_segsam.model.segsam import SegSamOutput

_COMPARED = 96
"""Side of the frame, in cells, in which masks of several squares are compared."""


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
        """Prompts on the slice -> on its picture; a mask of which the picture shows nothing is left out.

        Raises:
            OutsideImageError: a prompt outside the slice.
            BadPromptsError: no box and no positive click.
        """
        prompts.check_inside((frame.rows, frame.cols))
        if not prompts:
            raise BadPromptsError("There is no box and no positive point; click on the object or draw a box around it.")
        last = None if prompts.mask is None else frame.mask(prompts.mask)
        return cls(
            tuple(frame.click(c) for c in prompts.clicks),
            None if prompts.box is None else frame.box(prompts.box),
            last if last is not None and bool((last > 0.5).any()) else None,
        )

    @classmethod
    def in_batch(cls, batch: PromptBatch, row: int, shape: tuple[int, int], side: int) -> PicturePrompts:
        """One row of a batch in pixels of the padded ``side`` -> on the (H, W) picture that it shows."""
        scale = side / max(shape)
        said = batch.labels[row].tolist()
        at = ((batch.points_xy[row].cpu().flip(-1) + 0.5) / scale - 0.5).tolist()
        clicks = [Click(r, c, m == POSITIVE) for (r, c), m in zip(at, said, strict=True) if m in (NEGATIVE, POSITIVE)]
        box = None
        if BOX_MIN in said:
            box = Box.between(tuple(at[said.index(BOX_MIN)]), tuple(at[said.index(BOX_MAX)]))
        last = None
        if batch.mask_logits is not None and batch.has_mask is not None and batch.has_mask[row]:
            inside = [max(round(n * scale), 1) for n in shape]
            full = PictureFrame.resize(batch.mask_logits[row].float().cpu(), (side, side))
            last = (PictureFrame.resize(full[:, : inside[0], : inside[1]], shape) > 0).float()
        return cls(tuple(clicks), box, last)

    @property
    def is_lone_click(self) -> bool:
        """One positive click and nothing else: SAM's ambiguous case."""
        return self.box is None and self.last is None and len(self.clicks) == 1

    @property
    def is_clicks_alone(self) -> bool:
        """Several clicks and nothing else: nobody has said yet how large their object is."""
        return self.box is None and self.last is None and len(self.clicks) > 1

    def extent(self) -> Box:
        """The box round everything prompted: the last mask, the box and all clicks."""
        boxes = [Box(c.row, c.col, c.row, c.col) for c in self.clicks]
        boxes += [self.box] if self.box is not None else []
        boxes += [Box.around((self.last[0] > 0.5).numpy())] if self.last is not None else []
        rows, cols = [[b.row_min, b.row_max] for b in boxes], [[b.col_min, b.col_max] for b in boxes]
        return Box.between((min(min(rows)), min(min(cols))), (max(map(max, rows)), max(map(max, cols))))

    def in_square(self, square: Square, side: int) -> PromptGeometry:
        """The same prompts where the model draws their mask: in ``square``, shown with ``side`` pixels a side."""
        clicks = torch.tensor([[c.row, c.col] for c in self.clicks]).reshape(-1, 2)
        positive = torch.tensor([c.positive for c in self.clicks], dtype=torch.bool)
        box, last = None, None
        if self.box is not None:
            b = self.box
            corners = torch.tensor([[b.row_min, b.col_min], [b.row_max, b.col_max]])
            box = square.to_crop(corners, side).reshape(4)
        if self.last is not None:
            last = (zoom.cut(self.last, square, side) > 0.5).float() * 2 - 1
        return PromptGeometry(square.to_crop(clicks, side), positive, box, last)


@dataclass(frozen=True, eq=False)
class Look:
    """One object's answer.

    Attributes:
        square: what was looked at.
        output: what the model said there, one row.
        order: its binary masks, best first.
        fine: (2, H, W) logits of the best binary and the semantic mask on the picture, where a closer look was taken.
    """

    square: Square
    output: SegSamOutput
    order: list[int]
    fine: Tensor | None = None

    def on_picture(self, shape: tuple[int, int]) -> Tensor:
        """(M + 1, H, W) logits: binary masks, best first, then the semantic one."""
        coarse = torch.cat([self.output.mask_logits[0, self.order], self.output.semantic.mask_logits[0]])
        logits = zoom.paste(coarse, self.square, shape)
        if self.fine is not None:
            logits[0], logits[-1] = self.fine[0], self.fine[1]
        return logits

    def best_on_picture(self, shape: tuple[int, int]) -> Tensor:
        """(2, H, W) logits of the best binary mask and the semantic one, before any closer look."""
        best = torch.cat([self.output.mask_logits[0, self.order[:1]], self.output.semantic.mask_logits[0]])
        return zoom.paste(best, self.square, shape)

    @property
    def iou(self) -> list[float]:
        """Predicted IoU of each of the binary masks."""
        return [float(v) for v in self.output.iou[0, self.order].clamp(0, 1)]


def refuse_unless_finite(*numbers: Tensor | None) -> None:
    """Comparisons with "not a number" are false, so that a model that broke would look like one that found nothing.

    Raises:
        SegsamError: one of them is infinite or no number.
    """
    if not all(bool(torch.isfinite(n).all()) for n in numbers if n is not None):
        raise SegsamError(
            "The model computed something that is no number here, so there is no mask; "
            "try another window or prompt, and choose the device cpu or another model if it happens again."
        )


def checked(output: SegSamOutput) -> SegSamOutput:
    """The same.

    Raises:
        SegsamError: see :func:`refuse_unless_finite`.
    """
    said = output.semantic
    refuse_unless_finite(output.mask_logits, output.iou, said.mask_logits, said.class_logits, said.co_class_logits)
    return output


def mask_order(output: SegSamOutput, ambiguous: bool) -> list[int]:
    """SAM's masks best first: a clear prompt takes mask 0, a lone click the one of masks 1 to 3 with the best IoU."""
    ranked: list[int] = (1 + output.iou[0, 1:].argsort(descending=True)).tolist()
    return ranked if ambiguous else [0, *ranked]


def likeliest(output: SegSamOutput, squares: list[Square]) -> tuple[int, int]:
    """Of masks 1 to 3 in several squares round a lone click, the one that agrees best with all of them.

    Each counts as much as its predicted IoU: the mask of the highest expected Dice, if the truth were one of them.

    Returns:
        Row of ``output`` and number of the mask.
    """
    widest = max(squares, key=lambda s: s.side)
    scale = _COMPARED / widest.side
    masks = []
    for row, s in enumerate(squares):
        at = round((s.row0 - widest.row0) * scale), round((s.col0 - widest.col0) * scale)
        small = Square(*at, max(round(s.side * scale), 1))
        masks.append(zoom.paste(output.mask_logits[row, 1:], small, (_COMPARED, _COMPARED)) > 0)
    flat = torch.cat(masks).flatten(1).float()  # (3 squares, cells)
    sizes = flat.sum(1)
    dice = 2 * flat @ flat.T / (sizes.unsqueeze(1) + sizes).clamp(min=1)
    best = int((dice @ output.iou[:, 1:].flatten().clamp(0, 1)).argmax())
    return best // 3, 1 + best % 3
