"""SAM-Med2D against what the published model gave, with its adapters and without, and its way of correcting."""

from functools import partial

import numpy as np
import pytest
import torch

from napari_segsam.model.image_encoder import ImageEncoder, ViTSizes
from napari_segsam.model.prompt_tokens import BOX_MAX, BOX_MIN, NEGATIVE, PAD, POSITIVE, PromptBatch
from napari_segsam.model.zoo.accounts import ModelFileError
from napari_segsam.model.zoo.family import SAM_MEAN, SAM_STD
from napari_segsam.model.zoo.sam import Sam
from napari_segsam.model.zoo.sam_med2d import FAMILY, SIDE, AdaptedBlock, built, without_adapters
from napari_segsam.train.prompt_simulation import corrections, med2d_box, med2d_rounds
from tests.model.zoo.golden import fill, golden, keys, picture
from tests.model.zoo.parity import Parity, largest

KEYS = "sammed2d_b"
BOX = PromptBatch(torch.tensor([[[10.0, 20.0], [120.0, 200.0]]]), torch.tensor([[BOX_MIN, BOX_MAX]]))


def loaded(adapters=True):
    model = FAMILY.build(fill(KEYS), None)
    if not adapters:
        without_adapters(model, FAMILY)
    return model


def outputs(model):
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (SAM_MEAN, SAM_STD))
    features = model.encode((torch.from_numpy(picture(0, 255, (1, 3, SIDE, SIDE))) - mean) / std)
    masks = model.answer(features, BOX)
    return {
        "embedding_mean": features["embedding"].mean((2, 3)).numpy(),
        "low_res_logits": masks.logits[:, 1:].numpy(),
        "iou": masks.iou[:, 1:].numpy(),
    }


def without_gates(model):
    """As if the adapter were its convolutions alone."""
    for block in model.image_encoder.blocks:
        block.Adapter.channel = torch.nn.Sequential(torch.nn.Identity(), Ones())


class Ones(torch.nn.Module):
    def forward(self, x):
        return torch.ones_like(x)


def without_positions(model):
    for block in model.image_encoder.blocks:
        block.attn.rel_pos_h.data.zero_()


WITH = Parity(
    "SAM-Med2D",
    "sammed2d_b_adapter1",
    KEYS,
    loaded,
    outputs,
    {"adapters left out": lambda model: without_adapters(model, FAMILY), "channel gates left out": without_gates},
)
WITHOUT = Parity(
    "SAM-Med2D*, adapters off",
    "sammed2d_b_adapter0",
    KEYS,
    partial(loaded, adapters=False),
    outputs,
    {"vertical positions left out": without_positions},
)
PARITY = (WITH, WITHOUT)


@pytest.fixture(scope="module")
def file():
    """Making 271 million weights takes longer than running them: once for all tests."""
    return fill(KEYS)


@pytest.fixture(scope="module")
def model(file):
    return FAMILY.build(file, None)


@pytest.fixture(scope="module")
def answered(model):
    with torch.inference_mode():
        return outputs(model)


def test_it_answers_as_the_published_model(answered):
    assert largest(answered, golden(WITH.golden)) < 1e-4


def test_every_tensor_of_the_published_file_is_in_the_model(file, model):
    held = model.state_dict()
    assert len(held) == len(file) == 386
    assert all(torch.equal(held[name], tensor) for name, tensor in file.items())


def test_a_golden_array_that_moves_by_a_twentieth_is_noticed(answered):
    for name, array in golden(WITH.golden).items():
        assert largest(answered, golden(WITH.golden) | {name: array + 0.05 * np.ptp(array)}) > 1e-2


def test_without_its_adapters_it_answers_as_the_published_model_without_them(file, answered):
    assert largest(answered, golden(WITHOUT.golden)) > 1e-2
    bare = FAMILY.build(file, None)
    without_adapters(bare, FAMILY)
    assert WITHOUT.difference(bare) < 1e-4
    assert sum(p.numel() for p in bare.parameters()) < 92e6


def test_without_the_channel_gates_it_answers_otherwise(model):
    kept = [block.Adapter.channel for block in model.image_encoder.blocks]
    without_gates(model)
    try:
        assert WITH.difference(model) > 1e-2
    finally:
        for block, channel in zip(model.image_encoder.blocks, kept, strict=True):
            block.Adapter.channel = channel


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        (KEYS, True),
        ("sam_vit_b_256", True),
        ("sam_vit_b", False),
        ("medsa_sam_adpt", False),
        ("litemedsam_full", False),
    ],
)
def test_it_knows_its_files(name, is_one):
    assert FAMILY.recognises(keys(name)) is is_one


