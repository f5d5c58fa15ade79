"""A predictor where memory, GPU, numbers or files fail: answered elsewhere, or refused in a sentence."""

from pathlib import Path

import pytest
import torch

from napari_segsam.core.errors import BadCheckpointError, SegsamError
from napari_segsam.engine.on_device import choose_device
from napari_segsam.engine.predictor import SegSamPredictor, load_predictor
from tests.engine.asked import BOX, CLICK, KINDS, ask, check, noise, same
from tests.tiny import ZOOM, header_of, loaded, picture_view, saved, tiny


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def predictor(model_folder):
    return loaded(tiny(), model_folder)


# --- devices

GPU = "cpu:0"
"""Torch takes this for the CPU and the predictor does not: a GPU that every machine has."""


class Failing:
    """Raises ``error`` on the first ``times`` calls, then does what it stands for."""

    def __init__(self, work, error, times=1):
        self.work, self.error, self.times, self.calls = work, error, times, 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return self.work(*args, **kwargs)


@pytest.fixture
def on_gpu():
    model = tiny()
    return SegSamPredictor(model, header_of(model), "tiny", "2" * 64, GPU)


FULL, FAULT = torch.OutOfMemoryError("full"), torch.AcceleratorError("fault")
METHODS = ("encode", "forward", "unprompted")


@pytest.mark.parametrize("method", METHODS)
def test_full_memory_is_made_room_in_and_asked_once_more(on_gpu, monkeypatch, method):
    freed = []
    on_gpu.when_full(lambda: freed.append(1))
    failing = Failing(getattr(on_gpu.model, method), FULL)
    monkeypatch.setattr(on_gpu.model, method, failing)
    embedding = on_gpu.embed(picture_view(noise()), None)
    check(on_gpu.predict(embedding, BOX), (48, 64))
    on_gpu.suggest(embedding)
    assert freed == [1] and failing.calls == 2 and on_gpu.device == GPU


@pytest.mark.parametrize(("error", "times"), [(FULL, 2), (FAULT, 1)], ids=["full", "fault"])
@pytest.mark.parametrize("method", METHODS)
def test_a_fault_of_the_gpu_is_answered_on_the_cpu_for_good(
    on_gpu, monkeypatch, predictor, error, times, method, caplog
):
    failing = Failing(getattr(on_gpu.model, method), error, times)
    monkeypatch.setattr(on_gpu.model, method, failing)
    embedding = on_gpu.embed(picture_view(noise()), None)
    answer, found = on_gpu.predict(embedding, BOX), on_gpu.suggest(embedding)
    assert on_gpu.device == "cpu"
    assert failing.calls == times + 1
    assert "answering on the CPU" in caplog.text
    check(answer, (48, 64))
    expected = predictor.embed(picture_view(noise()), None)
    same(answer, predictor.predict(expected, BOX))
    assert len(found) == len(predictor.suggest(expected))


def test_features_that_a_gpu_made_in_bf16_are_read_on_the_cpu(on_gpu, monkeypatch):
    embedding = on_gpu.embed(picture_view(noise()), None)
    embedding.features.detail = embedding.features.detail.bfloat16()
    embedding.features.local = embedding.features.local.bfloat16()
    monkeypatch.setattr(on_gpu.model, "forward", Failing(on_gpu.model.forward, FULL, 2))
    check(on_gpu.predict(embedding, BOX), (48, 64))
    check(on_gpu.predict(embedding, CLICK), (48, 64))


def test_a_fault_that_took_the_weights_with_it_says_what_to_do(on_gpu, monkeypatch):
    fault = torch.AcceleratorError("illegal memory access")
    monkeypatch.setattr(on_gpu.model, "encode", Failing(on_gpu.model.encode, fault))
    monkeypatch.setattr(on_gpu.model, "to", Failing(on_gpu.model.to, fault))
    with pytest.raises(SegsamError, match="--device cpu"):
        on_gpu.embed(picture_view(noise()), None)


