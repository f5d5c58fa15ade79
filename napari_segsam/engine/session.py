"""Session: the one mutable object. What is open, what was committed, what is being worked on, and its history."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.labels import LabelMap
from napari_segsam.core.packed import PackedVoxels
from napari_segsam.core.prediction import Prediction, Suggestion
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.core.volume import Volume, Window
from napari_segsam.engine import steps
from napari_segsam.engine.history import History, State, Step
from napari_segsam.engine.names import free_value, new_labels, taken_over, unnamed
from napari_segsam.engine.objects import Drawn, Place, Quality, WorkedObject
from napari_segsam.engine.said import Said, open_of
from napari_segsam.engine.seen import Seen
from napari_segsam.engine.semantic import SemanticLayer
from napari_segsam.engine.sharing import Map
from napari_segsam.engine.standing import Standing

_NEVER = State(WorkedObject(0))
"""No history leads to it: the labels were in no file yet."""


class Session(Seen):
    """One viewer's work on one volume. Read it freely, see :class:`Seen`; change it through the Controller.

    A commit takes its mask's voxels from whoever has them (the newest wins); undo brings the others back.

    Signals:
        happened(str, Step | None): "do", "amend", "undo" or "redo" and the step that was entered; "mark": `unsaved`,
            `window` or the kind of scan was set; "reset": another volume is open. For the journal.
    """

    happened = Signal(str, object)

    _saved: State | None  # as `History.relabelled` was when the labels were saved; None: at first

    def __init__(self, volume: Volume, labels: LabelMap | None = None) -> None:
        """See :meth:`reset`."""
        self.vocabulary = Vocabulary(())
        self.revision = 0
        self.reset(volume, labels)

    def reset(self, volume: Volume, labels: LabelMap | None = None) -> None:
        """Start over on a volume, seen at the middle slice of its k axis.

        Args:
            volume: to work on.
            labels: what was committed earlier; changed in place.

        Raises:
            GridMismatchError: the labels lie on another grid; nothing was changed.
        """
        self.labels = new_labels(volume) if labels is None else taken_over(labels, volume)
        self.volume = volume
        self.view = SliceView(volume, 2, volume.grid.shape[2] // 2)
        self.window = None
        self.unsaved, self._saved = False, None
        self.hidden = frozenset()
        self.revision += 1
        self._state = State(WorkedObject(free_value(self.labels.labels)), names=Map(self.labels.labels))
        self._history = History()
        self._semantic = SemanticLayer(self.labels, self.vocabulary)
        self._forget_answers()
        self.happened.emit("reset", None)

    def take_up(self, state: State, history: History, *, unsaved: bool) -> None:
        """Go on with what a journal gave back, right after `reset`; its voxels and names are in the labels already."""
        self._state, self._history, self.unsaved = state, history, unsaved
        self._saved = _NEVER if unsaved else history.relabelled

    def mark_saved(self) -> None:
        """The labels were written: nothing is `unsaved` now, nor where undo or redo leads back to this."""
        self.unsaved, self._saved = False, self._history.relabelled
        self.happened.emit("mark", None)

    def mark_unsaved(self) -> None:
        """The labels were taken over from work that was never written."""
        self.unsaved, self._saved = True, _NEVER
        self.happened.emit("mark", None)

    def take_for(self, volume: Volume) -> None:
        """The same voxels are another kind of scan: prompts wait for another answer, all else stays."""
        self.volume = volume
        self.view = SliceView(volume, *self.place)
        self.use_vocabulary(self.vocabulary)
        self.happened.emit("mark", None)

    # -- answers of the model
    def look_at(self, view: SliceView) -> None:
        """Make another slice visible. Its prompts wait for an answer; its suggestions are remembered."""
        self.view = view
        self._said.drop_answer()
        self._list_suggestions()

    def look_through(self, window: Window | None) -> None:
        """The model shall see something else: the preview stays, as the answer to what is no longer asked."""
        self.window = window
        self._said.answered = None
        self.happened.emit("mark", None)

    def receive(self, prediction: Prediction) -> None:
        """The answer to the newest prompts of the visible slice."""
        self._said.receive(prediction, self.prompts)
        self._choose_shown()
        self.receive_suggestions(prediction.suggestions, prediction.window)

    def receive_suggestions(self, suggestions: tuple[Suggestion, ...], window: Window | None) -> None:
        """What the model names by itself on the visible slice, seen through ``window``."""
        self._said.receive_suggestions(self.place, suggestions, window)
        self._list_suggestions()
        self._semantic.suggest(self.view, self._said.suggestions)

    def receive_proposals(self, suggestions: tuple[Suggestion, ...]) -> None:
        """What a detector found on the visible slice, filled by the model."""
        self._said.receive_proposals(self.place, suggestions)
        self._list_suggestions()
        self._semantic.suggest(self.view, self._said.suggestions)

    def is_open_yet(self, view: SliceView, suggestion: Suggestion) -> bool:
        """Whether nothing that was done since a suggestion was made on a slice settled or committed it."""
        return bool(open_of([suggestion], view, self._state, self.labels))

    def use_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Another model: forget all answers and paint committed labels by its class ids."""
        self.vocabulary = vocabulary
        self._forget_answers()
        self._semantic.use(vocabulary)

    # -- steps; each is done when it returns, and can be undone
    def change_prompts(self, prompts: Prompts, name: str) -> Step:
        """Other prompts on the visible slice."""
        return self._do(steps.change_prompts(self._state, self.place, prompts, name))

    def choose_class(self, name: str) -> Step:
        """Name the current object, and its label where it has one."""
        return self._do(steps.choose_class(self._state, self.place, self.class_name, name))

    def choose_candidate(self, index: int) -> Step:
        """Show another of the answer's masks on this slice; ``index`` counts round past the end.

        Raises:
            BadPromptsError: there is no answer to choose from.
        """
        answer = self._said.answer
        if answer is None or not answer.candidates:
            raise BadPromptsError("There are no masks to choose from yet; click the object first.")
        return self._do(steps.choose_candidate(self._state, self.place, index, len(answer.candidates)))

    def commit(self) -> Step:
        """Make the shown mask what the current object has on the visible slice.

        Raises:
            BadPromptsError: there is no mask, an empty one, or one that does not answer the newest prompt.
        """
        shown = self._said.mask_to_commit(self.place, self.prompts)
        name = self.class_name or unnamed(self.value)
        drawn = Drawn(self.view, shown.mask, Quality.of(shown))
        return self._do(steps.commit(self._state, self.labels, drawn, name))

    def draw(self, value: int, drawn: Sequence[Drawn], title: str, *, goes_on: bool = False) -> Step:
        """Make masks what an object has on parallel slices; one entry of the history, or more of the last entry.

        Args:
            value: of the object, which need not be the current one.
            drawn: at least one.
            title: for the history.
            goes_on: the last step was the beginning of this one, so that undo takes both back; see `moment`.

        Raises:
            BadPromptsError: the object is locked, or other ones have all of the masks.
        """
        step = steps.draw(self._state, self.labels, value, drawn, title)
        return self._amend(step) if goes_on else self._do(step)

    def next_object(self) -> Step | None:
        """Start an object with a free value; None where nothing was done to the current one yet."""
        step = steps.next_object(self._state, self.place)
        return None if step is None else self._do(step)

    def go_to(self, value: int) -> Step | None:
        """Work on another object again, None where it is the current one."""
        step = steps.go_to(self._state, self.place, value)
        return None if step is None else self._do(step)

    def delete(self, value: int) -> Step:
        """Take an object off the labels, with its prompts; what lay under it comes back.

        Raises:
            BadPromptsError: it is locked.
        """
        return self._do(steps.delete(self._state, self.labels, value))

    def stand(self, value: int, standing: Standing, title: str) -> Step:
        """Say how far an object is, or lock it."""
        return self._do(steps.stand(self._state, value, standing, title))

    def accept(self, drawn: Drawn, suggestion: Suggestion) -> Step:
        """Commit a refined suggestion as a new object; the current one stays current.

        Raises:
            BadPromptsError: other objects have all of it.
        """
        return self._do(steps.accept(self._state, self.labels, drawn, suggestion))

    def reject(self, suggestion: Suggestion) -> Step:
        """Take a suggestion off the visible slice."""
        return self._do(steps.reject(self._state, self.place, suggestion))

    def record_stroke(
        self, indices: NDArray[np.int64], before: NDArray[np.uint16], name: str = "brush", place: Place | None = None
    ) -> Step | None:
        """A brush has changed ``labels.voxels`` already, see :meth:`Controller.record_stroke`; None if not really."""
        own, state = self.class_name, self._state
        step = steps.stroke(state, self.labels, place or self.place, own, indices, before, name)
        return None if step is None else self._do(step)

    def hide(self, value: int, hidden: bool) -> None:
        """Show a committed object no longer, or again; no step, and nothing else of it changes."""
        self.hidden = self.hidden | {value} if hidden else self.hidden - {value}
        self._semantic.hide(self.hidden)

    def spare_hidden(self, indices: NDArray[np.int64], before: NDArray[np.uint16]) -> bool:
        """Take off hidden objects what a brush has just added, and give back what it erased; whether it did."""
        spared = steps.spare_hidden(self.hidden, self.labels, indices, before)
        if spared is not None:
            self.labels.apply(spared)
        return spared is not None

    def spare_locked(self, indices: NDArray[np.int64], before: NDArray[np.uint16]) -> bool:
        """Give locked objects back what a brush has just taken from them or added to them; whether it did."""
        spared = steps.spare_locked(self._state, self.labels, indices, before)
        if spared is not None:
            self.labels.apply(spared)
        return spared is not None

    def bring_in(self, found: LabelMap, name: str) -> Step:
        """Put labels that were made elsewhere on this grid below the committed ones; see :func:`steps.bring_in`."""
        return self._do(steps.bring_in(self._state, self.labels, self.place, found, name))

    def undo(self) -> Step | None:
        """Take the last step back; returns what was done to that end, None where there was none."""
        return self._enter(self._history.undo(), "undo")

    def redo(self) -> Step | None:
        """Do the step again that was undone last, None where there is none."""
        return self._enter(self._history.redo(), "redo")

    # -- how a step happens
    def _do(self, step: Step) -> Step:
        self._history.push(step)
        self._enter(step, "do")
        return step

    def _amend(self, step: Step) -> Step:
        self._history.amend(step)
        self._enter(step, "amend")
        return step

    def _enter(self, step: Step | None, deed: str) -> Step | None:
        """Write the step's voxels and take on its ``after`` state; all that is derived follows."""
        if step is None:
            return None
        if step.patch is not None:
            self.labels.apply(step.patch)
        self._state = step.after
        self.labels.labels.clear()
        self.labels.labels.update(sorted(step.after.names.items()))
        if step.relabels:
            self.unsaved = self._history.relabelled is not self._saved
            self.revision += 1
            if not self.hidden.issubset(step.after.names):  # another object may get the value of one that is gone
                self.hidden = self.hidden.intersection(step.after.names)
                self._semantic.hide(self.hidden)
            self._semantic.follow_labels(step.patch.indices if step.patch else np.empty(0, np.int64))
        self._follow_object(step)
        if step.reopens:
            self._resuggest(step.place)
        self.happened.emit(deed, step)
        return step

    def _follow_object(self, step: Step) -> None:
        """Masks that answered other prompts, or another object's, are no longer shown."""
        old, new = step.before.current, step.after.current
        if old.value != new.value:
            self._said.guess = None
        for place in new.places_unlike(old) & self._masks.keys():
            if old.prompts.get(place) is not new.prompts.get(place) or not new.uncommitted_at(place):
                del self._masks[place]
        if old.value != new.value or not new.uncommitted_at(self.place):
            self._said.drop_answer()
        self._choose_shown()

    def _choose_shown(self) -> None:
        """Apply the chosen candidate to the answer, and paint it."""
        self._said.choose(self.candidate)
        if self._said.shown is not None and self.answered:
            self._masks[self.place] = PackedVoxels.of(self.view.flat_indices(self._said.shown.mask))
        self._semantic.show_object(self._masks, self.class_name)

    def _list_suggestions(self) -> None:
        self._said.suggestions = self._said.open_on(self.view, self._state, self.labels)

    def _resuggest(self, place: Place | None) -> None:
        """Paint what is still suggested on a slice after one was settled there, or no longer is."""
        if place is not None and self._said.suggested_on(place):
            view = SliceView(self.volume, *place)
            self._semantic.suggest(view, self._said.open_on(view, self._state, self.labels))
        self._list_suggestions()

    def _forget_answers(self) -> None:
        self._said = Said()
        self._masks = {}
