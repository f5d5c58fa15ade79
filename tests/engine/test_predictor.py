from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_segsam.core.errors import BadCheckpointError, BadPromptsError, OutsideImageError, SegsamError
from napari_segsam.core.grid import Grid
from napari_segsam.core.prediction import dice
from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Volume, Window
from napari_segsam.engine import predictor as predicting
from napari_segsam.engine.on_device import choose_device
from napari_segsam.engine.predictor import SegSamPredictor, load_predictor
from napari_segsam.engine.preprocess import LUNG, PictureFrame
from tests.fakes import FakeEmbedding
from tests.tiny import NAMES, ZOOM, header_of, loaded, picture_view, saved, tiny, trust_the_prior

BOX = Prompts(box=Box(10, 14, 29, 43))
CLICK = Prompts((Click(20, 30),))
KINDS = {"box": BOX, "click": CLICK, "clicks": Prompts((Click(20, 30), Click(24, 33), Click(5, 5, False)))}


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def predictor(model_folder):
    return loaded(tiny(), model_folder)


@pytest.fixture(scope="module")
def obedient(model_folder):
    """Draws the ellipse in the box, a disk at the click: masks that a test can foresee."""
    model = trust_the_prior(tiny())
    return SegSamPredictor(model, header_of(model), "obedient", "0" * 64)


