"""Controller: all behaviour between a click and a committed label. No Qt, no torch, no files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial, wraps
from typing import Concatenate, ParamSpec

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_segsam.core.errors import BadPromptsError, SegsamError
from napari_segsam.core.labels import LabelMap, Patch
from napari_segsam.core.prediction import Prediction, Suggestion
from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Volume, Window
from napari_segsam.engine.cache import EmbeddingCache
from napari_segsam.engine.history import Step, no_voxels
from napari_segsam.engine.inference import EMBED, LOAD, PREDICT, SUGGEST, Accepting, Inference
from napari_segsam.engine.names import emptied_by
from napari_segsam.engine.objects import named, place_of
from napari_segsam.engine.protocols import Embedding, Executor, Predictor
from napari_segsam.engine.records import in_words
from napari_segsam.engine.session import Session

NEIGHBOURS = (1, 2, -1)
"""Slices to embed in advance: two ahead in the scroll direction, then the one behind."""

P = ParamSpec("P")


def _told(method: Callable[Concatenate[Controller, P], None]) -> Callable[Concatenate[Controller, P], None]:
    """What the person can mend is said through ``failed`` instead of raised into a widget's callback."""

    @wraps(method)
    def wrapper(self: Controller, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except SegsamError as error:
            self.failed.emit(str(error))

    return wrapper


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
        self.session = session
        self._neighbours = neighbours
        self._seen_through: Window | None = None
        self._inference = Inference(
            executor,
            EmbeddingCache() if cache is None else cache,
            lambda: (self.session.view, self.session.window),
            self.busy_changed.emit,
            self.failed.emit,
        )
        if predictor is not None:
            self._adopt(predictor)

    @property
    def predictor(self) -> Predictor | None:
        """The model in use."""
        return self._inference.predictor

    @property
    def busy(self) -> bool:
        """Whether an answer that the person waits for is outstanding."""
        return self._inference.busy

    # -- where the person looks
    @_told
    def show(self, axis: int, index: int) -> None:
        """Another slice is visible: embed it, then its neighbours in the scroll direction; answer prompts it has."""
        before, view = self.session.view, SliceView(self.session.volume, axis, index)
        self._inference.cancel(PREDICT, SUGGEST, EMBED)
        self.session.look_at(view)
        self._tell_slice()
        self._see(-1 if before.axis == axis and before.index > index else 1)

    @_told
    def set_window(self, window: Window | None) -> None:
        """What the model shall see (not the display): None = it chooses. Answers prompts again."""
        if window == self.session.window:
            return
        self._cancel_all()
        self.session.look_through(window)
        self._see()
        if self.session.suggestions and not self._inference.is_predicting:
            self.suggest()

    # -- prompts of the current object on the visible slice; (row, col) in the display frame
    @_told
    def click(self, row: float, col: float, positive: bool = True) -> None:
        """A point."""
        prompts = replace(self.session.prompts, mask=self.session.mask_to_correct)
        click = Click(float(row), float(col), positive)
        self._prompt(prompts.with_click(click), "point" if positive else "negative point")
        if not self.session.prompts:
            self._say("That point says what the object is not; add a positive point on the object first.")

    @_told
    def box(self, corner_a: tuple[float, float], corner_b: tuple[float, float]) -> None:
        """A box; replaces the slice's last one. It says anew where the object is, so no mask is corrected."""
        self._prompt(replace(self.session.prompts, box=Box.between(corner_a, corner_b), mask=None), "box")

    @_told
    def remove_last_prompt(self) -> None:
        """The newest point goes, or the box where there is no point."""
        old = self.session.prompts
        if old.clicks:
            self._prompt(Prompts(old.clicks[:-1], old.box), "remove point")
        elif old.box:
            self._prompt(Prompts(), "remove box")

    @_told
    def clear_prompts(self) -> None:
        """All prompts on this slice go; committed voxels stay."""
        if self.session.prompts.clicks or self.session.prompts.box:
            self._prompt(Prompts(), "clear prompts")

    # -- the object
    @_told
    def choose_class(self, name: str) -> None:
        """Name the current object; also renames its label where it was committed. Unknown names: ``failed``."""
        vocabulary = self.session.vocabulary
        known = vocabulary.name_of(vocabulary.id_of(name))
        if known != self.session.chosen_class:
            self._follow(self.session.choose_class(known))

    @_told
    def choose_candidate(self, index: int) -> None:
        """Show another of ``prediction.candidates``; counts round past the end."""
        self._follow(self.session.choose_candidate(index))

    @_told
    def commit(self) -> None:
        """The shown mask becomes the current object's voxels on this slice; see Session for what it overwrites."""
        step = self.session.commit()
        self._follow(step)
        emptied = emptied_by(step.patch, self.session.labels) if step.patch else []
        lost = f" Nothing is left of {', '.join(emptied)}; undo brings it back." if emptied else ""
        self._say(f"Committed {step.name.removeprefix('commit ')} on {named(self.session.place)}.{lost}")

    @_told
    def next_object(self) -> None:
        """Start an object with a new voxel value."""
        step = self.session.next_object()
        if step is not None:
            self._follow(step)
            self._say(f"Next object: {self.session.value}.")

    # -- suggestions
    @_told
    def suggest(self) -> None:
        """Ask what the model names by itself on the visible slice."""
        self._inference.model()
        self._say_embedding()
        self._inference.suggest(self.session.view, self.session.window, self._use_suggestions)

    @_told
    def accept(self, suggestion: Suggestion) -> None:
        """Refine a suggestion with its own box and centre, and commit it as a new object of its class."""
        self._check_listed(suggestion)
        view = self.session.view
        window = self.session.window or self.session.suggestions_window
        self._inference.refine(view, suggestion, window, partial(self._use_refined, view, suggestion))

    @_told
    def reject(self, suggestion: Suggestion) -> None:
        """Take a suggestion off this slice."""
        self._check_listed(suggestion)
        self._inference.cancel(Accepting(self.session.place, suggestion.name))
        self._follow(self.session.reject(suggestion))

    # -- history
    def undo(self) -> None:
        """Take back ``session.undo_names[0]``, or the accepted suggestion that is still being refined."""
        if self._inference.accepting:
            pending = self._inference.accepting[-1]
            self._inference.cancel(pending)
            self._say(f"Undone: accept {pending.name}.")
        else:
            self._retrace(self.session.undo(), "Undone")

    def redo(self) -> None:
        """Do ``session.redo_names[0]`` again."""
        self._retrace(self.session.redo(), "Redone")

    def record_stroke(self, indices: NDArray[np.int64], before: NDArray[np.uint16], name: str = "brush") -> Patch:
        """A brush has already changed ``session.labels.voxels``: make it one entry of the history.

        Args:
            indices: (n,) flat C-order indices that it touched; may repeat, oldest first.
            before: (n,) values that were there.
            name: for the history.

        Returns:
            What changed. An empty one was no change, and made no entry.
        """
        step = self.session.record_stroke(indices, before, name)
        if step is not None:
            self._follow(step)
        return no_voxels(name) if step is None or step.patch is None else step.patch

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
        self._cancel_all()
        self._seen_through = None
        self.opened.emit(volume)
        self._tell_slice()
        self._tell_rest()
        self._see()
        return work

    def resume(self, session: Session) -> None:
        """Work on another session; the one until now stays as it is, for coming back."""
        self._cancel_all()
        self.session, self._seen_through = session, None
        if self.predictor is not None and session.vocabulary is not self.predictor.vocabulary:
            session.use_vocabulary(self.predictor.vocabulary)
        self.opened.emit(session.volume)
        self._tell_slice()
        self._tell_rest()
        self._see()

    def set_predictor(self, predictor: Predictor) -> None:
        """Use another model: what the last one said is forgotten, labels stay, prompts are answered again."""
        self._inference.cancel(LOAD)
        self._cancel_all()
        self._adopt(predictor)
        self.predictor_changed.emit(predictor)
        self._say(f"{predictor.name} is ready on {predictor.device}.")
        self._tell_slice()
        self._tell_rest()
        self._see()

    def load_predictor(self, load: Callable[[], Predictor], name: str) -> None:
        """Run ``load`` on the executor, then :meth:`set_predictor`; the status says that ``name`` is loading."""
        self._say(f"Loading {name} ...")
        self._inference.load(load, self.set_predictor, self.predictor_refused.emit)

    def _adopt(self, predictor: Predictor) -> None:
        self._inference.predictor, self._seen_through = predictor, None
        self.session.use_vocabulary(predictor.vocabulary)

    def _cancel_all(self) -> None:
        for lost in self._inference.cancel_all():
            self.failed.emit(f"{lost.name} was not accepted: image, window or model changed first. Accept it again.")

    # -- asking the model
    def _see(self, direction: int = 1) -> None:
        """Answer the visible slice's prompts, or at least embed it; then embed its neighbours."""
        self._answer_prompts()
        if self.predictor is None:
            return
        if not (self._inference.is_predicting or self.session.answered):
            self._say_embedding()
            self._inference.prepare(self.session.view, self._window_to_try(), self._say_ready)
        self._inference.prepare_unseen(self._slices_beside(direction), self._window_to_try())

    def _answer_prompts(self) -> None:
        """Ask for what the visible slice's prompts need, unless it is there or on its way."""
        session = self.session
        if session.answered or not session.uncommitted_here:
            self._inference.cancel(PREDICT)
        elif self.predictor is None:
            if self._inference.load_failure:
                self.failed.emit(self._inference.load_failure)
        elif not self._inference.is_asked(session.prompts):
            self._say_embedding()
            self._inference.predict(session.view, session.prompts, session.window, self._use_prediction)

    def _slices_beside(self, direction: int) -> list[SliceView]:
        here = self.session.view
        indices = (here.index + direction * offset for offset in self._neighbours)
        return [SliceView(here.volume, here.axis, i) for i in indices if 0 <= i < here.volume.grid.shape[here.axis]]

    def _window_to_try(self) -> Window | None:
        """For a slice without prompts: what was asked for, else what the current object was last seen through."""
        return self.session.window or self._seen_through

    def _check_listed(self, suggestion: Suggestion) -> None:
        if not any(s is suggestion for s in self.session.suggestions):
            raise BadPromptsError(f"{suggestion.name} is no longer suggested on {named(self.session.place)}.")

    # -- using what it says
    def _use_prediction(self, prediction: Prediction) -> None:
        self.session.receive(prediction)
        self._seen_through = prediction.window
        self.prediction_changed.emit(self.session.prediction)
        self.suggestions_changed.emit(self.session.suggestions)
        self.object_changed.emit()
        self.semantic_changed.emit()
        self._say(in_words(prediction, self.session.class_name))

    def _use_suggestions(self, suggestions: tuple[Suggestion, ...], window: Window | None) -> None:
        self.session.receive_suggestions(suggestions, window)
        self.suggestions_changed.emit(self.session.suggestions)
        self.semantic_changed.emit()
        listed = ", ".join(f"{s.name} {s.score:.2f}" for s in self.session.suggestions)
        self._say(listed or "The model names nothing on this slice.")

    def _use_refined(self, view: SliceView, suggestion: Suggestion, refined: Prediction) -> None:
        mask = refined.mask if refined.mask.any() else suggestion.mask
        self._follow(self.session.accept(view, mask, suggestion))
        self._say(f"Accepted {suggestion.name} on {named(place_of(view))}.")

    # -- steps
    def _prompt(self, prompts: Prompts, name: str) -> None:
        prompts.check_inside(self.session.view.shape)
        self._follow(self.session.change_prompts(prompts, name))

    def _retrace(self, step: Step | None, verb: str) -> None:
        if step is not None:
            self._follow(step)
            where = f" on {named(step.place)}" if step.place and step.place != self.session.place else ""
            self._say(f"{verb}: {step.name}{where}.")

    def _follow(self, step: Step) -> None:
        """A step was done: say what it changed, and ask for what it needs."""
        before, after, here = step.before.current, step.after.current, self.session.place
        if before.value != after.value:
            self._seen_through = None
        if step.patch is not None or step.renames:
            self.labels_changed.emit(step.patch or no_voxels(step.name))
        if before.prompts.get(here) is not after.prompts.get(here):
            self.prompts_changed.emit(self.session.prompts)
        if before is not after:
            self.prediction_changed.emit(self.session.prediction)
        if step.before.settled is not step.after.settled or step.patch is not None or step.renames:
            self.suggestions_changed.emit(self.session.suggestions)
        self._tell_rest()
        self._answer_prompts()

    # -- saying
    def _tell_slice(self) -> None:
        self.prompts_changed.emit(self.session.prompts)
        self.prediction_changed.emit(self.session.prediction)
        self.suggestions_changed.emit(self.session.suggestions)

    def _tell_rest(self) -> None:
        self.object_changed.emit()
        self.semantic_changed.emit()
        self.history_changed.emit()

    def _say(self, text: str) -> None:
        self.status_changed.emit(text)

    def _say_embedding(self) -> None:
        """Say so where the next answer has to wait for the image encoder."""
        if self._inference.must_embed(self.session.view):
            self._say(f"Embedding {named(self.session.place)} ...")

    def _say_ready(self, _: Embedding) -> None:
        self._say(f"{named(self.session.place).capitalize()} is ready.")
