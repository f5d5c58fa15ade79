"""Hand-written stand-ins for the model and the thread. Numpy and scipy only."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segsam.core.grid import Grid
from napari_segsam.core.prediction import Candidate, ClassScore, Prediction, Suggestion, dice
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.core.volume import Volume, Window

CLASSES = ("liver", "spleen", "kidney_left")
ORGAN_HU = {"liver": 60.0, "spleen": 120.0, "kidney_left": 180.0}


def block_volume(shape: tuple[int, int, int] = (24, 20, 8), spacing: float = 2.0) -> Volume:
    """A CT of three blocks, one per class, in HU: each is a connected region of one intensity on every slice."""
    voxels = np.full(shape, -1000, np.int16)
    ni, nj, nk = shape
    voxels[1 : ni // 2, 1 : nj // 2, 1 : nk - 1] = 60
    voxels[ni // 2 + 2 : ni - 1, 1 : nj // 2, 1 : nk - 1] = 120
    voxels[ni // 2 + 2 : ni - 1, nj // 2 + 2 : nj - 1, 1 : nk - 1] = 180
    affine = np.diag([spacing, spacing, spacing, 1.0])
    return Volume(Grid(shape, affine), voxels, modality="ct", name="blocks")


LIVER, SPLEEN = (5, 5), (5, 18)
"""Row and column of a voxel of each on every k slice of :func:`block_volume` but the outermost."""


@dataclass(frozen=True, eq=False)
class FakeEmbedding:
    """The slice's own pixels."""

    pixels: NDArray[np.float64]
    window: Window | None = None
    seconds: float = 0.0

    @property
    def nbytes(self) -> int:
        return int(self.pixels.nbytes)


@dataclass(eq=False)
class FakePredictor:
    """Grows a region of like intensity from the first positive prompt; its class is the one with the nearest HU.

    A negative click takes its connected region away. ``error``, where set, is raised by ``embed`` and ``predict``;
    ``seconds`` is what it says that an embedding took, and ``sure`` how large its logits are.
    """

    name: str = "fake"
    sha256: str = "f" * 64
    device: str = "cpu"
    vocabulary: Vocabulary = field(default_factory=lambda: Vocabulary(CLASSES))
    tolerance: float = 20.0
    error: BaseException | None = None
    seconds: float = 0.0
    sure: float = 4.0
    about: str = ""
    options: tuple[str, ...] = ()
    takes: frozenset[str] = frozenset({"points", "boxes"})
    embedded: list[tuple[int, int]] = field(default_factory=list)
    predicted: list[Prompts] = field(default_factory=list)

    def when_full(self, make_room: Callable[[], object]) -> None:
        """Its memory never is."""

    def window_for(self, view: SliceView, prompts: Prompts | None, asked: Window | None = None) -> Window | None:
        return asked or (Window(40.0, 400.0, "soft tissue") if view.volume.modality == "ct" else None)

    def embed(self, view: SliceView, window: Window | None) -> FakeEmbedding:
        self._fail()
        self.embedded.append((view.axis, view.index))
        pixels = np.asarray(view.pixels, np.float64)
        return FakeEmbedding(pixels.mean(-1) if pixels.ndim == 3 else pixels.copy(), window, self.seconds)

    def digest(self, view: SliceView, window: Window | None) -> str:
        pixels = np.ascontiguousarray(view.pixels)
        return sha256(f"{self.sha256} {window} {pixels.shape}".encode() + pixels.tobytes()).hexdigest()

    def to_arrays(self, embedding: FakeEmbedding) -> dict[str, NDArray[Any]]:
        return {"pixels": embedding.pixels}

    def from_arrays(
        self, view: SliceView, window: Window | None, arrays: dict[str, NDArray[Any]], seconds: float
    ) -> FakeEmbedding:
        return FakeEmbedding(arrays["pixels"], window, seconds)

    def predict(self, embedding: FakeEmbedding, prompts: Prompts) -> Prediction:
        self._fail()
        self.predicted.append(prompts)
        mask = self._mask(embedding.pixels, prompts)
        shown = (mask, ndimage.binary_erosion(mask), ndimage.binary_dilation(mask))
        return Prediction(
            mask=mask,
            semantic_mask=shown[1],
            classes=self._classes(embedding.pixels, mask),
            iou_predicted=0.9,
            decoder_agreement=dice(mask, shown[1]),
            candidates=tuple(Candidate(m, s) for m, s in zip(shown, (0.9, 0.7, 0.5), strict=True)),
            suggestions=tuple(s for s in self.suggest(embedding) if not (s.mask & mask).any()),
            window=embedding.window,
        )

    def logits(self, embedding: FakeEmbedding, prompts: Prompts) -> NDArray[np.float32]:
        mask = self._mask(embedding.pixels, prompts)
        return np.where(mask, np.float32(self.sure), np.float32(-self.sure))

    def suggest(self, embedding: FakeEmbedding) -> tuple[Suggestion, ...]:
        found = ((n, np.abs(embedding.pixels - hu) <= self.tolerance) for n, hu in ORGAN_HU.items())
        known = [(n, m) for n, m in found if n in self.vocabulary.names and m.any()]
        return tuple(Suggestion(n, 0.9 - 0.1 * rank, m) for rank, (n, m) in enumerate(known))

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error

    def _mask(self, pixels: NDArray[np.float64], prompts: Prompts) -> NDArray[np.bool_]:
        seeds = [(c.row, c.col) for c in prompts.clicks if c.positive]
        if prompts.box is not None:
            seeds.append(
                ((prompts.box.row_min + prompts.box.row_max) / 2, (prompts.box.col_min + prompts.box.col_max) / 2)
            )
        mask = np.zeros(pixels.shape, bool)
        for seed in seeds:
            mask |= self._region(pixels, seed)
        for click in prompts.clicks:
            if not click.positive:
                mask &= ~self._region(pixels, (click.row, click.col))
        return mask

    def _region(self, pixels: NDArray[np.float64], seed: tuple[float, float]) -> NDArray[np.bool_]:
        row, col = (min(max(round(s), 0), n - 1) for s, n in zip(seed, pixels.shape, strict=True))
        regions, _ = ndimage.label(np.abs(pixels - pixels[row, col]) <= self.tolerance)
        return np.asarray(regions == regions[row, col])

    def _classes(self, pixels: NDArray[np.float64], mask: NDArray[np.bool_]) -> tuple[ClassScore, ...]:
        mean = float(pixels[mask].mean()) if mask.any() else 0.0
        near = sorted((n for n in self.vocabulary.names), key=lambda n: abs(ORGAN_HU.get(n, 1e6) - mean))
        return tuple(ClassScore(n, s) for n, s in zip(near, (0.93, 0.05, 0.02), strict=False))