def noise(shape=(48, 64), dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


def ask(predictor, view, prompts, window=None):
    return predictor.predict(predictor.embed(view, window), prompts)


def same(a, b):
    assert np.array_equal(a.mask, b.mask)
    assert np.array_equal(a.semantic_mask, b.semantic_mask)
    assert [(c.name, c.score) for c in a.classes] == [(c.name, c.score) for c in b.classes]
    assert a.iou_predicted == b.iou_predicted


def check(answer, shape):
    """What holds of every answer."""
    masks = [answer.mask, answer.semantic_mask, *(c.mask for c in answer.candidates)]
    assert all(m.shape == shape and m.dtype == bool for m in masks)
    assert np.array_equal(answer.candidates[0].mask, answer.mask)
    numbers = [answer.iou_predicted, answer.decoder_agreement, *(c.iou_predicted for c in answer.candidates)]
    numbers += [c.score for c in answer.classes] + [s.score for s in answer.suggestions]
    assert all(0 <= n <= 1 for n in numbers)  # and so none is NaN
    assert {c.name for c in answer.classes} == set(NAMES)
    assert sum(c.score for c in answer.classes) == pytest.approx(1, abs=1e-5)
    assert answer.decoder_agreement == dice(answer.mask, answer.semantic_mask)
    assert all(s.mask.shape == shape and s.mask.any() for s in answer.suggestions)


# --- any slice


@pytest.mark.parametrize("prompts", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize(
    ("shape", "spacing"), [((48, 64), (1, 1)), ((48, 64), (5, 0.8)), ((40, 200), (1, 1)), ((48, 50), (0.4, 1.0))]
)
def test_answers_have_the_slices_pixels(predictor, shape, spacing, prompts):
    check(ask(predictor, picture_view(noise(shape), spacing), prompts), shape)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_the_kind_of_number_does_not_matter(predictor, dtype):
    same(ask(predictor, picture_view(noise()), BOX), ask(predictor, picture_view(noise(dtype=dtype)), BOX))


@pytest.mark.parametrize("prompts", KINDS.values(), ids=KINDS)
def test_high_and_negative_intensities_are_answered(predictor, prompts):
    deep = noise(dtype=np.int32) * 300
    for pixels in (deep.astype(np.uint16), (deep - 32000).astype(np.int16)):
        check(ask(predictor, picture_view(pixels), prompts), (48, 64))


@pytest.mark.parametrize("prompts", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("value", [0, -1000, 3.5])
def test_a_constant_slice_is_answered_with_numbers(predictor, prompts, value):
    check(ask(predictor, picture_view(np.full((48, 64), value, np.float32)), prompts), (48, 64))


def test_colours_are_answered(predictor):
    check(ask(predictor, picture_view(noise((48, 64, 3))), BOX), (48, 64))


def test_a_slice_of_few_pixels_is_answered(predictor):
    for shape in ((1, 1), (1, 9), (3, 2)):
        check(ask(predictor, picture_view(noise(shape)), Prompts((Click(0, 0),))), shape)
        check(ask(predictor, picture_view(noise(shape)), Prompts(box=Box(0, 0, 0, 0))), shape)


def test_monochrome1_is_answered_as_the_inverted_picture(predictor):
    pixels = noise(dtype=np.float32)
    for prompts in KINDS.values():
        turned = ask(predictor, picture_view(pixels, inverted=True), prompts)
        same(turned, ask(predictor, picture_view(-pixels), prompts))
    plain = ask(predictor, picture_view(pixels), BOX)
    assert [c.score for c in plain.classes] != [c.score for c in turned.classes]


def test_what_was_not_scanned_does_not_change_the_answer(predictor):
    """The padding's value must not reach the model, however extreme."""
    pixels = noise(dtype=np.int16)
    answers = []
    for fill in (-2000, -32000):
        padded = pixels.copy()
        padded[:6] = fill
        answers.append(ask(predictor, picture_view(padded, padding=float(fill)), BOX))
    same(*answers)


def test_the_window_that_was_seen_is_told(predictor):
    view = picture_view(noise(dtype=np.int16), modality="ct")
    embedding = predictor.embed(view, LUNG)
    assert embedding.window == LUNG
    assert predictor.predict(embedding, BOX).window == LUNG
    assert predictor.window_for(view, BOX, Window(1, 2)) == Window(1, 2)


def test_the_same_question_has_the_same_answer(predictor):
    embedding = predictor.embed(picture_view(noise()), None)
    same(predictor.predict(embedding, CLICK), predictor.predict(embedding, CLICK))


def test_an_embedding_knows_its_size_and_time(predictor):
    embedding = predictor.embed(picture_view(noise()), None)
    features = embedding.features
    assert embedding.nbytes == 4 * sum(
        t.numel() for t in (embedding.picture, features.tokens, features.detail, features.local)
    )
    assert embedding.seconds > 0


# --- where masks land


@pytest.mark.parametrize("spacing", [(1, 1), (3, 1), (0.7, 2.1)])
@pytest.mark.parametrize("box", [Box(10, 14, 29, 43), Box(0, 0, 20, 20), Box(30, 40, 47, 63), Box(5, 10, 16, 40)])
def test_a_mask_lands_on_the_box_that_asked_for_it(obedient, spacing, box):
    view = picture_view(noise(), spacing)
    found = Box.around(ask(obedient, view, Prompts(box=box)).mask)
    frame = PictureFrame.of(view)
    there = frame.box(box)
    side = 1.45 * max(there.row_max - there.row_min, there.col_max - there.col_min)
    row, col = (0.5 + side / ZOOM.crop / scale for scale in frame.scale)  # half a pixel, and one of the crop's
    assert (found.row_min, found.row_max) == pytest.approx((box.row_min, box.row_max), abs=row)
    assert (found.col_min, found.col_max) == pytest.approx((box.col_min, box.col_max), abs=col)


@pytest.mark.parametrize("spacing", [(1, 1), (3, 1), (0.7, 2.1)])
@pytest.mark.parametrize("at", [(20, 30), (24, 40), (17, 33)])
def test_a_mask_lands_on_the_click_that_asked_for_it(obedient, spacing, at):
    mask = ask(obedient, picture_view(noise(), spacing), Prompts((Click(*at),))).mask
    assert mask[at]
    rows, cols = np.nonzero(mask)
    if min(rows.min(), cols.min()) > 0 and rows.max() < 47 and cols.max() < 63:
        assert (rows.mean(), cols.mean()) == pytest.approx(at, abs=0.75)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1), (-1, -1, 1)])
