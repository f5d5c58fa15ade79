"""Acting: what all parts of a Controller share. Its signals, its session, and what follows from a step."""

from __future__ import annotations

from psygnal import Signal

from napari_segsam.core.labels import Patch
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.volume import Volume
from napari_segsam.engine.conversation import Conversation
from napari_segsam.engine.history import Step
from napari_segsam.engine.session import Session
from napari_segsam.engine.telling import Telling


class Acting:
    """One part of what a person can do; :class:`Controller` joins the parts.

    Signals:
        prediction_changed(Prediction | None): uncommitted preview of the current object on the visible slice.
        suggestions_changed(tuple[Suggestion, ...]): of the visible slice.
        proposed(): what a detector found on the visible slice is among them now, where it found anything.
        labels_changed(Patch): its ``after`` values are in ``session.labels`` already; an empty one: only names changed.
        semantic_changed(): ``session.semantic.voxels`` were repainted in place.
        slice_changed(): another slice is visible; the next signals say what is on it.
        prompts_changed(Prompts): of the current object on the visible slice.
        object_changed(): ask ``session.value`` and ``session.class_name``.
        history_changed(): ask ``session.undo_names`` and ``redo_names``.
        status_changed(str), busy_changed(bool), failed(str): for a person.
        proposing_changed(bool): whether a detector's boxes are being filled; `Controller.drop_proposals` ends that.
        went_on(): a step was done, undone or redone, or what was asked for has come; what was said before is old.
        opened(Volume): another volume is open: labels, semantic and view are new objects.
        predictor_changed(Predictor): another model is ready; ask ``session.vocabulary``.
        preparation_changed(Progress | None): how far `prepare_volume` is; None: it stopped before its end.
        predictor_refused(): a model could not be loaded, ``failed`` said why; the last one, if any, goes on.
    """

    prediction_changed = Signal(object)
    suggestions_changed = Signal(tuple)
    proposed = Signal()
    labels_changed = Signal(Patch)
    semantic_changed = Signal()
    slice_changed = Signal()
    prompts_changed = Signal(Prompts)
    object_changed = Signal()
    history_changed = Signal()
    status_changed = Signal(str)
    busy_changed = Signal(bool)
    proposing_changed = Signal(bool)
    failed = Signal(str)
    went_on = Signal()
    opened = Signal(Volume)
    predictor_changed = Signal(object)
    predictor_refused = Signal()
    preparation_changed = Signal(object)

    _tell: Telling
    _conversation: Conversation

    @property
    def session(self) -> Session:
        """The work."""
        return self._conversation.session

    def _follow(self, step: Step) -> None:
        """A step was done: ask for what it needs, so that the model is at work while what it changed is said."""
        if step.before.current.value != step.after.current.value:
            self._conversation.seen_through = None
        self.went_on.emit()
        self._conversation.answer_prompts()
        self._tell.step(step)

    def _done(self, step: Step) -> None:
        """A step was done, and nothing else will be said of it."""
        self._follow(step)
        self._tell.retraced(step, "Done")
