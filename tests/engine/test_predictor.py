from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_segsam.core.errors import BadPromptsError, OutsideImageError
from napari_segsam.core.grid import Grid
from napari_segsam.core.prediction import dice
from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Volume, Window
from napari_segsam.engine import predictor as predicting
from napari_segsam.engine.predictor import SegSamPredictor
from napari_segsam.engine.preprocess import LUNG, PictureFrame
from napari_segsam.model import build as building
from napari_segsam.model.prompt_tokens import BOX_MAX, BOX_MIN, PAD, POSITIVE, PromptBatch
from tests.engine.asked import BOX, CLICK, KINDS, ask, check, noise, same
from tests.fakes import FakeEmbedding
from tests.tiny import NAMES, SLIM_VIT, TINY_VIT, ZOOM, header_of, loaded, picture_view, tiny, trust_the_prior


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


# --- logits, and the decoder itself


@pytest.fixture(scope="module", params=["zoom", "slice"])
def either(request, predictor, model_folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(building._VITS, "vit_b", SLIM_VIT)
        yield predictor if request.param == "zoom" else loaded(tiny(TINY_VIT), model_folder)


@pytest.mark.parametrize("prompts", KINDS.values(), ids=KINDS)
def test_the_logits_are_above_zero_where_the_answer_is(either, prompts):
    embedding = either.embed(picture_view(noise(), (2, 1)), None)
    logits = either.logits(embedding, prompts)
    assert logits.dtype == np.float32 and logits.shape == (48, 64)
    assert np.array_equal(logits > 0, either.predict(embedding, prompts).mask)


def in_square(predictor, embedding, *prompts):
    """Lone clicks, or boxes, as a batch in the encoder's square."""
    frame = predictor.frame_of(embedding)
    points, labels = [], []
    for p in prompts:
        if p.box is None:
            click = frame.click(p.clicks[0])
            points.append([[click.col, click.row], [0, 0]])
            labels.append([POSITIVE, PAD])
        else:
            box = frame.box(p.box)
            points.append([[box.col_min, box.row_min], [box.col_max, box.row_max]])
            labels.append([BOX_MIN, BOX_MAX])
    return PromptBatch(torch.tensor(points), torch.tensor(labels))


def test_the_decoder_answers_many_prompts_in_its_own_square_as_each_alone(either):
    embedding = either.embed(picture_view(noise((40, 64))), None)
    asked = in_square(either, embedding, BOX, CLICK, Prompts((Click(5, 50),)))
    together = either.masks(embedding, asked)
    assert together.logits.shape[:2] == together.iou.shape == (3, 4)
    for row in range(3):
        alone = either.masks(embedding, PromptBatch(asked.points_xy[row : row + 1], asked.labels[row : row + 1]))
        assert torch.allclose(alone.logits[0], together.logits[row], atol=1e-4)
        assert torch.allclose(alone.iou[0], together.iou[row], atol=1e-4)


@pytest.mark.parametrize("prompts", [BOX, CLICK])
def test_what_is_drawn_in_the_square_lies_where_the_answer_lies(obedient, prompts):
    embedding = obedient.embed(picture_view(noise((48, 60)), (1.5, 1)), None)
    frame = obedient.frame_of(embedding)
    assert max(frame.height, frame.width) == obedient.side
    logits = obedient.masks(embedding, in_square(obedient, embedding, prompts)).logits[0]
    back = frame.back(logits[:, : frame.height, : frame.width]).numpy() > 0
    assert all(dice(mask, obedient.predict(embedding, prompts).mask) > 0.9 for mask in back)
    assert not bool((logits[:, frame.height :] > 0).any() | (logits[:, :, frame.width :] > 0).any())


def test_the_square_shows_a_mask_that_is_to_be_corrected(obedient):
    embedding = obedient.embed(picture_view(noise()), None)
    last = torch.full((1, 1, 16, 16), -5.0)
    last[..., 4:8, 6:12] = 5
    nothing = PromptBatch(torch.zeros(1, 1, 2), torch.full((1, 1), PAD), last, torch.ones(1, dtype=torch.bool))
    seen = obedient.masks(embedding, nothing).logits[0, 0] > 0
    there = torch.zeros(64, 64, dtype=torch.bool)
    there[16:32, 24:48] = True
    assert dice(seen.numpy(), there.numpy()) > 0.9


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
