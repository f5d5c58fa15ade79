"""Session: the one mutable object. What is open, what was committed, what is being worked on, and its history."""
# (signatures first; bodies follow)

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.labels import LabelMap, Patch
from napari_segsam.core.prediction import Prediction, Suggestion
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.core.volume import Volume, Window


class Session:
    """One viewer's work on one volume. Read it freely; change it through the Controller.

    Attributes:
        volume: what is open.
        labels: committed objects, value -> name; what is exported.
        semantic: LabelMap of class ids of ``vocabulary``, 0 = nothing: prompted object, committed objects, suggestions.
        view: the visible slice.
        window: what the person asked the model to see, None = the model chooses.
        vocabulary: the model's classes; empty until there is a model.
        prediction: the answer on the visible slice, with the chosen candidate as its mask; None before the first.
        suggestions: unprompted objects on the visible slice that were neither accepted nor rejected.
        unsaved: whether labels changed since they were last saved.
    """

    volume: Volume
    labels: LabelMap
    semantic: LabelMap
    view: SliceView
    window: Window | None
    vocabulary: Vocabulary
    prediction: Prediction | None
    suggestions: tuple[Suggestion, ...]
    unsaved: bool

    def __init__(self, volume: Volume, labels: LabelMap | None = None) -> None:
        raise NotImplementedError

    @property
    def value(self) -> int:
        """Voxel value of the current object."""
        raise NotImplementedError

    @property
    def prompts(self) -> Prompts:
        """The current object's prompts on the visible slice (empty Prompts where there are none)."""
        raise NotImplementedError

    @property
    def all_prompts(self) -> Mapping[tuple[int, int], Prompts]:
        """The current object's prompts by (axis, index)."""
        raise NotImplementedError

    @property
    def class_name(self) -> str | None:
        """The current object's class: chosen, else committed, else the best of the prediction, else None."""
        raise NotImplementedError

    @property
    def candidate(self) -> int:
        """Which of ``prediction.candidates`` is shown on the visible slice."""
        raise NotImplementedError

    @property
    def uncommitted(self) -> bool:
        """Whether the current object has prompts whose mask was not committed."""
        raise NotImplementedError

    @property
    def undo_names(self) -> tuple[str, ...]:
        """What can be undone, next first, e.g. ``("commit liver", "class liver -> spleen", "point")``."""
        raise NotImplementedError

    @property
    def redo_names(self) -> tuple[str, ...]:
        """What can be redone, next first."""
        raise NotImplementedError

    def mark_saved(self) -> None:
        """Call after ``labels`` were written: sets ``unsaved`` to False."""
        raise NotImplementedError

    def record_stroke(self, indices: NDArray[np.int64], before: NDArray[np.uint16], name: str = "brush") -> Patch:
        """Use Controller.record_stroke."""
        raise NotImplementedError
