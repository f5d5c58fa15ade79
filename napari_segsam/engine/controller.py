"""Controller: all behaviour between a click and a committed label. No Qt, no torch, no files."""
# (signatures first; bodies follow)

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_segsam.core.labels import LabelMap, Patch
from napari_segsam.core.prediction import Suggestion
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.volume import Volume, Window
from napari_segsam.engine.cache import EmbeddingCache
from napari_segsam.engine.protocols import Executor, Predictor
from napari_segsam.engine.session import Session


class Controller:
    """What a person can do. Errors never leave a method: they arrive as ``failed(sentence)``.

    All methods and signals belong to one thread (the GUI's); only the jobs given to ``executor`` run elsewhere.

    Signals:
        prediction_changed(Prediction | None): preview of the current object on the visible slice.
        suggestions_changed(tuple[Suggestion, ...]): of the visible slice.
        labels_changed(Patch): its ``after`` values are in ``session.labels`` already; an empty Patch = only names changed.
        semantic_changed(): ``session.semantic.voxels`` were repainted in place.
        prompts_changed(Prompts): of the current object on the visible slice.
        history_changed(): ask ``session.undo_names`` and ``redo_names``.
        status_changed(str), busy_changed(bool), failed(str): for a person.
        opened(Volume): another volume is open: labels, semantic and view are new objects.
        predictor_changed(Predictor): another model is ready; ask ``session.vocabulary``.
    """

    prediction_changed = Signal(object)
    suggestions_changed = Signal(tuple)
    labels_changed = Signal(Patch)
    semantic_changed = Signal()
    prompts_changed = Signal(Prompts)
    history_changed = Signal()
    status_changed = Signal(str)
    busy_changed = Signal(bool)
    failed = Signal(str)
    opened = Signal(Volume)
    predictor_changed = Signal(object)

    session: Session
    predictor: Predictor | None

    def __init__(
        self, session: Session, predictor: Predictor | None, executor: Executor, cache: EmbeddingCache | None = None
    ) -> None:
        """``predictor`` None: prompts are kept and answered as soon as one is set."""
        raise NotImplementedError

    @property
    def busy(self) -> bool:
        """Whether an answer that the person waits for is outstanding."""
        raise NotImplementedError

    # -- where the person looks
    def show(self, axis: int, index: int) -> None:
        """Another slice is visible: embed it, then its neighbours in the scroll direction; answer prompts it has."""

    def set_window(self, window: Window | None) -> None:
        """What the model shall see (not the display): None = it chooses. Answers prompts again."""

    # -- prompts of the current object on the visible slice; (row, col) in the display frame
    def click(self, row: float, col: float, positive: bool = True) -> None:
        """A point."""

    def box(self, corner_a: tuple[float, float], corner_b: tuple[float, float]) -> None:
        """A box; replaces the slice's last one."""

    def remove_last_prompt(self) -> None:
        """The newest point goes, or the box where there is no point."""

    def clear_prompts(self) -> None:
        """All prompts on this slice go; committed voxels stay."""

    # -- the object
    def choose_class(self, name: str) -> None:
        """Name the current object; also renames its label where it was committed. Unknown names: ``failed``."""

    def choose_candidate(self, index: int) -> None:
        """Show another of ``prediction.candidates``; counts round past the end."""

    def commit(self) -> None:
        """The shown mask becomes the current object's voxels on this slice; see Session for what it overwrites."""

    def next_object(self) -> None:
        """Start an object with a new voxel value."""

    # -- suggestions
    def suggest(self) -> None:
        """Ask what the model names by itself on the visible slice."""

    def accept(self, suggestion: Suggestion) -> None:
        """Refine a suggestion with its own box and centre, and commit it as a new object of its class."""

    def reject(self, suggestion: Suggestion) -> None:
        """Take a suggestion off this slice."""

    # -- history
    def undo(self) -> None:
        """Take back ``session.undo_names[0]``."""

    def redo(self) -> None:
        """Do ``session.redo_names[0]`` again."""

    def record_stroke(self, indices: NDArray[np.int64], before: NDArray[np.uint16], name: str = "brush") -> None:
        """A brush has already changed ``session.labels.voxels``: make it one entry of the history.

        Args:
            indices: (n,) flat C-order indices that it touched; may repeat, oldest first.
            before: (n,) values that were there.
        """

    # -- what is open
    def open(self, volume: Volume, labels: LabelMap | None = None, *, discard: bool = False) -> bool:
        """Work on another volume.

        Returns:
            Whether unsaved or uncommitted work stands in the way. Then nothing was opened, unless ``discard``.
        """
        raise NotImplementedError

    def set_predictor(self, predictor: Predictor) -> None:
        """Use another model: what the last one said is forgotten, labels stay, prompts are answered again."""

    def load_predictor(self, load: Callable[[], Predictor], name: str) -> None:
        """Run ``load`` on the executor, then :meth:`set_predictor`; the status says that ``name`` is loading."""
