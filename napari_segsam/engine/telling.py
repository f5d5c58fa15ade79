"""Telling: what became of a session, said through its controller's signals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.prediction import Prediction
from napari_segsam.core.terminology import spoken
from napari_segsam.engine.history import Step, no_voxels
from napari_segsam.engine.laterality import wrong_side
from napari_segsam.engine.names import emptied_by, taken_from
from napari_segsam.engine.objects import named
from napari_segsam.engine.proposals import beyond
from napari_segsam.engine.protocols import BoxDetector
from napari_segsam.engine.records import in_words

if TYPE_CHECKING:
    from napari_segsam.engine.acting import Acting

A = TypeVar("A", bound="Acting")
P = ParamSpec("P")


def told(method: Callable[Concatenate[A, P], None]) -> Callable[Concatenate[A, P], None]:
    """What the person can mend is said through ``failed`` instead of raised into a widget's callback."""

    @wraps(method)
    def wrapper(self: A, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except SegsamError as error:
            self.failed.emit(str(error))

    return wrapper


@dataclass
class Together:
    """What is said of suggestions that a person accepted at once, as one after another is taken or refused.

    Attributes:
        count: how many there are.
        where: on which slice.
    """

    count: int
    where: str
    _taken: int = 0
    _reasons: list[str] = field(default_factory=list)

    def taken(self) -> str:
        """One more was taken."""
        self._taken += 1
        return str(self)

    def refused(self, why: str) -> str:
        """One more was not, for this reason, a sentence."""
        self._reasons.append(why)
        return str(self)

    def __str__(self) -> str:
        said = [f"Accepted {self._taken} of {self.count} suggestions on {self.where}."]
        if self._reasons:
            said += [f"{len(self._reasons)} not:", *dict.fromkeys(self._reasons)]
        return " ".join(said)


class Telling:
    """Which signals follow from what; they are declared, and explained, in the controller."""

    def __init__(self, controller: Acting) -> None:
        self._to = controller
        self._semantic_told = -1  # the revision that was told last

    def say(self, text: str) -> None:
        """A sentence for the person."""
        self._to.status_changed.emit(text)

    def all(self) -> None:
        """Another slice, session or model: everything may differ."""
        self._semantic_told = -1
        self.slice()
        self._rest()

    def slice(self) -> None:
        """Another slice is visible."""
        session = self._to.session
        self._to.slice_changed.emit()
        self._to.prompts_changed.emit(session.prompts)
        self._to.prediction_changed.emit(session.prediction)
        self._to.suggestions_changed.emit(session.suggestions)
        self._semantic()

    def step(self, step: Step) -> None:
        """A step was done."""
        session = self._to.session
        before, after = step.before.current, step.after.current
        if step.relabels:
            self._to.labels_changed.emit(step.patch or no_voxels(step.name))
        if before.prompts.get(session.place) is not after.prompts.get(session.place):
            self._to.prompts_changed.emit(session.prompts)
        if before is not after:
            self._to.prediction_changed.emit(session.prediction)
        if step.reopens:
            self._to.suggestions_changed.emit(session.suggestions)
        self._rest()

    def hidden(self) -> None:
        """An object is shown no longer, or again."""
        self._to.labels_changed.emit(no_voxels("hide"))
        self._semantic()

    def retraced(self, step: Step, verb: str) -> None:
        """A step was done, undone or redone, perhaps on a slice that the person does not see."""
        where = f" on {named(step.place)}" if step.place and step.place != self._to.session.place else ""
        unseen = self.unseen(step) if verb == "Done" else ""
        self.say(f"{verb}: {step.name.removesuffix(where)}{where}.{unseen}")

    def unseen(self, step: Step) -> str:
        """From which hidden objects a step took voxels, a sentence; empty where it took none."""
        session = self._to.session
        hidden = taken_from(step.patch, session.labels, session.hidden) if step.patch and session.hidden else []
        names = " and ".join(spoken(label.name) for label in hidden)
        return f" It took voxels of {names}, hidden; undo gives them back." if hidden else ""

    def committed(self, step: Step) -> None:
        """The current object was committed on the visible slice, perhaps over the last of others."""
        session = self._to.session
        emptied = emptied_by(step.patch, session.labels) if step.patch else []
        gone = ", ".join(f"{spoken(label.name)} (value {label.value})" for label in emptied)
        lost = f" Nothing is left of {gone}; undo brings it back." if emptied else ""
        name = step.name.removeprefix("commit ")
        shown = session.view.of(session.labels.voxels) == session.value
        hidden = " It is hidden; the table of objects shows it again." if session.value in session.hidden else ""
        self.say(f"Committed {name} on {named(session.place)}.{hidden}{lost or self.unseen(step)}")
        beside = wrong_side(name, session.view, shown)
        if beside:
            self._to.failed.emit(f"{name} was committed on {named(session.place)}. {beside}")

    def answer(self, prediction: Prediction) -> None:
        """The visible slice's prompts have an answer."""
        session = self._to.session
        self._to.prediction_changed.emit(session.prediction)
        self._to.suggestions_changed.emit(session.suggestions)
        self._to.object_changed.emit()
        self._semantic()
        beside = wrong_side(session.class_name, session.view, prediction.mask)
        self.say(". ".join(filter(None, (in_words(prediction, session.class_name), beside))))

    def suggestions(self) -> None:
        """The model was asked what it names on the visible slice."""
        found, names = self._to.session.suggestions, self._to.session.vocabulary
        self._to.went_on.emit()
        self._to.suggestions_changed.emit(found)
        self._semantic()
        nothing = "The model names nothing on this slice." if names else "This model names nothing by itself."
        self.say(", ".join(f"{spoken(s.name)} {s.score:.2f}" for s in found) or nothing)

    def proposals(self, detector: BoxDetector, left_out: int) -> None:
        """A detector was asked what it finds on the visible slice; so many boxes were not filled."""
        found = self._to.session.suggestions
        self._to.went_on.emit()
        self._to.suggestions_changed.emit(found)
        self._semantic()
        boxes = ", ".join(f"{spoken(s.name)} {s.score:.2f}" for s in found if s.proposed is not None)
        said = boxes or f"{detector.name} finds nothing more on {named(self._to.session.place)}"
        self.say(f"{said}. {beyond(left_out) if left_out else ''}".rstrip())
        self._to.proposed.emit()

    def _rest(self) -> None:
        self._to.object_changed.emit()
        self._semantic()
        self._to.history_changed.emit()

    def _semantic(self) -> None:
        """Most steps repaint nothing, and whoever draws needs 10 ms for it."""
        revision = self._to.session.semantic_revision
        if revision != self._semantic_told:
            self._semantic_told = revision
            self._to.semantic_changed.emit()
