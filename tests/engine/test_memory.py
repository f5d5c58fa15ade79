"""A long day's undo history takes little memory; ``benchmarks/speed/memory.py`` measures it with a model."""

import gc
import tracemalloc

import pytest

from napari_segsam.engine.cache import EmbeddingCache
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.executor import ImmediateExecutor
from napari_segsam.engine.session import Session
from tests.fakes import FakePredictor, block_volume

SLICES, WARM, CLICKS = 30, 10, 10
MOST_KIB = 16


@pytest.mark.parametrize("commits", [False, True])
def test_ten_clicks_on_a_slice_are_kept_in_a_few_kib(commits):
    session = Session(block_volume((64, 64, SLICES)))
    controller = Controller(session, FakePredictor(), ImmediateExecutor(), EmbeddingCache(1), neighbours=())
    for k in range(SLICES):
        if k == WARM - 2:  # what is replaced at each commit was made since
            tracemalloc.start()
        if k == WARM:
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
        controller.show(2, k)
        for n in range(CLICKS):
            controller.click(2 + n, 3 + n)
        if commits:
            controller.commit()
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert len(session.undo_names) >= SLICES * CLICKS
    assert kept / 1024 / (SLICES - WARM) < MOST_KIB