def test_pictures_are_squashed_to_256_pixels_by_their_nearest_pixel():
    how = FAMILY.preparation({})
    assert (how.side, how.fit, how.resample, how.intensities) == (256, "squash", "nearest", "0..255")
    assert (how.mean, how.std) == (SAM_MEAN, SAM_STD)


# --- files, on a model of few parameters

SLIM, SMALL = ViTSizes(16, 2, 2, (1,)), 64


@pytest.fixture(scope="module")
def small():
    """All that a published file holds, for a small ViT; random weights, adapters included."""
    torch.manual_seed(0)
    fresh = Sam(ImageEncoder(SLIM, SMALL, block=AdaptedBlock), SMALL)
    return built(fresh.state_dict(), SLIM, SMALL)


def test_a_file_without_one_of_its_tensors_is_refused_by_name(small):
    tensors = dict(small.state_dict())
    del tensors["image_encoder.blocks.1.Adapter.spatial.2.weight"]
    with pytest.raises(ModelFileError, match=r"blocks\.1\.Adapter\.spatial\.2"):
        built(tensors, SLIM, SMALL)


def test_ft_sam_has_no_adapters_and_is_none_the_worse(small):
    plain = built({k: t for k, t in small.state_dict().items() if ".Adapter." not in k}, SLIM, SMALL)
    without_adapters(plain, FAMILY)
    with torch.inference_mode():
        assert plain.encode(torch.zeros(1, 3, SMALL, SMALL))["embedding"].shape == (1, 256, 4, 4)


# --- its corrections


def ask(model, features, clicks, probability=None):
    """As SAM-Med2D's own loop asks: all clicks so far and the last mask's probability -> the best of three masks."""
    xy = torch.tensor([[[c.col, c.row] for c in clicks] + [[0.0, 0.0]]])
    labels = torch.tensor([[POSITIVE if c.positive else NEGATIVE for c in clicks] + [PAD]])
    has = None if probability is None else torch.ones(1, dtype=torch.bool)
    with torch.inference_mode():
        masks = model.answer(features, PromptBatch(xy, labels, probability, has))
    best = 1 + int(masks.iou[0, 1:].argmax())
    return masks.logits[:, best : best + 1]


def test_its_rounds_of_correction_follow_its_rules(model):
    """A box first; then rounds of 1, 3, 5 or 9 clicks where the mask is wrong, or of the mask alone."""
    rng = np.random.default_rng(1)
    rows, cols = np.mgrid[:SIDE, :SIDE]
    truth = (rows - 100) ** 2 + (cols - 130) ** 2 <= 40**2
    features = {"embedding": torch.randn(1, 256, 16, 16, generator=torch.Generator().manual_seed(0))}
    box = med2d_box(truth, rng)
    corners = torch.tensor([[[box.col_min, box.row_min], [box.col_max, box.row_max]]])
    with torch.inference_mode():
        logits = model.answer(features, PromptBatch(corners, BOX.labels)).logits[:, 1:2]
    clicks, asked = [], []
    for n in med2d_rounds(8, rng):
        full = torch.nn.functional.interpolate(logits, (SIDE, SIDE), mode="bilinear", align_corners=False)
        predicted = (full[0, 0] > 0).numpy()
        new = corrections(predicted, truth, rng, n) if n else []
        for click in new:
            at = int(click.row), int(click.col)
            assert predicted[at] != truth[at]
            assert click.positive == truth[at]
        clicks += new
        asked.append(len(new))
        probability = logits.sigmoid()
        assert 0 <= float(probability.min()) <= float(probability.max()) <= 1
        logits = ask(model, features, clicks, probability)
        assert torch.isfinite(logits).all()
    assert set(asked) <= {0, 1, 3, 5, 9}
    assert asked.count(0) == 2
    assert asked[-1] == 0


def test_a_mask_told_as_a_probability_is_not_what_it_is_as_logits(model):
    features = {"embedding": torch.randn(1, 256, 16, 16, generator=torch.Generator().manual_seed(0))}
    last = 8 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    clicks = corrections(np.zeros((SIDE, SIDE), bool), np.ones((SIDE, SIDE), bool), np.random.default_rng(0), 3)
    told = [ask(model, features, clicks, mask) for mask in (None, last, last.sigmoid())]
    for i in range(3):
        assert float((told[i] - told[i - 1]).abs().max()) > 1e-2
    assert FAMILY.abilities.mask_prompt == "sigmoid"