def test_on_flipped_and_anisotropic_scans_masks_land_where_they_are_seen(obedient, axis, signs):
    affine = np.diag([*(s * mm for s, mm in zip(signs, (1.0, 2.0, 3.0), strict=True)), 1.0])
    view = SliceView(Volume(Grid((40, 44, 36), affine), noise((40, 44, 36))), axis, 7)
    mask = ask(obedient, view, Prompts(box=Box(8, 12, 23, 31))).mask
    assert mask.shape == view.shape
    rows, cols = np.nonzero(mask)
    assert (rows.mean(), cols.mean()) == pytest.approx((15.5, 21.5), abs=0.5)


def test_a_correction_starts_from_the_last_mask(obedient):
    last = np.zeros((48, 64), bool)
    last[10:30, 20:50] = True
    answer = ask(obedient, picture_view(noise()), Prompts((Click(20, 30),), mask=last))
    assert dice(answer.mask, last) > 0.9


# --- what is refused


@pytest.mark.parametrize(
    "prompts",
    [
        Prompts((Click(48, 10),)),
        Prompts((Click(10, -1),)),
        Prompts((Click(10, 10), Click(10, 64, False))),
        Prompts(box=Box(10, 10, 20, 64)),
        Prompts(box=Box(-2, 10, 20, 20)),
    ],
)
def test_a_prompt_outside_the_slice_is_refused(predictor, prompts):
    with pytest.raises(OutsideImageError, match="48 x 64"):
        ask(predictor, picture_view(noise()), prompts)


@pytest.mark.parametrize("prompts", [Prompts(), Prompts((Click(3, 3, False),)), Prompts(mask=np.ones((48, 64), bool))])
def test_without_a_box_or_a_positive_click_there_is_nothing_to_answer(predictor, prompts):
    with pytest.raises(BadPromptsError, match="no box and no positive point"):
        ask(predictor, picture_view(noise()), prompts)


def test_another_predictors_embedding_is_a_bug(predictor):
    with pytest.raises(TypeError, match="FakeEmbedding"):
        predictor.predict(FakeEmbedding(np.zeros((4, 4))), CLICK)


# --- suggestions


def talkative(threshold=0.0):
    """Sees something of some class all over every slice."""
    model = tiny()
    decoder, detail = model.semantic_decoder, model.image_encoder.slice_detail
    with torch.no_grad():
        decoder.classes.no_object.bias.fill_(-20)
        for layer, bias in ((decoder.co_hypernetwork.layers[-1], 1), (detail, 1)):
            layer.weight.zero_()
            layer.bias.fill_(bias)
    header = replace(header_of(model), suggest_at=threshold)
    return SegSamPredictor(model, header, "talkative", "1" * 64)


def test_suggestions_need_no_prompt():
    predictor = talkative()
    found = predictor.suggest(predictor.embed(picture_view(noise()), None))
    assert found
    assert len({s.name for s in found}) == len(found)
    assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)
    assert all(s.mask.shape == (48, 64) and s.mask.all() for s in found)
    assert all(s.name in NAMES for s in found)


def test_a_predictions_suggestions_leave_out_the_prompted_object(monkeypatch):
    predictor = talkative()
    embedding = predictor.embed(picture_view(noise()), None)
    monkeypatch.setattr(predicting, "to_bool", lambda logits: np.ones(logits.shape, bool))
    assert predictor.predict(embedding, BOX).suggestions == ()
    monkeypatch.setattr(predicting, "to_bool", lambda logits: np.zeros(logits.shape, bool))
    assert predictor.predict(embedding, BOX).suggestions  # an empty mask is nothing's


def test_the_checkpoint_says_from_which_score_to_suggest():
    predictor = talkative(threshold=1.1)
    assert predictor.suggest(predictor.embed(picture_view(noise()), None)) == ()


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
