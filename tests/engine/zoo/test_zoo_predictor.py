"""A published model behind the engine's Predictor: what it is asked, and what is made of its answers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_segsam.core.errors import BadPromptsError, OutsideImageError, SegsamError
from napari_segsam.core.prediction import dice
from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.volume import Window
from napari_segsam.engine.cache import EmbeddingCache
from napari_segsam.engine.embedding_store import EmbeddingStore
from napari_segsam.engine.preprocess import LUNG, SOFT_TISSUE, PictureFrame
from napari_segsam.engine.zoo.predictor import ranked
from napari_segsam.model.prompt_tokens import PAD, POSITIVE, PromptBatch
from napari_segsam.model.zoo.family import Abilities, Masks
from tests.engine.test_predictor_faults import GPU, Failing
from tests.fakes import FakeEmbedding
from tests.tiny import picture_view
from tests.zoo import BOXES, FAMILY, NAMING, PLAIN, Both, Echo, Labeller, Silent, predictor

BOX = Prompts(box=Box(10, 14, 29, 43))
CLICK = Prompts((Click(20, 30),))
LAST = np.zeros((48, 64), bool)
LAST[10:30, 10:30] = True


def noise(shape=(48, 64), dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


def ask(model, view, prompts, window=None):
    return model.predict(model.embed(view, window), prompts)


def sides(box):
    return box.row_min, box.col_min, box.row_max, box.col_max


def boxed(shape, box):
    mask = np.zeros(shape, bool)
    mask[int(box.row_min) : int(box.row_max) + 1, int(box.col_min) : int(box.col_max) + 1] = True
    return mask


# -- coordinates


@given(
    st.sampled_from(["longest", "squash"]),
    st.sampled_from([(48, 64), (64, 40), (30, 30), (33, 64)]),
    st.sampled_from([(1.0, 1.0), (2.5, 0.8)]),
    st.integers(0, 20),
    st.integers(0, 9),
)
def test_a_box_that_the_model_fills_is_the_persons_box_again(fit, shape, spacing, top, left):
    box = Box(top, left, top + 9, left + 15)
    answer = ask(
        predictor(how=replace(PLAIN, fit=fit, side=256)), picture_view(noise(shape), spacing), Prompts(box=box)
    )
    assert all(abs(a - b) <= 0.5 for a, b in zip(sides(Box.around(answer.mask)), sides(box), strict=True))


def test_the_model_is_asked_at_pixel_centres_with_sams_pad_after_a_click():
    echo = Echo(side=128)
    ask(predictor(model=echo, how=replace(PLAIN, side=128)), picture_view(noise((64, 64))), CLICK)
    assert echo.asked.labels.tolist() == [[POSITIVE, PAD]]
    assert echo.asked.points_xy[0, 0].tolist() == [(30 + 0.5) * 2 - 0.5, (20 + 0.5) * 2 - 0.5]


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        *(((48, 64), d) for d in (np.uint8, np.uint16, np.int16, np.float32)),
        ((1, 1), np.int16),
        ((200, 31), np.uint16),
        ((48, 64, 3), np.uint8),
    ],
)
def test_any_slice_is_answered_with_masks_of_its_own_pixels(shape, dtype):
    for prompts in (Prompts((Click(0, 0),)), Prompts(box=Box(0, 0, 0, 0))):
        answer = ask(predictor(), picture_view(noise(shape, dtype)), prompts)
        assert answer.mask.shape == shape[:2] and all(c.mask.shape == shape[:2] for c in answer.candidates)


# -- prompts


def test_prompts_outside_the_slice_and_those_without_an_object_are_refused():
    with pytest.raises(OutsideImageError):
        ask(predictor(), picture_view(noise()), Prompts((Click(90, 3),)))
    with pytest.raises(BadPromptsError, match="no positive point"):
        ask(predictor(), picture_view(noise()), Prompts((Click(9, 3, False),)))


def test_a_family_refuses_what_it_does_not_take_and_says_what_to_do():
    with pytest.raises(BadPromptsError, match="Boxes takes boxes only: remove the points and draw a box"):
        ask(predictor(BOXES), picture_view(noise()), BOX.with_click(Click(3, 3, False)))
    points = replace(FAMILY, abilities=Abilities(boxes=False))
    with pytest.raises(BadPromptsError, match="takes points only: remove the box"):
        ask(predictor(points), picture_view(noise()), BOX)
    assert ask(predictor(BOXES), picture_view(noise()), BOX).mask.any()


@pytest.mark.parametrize(("takes", "low", "high"), [("logits", -6.9, 6.9), ("sigmoid", 0, 1)])
def test_the_last_mask_is_fed_back_as_the_family_takes_it(takes, low, high):
    echo = Echo()
    family = replace(FAMILY, abilities=Abilities(mask_prompt=takes))
    ask(predictor(family, echo), picture_view(noise()), Prompts((Click(20, 30), Click(5, 5, False)), mask=LAST))
    fed = echo.asked.mask_logits
    assert fed.shape == (1, 1, 16, 16) and echo.asked.has_mask.tolist() == [True]
    assert float(fed.min()) == pytest.approx(low, abs=0.01) and float(fed.max()) == pytest.approx(high, abs=0.01)
    inside = (fed[0, 0] > (low + high) / 2 + 0.01).nonzero()
    assert inside.min(0).values.tolist() == [3, 3] and inside.max(0).values.tolist() == [6, 6]


def test_a_family_without_mask_prompts_is_given_none_and_its_lone_click_stays_ambiguous():
    echo = Echo()
    family = replace(FAMILY, abilities=Abilities(mask_prompt="none"))
    answer = ask(predictor(family, echo), picture_view(noise()), Prompts((Click(20, 30),), mask=LAST))
    assert echo.asked.mask_logits is None and answer.iou_predicted == pytest.approx(0.9)


def test_the_mask_prompt_is_as_large_as_the_model_reads_it():
    echo = Echo()
    echo.mask_side = 128
    ask(predictor(model=echo), picture_view(noise()), Prompts((Click(20, 30), Click(5, 5, False)), mask=LAST))
    assert echo.asked.mask_logits.shape[-2:] == (128, 128)


# -- answers


def test_a_lone_click_takes_the_best_of_three_and_a_clear_prompt_the_first_mask():
    lone = ask(predictor(), picture_view(noise()), CLICK)
    assert [round(c.iou_predicted, 2) for c in lone.candidates] == [0.9, 0.7, 0.5]
    clear = ask(predictor(), picture_view(noise()), BOX)
    assert [round(c.iou_predicted, 2) for c in clear.candidates] == [0.6, 0.9, 0.7, 0.5]
    assert clear.candidates[0].mask is clear.mask and clear.iou_predicted == clear.candidates[0].iou_predicted


def test_a_family_that_draws_the_first_mask_badly_takes_the_best_of_three_for_a_box_too():
    family = replace(FAMILY, abilities=Abilities(best_of_three=True))
    assert ask(predictor(family), picture_view(noise()), BOX).iou_predicted == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("masks", "iou", "ambiguous", "order"),
    [
        (1, [0.3], True, [0]),
        (3, [0.2, 0.9, 0.5], False, [1, 2, 0]),
        (4, [0.99, 0.2, 0.5, 0.3], True, [2, 3, 1]),
        (4, [0.1, 0.2, 0.5, 0.3], False, [0, 2, 3, 1]),
        (4, None, True, [0, 1, 2, 3]),
    ],
)
def test_masks_are_ranked(masks, iou, ambiguous, order):
    assert ranked(masks, None if iou is None else torch.tensor(iou), ambiguous) == order


def test_masks_whose_iou_is_predicted_beyond_one_are_ranked_by_it_all_the_same():
    class Sure(Echo):
        def answer(self, features, prompts):
            return Masks(super().answer(features, prompts).logits, torch.tensor([[0.6, 1.02, 1.01, 1.05]]))

    model = predictor(model=Sure())
    embedding = model.embed(picture_view(noise()), None)
    assert model.logits(embedding, CLICK).max() == pytest.approx(1.3)  # mask 3: each is 0.1 above the one before
    assert model.predict(embedding, CLICK).iou_predicted == 1


def test_what_a_model_does_not_say_is_not_said():
    answer = ask(predictor(model=Silent(masks=1)), picture_view(noise()), BOX)
    assert answer.iou_predicted is answer.semantic_mask is answer.decoder_agreement is None
    assert (answer.classes, answer.suggestions) == ((), ())
    assert [c.iou_predicted for c in answer.candidates] == [None]


def test_numbers_that_are_none_are_refused(monkeypatch):
    model, view, other = predictor(), picture_view(noise()), Echo(masks=1)
    good = model.embed(view, None)
    monkeypatch.setattr(model.model, "encode", lambda images: {"picture": images * float("nan")})
    with pytest.raises(SegsamError, match="no number"):
        model.embed(view, None)
    monkeypatch.setattr(model.model, "answer", lambda *a: replace(other.answer(*a), iou=torch.tensor([[torch.nan]])))
    with pytest.raises(SegsamError, match="no number"):
        model.predict(good, BOX)


def test_another_predictors_embedding_is_not_taken():
    with pytest.raises(TypeError, match="FakeEmbedding"):
        predictor().predict(FakeEmbedding(np.zeros((3, 3))), BOX)


@pytest.mark.parametrize("prompts", [BOX, CLICK, Prompts((Click(20, 30), Click(5, 5, False)), mask=LAST)])
def test_the_logits_are_above_zero_where_the_answer_is(prompts):
    model, view = predictor(), picture_view(noise((48, 61)))
    embedding = model.embed(view, None)
    logits = model.logits(embedding, prompts)
    assert logits.dtype == np.float32
    assert np.array_equal(logits > 0, model.predict(embedding, prompts).mask)


def test_the_decoder_can_be_asked_in_its_own_square():
    model, echo = predictor(), Echo()
    model.model = echo
    embedding = model.embed(picture_view(noise((48, 61))), None)
    batch = PromptBatch(torch.tensor([[[20.0, 30.0], [0, 0]]]), torch.tensor([[POSITIVE, PAD]]))
    said = model.masks(embedding, batch)
    assert torch.equal(echo.asked.points_xy, batch.points_xy)
    assert said.logits.shape == (1, 4, 64, 64) and said.iou.shape == (1, 4) and model.side == 64
    assert said.logits[0, 0, 30, 20] > 0 > said.logits[0, 0, 20, 30]
    assert model.frame_of(embedding) == PictureFrame(48, 61, 50, 64)


def test_a_family_that_takes_no_prompts_says_so_when_its_decoder_is_asked():
    model = predictor(NAMING)
    with pytest.raises(BadPromptsError, match="Naming labels a slice by itself and takes neither points nor boxes"):
        model.logits(model.embed(picture_view(noise()), None), CLICK)


# -- classes


def two_organs():
    """The left is as bright as the first class, the right as the second one, and what lies above is background."""
    pixels = np.full((48, 64), 26, np.uint8)
    pixels[10:, :32], pixels[20:, 32:] = 128, 230
    return picture_view(pixels)


def test_each_class_that_is_there_is_suggested_once_by_a_name_that_labels_can_have():
    model, view = predictor(NAMING), two_organs()
    found = {s.name: s for s in model.suggest(model.embed(view, None))}
    assert set(found) == {"liver", "left_kidney"} and model.vocabulary.id_of("Left Kidney") == 2
    assert dice(found["liver"].mask, boxed((48, 64), Box(10, 0, 47, 31))) > 0.98
    assert dice(found["left_kidney"].mask, boxed((48, 64), Box(20, 32, 47, 63))) > 0.98
    assert all(0.9 < s.score <= 1 for s in found.values())
    dark = picture_view(np.full((48, 64), 26, np.uint8))
    assert model.suggest(model.embed(dark, None)) == ()


@pytest.mark.parametrize(
    ("prompts", "name", "others"),
    [
        (Prompts((Click(40, 5),)), "liver", ["left_kidney"]),
        (Prompts((Click(40, 60), Click(40, 5, False))), "left_kidney", ["liver"]),
        (Prompts(box=Box(0, 0, 47, 20)), "liver", ["left_kidney"]),
        (Prompts((Click(40, 50),), Box(0, 0, 47, 63)), "left_kidney", ["liver"]),
    ],
)
def test_a_model_that_takes_no_prompts_answers_them_with_what_it_labelled_there(prompts, name, others):
    answer = ask(predictor(NAMING), two_organs(), prompts)
    assert [c.name for c in answer.classes] == [name] and answer.iou_predicted is None
    assert answer.mask.any() and [s.name for s in answer.suggestions] == others


def test_a_slice_is_labelled_once_whatever_is_asked_on_it():
    model, labeller = predictor(NAMING), Labeller()
    model.model = labeller
    first, second = (model.embed(two_organs(), None) for _ in range(2))
    for _ in range(3):
        model.predict(first, Prompts((Click(40, 5),)))
        model.suggest(first)
    assert labeller.labelled == 1
    model.suggest(second)
    assert labeller.labelled == 2


def test_where_it_labelled_nothing_its_answer_is_empty():
    answer = ask(predictor(NAMING), two_organs(), Prompts((Click(2, 2),)))
    assert not answer.mask.any() and answer.classes == () and len(answer.suggestions) == 2


def test_a_model_with_prompts_and_classes_does_not_suggest_what_was_prompted():
    both = replace(NAMING, abilities=Abilities())
    answer = ask(predictor(both, Both()), two_organs(), Prompts(box=Box(30, 4, 44, 20)))
    assert [s.name for s in answer.suggestions] == ["left_kidney"]


# -- windows


def test_ct_is_seen_through_the_familys_window_unless_a_person_asks_for_another():
    hu = picture_view(np.full((20, 20), -700, np.int16), modality="ct")
    own = predictor(how=replace(PLAIN, window_hu=(-125, 275)))
    assert own.window_for(hu, CLICK).limits == (-125, 275)
    assert own.window_for(hu, CLICK, LUNG) == LUNG
    assert predictor().window_for(hu, None) == SOFT_TISSUE
    assert predictor().window_for(hu, Prompts((Click(5, 5),))) == LUNG
    mr = picture_view(np.full((20, 20), 7, np.uint16), modality="mr")
    assert own.window_for(mr, CLICK) is None
    for no_hounsfield_units in (np.uint8, np.uint16):
        view = picture_view(np.full((20, 20), 7, no_hounsfield_units), modality="ct")
        assert own.window_for(view, CLICK) is None and own.window_for(view, None, LUNG) == LUNG


# -- embeddings


def test_an_embedding_from_disk_is_the_one_that_was_made(tmp_path):
    view, window = picture_view(noise(dtype=np.int16), modality="ct"), Window(100, 150)
    made = EmbeddingCache(store=EmbeddingStore(tmp_path, worth_seconds=0)).embedding(predictor(), view, window)
    other = predictor()
    other.model.encode = lambda _: pytest.fail("made again")
    read = EmbeddingCache(store=EmbeddingStore(tmp_path, worth_seconds=0)).embedding(other, view, window)
    assert read.features.keys() == made.features.keys() and (read.window, read.seconds) == (window, made.seconds)
    assert torch.equal(read.features["picture"], made.features["picture"])
    assert torch.equal(read.features["half"].bfloat16(), made.features["half"])
    assert read.nbytes > 0 and read.frame == made.frame
    assert np.array_equal(other.predict(read, BOX).mask, predictor().predict(made, BOX).mask)


def test_everything_that_the_features_depend_on_is_in_the_digest():
    pixels = np.arange(48 * 64, dtype=np.int16).reshape(48, 64)
    window, plain = Window(500, 400), predictor()
    digests = [
        plain.digest(picture_view(pixels), window),
        plain.digest(picture_view(pixels), Window(500, 401)),
        plain.digest(picture_view(pixels), Window(500, 4000)),
        plain.digest(picture_view(pixels + 1), window),
        plain.digest(picture_view(pixels.reshape(64, 48)), window),
        plain.digest(picture_view(pixels, (2, 1)), window),
        plain.digest(picture_view(pixels, inverted=True), window),
        predictor(sha256="0" * 64).digest(picture_view(pixels), window),
        predictor(device=GPU).digest(picture_view(pixels), window),
        predictor(BOXES).digest(picture_view(pixels), window),
        predictor(how=replace(PLAIN, fit="squash")).digest(picture_view(pixels), window),
        predictor(how=replace(PLAIN, mean=(1, 1, 1))).digest(picture_view(pixels), window),
        predictor(how=replace(PLAIN, slices=3)).digest(picture_view(pixels), window),
    ]
    assert len(set(digests)) == len(digests)
    assert plain.digest(picture_view(pixels, name="another"), window) == digests[0]


# -- devices


@pytest.mark.parametrize("method", ["encode", "answer"])
def test_memory_that_is_full_is_made_room_in_and_a_fault_moves_the_model_to_the_cpu(method, monkeypatch):
    model, freed = predictor(device=GPU), []
    real = getattr(model.model, method)
    model.when_full(lambda: freed.append(1))
    monkeypatch.setattr(model.model, method, Failing(real, torch.OutOfMemoryError("full")))
    assert ask(model, picture_view(noise()), BOX).mask.any()
    assert freed == [1] and model.device == GPU
    monkeypatch.setattr(model.model, method, Failing(real, torch.AcceleratorError("fault")))
    assert ask(model, picture_view(noise()), BOX).mask.any()
    assert model.device == "cpu"
