"""What befalls the device or the disk while a person works: the click is answered, and it is said once."""

import errno
import os
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from napari_segsam.engine import embedding_store
from napari_segsam.engine.cache import EmbeddingCache
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.embedding_store import EmbeddingStore
from napari_segsam.engine.predictor import SegSamPredictor
from napari_segsam.engine.session import Session
from tests.engine.test_predictor_faults import GPU, Failing
from tests.fakes import LIVER, SPLEEN, block_volume
from tests.tiny import header_of, tiny


@dataclass
class Said:
    """What the person saw."""

    failed: list
    busy: list


def at_work(predictor, later, session, cache=None):
    controller = Controller(session, predictor, later, cache, neighbours=())
    said = Said([], [])
    controller.failed.connect(said.failed.append)
    controller.busy_changed.connect(said.busy.append)
    return controller, said


@pytest.fixture
def on_gpu():
    model = tiny()
    return SegSamPredictor(model, header_of(model), "tiny", "2" * 64, GPU)


@pytest.mark.parametrize("method", ["encode", "forward"])
def test_a_click_that_finds_the_gpus_memory_full_is_answered_on_it_with_less_in_the_cache(
    on_gpu, session, later, cache, monkeypatch, method
):
    controller, said = at_work(on_gpu, later, session, cache)
    for index in (1, 2, 3):
        controller.show(2, index)
        later.run_all()
    assert len(cache) == 3
    controller.show(2, 4)
    monkeypatch.setattr(on_gpu.model, method, Failing(getattr(on_gpu.model, method), torch.OutOfMemoryError("full")))
    controller.click(*LIVER)
    later.run_all()
    assert session.prediction is not None and said.failed == [] and on_gpu.device == GPU
    assert len(cache) <= 1


@pytest.mark.parametrize("method", ["encode", "forward"])
@pytest.mark.parametrize("times", [2, 1000])
def test_memory_that_stays_full_moves_the_model_to_the_cpu_which_is_said_once(
    on_gpu, session, later, monkeypatch, method, times
):
    real = getattr(on_gpu.model, method)

    def full(*args):
        if on_gpu.device != "cpu":
            raise torch.OutOfMemoryError("full")
        return real(*args)

    failing = Failing(real, torch.OutOfMemoryError("full"), 2) if times == 2 else full
    monkeypatch.setattr(on_gpu.model, method, failing)
    controller, said = at_work(on_gpu, later, session)
    for place in (LIVER, SPLEEN):
        controller.click(*place)
        later.run_all()
    assert session.answered and said.busy == [True, False] * 2
    assert len(said.failed) == 1 and "answers on cpu from here on" in said.failed[0]


def test_what_is_no_number_is_refused_and_the_next_click_is_answered(on_gpu, session, later, monkeypatch):
    controller, said = at_work(on_gpu, later, session)
    forward = on_gpu.model.forward

    def broken(*args):
        output = forward(*args)
        output.mask_logits.fill_(float("nan"))
        return output

    monkeypatch.setattr(on_gpu.model, "forward", broken)
    controller.click(*LIVER)
    later.run_all()
    assert session.prediction is None and not controller.busy
    assert len(said.failed) == 1 and "there is no mask" in said.failed[0]
    monkeypatch.setattr(on_gpu.model, "forward", forward)
    controller.click(*LIVER)
    later.run_all()
    assert session.prediction is not None


@pytest.mark.parametrize("error", [SystemExit(1), MemoryError(), RecursionError()], ids=repr)
def test_whatever_a_job_raises_nobody_waits_for_ever(session, later, predictor, monkeypatch, error, caplog):
    controller, said = at_work(predictor, later, session)
    predictor.error = error
    monkeypatch.setattr(type(later), "run_next", run_anything)
    controller.click(*LIVER)
    later.run_all()
    assert said.busy == [True, False] and type(error).__name__ in said.failed[0]


def run_anything(self):
    """As the inference thread runs a job, which survives an exit too."""
    job = self.waiting.pop(0)
    with pytest.raises(BaseException) as caught:
        job.run()
    job.answer = lambda: job.failed(caught.value)
    self.finished.append(job)


def test_a_disk_that_takes_no_embedding_is_said_once_and_the_clicks_are_answered(
    tmp_path, later, predictor, monkeypatch
):
    def refuse(path, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(embedding_store, "_write_whole", refuse)
    session = Session(block_volume())
    cache = EmbeddingCache(store=EmbeddingStore(tmp_path / "embeddings", worth_seconds=0))
    controller, said = at_work(predictor, later, session, cache)
    for index in (2, 3, 4):
        controller.show(2, index)
        controller.click(*LIVER)
        later.run_all()
        assert np.array_equal(session.prediction.mask, session.view.pixels == 60)
    assert len(said.failed) == 1 and "no space left on device" in said.failed[0]
