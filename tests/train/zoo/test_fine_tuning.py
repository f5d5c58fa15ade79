import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from napari_segsam.model.image_encoder import ViTSizes
from napari_segsam.model.prompt_tokens import BOX_MAX, BOX_MIN, PAD, POSITIVE, PromptBatch
from napari_segsam.model.zoo import ma_sam as ma_sam_model
from napari_segsam.model.zoo import samed as samed_model
from napari_segsam.model.zoo.med_sa import with_skill
from napari_segsam.train.trainer import TrainingError
from napari_segsam.train.zoo import ma_sam, med_sa, samed
from napari_segsam.train.zoo.fitting import AnnotatedSlices, Course, Pace, fit, shrunk
from tests.model.zoo.small_sam import small_sam

SIDE = 96
SIZES = ViTSizes(width=48, depth=2, heads=2, global_blocks=(1,))


def two_discs():
    """One slice: a bright disc and a dark one on noise."""
    rng = np.random.default_rng(0)
    rows, cols = np.mgrid[:SIDE, :SIDE]
    labels = np.zeros((SIDE, SIDE), np.int64)
    labels[(rows - 34) ** 2 + (cols - 30) ** 2 < 19**2] = 1
    labels[(rows - 60) ** 2 + (cols - 66) ** 2 < 17**2] = 2
    picture = np.array([0.4, 0.9, 0.1])[labels] + 0.05 * rng.standard_normal(labels.shape)
    image = torch.from_numpy(picture.astype(np.float32)).expand(3, -1, -1)
    return AnnotatedSlices(image[None], torch.from_numpy(labels)[None])


def dice(ours, theirs):
    return 2 * float((ours & theirs).sum()) / float(ours.sum() + theirs.sum())


def found(logits):
    return F.interpolate(logits, (SIDE, SIDE), mode="bilinear", align_corners=False)


@pytest.fixture(scope="module")
def base():
    return small_sam(SIDE, sizes=SIZES)


@pytest.fixture(scope="module", params=[False, True], ids=["SAMed", "SAMed_s"])
def learned(request, base):
    pace = Pace(120, rate=0.005, warm_up=250, decay=0.1)
    return samed.fine_tune(base, two_discs(), 2, Course(pace, sizes=SIZES), small=request.param)


def test_samed_learns_the_classes_of_one_slice(learned):
    slices = two_discs()
    with torch.inference_mode():
        best = found(learned(slices.pictures)).argmax(1)
    assert all(dice(best == c, slices.labels == c) > 0.95 for c in (1, 2))


def test_what_samed_writes_is_read_back_and_computes_the_same(learned, base):
    tensors = learned.published()
    again = samed_model.built(tensors, base, SIDE, SIZES)
    images = two_discs().pictures
    with torch.inference_mode():
        assert torch.equal(again(images), learned(images))
    assert list(again.published()) == list(tensors)


def test_samed_leaves_sams_encoder_as_it_was(learned, base):
    held = learned.state_dict()
    assert all(torch.equal(held[k], t) for k, t in base.items() if k.startswith("image_encoder."))
    assert any(held[samed_model.name_here(f"w_b_{i:03d}")].any() for i in range(4))


@pytest.mark.parametrize("rank", [0, 4], ids=["adapters", "updates"])
def test_med_sas_skills_learn_what_a_click_on_one_slice_means(rank):
    sizes = ViTSizes(width=192, depth=2, heads=4, global_blocks=(1,))
    base, both = small_sam(SIDE, sizes=sizes), two_discs()
    for name in base:  # a decoder of random weights hardly speaks up, and it does not learn
        if "output_hypernetworks_mlps.0" in name or "output_upscaling.3.weight" in name:
            base[name] = 3 * base[name]
    disc = AnnotatedSlices(both.pictures, (both.labels == 1).long())
    course = Course(Pace(250, rate=1e-2 if rank else 3e-3, warm_up=50), sizes=sizes)
    learned = med_sa.fine_tune(base, disc, course, rank=rank)
    model = with_skill(learned.skill(), base, SIDE, sizes)
    click = PromptBatch(torch.tensor([[[30.0, 34.0], [0.0, 0.0]]]), torch.tensor([[POSITIVE, PAD]]))
    with torch.inference_mode():
        mask = found(model.answer(model.encode(disc.pictures), click).logits)[0, 0] > 0
    assert dice(mask, disc.labels[0] == 1) > 0.95
    held = learned.state_dict()
    assert all(torch.equal(held[k], t) for k, t in base.items())


NARROW, SMALLER = ViTSizes(width=32, depth=2, heads=2, global_blocks=(1,)), 64
HERE = slice(10, 10 + SMALLER)


def stack(classes=(1, 2)):
    """A part of :func:`two_discs`, less than a third of its size, three times; of the first nothing is known."""
    one = two_discs()
    labels = one.labels[0, HERE, HERE]
    labels = labels * torch.isin(labels, torch.tensor(classes))
    pictures = one.pictures[:, None, :, HERE, HERE].repeat(1, 3, 1, 1, 1)
    return AnnotatedSlices(pictures, torch.stack([torch.full_like(labels, -1), labels, labels])[None])


@pytest.fixture(scope="module")
def narrow():
    return small_sam(SMALLER, sizes=NARROW)