@dataclass(eq=False)
class SilentPredictor(FakePredictor):
    """Draws and says nothing else, as a published model without IoU head and classes."""

    vocabulary: Vocabulary = field(default_factory=lambda: Vocabulary(()))

    def predict(self, embedding: FakeEmbedding, prompts: Prompts) -> Prediction:
        drawn = super().predict(embedding, prompts)
        candidates = tuple(Candidate(c.mask) for c in drawn.candidates)
        return Prediction(drawn.mask, candidates=candidates, window=drawn.window)


@dataclass(eq=False)
class Job:
    """What was submitted, and once it ran, how to deliver its answer."""

    run: Callable[[], Any]
    done: Callable[[Any], Any]
    failed: Callable[[BaseException], Any]
    key: Hashable
    priority: int
    answer: Callable[[], Any] = lambda: None


class ManualExecutor:
    """A queue under a test's control: ``run_next`` computes, ``deliver`` calls back, in any order and however late."""

    def __init__(self) -> None:
        self.waiting: list[Job] = []
        self.finished: list[Job] = []

    def submit(
        self,
        job: Callable[[], Any],
        done: Callable[[Any], Any],
        failed: Callable[[BaseException], Any],
        *,
        key: Hashable,
        priority: int = 0,
    ) -> None:
        self.waiting = [j for j in self.waiting if j.key != key]
        self.waiting.append(Job(job, done, failed, key, priority))
        self.waiting.sort(key=lambda j: j.priority)

    def shutdown(self) -> None:
        self.waiting.clear()
        self.finished.clear()

    def run_next(self) -> None:
        """Compute the most urgent waiting job; its answer lies ready but is not delivered."""
        job = self.waiting.pop(0)
        try:
            job.answer = partial(job.done, job.run())
        except Exception as error:  # noqa: BLE001 - what a job raises belongs to its `failed`
            job.answer = partial(job.failed, error)
        self.finished.append(job)

    def deliver(self, which: int = 0) -> Job:
        """Call back with one of the answers that lie ready, 0 = the oldest; returns whose it was."""
        job = self.finished.pop(which)
        job.answer()
        return job

    def run_all(self) -> None:
        """Compute and deliver everything, in order, and what that submits."""
        while self.waiting or self.finished:
            if self.finished:
                self.deliver()
            else:
                self.run_next()

    @property
    def keys(self) -> list[Hashable]:
        """Of the waiting jobs, in the order in which they will run."""
        return [j.key for j in self.waiting]
