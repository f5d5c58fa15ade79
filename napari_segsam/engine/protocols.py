"""The two seams of the engine: what runs the model, and what runs a job. Numpy only."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.prediction import Prediction, Proposal, Suggestion
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.core.volume import Window

T = TypeVar("T")


class Embedding(Protocol):
    """What the image encoder made of one SliceView; only the Predictor that made it can read it."""

    @property
    def nbytes(self) -> int:
        """Memory it holds, in bytes."""

    @property
    def seconds(self) -> float:
        """Time that it took to make."""

    @property
    def window(self) -> Window | None:
        """The window that the model saw, None where it took percentiles."""


class Predictor(Protocol):
    """A loaded model. Its methods are called from one thread at a time, which need not be the GUI's.

    ``predict``, ``logits`` and ``suggest`` accept only embeddings that it made, or another one of the same ``sha256``.
    """

    @property
    def name(self) -> str:
        """The registry's name of the model, or its file's."""

    @property
    def sha256(self) -> str:
        """Of the weights; part of every cache key."""

    @property
    def about(self) -> str:
        """What it is and what it cannot do, for a person; empty where there is nothing to say."""

    @property
    def options(self) -> tuple[str, ...]:
        """Words that another way to use it can be asked for with, see :class:`ModelChoice`."""

    @property
    def takes(self) -> frozenset[str]:
        """The prompts that it takes, of "points" and "boxes"; none where it labels the slice by itself."""

    @property
    def device(self) -> str:
        """Where it runs, e.g. ``"cpu"``, ``"cuda:0"``; may change to the CPU after a fault."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The classes that it can name."""

    def when_full(self, make_room: Callable[[], object]) -> None:
        """Call ``make_room`` where the device's memory is full, before trying once more."""

    def window_for(self, view: SliceView, prompts: Prompts | None, asked: Window | None = None) -> Window | None:
        """What the model shall see: ``asked``, else in CT by the prompted region, else None (percentiles)."""

    def embed(self, view: SliceView, window: Window | None) -> Embedding:
        """Run the image encoder; the slow step."""

    def digest(self, view: SliceView, window: Window | None) -> str:
        """SHA-256 in hex over all that ``embed`` depends on: pixels through the window, weights, code, precision."""

    def to_arrays(self, embedding: Embedding) -> Mapping[str, NDArray]:  # type: ignore[type-arg]
        """What the encoder computed, without what is made of the slice faster than it is read."""

    def from_arrays(
        self,
        view: SliceView,
        window: Window | None,
        arrays: Mapping[str, NDArray],  # type: ignore[type-arg]
        seconds: float,
    ) -> Embedding:
        """What ``embed`` gave when it took so many ``seconds``, from its :meth:`to_arrays`."""

    def predict(self, embedding: Embedding, prompts: Prompts) -> Prediction:
        """Answer prompts on the slice that the embedding was made of."""

    def logits(self, embedding: Embedding, prompts: Prompts) -> NDArray[np.float32]:
        """(rows, cols) logits of the mask that ``predict`` answers with: above zero inside.

        Raises:
            OutsideImageError, BadPromptsError: as ``predict``.
        """

    def suggest(self, embedding: Embedding) -> tuple[Suggestion, ...]:
        """What the model names by itself on that slice, best first."""


class BoxDetector(Protocol):
    """A detector that a person chose; called from one thread at a time, which need not be the GUI's."""

    @property
    def name(self) -> str:
        """Its file's."""

    @property
    def sha256(self) -> str:
        """Of that file."""

    @property
    def classes(self) -> tuple[str, ...]:
        """What it finds."""

    def propose(self, view: SliceView, window: Window | None, at_least: float) -> tuple[Proposal, ...]:
        """Boxes on a slice, best first.

        Args:
            view: the slice, in whose pixels the boxes are.
            window: that the person asked for; None: what the detector learnt from.
            at_least: score, 0 to 1.
        """


class Executor(Protocol):
    """Runs jobs one after another, in order of priority; callbacks arrive on the thread that submits."""

    def submit(
        self,
        job: Callable[[], T],
        done: Callable[[T], Any],
        failed: Callable[[BaseException], Any],
        *,
        key: Hashable,
        priority: int = 0,
    ) -> None:
        """Run ``job``, then call ``done`` with its result, or ``failed`` with what it raised.

        A waiting job with the same key is replaced and neither of its callbacks is called; a running one goes on.
        Lower priority numbers run first, equal ones in order of submission.
        """

    def shutdown(self) -> None:
        """Forget waiting jobs and stop; no callback is called afterwards."""


def bare(predictor: Predictor) -> Predictor:
    """The model itself, where something that changes its answers stands before it."""
    under: Predictor = getattr(predictor, "under", predictor)
    return under