@pytest.mark.parametrize("broken", ["tokens", "mask_logits", "iou", "class_logits", "co_class_logits", "size"])
@pytest.mark.parametrize("prompts", KINDS.values(), ids=KINDS)
def test_numbers_that_are_none_are_refused_and_never_drawn(monkeypatch, model_folder, broken, prompts):
    predictor = loaded(tiny(), model_folder)
    model, nan = predictor.model, float("nan")
    encode, forward = model.encode, model.forward
    if broken == "tokens":
        monkeypatch.setattr(model, "encode", lambda x: spoilt(encode(x), "tokens"))
    elif broken == "size":
        monkeypatch.setattr(model.size_head, "forward", lambda *_: torch.full((1, ZOOM.size_bins), nan))
    else:
        monkeypatch.setattr(model, "forward", lambda *a: spoilt(forward(*a), broken))
    if broken == "size" and prompts.box is not None:
        check(ask(predictor, picture_view(noise()), prompts), (48, 64))  # nobody asks how large a boxed object is
        return
    with pytest.raises(SegsamError, match="no number here, so there is no mask"):
        ask(predictor, picture_view(noise()), prompts)


def spoilt(said, name):
    """With one value that is no number in one of its tensors."""
    tensor = getattr(said if hasattr(said, name) else said.semantic, name)
    tensor[tuple(n - 1 for n in tensor.shape)] = float("nan")
    return said


def test_suggestions_of_numbers_that_are_none_are_refused(monkeypatch, model_folder):
    predictor = loaded(tiny(), model_folder)
    unprompted = predictor.model.unprompted
    monkeypatch.setattr(predictor.model, "unprompted", lambda f: spoilt(unprompted(f), "co_class_logits"))
    with pytest.raises(SegsamError, match="no number"):
        predictor.suggest(predictor.embed(picture_view(noise()), None))


def test_a_fault_of_the_cpu_is_not_hidden(predictor, monkeypatch):
    monkeypatch.setattr(predictor.model, "encode", Failing(predictor.model.encode, torch.OutOfMemoryError("full")))
    with pytest.raises(torch.OutOfMemoryError):
        predictor.embed(picture_view(noise()), None)


@pytest.mark.parametrize(
    ("asked", "there", "chosen"),
    [
        ("cpu", False, "cpu"),
        ("cpu", True, "cpu"),
        ("auto", False, "cpu"),
        ("auto", True, "cuda:0"),
        ("cuda", True, "cuda:0"),
        ("cuda:1", True, "cuda:1"),
    ],
)
def test_auto_takes_a_gpu_where_there_is_one(monkeypatch, asked, there, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert choose_device(asked) == chosen


@pytest.mark.parametrize(("asked", "said"), [("cuda", "No CUDA GPU"), ("cuda:0", "No CUDA GPU"), ("tpu", "'tpu'")])
def test_a_device_that_is_not_there_is_refused(monkeypatch, asked, said):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SegsamError, match=said):
        choose_device(asked)


# --- loading


def test_a_predictor_is_named_after_its_file_and_knows_its_hash(model_folder):
    path = saved(tiny(), model_folder, "mine")
    predictor = load_predictor(path, "cpu")
    assert (predictor.name, predictor.device) == ("mine", "cpu")
    assert len(predictor.sha256) == 64
    assert predictor.vocabulary.canonical("Hepar") == "liver"
    assert load_predictor(path, "cpu", "nano").name == "nano"


@pytest.mark.parametrize("given", ["run-7/model.safetensors", "model.safetensors"])
def test_a_file_that_is_called_as_every_runs_is_named_with_its_folder(tmp_path, monkeypatch, given):
    run = tmp_path / "run-7"
    run.mkdir()
    saved(tiny(), run, "model")
    monkeypatch.chdir(tmp_path if "/" in given else run)
    assert load_predictor(Path(given), "cpu").name == "run-7/model"


def test_a_file_that_is_no_model_is_refused_by_name(tmp_path):
    (tmp_path / "notes.safetensors").write_text("not a model")
    for path in (tmp_path / "notes.safetensors", tmp_path / "absent.safetensors", tmp_path):
        with pytest.raises(BadCheckpointError, match=path.name):
            load_predictor(path, "cpu")
