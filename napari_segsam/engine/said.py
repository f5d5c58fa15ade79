"""What the model said of a volume: its answer on the visible slice, and what it names on every slice that it saw."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.labels import LabelMap
from napari_segsam.core.prediction import Prediction, Suggestion, dice
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Window
from napari_segsam.engine.history import State
from napari_segsam.engine.objects import Place, named, place_of
from napari_segsam.engine.suggest import PackedSuggestions, already_named, still_open


class Said:
    """Forgotten as a whole when another model or volume comes.

    Attributes:
        answer: on the visible slice, as the model gave it; None where there is none.
        answered: the prompts that it answers; None where something else is asked by now.
        shown: the answer with the chosen candidate as its mask.
        guess: the best class of the current object's last answer.
        suggestions: what is open on the visible slice, best first.
    """

    def __init__(self) -> None:
        self.answer: Prediction | None = None
        self.answered: Prompts | None = None
        self.shown: Prediction | None = None
        self.guess: str | None = None
        self.suggestions: tuple[Suggestion, ...] = ()
        self._packed: dict[Place, PackedSuggestions] = {}
        self._proposed: dict[Place, PackedSuggestions] = {}

    def receive(self, prediction: Prediction, prompts: Prompts) -> None:
        """The answer to ``prompts`` on the visible slice."""
        self.answer, self.answered = prediction, prompts
        self.guess = prediction.classes[0].name if prediction.classes else None

    def answers(self, prompts: Prompts) -> bool:
        """Whether there is an answer on the visible slice, to exactly these prompts."""
        return self.answer is not None and self.answered is prompts

    def mask_to_commit(self, place: Place, prompts: Prompts) -> Prediction:
        """What is shown on the visible slice.

        Args:
            place: of that slice.
            prompts: the newest ones there.

        Raises:
            BadPromptsError: there is no mask, an empty one, or one that does not answer the newest prompt.
        """
        if self.shown is None and prompts:
            raise BadPromptsError("The model has not answered yet; commit the outline once it is there.")
        if self.shown is None:
            raise BadPromptsError("There is no mask to commit; click the object first.")
        if not self.answers(prompts):
            raise BadPromptsError("The mask does not answer the newest prompt yet; commit it when it does.")
        if not self.shown.mask.any():
            raise BadPromptsError(f"The mask on {named(place)} is empty; add a point inside the object.")
        return self.shown

    def choose(self, candidate: int) -> None:
        """Show this one of the answer's masks."""
        self.shown = None if self.answer is None else _with_candidate(self.answer, candidate)

    def drop_answer(self) -> None:
        """Nothing is shown of the model on the visible slice."""
        self.answer = self.answered = self.shown = None

    def receive_suggestions(self, place: Place, suggestions: tuple[Suggestion, ...], window: Window | None) -> None:
        """What the model names by itself on a slice, seen through ``window``."""
        self._packed[place] = PackedSuggestions.of(suggestions, window)

    def receive_proposals(self, place: Place, suggestions: tuple[Suggestion, ...]) -> None:
        """What a detector found on a slice; it stays while the model says other things of it."""
        self._proposed[place] = PackedSuggestions.of(suggestions, None)

    def suggested_on(self, place: Place) -> bool:
        """Whether the model, or a detector, was asked what there is on this slice."""
        return place in self._packed or place in self._proposed

    def window_on(self, place: Place) -> Window | None:
        """What the model saw when it named what is on this slice; None where it took percentiles or was not asked."""
        packed = self._packed.get(place)
        return packed.window if packed else None

    def open_on(self, view: SliceView, state: State, labels: LabelMap) -> tuple[Suggestion, ...]:
        """What the model names on a slice or a detector found, best first, but for what was settled or committed."""
        place = place_of(view)
        kept = [packed.unpack() for of in (self._packed, self._proposed) if (packed := of.get(place))]
        both = sorted((s for suggestions in kept for s in suggestions), key=lambda s: -s.score)
        return open_of(both, view, state, labels)


def open_of(
    suggestions: Iterable[Suggestion], view: SliceView, state: State, labels: LabelMap
) -> tuple[Suggestion, ...]:
    """Those of a slice that have pixels and were neither settled nor committed, in their order."""
    place = place_of(view)
    found = still_open(suggestions, place, state.settled.get(place, ()))
    names = {value: label.name for value, label in state.names.items()}
    committed = view.of(labels.voxels)
    return tuple(s for s in found if not already_named(s, committed, names))


def _with_candidate(answer: Prediction, index: int) -> Prediction:
    """The answer with another of its candidates as its mask."""
    if not 0 < index < len(answer.candidates):
        return answer
    chosen = answer.candidates[index]
    agreement = None if answer.semantic_mask is None else dice(chosen.mask, answer.semantic_mask)
    return replace(answer, mask=chosen.mask, iou_predicted=chosen.iou_predicted, decoder_agreement=agreement)
