"""Controller: all behaviour between a click and a committed label. No Qt, no torch, no files."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import GridMismatchError, SegsamError
from napari_segsam.core.labels import LabelMap, Patch
from napari_segsam.core.prediction import Suggestion
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import spoken
from napari_segsam.core.volume import Volume, Window
from napari_segsam.engine.cache import EmbeddingCache
from napari_segsam.engine.conversation import Conversation, Listener
from napari_segsam.engine.everywhere import Everywhere
from napari_segsam.engine.history import Step, in_one, no_voxels
from napari_segsam.engine.object_acts import ObjectActs
from napari_segsam.engine.objects import Drawn, Place, named, place_of
from napari_segsam.engine.prompt_acts import PromptActs
from napari_segsam.engine.protocols import BoxDetector, Executor, Predictor
from napari_segsam.engine.session import Session
from napari_segsam.engine.telling import Telling, Together, told
from napari_segsam.engine.through.through import Through

NEIGHBOURS = (1, 2, -1)
"""Slices to embed in advance: two ahead in the scroll direction, then the one behind."""


class Controller(PromptActs, ObjectActs):
    """What a person can do. Errors arrive as ``failed(sentence)``; no method but `open` raises them.

    All methods and signals belong to one thread (the GUI's); only the jobs given to ``executor`` run elsewhere.
    An answer is dropped unless volume, slice, window, weights and the number of its request are still the same; that of
    an accepted suggestion belongs to its own slice, wherever the person looks meanwhile.
    :class:`Acting` has the signals; `through` is what is done on many slices at once,
    `everywhere` what the model finds where nobody prompts.
    """

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
            proposed=self._tell.proposals,
            say=self._tell.say,
            failed=self.failed.emit,
            busy=self.busy_changed.emit,
            proposing=self.proposing_changed.emit,
            prepared=self.preparation_changed.emit,
        )
        kept = EmbeddingCache() if cache is None else cache
        self._conversation = Conversation(session, executor, kept, neighbours, listener)
        self.through = Through(self, self._conversation, self._tell, self._follow)
        self.everywhere = Everywhere(self, self._conversation)
        if predictor is not None:
            self._conversation.adopt(predictor)

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
        self.through.check()
        self._conversation.see()
        named = any(s.proposed is None for s in self.session.suggestions)
        if named and not self._conversation.is_predicting:
            self.suggest()

    def prepare_volume(self, prepares: bool = True) -> None:
        """Embed all slices across the visible axis, as many as memory holds, whenever there is nothing else to do.

        It goes on from wherever the person looks, in whichever scan, until it is called with False; then the slice that
        is being embedded is the last.
        """
        self._conversation.prepare_volume(prepares)

    # -- suggestions
    @told
    def suggest(self) -> None:
        """Ask what the model names by itself on the visible slice."""
        self._conversation.suggest()

    @told
    def propose(self, detector: BoxDetector, at_least: float) -> None:
        """Ask a detector for boxes on the visible slice with at least this score; filled, the best are suggestions."""
        self._conversation.propose(detector, at_least)

    def drop_proposals(self) -> None:
        """What a detector is being asked for is no longer wanted: the person stops it, or has chosen another one."""
        if self._conversation.drop_proposals():
            self._tell.say("Stopped: no box is filled any more.")

    def accept(self, suggestion: Suggestion) -> None:
        """Refine a suggestion with its own box and centre, a detector's with its box, and commit it as a new object."""
        self._accept(suggestion, self._tell.say, self.failed.emit)

    def accept_all(self, at_least: float) -> None:
        """Accept every suggestion of the visible slice with at least this score; each is an entry of the history.

        The best one goes first. One that it takes the place of is refused, as is one that the model fails at; what
        became of all is said as they come.
        """
        chosen = [s for s in self.session.suggestions if s.score >= at_least]
        together = Together(len(chosen), named(self.session.place))
        for suggestion in chosen:
            self._accept(
                suggestion,
                lambda _: self._tell.say(together.taken()),
                lambda why: self._tell.say(together.refused(why)),
            )
        if not chosen:
            self._tell.say(f"No suggestion here has a score of {at_least:.0%} or more.")

    @told
    def reject(self, suggestion: Suggestion) -> None:
        """Take a suggestion off this slice."""
        self._conversation.forget(suggestion)
        self._done(self.session.reject(suggestion))

    # -- history
    @told
    def undo(self) -> None:
        """Take back ``session.next_undo``, or the accepted suggestion that is still being refined."""
        pending = self._conversation.forget_last_refined()
        if pending is None:
            self._conversation.holding.check_free()
            self._retrace(self.session.undo(), "Undone")
        else:
            self._tell.say(f"Undone: accept {spoken(pending)}.")

    @told
    def redo(self) -> None:
        """Do ``session.next_redo`` again."""
        self._conversation.holding.check_free()
        self._retrace(self.session.redo(), "Redone")

    @told
    def travel(self, steps: int) -> None:
        """Undo so many steps at once where it is negative, else redo so many; as many as there are."""
        self._conversation.holding.check_free()
        undoes = steps < 0
        while undoes and self._conversation.forget_last_refined():
            pass  # what is not in the history yet was done after all that is
        enter = self.session.undo if undoes else self.session.redo
        entered = [step for step in (enter() for _ in range(abs(steps))) if step is not None]
        if entered:
            self._retrace(entered[0] if len(entered) == 1 else in_one(entered), "Undone" if undoes else "Redone")

    def hold_back(self, holds: bool) -> None:
        """A stroke begins that is not recorded yet; False: it is, or never will be.

        Accepted suggestions and what goes on through the slices are drawn only afterwards: undo of a stroke brings back
        what was there before each of its voxels, so nothing may be written below it meanwhile. What the person does
        that would write there is refused.
        """
        self._conversation.holding.hold(holds)

    def after_stroke(self, act: Callable[[], None]) -> None:
        """Do this at once, or where a stroke goes on, when that is recorded."""
        self._conversation.holding.do(act)

    def record_stroke(
        self, indices: NDArray[np.int64], before: NDArray[np.uint16], name: str = "brush", place: Place | None = None
    ) -> Patch:
        """A brush has already changed ``session.labels.voxels``: make it one entry of the history.

        Args:
            indices: (n,) flat C-order indices that it touched; may repeat, oldest first.
            before: (n,) values that were there.
            name: for the history.
            place: the slice that it was made on; None for the visible one.

        Voxels of locked objects get their values back, see :meth:`lock`; hidden ones get no voxels, and none is erased.

        Returns:
            What changed. An empty one was no change, and made no entry.
        """
        refused: list[str] = []
        if self.session.spare_locked(indices, before):
            refused.append("What is locked was left as it is; unlock an object to change it.")
        if self.session.spare_hidden(indices, before):
            refused.append("What is hidden was left as it is; show an object to change it.")
        if refused:
            self.labels_changed.emit(no_voxels(name))
        step = self.session.record_stroke(indices, before, name, place)
        if step is not None:
            self._done(step)
        if refused:
            self.failed.emit(" ".join(refused) + (self._tell.unseen(step) if step is not None else ""))
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

    # -- how they come about
    def _accept(self, suggestion: Suggestion, say: Callable[[str], None], refuse: Callable[[str], None]) -> None:
        """Have a suggestion refined and committed; ``say`` that it was, or ``refuse`` with why it was not."""

        def use(drawn: Drawn) -> None:
            try:
                step = self.session.accept(drawn, suggestion)
            except SegsamError as error:
                refuse(str(error))
                return
            self._follow(step)
            say(f"Accepted {spoken(suggestion.name)} on {named(place_of(drawn.view))}.{self._tell.unseen(step)}")

        try:
            self._conversation.refine(suggestion, use, refuse)
        except SegsamError as error:
            refuse(str(error))

    def _retrace(self, step: Step | None, verb: str) -> None:
        if step is not None:
            self._follow(step)
            self._tell.retraced(step, verb)
