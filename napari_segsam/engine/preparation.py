"""Preparation: while there is nothing else to do, the rest of a volume is embedded, from the visible slice outwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Window
from napari_segsam.engine.cache import EmbeddingCache, ViewKey
from napari_segsam.engine.inference import Inference
from napari_segsam.engine.protocols import Embedding

_TOO_SLOW_S = 0.5
"""A click has to wait for the slice that is being embedded; slower models look at slices only when asked."""
_SHARE = 0.75
"""Of the cache; the rest is for slices that are looked at along other axes or through other windows."""


@dataclass(frozen=True)
class Progress:
    """How much is prepared: ``done`` of ``wanted`` slices along the visible axis, which has ``slices``."""

    done: int
    wanted: int
    slices: int

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to prepare."""
        return self.done >= self.wanted

    def __str__(self) -> str:
        which = "slices" if self.wanted == self.slices else "nearest slices, as many as fit in memory"
        return f"Prepared {self.done} of {self.wanted} {which}"


class Preparation:
    """One slice at a time, after all else that is asked of the model; no near slice gives way to a farther one.

    Args:
        inference: embeds.
        cache: what it embeds is kept there.
        changed: called with the progress, and with None when it stops before its end.
    """

    def __init__(self, inference: Inference, cache: EmbeddingCache, changed: Callable[[Progress | None], None]) -> None:
        self._inference, self._cache, self._changed = inference, cache, changed
        self._run = 0  # its number; what an older one asked for counts no more
        self._todo: list[SliceView] = []
        self._near: list[SliceView] = []
        self._keys: dict[int, ViewKey] = {}  # by index, of the volume, axis, window and model below
        self._keys_of: tuple[object, ...] = ()
        self._done = 0
        self._window: Window | None = None
        self._is_waiting = self._is_going_on = False

    def around(self, view: SliceView, window: Window | None, direction: int = 1) -> None:
        """Prepare the slices round this one, nearest first, and of two as near the one in the scroll direction."""
        self._run += 1
        self._is_waiting, self._window = False, window
        self._near = list(_outwards(view, direction))
        here = self._held()
        self._todo = [v for v in self._near if self._key(v) not in here]
        self._done = len(self._near) - len(self._todo)
        self._say()
        self._go_on()

    def stop(self) -> None:
        """Prepare no more; the slice that is being embedded is the last."""
        self._run += 1
        if self._todo or self._is_waiting:
            self._todo, self._is_waiting = [], False
            self._changed(None)

    def _go_on(self) -> None:
        """Ask for the next slice; where the answer comes at once, for all that follow."""
        if self._is_going_on:
            return
        self._is_going_on = True
        try:
            while self._todo and not self._is_waiting:
                self._is_waiting, run = True, self._run
                self._inference.prepare_idly(
                    self._todo.pop(0),
                    self._window,
                    partial(self._is_current, run),
                    partial(self._use, run),
                    partial(self._lose, run),
                )
        finally:
            self._is_going_on = False

    def _is_current(self, run: int) -> bool:
        return run == self._run

    def _use(self, run: int, embedding: Embedding) -> None:
        if not self._is_current(run):
            return
        self._is_waiting = False
        if embedding.seconds > _TOO_SLOW_S:
            self._todo = []
            self._changed(None)
            return
        self._done += 1
        fits = max(int(self._cache.max_bytes * _SHARE / max(embedding.nbytes, 1)), 1)
        if fits < len(self._near):
            self._bound(fits)
        self._say()
        self._go_on()

    def _bound(self, fits: int) -> None:
        """So many slices fit; those that are here already, and no others, go last."""
        self._near = self._near[:fits]
        here = self._held()
        self._todo = [v for v in self._near if self._key(v) not in here]
        self._done = len(self._near) - len(self._todo)

    def _lose(self, run: int) -> None:
        """What failed once would fail for each slice."""
        if self._is_current(run):
            self._is_waiting = False
            self._todo = []
            self._changed(None)

    def _held(self) -> frozenset[ViewKey]:
        """Which of the near slices are in the cache; the nearest is then the last that would go."""
        return self._cache.touch([self._key(v) for v in reversed(self._near)])

    def _key(self, view: SliceView) -> ViewKey:
        """Made once for each slice: a scroll asks for those of the whole axis."""
        predictor = self._inference.model()
        belongs = view.volume.id, view.volume.modality, view.axis, self._window, predictor.sha256
        if belongs != self._keys_of:
            self._keys, self._keys_of = {}, belongs
        if view.index not in self._keys:
            window = predictor.window_for(view, None, self._window)
            self._keys[view.index] = ViewKey.of(view, window, predictor.sha256)
        return self._keys[view.index]

    def _say(self) -> None:
        self._changed(Progress(self._done, len(self._near), self._slices))

    @property
    def _slices(self) -> int:
        view = self._near[0]
        return view.volume.grid.shape[view.axis]


def _outwards(view: SliceView, direction: int) -> Iterator[SliceView]:
    """The slice itself, then both of its neighbours, then theirs, to both ends of the axis."""
    yield view
    size = view.volume.grid.shape[view.axis]
    for distance in range(1, size):
        for index in (view.index + direction * distance, view.index - direction * distance):
            if 0 <= index < size:
                yield SliceView(view.volume, view.axis, index)
