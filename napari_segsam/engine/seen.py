"""Seen: all that there is to see of a session; nothing of it changes here."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.labels import LabelMap
from napari_segsam.core.packed import PackedVoxels
from napari_segsam.core.prediction import Prediction, Suggestion
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.core.volume import Volume, Window
from napari_segsam.engine.history import History, State
from napari_segsam.engine.objects import Place, Quality, place_of
from napari_segsam.engine.said import Said
from napari_segsam.engine.semantic import SemanticLayer
from napari_segsam.engine.standing import Standing


class Seen:
    """What :class:`~napari_segsam.engine.session.Session` lets anybody read.

    Attributes:
        volume: what is open.
        labels: committed objects, value -> name; what is exported. Its array stays the same until `open`.
        view: the visible slice.
        window: what the person asked the model to see, None = the model chooses.
        vocabulary: the model's classes; empty until there is a model.
        prediction: the uncommitted answer on the visible slice, with the chosen candidate as its mask, or None. While
            a newer prompt waits for its answer, this is still the last one: see `answered`.
        suggestions: unprompted objects on the visible slice that were neither accepted nor rejected.
        unsaved: whether labels are others than when they were last saved, or at first.
        hidden: values of committed objects that the person does not want to see.
        revision: grows with every change of labels, undo too: labels of one revision are the same.
    """

    volume: Volume
    labels: LabelMap
    view: SliceView
    window: Window | None
    vocabulary: Vocabulary
    unsaved: bool
    hidden: frozenset[int]
    revision: int

    _state: State
    _history: History
    _said: Said
    _semantic: SemanticLayer
    _masks: dict[Place, PackedVoxels]

    @property
    def semantic(self) -> LabelMap:
        """Class ids of `vocabulary` by voxel, 0 = nothing: prompted object over committed ones over suggestions."""
        return self._semantic.map

    @property
    def semantic_revision(self) -> int:
        """Another number whenever `semantic` was repainted."""
        return self._semantic.revision

    @property
    def place(self) -> Place:
        """(axis, index) of the visible slice."""
        return place_of(self.view)

    @property
    def value(self) -> int:
        """Voxel value of the current object."""
        return self._state.current.value

    @property
    def prompts(self) -> Prompts:
        """The current object's prompts on the visible slice; empty where there are none."""
        return self._state.current.prompts.get(self.place, Prompts())

    @property
    def objects(self) -> tuple[int, ...]:
        """Values of all objects, committed or in work, ascending."""
        state = self._state
        begun = () if state.current.pristine else (state.current.value,)
        return tuple(sorted({*state.names, *state.others, *begun}))

    def name_of(self, value: int) -> str:
        """What an object is called."""
        return self._state.name_of(value)

    def standing(self, value: int) -> Standing:
        """What the person said of an object."""
        return self._state.standing(value)

    def is_open(self, value: int, place: Place) -> bool:
        """Whether an object has prompts on a slice whose mask was not committed."""
        return self._state.object(value).uncommitted_at(place)

    def beneath(self, value: int, indices: NDArray[np.int64]) -> NDArray[np.uint16]:
        """What comes back at these voxels of an object, (n,) flat indices, where it gives them up."""
        state = self._state
        return state.object(value).beneath(self.labels, indices, state.names.keys() - state.locked)

    def quality(self, value: int) -> Quality | None:
        """What the model thought of an object's worst slices, None where no model drew any."""
        return self._state.object(value).quality

    @property
    def all_prompts(self) -> Mapping[Place, Prompts]:
        """The current object's prompts by (axis, index)."""
        return self._state.current.prompts

    @property
    def class_name(self) -> str | None:
        """The current object's class: chosen, else committed, else the model's best, else None."""
        return self._state.class_name or self._said.guess

    @property
    def chosen_class(self) -> str | None:
        """What the person chose for the current object, None where the model's word stands."""
        return self._state.current.class_name

    @property
    def candidate(self) -> int:
        """Which of ``prediction.candidates`` is shown on the visible slice."""
        return self._state.current.candidates.get(self.place, 0)

    @property
    def answered(self) -> bool:
        """Whether `prediction` answers the newest prompts of the visible slice."""
        return self._said.answers(self.prompts)

    @property
    def uncommitted_here(self) -> bool:
        """Whether the visible slice has prompts whose mask was not committed."""
        return self._state.current.uncommitted_at(self.place)

    @property
    def uncommitted(self) -> bool:
        """Whether any object has prompts on any slice whose mask was not committed."""
        objects = (self._state.current, *self._state.others.values())
        return any(one.uncommitted_at(place) for one in objects for place in one.prompts)

    @property
    def next_undo(self) -> str | None:
        """The first of `undo_names`, without the rest, which may be thousands."""
        return self._history.next_undo

    @property
    def next_redo(self) -> str | None:
        """The first of `redo_names`."""
        return self._history.next_redo

    @property
    def undo_names(self) -> tuple[str, ...]:
        """What can be undone, next first, e.g. ``("commit liver", "class liver -> spleen", "point")``."""
        return self._history.undo_names

    @property
    def redo_names(self) -> tuple[str, ...]:
        """What can be redone, next first."""
        return self._history.redo_names

    @property
    def moment(self) -> State:
        """What was done so far: the same again after undo and redo, and another after anything else."""
        return self._state

    def keeps(self, moment: State) -> bool:
        """Whether nothing that was done up to a moment has been undone since."""
        return moment is self._state or self._history.holds(moment)

    @property
    def prediction(self) -> Prediction | None:
        """The uncommitted answer on the visible slice; see the class."""
        return self._said.shown

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """Open suggestions of the visible slice, best first."""
        return self._said.suggestions

    @property
    def suggestions_window(self) -> Window | None:
        """What the model saw when it made `suggestions`; None where it took percentiles or made none."""
        return self._said.window_on(self.place)

    @property
    def mask_to_correct(self) -> NDArray[np.bool_] | None:
        """What the next prompt on the visible slice corrects: the shown mask, or what was committed and brushed."""
        if self.answered and self._said.shown is not None:
            return self._said.shown.mask
        if self.place in self._state.current.footprints and not self.uncommitted_here:
            committed = np.asarray(self.view.of(self.labels.voxels) == self.value)
            return committed if committed.any() else None
        return self.prompts.mask
