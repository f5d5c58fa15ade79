"""The cache of embeddings."""

from dataclasses import dataclass, replace

import pytest

from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Window
from napari_segsam.engine.cache import EmbeddingCache, ViewKey
from tests.fakes import block_volume


@dataclass(frozen=True)
class Sized:
    nbytes: int
    seconds: float = 0.0
    window: Window | None = None


KEY = ViewKey("scan", 2, 0, None, "aa")


def keys(count):
    return [replace(KEY, index=i) for i in range(count)]


def test_an_embedding_is_made_once():
    cache, made = EmbeddingCache(100), []
    for _ in range(3):
        cache.get_or_make(KEY, lambda: made.append(1) or Sized(10))
    assert len(made) == 1


def test_the_least_recently_used_embedding_goes_first():
    cache, (a, b, c) = EmbeddingCache(20), keys(3)
    for key in (a, b, a, c):
        cache.get_or_make(key, lambda: Sized(10))
    assert a in cache and c in cache and b not in cache


def test_it_never_holds_more_bytes_than_it_may():
    cache = EmbeddingCache(25)
    for key in keys(10):
        cache.get_or_make(key, lambda: Sized(10))
    assert cache.nbytes == 20 and len(cache) == 2


def test_an_embedding_larger_than_the_cache_is_returned_and_not_kept():
    cache = EmbeddingCache(5)
    assert cache.get_or_make(KEY, lambda: Sized(10)).nbytes == 10
    assert len(cache) == 0


def test_nothing_is_kept_when_making_fails():
    cache = EmbeddingCache(100)
    with pytest.raises(ZeroDivisionError):
        cache.get_or_make(KEY, lambda: Sized(1 // 0))
    assert len(cache) == 0


@pytest.mark.parametrize(
    "other",
    [
        replace(KEY, volume_id="other"),
        replace(KEY, axis=1),
        replace(KEY, index=5),
        replace(KEY, window=Window(40, 400)),
        replace(KEY, weights_sha256="bb"),
    ],
)
def test_everything_that_an_embedding_depends_on_is_in_its_key(other):
    cache = EmbeddingCache(100)
    first = cache.get_or_make(KEY, lambda: Sized(10))
    assert cache.get_or_make(other, lambda: Sized(10)) is not first


def test_it_knows_a_slice_whatever_window_it_was_seen_through():
    cache, view = EmbeddingCache(100), SliceView(block_volume(), 2, 3)
    cache.get_or_make(ViewKey.of(view, Window(40, 400), "aa"), lambda: Sized(10))
    assert cache.holds(view, "aa") and not cache.holds(view, "bb")
    assert not cache.holds(SliceView(view.volume, 2, 4), "aa")
