"""Embeddings of the slices seen last, bounded in bytes; behind them, where there is one, a store on disk."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from threading import Lock

from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Window
from napari_segsam.engine.embedding_store import EmbeddingStore
from napari_segsam.engine.protocols import Embedding, Predictor


@dataclass(frozen=True)
class ViewKey:
    """Everything that an embedding depends on; an answer depends on its prompts as well."""

    volume_id: str
    axis: int
    index: int
    window: Window | None
    weights_sha256: str

    @classmethod
    def of(cls, view: SliceView, window: Window | None, weights_sha256: str) -> ViewKey:
        """The key of this slice, as the model with these weights sees it through ``window``."""
        return cls(view.volume.id, view.axis, view.index, window, weights_sha256)


class EmbeddingCache:
    """The least recently used embedding goes first. One thread may make embeddings while others look.

    Args:
        max_bytes: sum of ``Embedding.nbytes`` that is kept; a larger embedding is made, returned and not kept.
        store: where embeddings outlive the program.
    """

    def __init__(self, max_bytes: int = 1 << 30, store: EmbeddingStore | None = None) -> None:
        self.max_bytes, self._store = max_bytes, store
        self._kept: OrderedDict[ViewKey, Embedding] = OrderedDict()
        self._lock = Lock()

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        with self._lock:
            return sum(e.nbytes for e in self._kept.values())

    def __len__(self) -> int:
        with self._lock:
            return len(self._kept)

    def __contains__(self, key: ViewKey) -> bool:
        with self._lock:
            return key in self._kept

    def holds(self, view: SliceView, weights_sha256: str) -> bool:
        """Whether this slice has been embedded with these weights, through whatever window."""
        wanted = view.volume.id, view.axis, view.index, weights_sha256
        with self._lock:
            return any((k.volume_id, k.axis, k.index, k.weights_sha256) == wanted for k in self._kept)

    def embedding(self, predictor: Predictor, view: SliceView, window: Window | None) -> Embedding:
        """The slice's embedding: from memory, else from the store, else made; on the thread that runs the model."""
        make = predictor.embed if self._store is None else partial(self._store.get_or_make, predictor)
        return self.get_or_make(ViewKey.of(view, window, predictor.sha256), lambda: make(view, window))

    def take_trouble(self) -> str:
        """What befell the store, a sentence for the person; empty but once."""
        return "" if self._store is None else self._store.take_trouble()

    def get_or_make(self, key: ViewKey, make: Callable[[], Embedding]) -> Embedding:
        """The embedding of ``key``; calls ``make`` where it is not here, without holding the lock meanwhile."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            self._kept[key] = made
            self._shrink()
        return made

    def touch(self, keys: Iterable[ViewKey]) -> frozenset[ViewKey]:
        """Use those of ``keys`` that are here, in this order: the last one named will be the last to go. Which are."""
        with self._lock:
            here = [key for key in keys if key in self._kept]
            for key in here:
                self._kept.move_to_end(key)
        return frozenset(here)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()

    def _shrink(self) -> None:
        held = sum(e.nbytes for e in self._kept.values())
        while held > self.max_bytes:
            held -= self._kept.popitem(last=False)[1].nbytes
