"""Session: the one mutable object. What is open, what was committed, what is being worked on, and its history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import BadPromptsError, GridMismatchError
from napari_segsam.core.labels import Label, LabelMap, Patch
from napari_segsam.core.prediction import Prediction, Suggestion, dice
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.core.volume import Volume, Window
from napari_segsam.engine.history import History, State, Step
from napari_segsam.engine.names import free_value, name_all, unnamed
from napari_segsam.engine.objects import CurrentObject, Place, named, place_of
from napari_segsam.engine.semantic import SemanticLayer
from napari_segsam.engine.suggest import PackedSuggestions, Settled, already_named, still_open


class Session:
    """One viewer's work on one volume. Read it freely; change it through the Controller.

    A commit takes its mask's voxels from whoever has them (the newest wins); undo brings the others back.

    Attributes:
        volume: what is open.
        labels: committed objects, value -> name; what is exported. Its array stays the same until `open`.
        view: the visible slice.
        window: what the person asked the model to see, None = the model chooses.
        vocabulary: the model's classes; empty until there is a model.
        prediction: the uncommitted answer on the visible slice, with the chosen candidate as its mask, or None. While
            a newer prompt waits for its answer, this is still the last one: see `answered`.
        suggestions: unprompted objects on the visible slice that were neither accepted nor rejected.
        unsaved: whether labels changed since they were last saved.
    """

    def __init__(self, volume: Volume, labels: LabelMap | None = None) -> None:
        """See :meth:`reset`."""
        self.vocabulary = Vocabulary(())
        # The raw answer, the prompts that it answers, and the answer with the chosen candidate as its mask.
        self._answer: Prediction | None = None
        self._answered: Prompts | None = None
        self._shown: Prediction | None = None
        self._guess: str | None = None
        self._suggestions: tuple[Suggestion, ...] = ()
        self.reset(volume, labels)

    def reset(self, volume: Volume, labels: LabelMap | None = None) -> None:
        """Start over on a volume, seen at the middle slice of its k axis.

        Args:
            volume: to work on.
            labels: what was committed earlier; changed in place.

        Raises:
            GridMismatchError: the labels lie on another grid; nothing was changed.
        """
        if labels is not None and not labels.grid.matches(volume.grid):
            raise GridMismatchError(
                f"The labels do not lie on the grid of {volume.name}; open the image they belong to."
            )
        self.volume = volume
        self.labels = LabelMap(volume.grid) if labels is None else labels
        if labels is None:
            self.labels.voxels.fill(0)  # the memory is there before the first commit needs it
        else:
            name_all(labels)
        self.view = SliceView(volume, 2, volume.grid.shape[2] // 2)
        self.window: Window | None = None
        self.unsaved = False
        self._state = State(CurrentObject(free_value(self.labels.labels)), names=dict(self.labels.labels))
        self._history = History()
        self._semantic = SemanticLayer(self.labels, self.vocabulary)
        self._forget_answers()

    # -- what there is to see
    @property
    def semantic(self) -> LabelMap:
        """Class ids of `vocabulary` by voxel, 0 = nothing: prompted object over committed ones over suggestions."""
        return self._semantic.map

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
    def all_prompts(self) -> Mapping[Place, Prompts]:
        """The current object's prompts by (axis, index)."""
        return self._state.current.prompts

    @property
    def class_name(self) -> str | None:
        """The current object's class: chosen, else committed, else the model's best, else None."""
        committed = self._state.names.get(self.value)
        own = None if committed is None or committed.name == unnamed(self.value) else committed.name
        return self._state.current.class_name or own or self._guess

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
        return self._answer is not None and self._answered is self.prompts

    @property
    def uncommitted_here(self) -> bool:
        """Whether the visible slice has prompts whose mask was not committed."""
        return self._state.current.uncommitted_at(self.place)

    @property
    def uncommitted(self) -> bool:
        """Whether any slice has prompts of the current object whose mask was not committed."""
        return any(self._state.current.uncommitted_at(p) for p in self._state.current.prompts)

    @property
    def undo_names(self) -> tuple[str, ...]:
        """What can be undone, next first, e.g. ``("commit liver", "class liver -> spleen", "point")``."""
        return self._history.undo_names

    @property
    def redo_names(self) -> tuple[str, ...]:
        """What can be redone, next first."""
        return self._history.redo_names

    @property
    def prediction(self) -> Prediction | None:
        """The uncommitted answer on the visible slice; see the class."""
        return self._shown

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """Open suggestions of the visible slice, best first."""
        return self._suggestions

    @property
    def suggestions_window(self) -> Window | None:
        """What the model saw when it made `suggestions`; None where it took percentiles or made none."""
        packed = self._packed.get(self.place)
        return packed.window if packed else None

    @property
    def mask_to_correct(self) -> NDArray[np.bool_] | None:
        """What the next prompt on the visible slice corrects: the shown mask, or what was committed and brushed."""
        if self.answered and self._shown is not None:
            return self._shown.mask
        if self.place in self._state.current.footprints and not self.uncommitted_here:
            committed = np.asarray(self.view.of(self.labels.voxels) == self.value)
            return committed if committed.any() else None
        return self.prompts.mask

    def mark_saved(self) -> None:
        """The labels were written: nothing is `unsaved` now."""
        self.unsaved = False

    def mark_unsaved(self) -> None:
        """The labels were taken over from work that was never written."""
        self.unsaved = True

    def take_for(self, volume: Volume) -> None:
        """The same voxels are another kind of scan: prompts wait for another answer, all else stays."""
        self.volume = volume
        self.view = SliceView(volume, *self.place)
        self.use_vocabulary(self.vocabulary)

    # -- answers of the model
    def look_at(self, view: SliceView) -> None:
        """Make another slice visible. Its prompts wait for an answer; its suggestions are remembered."""
        self.view = view
        self._drop_answer()
        self._list_suggestions()

    def look_through(self, window: Window | None) -> None:
        """The model shall see something else: the preview stays, as the answer to what is no longer asked."""
        self.window = window
        self._answered = None

    def receive(self, prediction: Prediction) -> None:
        """The answer to the newest prompts of the visible slice."""
        self._answer, self._answered = prediction, self.prompts
        self._guess = prediction.classes[0].name if prediction.classes else None
        self._choose_shown()
        self.receive_suggestions(prediction.suggestions, prediction.window)

    def receive_suggestions(self, suggestions: tuple[Suggestion, ...], window: Window | None) -> None:
        """What the model names by itself on the visible slice, seen through ``window``."""
        self._packed[self.place] = PackedSuggestions.of(suggestions, window)
        self._list_suggestions()
        self._semantic.suggest(self.view, self._suggestions)

    def use_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Another model: forget all answers and paint committed labels by its class ids."""
        self.vocabulary = vocabulary
        self._forget_answers()
        self._semantic.use(vocabulary)

    # -- steps; each is done when it returns, and can be undone
    def change_prompts(self, prompts: Prompts, name: str) -> Step:
        """Other prompts on the visible slice."""
        return self._do(name, current=self._state.current.with_prompts(self.place, prompts))

    def choose_class(self, name: str) -> Step:
        """Name the current object, and its label where it has one."""
        old, names = self.class_name, self._state.names
        if self.value in names:
            names = {**names, self.value: Label(self.value, name)}
        title = f"class {old} -> {name}" if old and old != name else f"class {name}"
        return self._do(title, current=replace(self._state.current, class_name=name), names=names)

    def choose_candidate(self, index: int) -> Step:
        """Show another of the answer's masks on this slice; ``index`` counts round past the end.

        Raises:
            BadPromptsError: there is no answer to choose from.
        """
        if self._answer is None or not self._answer.candidates:
            raise BadPromptsError("There are no masks to choose from yet; click the object first.")
        count, current = len(self._answer.candidates), self._state.current
        candidates = {**current.candidates, self.place: index % count}
        return self._do(f"mask {index % count + 1} of {count}", current=replace(current, candidates=candidates))

    def commit(self) -> Step:
        """Make the shown mask what the current object has on the visible slice.

        Raises:
            BadPromptsError: there is no mask, an empty one, or one that does not answer the newest prompt.
        """
        if self._shown is None:
            raise BadPromptsError("There is no mask to commit; click the object first.")
        if not self.answered:
            raise BadPromptsError("The mask does not answer the newest prompt yet; commit it when it does.")
        if not self._shown.mask.any():
            raise BadPromptsError(f"The mask on {named(self.place)} is empty; add a point inside the object.")
        name = self.class_name or unnamed(self.value)
        patch, current = self._state.current.commit(self.labels, self.view, self._shown.mask, f"commit {name}")
        return self._do(patch.name, current=current, names=self._with_label(self.value, name), patch=patch)

    def next_object(self) -> Step | None:
        """Start an object with a free value; None where nothing was done to the current one yet."""
        if self._state.current.pristine:
            return None
        return self._do("next object", current=CurrentObject(self._free_value()))

    def accept(self, view: SliceView, mask: NDArray[np.bool_], suggestion: Suggestion) -> Step:
        """Commit the (rows, cols) mask of a refined suggestion as a new object; the current one stays current."""
        # A brush may have used the current object's value while the suggestion was being refined.
        pristine = self._state.current.pristine and self.value not in self._state.names
        value = self.value if pristine else self._free_value()
        title = f"accept {suggestion.name}"
        patch, _ = CurrentObject(value).commit(self.labels, view, mask, title)
        names = self._with_label(value, suggestion.name)
        current = CurrentObject(free_value(names)) if pristine else self._state.current
        settled = (*self._state.settled, Settled(place_of(view), suggestion.name, suggestion.box))
        return self._do(title, view=view, current=current, names=names, settled=settled, patch=patch)

    def reject(self, suggestion: Suggestion) -> Step:
        """Take a suggestion off the visible slice."""
        settled = (*self._state.settled, Settled(self.place, suggestion.name, suggestion.box))
        return self._do(f"reject {suggestion.name}", settled=settled)

    def record_stroke(self, indices: NDArray[np.int64], before: NDArray[np.uint16], name: str = "brush") -> Step | None:
        """A brush has changed ``labels.voxels`` already, see :meth:`Controller.record_stroke`; None if not really."""
        unique, first = np.unique(np.asarray(indices, np.int64), return_index=True)
        was, after = np.asarray(before, np.uint16)[first], self.labels.voxels.reshape(-1)[unique]
        changed = was != after
        if not changed.any():
            return None
        patch = Patch(name, unique[changed], was[changed], after[changed])
        names = dict(self._state.names)
        for value in (int(v) for v in np.unique(patch.after) if v and int(v) not in names):
            own = self.class_name if value == self.value else None
            names[value] = Label(value, own or unnamed(value))
        return self._do(name, names=names, patch=patch)

    def undo(self) -> Step | None:
        """Take the last step back; returns what was done to that end, None where there was none."""
        return self._enter(self._history.undo())

    def redo(self) -> Step | None:
        """Do the step again that was undone last, None where there is none."""
        return self._enter(self._history.redo())

    # -- how a step happens
    def _do(
        self,
        name: str,
        *,
        view: SliceView | None = None,
        current: CurrentObject | None = None,
        settled: tuple[Settled, ...] | None = None,
        names: Mapping[int, Label] | None = None,
        patch: Patch | None = None,
    ) -> Step:
        old = self._state
        state = State(
            old.current if current is None else current,
            old.settled if settled is None else settled,
            old.names if names is None else names,
        )
        step = Step(name, place_of(view or self.view), old, state, patch)
        self._history.push(step)
        self._enter(step)
        return step

    def _enter(self, step: Step | None) -> Step | None:
        """Write the step's voxels and take on its ``after`` state; all that is derived follows."""
        if step is None:
            return None
        if step.patch is not None:
            self.labels.apply(step.patch)
        self._state = step.after
        self.labels.labels.clear()
        self.labels.labels.update(step.after.names)
        if step.patch is not None or step.renames:
            self.unsaved = True
            self._semantic.follow_labels(step.patch.indices if step.patch else np.empty(0, np.int64))
        self._follow_object(step)
        if step.before.settled is not step.after.settled or step.patch is not None or step.renames:
            self._resuggest(step.place)
        return step

    def _follow_object(self, step: Step) -> None:
        """Masks that answered other prompts, or another object's, are no longer shown."""
        old, new = step.before.current, step.after.current
        if old.value != new.value:
            self._guess = None
        for place in [
            p for p in self._masks if old.prompts.get(p) is not new.prompts.get(p) or not new.uncommitted_at(p)
        ]:
            del self._masks[place]
        if old.value != new.value or not new.uncommitted_at(self.place):
            self._drop_answer()
        self._choose_shown()

    def _choose_shown(self) -> None:
        """Apply the chosen candidate to the answer, and paint it."""
        self._shown = None if self._answer is None else _with_candidate(self._answer, self.candidate)
        if self._shown is not None and self.answered:
            self._masks[self.place] = self.view.flat_indices(self._shown.mask)
        self._paint_object()

    def _paint_object(self) -> None:
        self._semantic.show_object(self._masks, self.class_name)

    def _open_suggestions(self, view: SliceView) -> tuple[Suggestion, ...]:
        """What the model names on a slice, but for what was settled or committed."""
        packed, place = self._packed.get(place_of(view)), place_of(view)
        found = still_open(packed.unpack() if packed else (), place, self._state.settled)
        names = {value: label.name for value, label in self._state.names.items()}
        committed = view.of(self.labels.voxels)
        return tuple(s for s in found if not already_named(s, committed, names))

    def _list_suggestions(self) -> None:
        self._suggestions = self._open_suggestions(self.view)

    def _resuggest(self, place: Place | None) -> None:
        """Paint what is still suggested on a slice after one was settled there, or no longer is."""
        if place is not None and place in self._packed:
            view = SliceView(self.volume, *place)
            self._semantic.suggest(view, self._open_suggestions(view))
        self._list_suggestions()

    def _drop_answer(self) -> None:
        self._answer = self._answered = self._shown = None

    def _forget_answers(self) -> None:
        self._drop_answer()
        self._guess = None
        self._masks: dict[Place, NDArray[np.int64]] = {}
        self._packed: dict[Place, PackedSuggestions] = {}
        self._suggestions = ()

    # -- values and names
    def _free_value(self) -> int:
        return free_value({**self._state.names, self.value: Label(self.value, "")})

    def _with_label(self, value: int, name: str) -> dict[int, Label]:
        return {**self._state.names, value: Label(value, name)}


def _with_candidate(answer: Prediction, index: int) -> Prediction:
    """The answer with another of its candidates as its mask."""
    if not 0 < index < len(answer.candidates):
        return answer
    chosen = answer.candidates[index]
    agreement = dice(chosen.mask, answer.semantic_mask)
    return replace(answer, mask=chosen.mask, iou_predicted=chosen.iou_predicted, decoder_agreement=agreement)