def test_ma_sam_learns_the_classes_of_a_stack_and_its_file_computes_the_same(narrow):
    course, seen = Course(Pace(80, rate=3e-3, warm_up=10), sizes=NARROW), stack()
    learned = ma_sam.fine_tune(narrow, seen, 2, course, rank=8)
    again = ma_sam_model.built(learned.published(), narrow, SMALLER, NARROW, slices=3)
    with torch.inference_mode():
        said = learned.semantic(learned.encode(seen.pictures))
        assert torch.equal(again.semantic(again.encode(seen.pictures)), said)
    assert all(dice(said.argmax(1) == c, seen.labels[:, 1] == c) > 0.8 for c in (1, 2))
    held = learned.state_dict()
    assert all(torch.equal(held[k], t) for k, t in narrow.items() if k.startswith("image_encoder."))


def test_ma_sam_with_boxes_draws_what_the_box_lies_round(narrow):
    course, seen = Course(Pace(60, rate=3e-3, warm_up=10), sizes=NARROW), stack(classes=(1,))
    learned = ma_sam.fine_tune(narrow, seen, 1, course, rank=8, boxes=True)
    model, family = ma_sam_model.with_boxes(learned, ma_sam_model.FAMILY)
    disc = seen.labels[0, 1] == 1
    rows, cols = disc.nonzero().unbind(1)
    round_it = torch.tensor([[cols.min(), rows.min()], [cols.max(), rows.max()]])
    boxes = torch.stack([round_it, torch.tensor([[1, 50], [9, 60]])]).float()
    with torch.inference_mode():
        features = model.encode(seen.pictures)
        said = model.answer(features, PromptBatch(boxes, torch.tensor([[BOX_MIN, BOX_MAX]] * 2))).logits
    assert said.shape == (2, 1, SMALLER, SMALLER) and not family.abilities.points
    assert dice(said[0, 0] > 0, disc) > 0.8
    assert not torch.allclose(said[0], said[1], atol=1e-3)


def test_a_stack_that_is_bent_keeps_what_is_known_of_each_slice():
    rng = np.random.default_rng(0)
    for _ in range(10):
        picture, labels = stack().drawn(rng)
        assert picture.shape == (1, 3, 3, SMALLER, SMALLER) and labels.shape == (3, SMALLER, SMALLER)
        assert bool((labels[0] < 0).any()) and bool((labels[1:] >= 0).all())
        assert torch.equal(labels[1], labels[2])
        inside = picture[0, 1, 0][labels[1] == 1]
        assert abs(float(inside.median()) - 0.9) < 0.1


def test_a_stack_is_never_bent_until_nothing_is_left_of_its_middle_slice():
    """The first slice of an organ is small, and its neighbour is not."""
    labels = torch.zeros(1, 3, 64, 64, dtype=torch.long)
    labels[0, :, 10:50, 10:50] = 1
    labels[0, 1] = 0
    labels[0, 1, 2:5, 2:5] = 1
    slices, rng = AnnotatedSlices(torch.zeros(1, 3, 3, 64, 64), labels), np.random.default_rng(0)
    assert all((slices.drawn(rng)[1][1] > 0).any() for _ in range(100))


def test_samed_weighs_cross_entropy_and_dice_as_published():
    logits, labels = torch.randn(1, 3, 4, 4), torch.randint(0, 3, (1, 4, 4))
    p = logits.softmax(1)[0]
    terms = []
    for c in range(3):
        truth = (labels[0] == c).float()
        terms.append(1 - (2 * (p[c] * truth).sum() + 1e-5) / ((p[c] ** 2).sum() + truth.sum() + 1e-5))
    expected = 0.2 * F.cross_entropy(logits, labels) + 0.8 * sum(terms) / 3
    assert torch.allclose(samed.samed_loss(logits, labels), expected)


def test_the_rate_rises_and_then_falls():
    pace = Pace(1000, rate=0.005, warm_up=250)
    rates = [pace.at(step) for step in range(1000)]
    assert rates[249] == pytest.approx(0.005)
    assert all(a < b for a, b in pairwise(rates[:250]))
    assert all(a > b for a, b in pairwise(rates[250:]))
    assert rates[625] == pytest.approx(0.005 * 0.5**0.9)
    assert Pace(100, 1.0, warm_up=250).at(24) == 1.0  # a short run does not only warm up


def test_a_loss_that_is_no_number_ends_it_with_the_step():
    weight = torch.nn.Parameter(torch.ones(1))
    with pytest.raises(TrainingError, match="step 0"):
        fit([weight], lambda: (weight * math.inf).sum(), Pace(3, 0.1))


def test_a_slice_that_is_bent_keeps_its_labels_with_the_picture():
    rng = np.random.default_rng(0)
    slices = two_discs()
    for _ in range(20):
        picture, labels = slices.drawn(rng)
        assert set(labels.unique().tolist()) <= {0, 1, 2}
        inside = picture[0, 0][labels == 1]
        assert abs(float(inside.median()) - 0.9) < 0.1


def test_labels_are_shrunk_without_mixing_them():
    labels = torch.tensor([[0, 0, 7, 7], [0, 0, 7, 7], [3, 3, 0, 0], [3, 3, 0, 0]])
    assert shrunk(labels, (2, 2)).tolist() == [[0, 7], [3, 0]]


def test_the_same_seed_gives_the_same_file(base):
    course = Course(Pace(3, 0.01), seed=4, sizes=SIZES)
    files = [samed.fine_tune(base, two_discs(), 2, course).published() for _ in range(2)]
    assert all(torch.equal(t, files[1][k]) for k, t in files[0].items())
