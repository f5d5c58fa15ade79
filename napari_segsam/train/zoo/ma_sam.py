"""MA-SAM on a person's own classes: from annotated slices and their neighbours to a file of its published format."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from napari_segsam.model.prompt_tokens import BOX_MAX, BOX_MIN, PromptBatch
from napari_segsam.model.zoo.family import Tensors
from napari_segsam.model.zoo.ma_sam import MaSam, name_here
from napari_segsam.model.zoo.samed import encoder_of
from napari_segsam.train.zoo.fitting import AnnotatedSlices, Course, Pace, fine_tuned, middle_of, one_of
from napari_segsam.train.zoo.samed import begin, samed_loss

PACE = Pace(steps=1000, rate=8e-4, warm_up=250, decay=0.1, power=7)
"""As published (train.py and trainer.py of MA-SAM), but for the steps."""
_ADDED = (".FacTu.", ".FacTv.", "_FacTs.", ".first.", ".second.", ".output_upscaling.")


def fine_tune(
    base: Tensors, slices: AnnotatedSlices, classes: int, course: Course, *, rank: int = 32, boxes: bool = False
) -> MaSam:
    """A MA-SAM of the slices' classes; its :meth:`~MaSam.published` is the file.

    Of the neighbours, those count in the loss on which something is labelled; the others are only seen.

    Args:
        base: a SAM's tensors.
        slices: with neighbours, prepared as MA-SAM has it; labels 1 to C.
        classes: C.
        course: see there.
        rank: of the factors.
        boxes: it learns to draw what a box lies round, whatever its class, so that its file knows one class. The box
            is tight round one class on the middle slice, and the same on all slices, as in the authors' own training.

    Raises:
        ModelFileError: ``base`` is no SAM of these sizes.
        TrainingError: the loss is not finite.
    """
    torch.manual_seed(course.seed)
    sizes, (count, side) = course.sizes_of(base), (slices.pictures.shape[1], slices.pictures.shape[-1])
    model = MaSam(sizes, 1 if boxes else classes, rank, side, count)
    begin(model, dict(base) | encoder_of(base, sizes, side), _ADDED)

    def wrong(picture: Tensor, labels: Tensor, rng: np.random.Generator) -> Tensor:
        known = (labels >= 0).flatten(1).all(1)
        prompts = None
        if boxes:
            middle = middle_of(labels)
            mask = one_of(middle, rng)
            labels = (labels == middle[mask][0]).long()
            prompts = _box_round(mask, count).to(picture.device)
        logits = model.each_slice(model.encode(picture), prompts)
        return samed_loss(logits[known], labels[known].to(logits.device))

    return fine_tuned(model, [name_here(name) for name in model.names()], wrong, slices, course)


def _box_round(mask: Tensor, slices: int) -> PromptBatch:
    """The tight box of an (S, S) mask, once for each slice."""
    rows, cols = mask.nonzero().unbind(1)
    corners = torch.tensor([[cols.min(), rows.min()], [cols.max(), rows.max()]], dtype=torch.float32)
    return PromptBatch(corners.expand(slices, -1, -1), torch.tensor([[BOX_MIN, BOX_MAX]]).expand(slices, -1))
