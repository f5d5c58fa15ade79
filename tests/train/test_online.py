from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.prompts import Box
from napari_segsam.model.zoo import aux_unet
from napari_segsam.train import online
from napari_segsam.train.online import PUBLISHED, OnlineLearner, OnlineSettings, best_alpha, region

SMALL = OnlineSettings(base=8, side=32, piece=8)


def stream(n, seed=0, side=64):
    """Bright ellipses of which a biased SAM sees the left half only: crop, its logits, the truth."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:side, :side]
    for _ in range(n):
        (a, b), (r, c) = rng.uniform(14, 24, 2), side / 2 + rng.uniform(-4, 4, 2)
        truth = ((rows - r) / a) ** 2 + ((cols - c) / b) ** 2 <= 1
        picture = np.clip(70 + 90 * truth + rng.normal(0, 15, truth.shape), 0, 255).astype(np.uint8)
        logits = np.where(truth & (cols < c), np.float32(4), np.float32(-4))
        at = region(truth.shape, truth, Box.around(truth))
        yield picture[at], logits[at], truth[at]


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def learn(learner, *correction, of=None):
    """A whole lesson -> the alpha that would have been best."""
    for _ in learner.lesson(*correction, of):
        pass
    return learner._served.best_alphas[-1][1]


def play(learner, n, seed=0):
    """Answer, then learn, as a person works -> Dice of SAM, Dice of the answers, alphas used, best alphas."""
    sam, fused, used, best = [], [], [], []
    for crop, logits, truth in stream(n, seed):
        answer = learner.answer(crop, logits)
        sam.append(dice(logits > 0, truth))
        fused.append(dice(answer.logits > 0, truth))
        used.append(answer.alpha)
        best.append(learn(learner, crop, logits, truth))
    return map(np.array, (sam, fused, used, best))


@pytest.fixture(scope="module")
def played():
    return tuple(play(OnlineLearner(SMALL), 24))


def test_on_a_biased_sam_the_fused_answers_are_better_than_sams(played):
    sam, fused, _, _ = played
    assert fused.mean() > sam.mean() + 0.1
    assert fused[-5:].min() > 0.85 > sam.max()


def test_alpha_is_the_mean_of_the_last_five_best_ones_and_the_first_five_answers_are_sams(played):
    sam, fused, used, best = played
    assert (used[:5] == 1).all()
    assert np.array_equal(fused[:5], sam[:5])
    assert used[5:] == pytest.approx([best[t - 5 : t].mean() for t in range(5, len(best))])
    assert used[-1] < 0.5  # it did learn whom to trust


def test_the_same_stream_gives_the_same_answers(played):
    torch.manual_seed(99)  # whatever random numbers were drawn before
    again = OnlineLearner(SMALL)
    _, fused, used, _ = play(again, 8)
    assert np.array_equal(fused, played[1][:8])
    assert np.array_equal(used, played[2][:8])


def test_what_an_answer_is_made_of_predates_the_step_that_learns_from_it(monkeypatch):
    learner = OnlineLearner(SMALL)
    seen = []
    monkeypatch.setattr(online, "best_alpha", lambda sam, ours, truth: seen.append(ours) or 0.5)
    for crop, logits, truth in stream(6):
        before = learner._served.net(learner._batch([learner._square(crop, logits)]))[0]
        learn(learner, crop, logits, truth)
        after = learner._served.net(learner._batch([learner._square(crop, logits)]))[0]
        assert torch.allclose(seen[-1], online._resized(before, truth.shape)[0], atol=1e-4)
        assert not torch.allclose(before, after, atol=1e-3)


def test_each_correction_is_one_step_on_the_newest_crop_and_others_of_the_queue(monkeypatch):
    learner, batches = OnlineLearner(SMALL), []
    real = online.structure_loss
    monkeypatch.setattr(online, "structure_loss", lambda logits, mask: batches.append(mask) or real(logits, mask))
    masks = []
    for crop, logits, truth in stream(11):
        learn(learner, crop, logits, truth)
        masks.append(learner._queue[-1].mask.float())
        assert torch.equal(batches[-1][0], masks[-1])
    assert [len(b) for b in batches] == [1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8]
    drawn = batches[-1]
    assert len({mask.numpy().tobytes() for mask in drawn}) == len(drawn)  # none twice


def test_learnt_in_pieces_a_batch_teaches_the_same():
    at_once, in_pieces = OnlineLearner(SMALL), OnlineLearner(replace(SMALL, piece=3))
    for crop, logits, truth in stream(7):
        learn(at_once, crop, logits, truth)
        pieces = sum(1 for _ in in_pieces.lesson(crop, logits, truth))
    assert pieces == 3
    for a, b in zip(at_once._net.parameters(), in_pieces._net.parameters(), strict=True):
        assert torch.allclose(a, b, atol=2e-4)


def test_another_correction_of_the_same_object_takes_the_place_of_the_first_and_is_no_witness_against_sam():
    learner = OnlineLearner(SMALL)
    for n, correction in enumerate(stream(6)):
        learn(learner, *correction, of=n)
    crop, logits, truth = correction
    before = learner._served.best_alphas
    for _ in range(3):
        learn(learner, crop, logits, truth, of=5)
    assert len(learner._queue) == learner.corrections == 6
    assert learner._served.best_alphas == before  # judged by what the network drew before it knew the object
    learn(learner, crop, logits, np.zeros_like(truth), of=5)
    assert not learner._queue[-1].mask.any()
    assert [who for who, _ in learner._served.best_alphas] == [1, 2, 3, 4, 5]


def test_the_queue_forgets_the_oldest_after_32():
    learner = OnlineLearner(OnlineSettings(base=4, side=32, batch=1))
    crops = list(stream(34))
    for crop, logits, truth in crops:
        learn(learner, crop, logits, truth)
    assert len(learner._queue) == 32
    assert torch.equal(learner._queue[0].seen, learner._square(*crops[2][:2]))


def test_an_answer_never_sees_half_of_a_step(monkeypatch):
    """While a step is under way the network that answers is the one of the step before."""
    learner = OnlineLearner(SMALL)
    *first, last = stream(10)
    for correction in first:
        learn(learner, *correction)
    assert learner.alpha < 0.9  # so that what the network says is seen
    before, during = learner.answer(*last[:2]), []
    step = learner._optimiser.step
    monkeypatch.setattr(learner._optimiser, "step", lambda: (step(), during.append(learner.answer(*last[:2]))))
    learn(learner, *last)
    assert np.array_equal(during[0].logits, before.logits)
    assert not np.array_equal(learner.answer(*last[:2]).logits, before.logits)


def test_the_global_random_numbers_are_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    OnlineLearner(SMALL)
    assert torch.equal(torch.rand(1), expected)


def test_the_default_is_small_and_the_published_sizes_are_the_authors():
    learner = OnlineLearner()
    parameters = sum(p.nelement() * p.element_size() for p in learner._net.parameters())
    queue = learner.settings.queue * 9 * learner.settings.side**2
    assert 4 * parameters + queue < 24e6  # two networks and AdamW's two moments
    assert (PUBLISHED.base, PUBLISHED.batch, PUBLISHED.queue, PUBLISHED.side) == (64, 32, 32, 128)
    assert (PUBLISHED.rate, PUBLISHED.weight_decay) == (5e-4, 5e-4)
    assert aux_unet.BASE == 64


# --- the best alpha


def plane(*values):
    return torch.tensor([values])


def test_the_best_alpha_is_where_the_fused_soft_dice_is_largest():
    truth = plane(1.0, 1.0, 0.0, 0.0)
    good, bad = plane(9.0, 9.0, -9.0, -9.0), plane(-9.0, -9.0, 9.0, 9.0)
    assert best_alpha(good, bad, truth) == 1.0
    assert best_alpha(bad, good, truth) == 0.0
    # Each is right about one half: both are needed.
    left, right = plane(4.0, -1.0, -4.0, 1.0), plane(-1.0, 4.0, 1.0, -4.0)
    assert best_alpha(left, right, truth) == pytest.approx(0.5)


def test_of_equal_alphas_the_smallest_is_taken():
    same = plane(2.0, -2.0)
    assert best_alpha(same, same, plane(1.0, 0.0)) == 0.0


# --- where it looks, and what it takes


def test_it_looks_at_the_box_or_a_tenth_round_sams_mask():
    mask = np.zeros((50, 60), bool)
    mask[10:30, 20:40] = True
    assert region((50, 60), mask, Box(5, 6, 15, 26)) == (slice(5, 16), slice(6, 27))
    assert region((50, 60), mask, None) == (slice(8, 32), slice(18, 42))
    mask[:, :] = True
    assert region((50, 60), mask, None) == (slice(0, 50), slice(0, 60))
    with pytest.raises(BadPromptsError):
        region((50, 60), np.zeros((50, 60), bool), None)


def test_it_is_shown_the_colours_and_sams_mask():
    learner = OnlineLearner(SMALL)
    crop = np.zeros((20, 40, 3), np.uint8)
    crop[:, :, 0], crop[:, :, 2] = 200, 100
    logits = np.where(np.arange(40) < 20, np.float32(1), np.float32(-1)) * np.ones((20, 1), np.float32)
    seen = learner._square(crop, logits)
    assert seen.shape == (4, 32, 32)
    assert [int(seen[i].max()) for i in range(4)] == [200, 0, 100, 255]
    assert (seen[3, :, :15] == 255).all()
    assert (seen[3, :, 17:] == 0).all()
    grey = learner._square(crop[..., 0], logits)
    assert torch.equal(grey[0], grey[1])
    assert torch.equal(grey[0], seen[0])


@pytest.mark.parametrize("shapes", [((8, 8), (8, 9)), ((8, 8, 4), (8, 8)), ((0, 8), (0, 8)), ((8,), (8,))])
def test_what_is_not_on_one_grid_is_refused(shapes):
    crop, logits = np.zeros(shapes[0], np.uint8), np.zeros(shapes[1], np.float32)
    with pytest.raises(ValueError, match="one size"):
        OnlineLearner(SMALL).answer(crop, logits)
