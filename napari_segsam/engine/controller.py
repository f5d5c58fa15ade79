"""Controller: all behaviour between a click and a committed label. No Qt, no torch, no files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_segsam.core.errors import GridMismatchError
from napari_segsam.core.labels import LabelMap, Patch
from napari_segsam.core.prediction import Suggestion
from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Volume, Window
from napari_segsam.engine.cache import EmbeddingCache
from napari_segsam.engine.conversation import Conversation, Listener
from napari_segsam.engine.history import Step, no_voxels
from napari_segsam.engine.objects import Drawn, named, place_of
from napari_segsam.engine.protocols import Executor, Predictor
from napari_segsam.engine.session import Session
from napari_segsam.engine.standing import Status
from napari_segsam.engine.telling import Telling, told

NEIGHBOURS = (1, 2, -1)
"""Slices to embed in advance: two ahead in the scroll direction, then the one behind."""


class Controller:
    """What a person can do. Errors arrive as ``failed(sentence)``; no method but `open` raises them.

    All methods and signals belong to one thread (the GUI's); only the jobs given to ``executor`` run elsewhere.
    An answer is dropped unless volume, slice, window, weights and the number of its request are still the same; that of
    an accepted suggestion belongs to its own slice, wherever the person looks meanwhile.

    Signals:
        prediction_changed(Prediction | None): uncommitted preview of the current object on the visible slice.
        suggestions_changed(tuple[Suggestion, ...]): of the visible slice.
        labels_changed(Patch): its ``after`` values are in ``session.labels`` already; an empty one: only names changed.
        semantic_changed(): ``session.semantic.voxels`` were repainted in place.
        prompts_changed(Prompts): of the current object on the visible slice.
        object_changed(): ask ``session.value`` and ``session.class_name``.
        history_changed(): ask ``session.undo_names`` and ``redo_names``.
        status_changed(str), busy_changed(bool), failed(str): for a person.
        opened(Volume): another volume is open: labels, semantic and view are new objects.
        predictor_changed(Predictor): another model is ready; ask ``session.vocabulary``.
        preparation_changed(Progress | None): how far `prepare_volume` is; None: it stopped before its end.
        predictor_refused(): a model could not be loaded, ``failed`` said why; the last one, if any, goes on.
    """

    prediction_changed = Signal(object)
    suggestions_changed = Signal(tuple)
    labels_changed = Signal(Patch)
    semantic_changed = Signal()
    prompts_changed = Signal(Prompts)
    object_changed = Signal()
    history_changed = Signal()
    status_changed = Signal(str)
    busy_changed = Signal(bool)
    failed = Signal(str)
    opened = Signal(Volume)
    predictor_changed = Signal(object)
    predictor_refused = Signal()
    preparation_changed = Signal(object)

    def __init__(
        self,
        session: Session,
        predictor: Predictor | None,
        executor: Executor,
        cache: EmbeddingCache | None = None,
        neighbours: tuple[int, ...] = NEIGHBOURS,
    ) -> None:
        """Join the parts; nothing is embedded before `show`, `click` or `suggest`.

        Args:
            session: the work.
            predictor: None: prompts are kept and answered as soon as one is set.
            executor: runs the model.
            cache: of embeddings.
            neighbours: slices to embed in advance, relative to the visible one in the scroll direction.
        """
        self._tell = Telling(self)
        listener = Listener(
            answered=self._tell.answer,
            suggested=self._tell.suggestions,
            refined=self._accept_refined,
            say=self._tell.say,
            failed=self.failed.emit,
            busy=self.busy_changed.emit,
            prepared=self.preparation_changed.emit,
        )
        kept = EmbeddingCache() if cache is None else cache
        self._conversation = Conversation(session, executor, kept, neighbours, listener)
        if predictor is not None:
            self._conversation.adopt(predictor)

    @property
    def session(self) -> Session:
        """The work."""
        return self._conversation.session

    @property
    def predictor(self) -> Predictor | None:
        """The model in use."""
        return self._conversation.predictor

    @property
    def busy(self) -> bool:
        """Whether an answer that the person waits for is outstanding."""
        return self._conversation.busy

    # -- where the person looks
    @told
    def show(self, axis: int, index: int) -> None:
        """Another slice is visible: embed it, then its neighbours in the scroll direction; answer prompts it has."""
        before, view = self.session.view, SliceView(self.session.volume, axis, index)
        self._conversation.look_elsewhere()
        self.session.look_at(view)
        self._tell.slice()
        self._conversation.see(-1 if before.axis == axis and before.index > index else 1)

    @told
    def set_window(self, window: Window | None) -> None:
        """What the model shall see (not the display): None = it chooses. Answers prompts again."""
        if window == self.session.window:
            return
        self._conversation.stop()
        self.session.look_through(window)
        self._conversation.see()
        if self.session.suggestions and not self._conversation.is_predicting:
            self.suggest()

    def prepare_volume(self, prepares: bool = True) -> None:
        """Embed all slices across the visible axis, as many as memory holds, whenever there is nothing else to do.

        It goes on from wherever the person looks, in whichever scan, until it is called with False; then the slice that
        is being embedded is the last.
        """
        self._conversation.prepare_volume(prepares)

    # -- prompts of the current object on the visible slice; (row, col) in the display frame
    @told
    def click(self, row: float, col: float, positive: bool = True) -> None:
        """A point."""
        prompts = replace(self.session.prompts, mask=self.session.mask_to_correct)
        click = Click(float(row), float(col), positive)
        self._prompt(prompts.with_click(click), "point" if positive else "negative point")
        if not self.session.prompts:
            self._tell.say("That point says what the object is not; add a positive point on the object first.")

    @told
    def box(self, corner_a: tuple[float, float], corner_b: tuple[float, float]) -> None:
        """A box; replaces the slice's last one. It says anew where the object is, so no mask is corrected."""
        self._prompt(replace(self.session.prompts, box=Box.between(corner_a, corner_b), mask=None), "box")

    @told
    def remove_last_prompt(self) -> None:
        """The newest point goes, or the box where there is no point."""
        old = self.session.prompts
        if old.clicks:
            self._prompt(Prompts(old.clicks[:-1], old.box), "remove point")
        elif old.box:
            self._prompt(Prompts(), "remove box")

    @told
    def clear_prompts(self) -> None:
        """All prompts on this slice go; committed voxels stay."""
        if self.session.prompts.clicks or self.session.prompts.box:
            self._prompt(Prompts(), "clear prompts")

    # -- the object
    @told
    def choose_class(self, name: str) -> None:
        """Name the current object; also renames its label where it was committed. Unknown names: ``failed``."""
        vocabulary = self.session.vocabulary
        known = vocabulary.name_of(vocabulary.id_of(name))
        if known != self.session.chosen_class:
            self._follow(self.session.choose_class(known))

    @told
    def choose_candidate(self, index: int) -> None:
        """Show another of ``prediction.candidates``; counts round past the end."""
        self._follow(self.session.choose_candidate(index))

    @told
    def commit(self) -> None:
        """The shown mask becomes the current object's voxels on this slice; see Session for what it overwrites."""
        step = self.session.commit()
        self._follow(step)
        self._tell.committed(step)

    @told
    def next_object(self) -> None:
        """Start an object with a new voxel value."""
        step = self.session.next_object()
        if step is not None:
            self._follow(step)
            self._tell.say(f"Next object: {self.session.value}.")

    @told
    def go_to(self, value: int) -> None:
        """Work on an object again: its prompts come back, and its class."""
        step = self.session.go_to(value)
        if step is not None:
            self._follow(step)
            self._tell.say(f"Working on {self.session.name_of(value)}.")

    @told
    def delete(self, value: int) -> None:
        """Take an object off the labels with all its prompts; what lay under it comes back."""
        self._follow(self.session.delete(value))

    @told
    def set_status(self, value: int, status: Status) -> None:
        """Say how far an object is."""
        standing, name = self.session.standing(value), self.session.name_of(value)
        if status != standing.status:
            self._follow(self.session.stand(value, replace(standing, status=status), f"{name} {status}"))

    @told
    def lock(self, value: int, locked: bool) -> None:
        """Let nothing change an object's voxels, or let it again."""
        standing, name = self.session.standing(value), self.session.name_of(value)
        if locked != standing.locked:
            title = f"{'lock' if locked else 'unlock'} {name}"
            self._follow(self.session.stand(value, replace(standing, locked=locked), title))

    # -- suggestions
    @told
    def suggest(self) -> None:
        """Ask what the model names by itself on the visible slice."""
        self._conversation.suggest()

    @told
    def accept(self, suggestion: Suggestion) -> None:
        """Refine a suggestion with its own box and centre, and commit it as a new object of its class."""
        self._conversation.refine(suggestion)

    @told
    def accept_all(self, at_least: float) -> None:
        """Accept every suggestion of the visible slice with at least this score; each is an entry of the history."""
        chosen = [s for s in self.session.suggestions if s.score >= at_least]
        for suggestion in chosen:
            self._conversation.refine(suggestion)
        if not chosen:
            self._tell.say(f"No suggestion here has a score of {at_least:.0%} or more.")

    @told
    def reject(self, suggestion: Suggestion) -> None:
        """Take a suggestion off this slice."""
        self._conversation.forget(suggestion)
        self._follow(self.session.reject(suggestion))

    # -- history
    def undo(self) -> None:
        """Take back ``session.undo_names[0]``, or the accepted suggestion that is still being refined."""
        pending = self._conversation.forget_last_refined()
        if pending is None:
            self._retrace(self.session.undo(), "Undone")
        else:
            self._tell.say(f"Undone: accept {pending}.")

    def redo(self) -> None:
        """Do ``session.redo_names[0]`` again."""
        self._retrace(self.session.redo(), "Redone")

    def record_stroke(self, indices: NDArray[np.int64], before: NDArray[np.uint16], name: str = "brush") -> Patch:
        """A brush has already changed ``session.labels.voxels``: make it one entry of the history.

        Args:
            indices: (n,) flat C-order indices that it touched; may repeat, oldest first.
            before: (n,) values that were there.
            name: for the history.

        Voxels of locked objects get their values back; see :meth:`lock`.

        Returns:
            What changed. An empty one was no change, and made no entry.
        """
        if self.session.spare_locked(indices, before):
            self.labels_changed.emit(no_voxels(name))
            self.failed.emit("What is locked was left as it is; unlock an object to change it.")
        step = self.session.record_stroke(indices, before, name)
        if step is not None:
            self._follow(step)
        return no_voxels(name) if step is None or step.patch is None else step.patch

    def bring_in(self, labels: LabelMap, name: str) -> None:
        """Make labels that were made elsewhere committed ones, in one entry of the history called "open ``name``".

        Voxels that are committed stay as they are. A value that another class has is exchanged for a free one.

        Raises:
            GridMismatchError: ``labels`` lie on another grid; nothing was changed.
        """
        if not labels.grid.matches(self.session.labels.grid):
            raise GridMismatchError(f"{name} does not lie on the scan's grid; open the scan that it belongs to.")
        self._follow(self.session.bring_in(labels, f"open {name}"))

    # -- what is open
    def open(self, volume: Volume, labels: LabelMap | None = None, *, discard: bool = False) -> bool:
        """Work on another volume, or start over on the same one.

        Returns:
            Whether unsaved or uncommitted work stands in the way. Then nothing was opened, unless ``discard``.

        Raises:
            GridMismatchError: ``labels`` lie on another grid; nothing was opened.
        """
        work = self.session.unsaved or self.session.uncommitted
        if work and not discard:
            return True
        self.session.reset(volume, labels)
        self.resume(self.session)
        return work

    def resume(self, session: Session) -> None:
        """Work on another session; the one until now stays as it is, for coming back."""
        self._conversation.stop()
        self._conversation.work_on(session)
        self.opened.emit(session.volume)
        self._tell.all()
        self._conversation.see()

    def set_predictor(self, predictor: Predictor) -> None:
        """Use another model: what the last one said is forgotten, labels stay, prompts are answered again."""
        self._conversation.stop(loading=True)
        self._conversation.adopt(predictor)
        self.predictor_changed.emit(predictor)
        self._tell.say(f"{predictor.name} is ready on {predictor.device}.")
        self._tell.all()
        self._conversation.see()

    def load_predictor(self, load: Callable[[], Predictor], name: str) -> None:
        """Run ``load`` on the executor, then :meth:`set_predictor`; the status says that ``name`` is loading."""
        self._tell.say(f"Loading {name} ...")
        self._conversation.load(load, self.set_predictor, self.predictor_refused.emit)

    # -- steps
    def _prompt(self, prompts: Prompts, name: str) -> None:
        prompts.check_inside(self.session.view.shape)
        self._follow(self.session.change_prompts(prompts, name))

    @told
    def _accept_refined(self, drawn: Drawn, suggestion: Suggestion) -> None:
        self._follow(self.session.accept(drawn, suggestion))
        self._tell.say(f"Accepted {suggestion.name} on {named(place_of(drawn.view))}.")

    def _retrace(self, step: Step | None, verb: str) -> None:
        if step is not None:
            self._follow(step)
            self._tell.retraced(step, verb)

    def _follow(self, step: Step) -> None:
        """A step was done: say what it changed, and ask for what it needs."""
        if step.before.current.value != step.after.current.value:
            self._conversation.seen_through = None
        self._tell.step(step)
        self._conversation.answer_prompts()
