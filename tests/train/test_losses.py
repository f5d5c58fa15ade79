import numpy as np
import pytest
import torch
from torch.nn import functional as F

from napari_segsam.model.semantic_decoder import any_class, presence
from napari_segsam.train import losses
from napari_segsam.train.losses import SetTargets

ALL = torch.ones(3, dtype=torch.bool)


def logit(p, shape=(1, 256, 256)):
    return torch.full(shape, float(torch.logit(torch.tensor(p, dtype=torch.float64))))


def targets(classes, masks=None, told=ALL):
    masks = torch.zeros(len(classes), 4, 4) if masks is None else masks
    return SetTargets(torch.tensor(classes, dtype=torch.long), masks, told)


# --- cross-mask alignment


@pytest.mark.parametrize(("p", "value"), [(0.5, 0.5), (0.7, 0.3), (0.9, 0.1), (0.99, 0.01)])
def test_alignment_of_equal_masks_sharpens_towards_confidence(p, value):
    assert float(losses.alignment_loss(logit(p), logit(p)).mean()) == pytest.approx(value, abs=2e-4)


@pytest.mark.parametrize(("kind", "value"), [("iou", 2 / 3), ("sqdice", 0), ("mse", 0)])
def test_other_kinds_of_alignment_at_one_half(kind, value):
    assert float(losses.alignment_loss(logit(0.5), logit(0.5), kind).mean()) == pytest.approx(value, abs=2e-4)


def test_mse_alignment_is_the_mean_square_of_the_difference():
    assert float(losses.alignment_loss(logit(0.9), logit(0.4), "mse").mean()) == pytest.approx(0.25, abs=1e-5)


@pytest.mark.parametrize("kind", ["dice", "iou", "sqdice", "mse"])
def test_masks_that_agree_cost_less_than_masks_that_do_not(kind):
    mask = torch.where(torch.arange(64).reshape(1, 8, 8) < 32, 9.0, -9.0)
    agree, differ = (float(losses.alignment_loss(mask, other, kind).mean()) for other in (mask, -mask))
    assert agree < 0.01
    assert differ > 0.9


def test_alignment_is_per_prompt_not_pooled():
    small, large = torch.full((1, 8, 8), -9.0), torch.full((1, 8, 8), 9.0)
    small[0, 0, 0] = 9.0
    wrong = -small
    both = losses.alignment_loss(torch.cat([small, large]), torch.cat([wrong, large]))
    alone = [float(losses.alignment_loss(a, b)) for a, b in ((small, wrong), (large, large))]
    assert both.tolist() == pytest.approx(alone)


@pytest.mark.parametrize("kind", ["dice", "mse"])
def test_with_stopped_gradients_each_mask_follows_the_other_as_it_stands(kind):
    a, b = (torch.randn(2, 8, 8, requires_grad=True) for _ in range(2))
    stopped, plain = (losses.alignment_loss(a, b, kind, stop).sum() for stop in (True, False))
    assert float(stopped.detach()) == pytest.approx(float(plain.detach()), abs=1e-6)
    (grad,) = torch.autograd.grad(stopped, a)
    (expected,) = torch.autograd.grad(losses.alignment_loss(a, b.detach(), kind).sum(), a)
    assert torch.allclose(grad, 0.5 * expected)


# --- masks


def test_dice_of_a_perfect_an_empty_and_a_wrong_mask():
    truth = torch.zeros(1, 8, 8)
    truth[:, :4] = 1
    sure = (truth * 2 - 1) * 50
    assert float(losses.dice_loss(sure, truth)) == pytest.approx(0, abs=1e-6)
    assert float(losses.dice_loss(-sure, truth)) == pytest.approx(1 - 1 / 65)
    assert float(losses.dice_loss(torch.full((1, 8, 8), -50.0), torch.zeros(1, 8, 8))) == pytest.approx(0, abs=1e-6)


def test_focal_loss_cares_less_for_what_is_easy():
    truth = torch.ones(1, 4, 4)
    easy, hard = logit(0.99, (1, 4, 4)), logit(0.1, (1, 4, 4))
    bce = [float(losses.pixel_loss(x, truth)) for x in (easy, hard)]
    focal = [float(losses.pixel_loss(x, truth, "focal")) for x in (easy, hard)]
    assert bce == pytest.approx([-np.log(0.99), -np.log(0.1)], rel=1e-4)
    assert focal == pytest.approx([20 * 0.25 * 0.01**2 * bce[0], 20 * 0.25 * 0.9**2 * bce[1]], rel=1e-3)


def test_focal_loss_weighs_background_three_times_the_foreground():
    x = torch.zeros(1, 4, 4)
    on, off = (float(losses.pixel_loss(x, torch.full_like(x, t), "focal")) for t in (1.0, 0.0))
    assert off == pytest.approx(3 * on)


def test_iou_counts_pixels():
    truth = torch.zeros(1, 4, 4)
    truth[0, :2] = 1
    half = torch.full((1, 4, 4), -1.0)
    half[0, 0] = 1
    assert float(losses.iou_of(half, truth)) == 0.5
    assert float(losses.iou_of(-torch.ones(1, 4, 4), torch.zeros(1, 4, 4))) == 0


def test_what_lies_outside_the_crop_lowers_the_iou():
    truth = torch.ones(1, 4, 4)
    assert float(losses.iou_of(torch.ones(1, 4, 4), truth, torch.tensor([48.0]))) == 0.25


def test_a_mask_for_each_class_learns_a_softmax_of_every_pixel():
    torch.manual_seed(0)
    each, classes = torch.randn(2, 3, 4, 4), torch.tensor([2, 0])
    inside = torch.zeros(2, 1, 4, 4)
    inside[:, :, 1:3] = 1
    with_background = torch.cat([each, torch.full((2, 1, 4, 4), np.log(3))], 1)
    truth = torch.where(inside[:, 0] > 0, classes.reshape(-1, 1, 1), torch.tensor(3))
    expected = F.cross_entropy(with_background, truth, reduction="none").mean((1, 2))
    ours = losses.pixel_loss(any_class(each), inside)[:, 0] + losses.class_mask_loss(each, inside, classes) * 0.5
    assert torch.allclose(ours, expected, atol=1e-6)  # half of the pixels are the object's


def test_an_object_that_is_not_in_the_crop_teaches_no_class():
    each = torch.randn(1, 3, 4, 4, requires_grad=True)
    losses.class_mask_loss(each, torch.zeros(1, 1, 8, 8), torch.tensor([1])).sum().backward()
    assert not bool(each.grad.any())


# --- SAM's choice of masks


def binary_case():
    """Mask 0 is bad, mask 2 is the truth."""
    truth = torch.zeros(2, 1, 8, 8)
    truth[:, :, :4] = 1
    masks = torch.randn(2, 4, 8, 8) * 0.1
    masks[:, 2] = (truth[:, 0] * 2 - 1) * 8
    return masks.requires_grad_(), truth


def test_a_clear_prompt_trains_mask_0_and_a_click_the_best_of_the_others():
    masks, truth = binary_case()
    loss, chosen = losses.binary_loss(masks, torch.zeros(2, 4), truth, torch.tensor([False, True]))
    loss.sum().backward()
    assert chosen.tolist() == [0, 2]
    trained = masks.grad.abs().sum((-2, -1)) > 0
    assert trained.tolist() == [[True, False, False, False], [False, False, True, False]]


def test_a_click_leaves_mask_0_alone_even_where_it_is_best():
    masks, truth = binary_case()
    swapped = masks.detach()[:, [2, 1, 0, 3]]
    assert int(losses.binary_loss(swapped, torch.zeros(2, 4), truth, torch.ones(2, dtype=torch.bool))[1].min()) >= 1


def test_every_predicted_iou_learns_the_iou_of_its_own_mask():
    masks, truth = binary_case()
    exact = losses.iou_of(masks, truth)
    iou = exact.clone().requires_grad_()
    losses.binary_loss(masks, iou, truth, torch.tensor([False, True]))[0].sum().backward()
    assert float(iou.grad.abs().max()) == pytest.approx(0, abs=1e-7)
    off = (exact + 0.1).requires_grad_()
    losses.binary_loss(masks, off, truth, torch.tensor([False, True]))[0].sum().backward()
    assert bool((off.grad > 0).all())


# --- set prediction


def test_matching_picks_the_obvious_assignment():
    logits = torch.full((4, 4), -5.0)
    logits[2, 0], logits[0, 1], logits[1, 3], logits[3, 3] = 5, 5, 5, 5  # query 2: class 0; query 0: class 1
    (found,) = losses.match(logits[None], None, [targets([1, 0])])
    assert dict(zip(found.queries.tolist(), found.targets.tolist(), strict=True)) == {0: 0, 2: 1}
    assert found.rest.tolist() == [1, 3]


def test_slices_are_matched_together_as_each_is_alone():
    torch.manual_seed(0)
    logits, masks = torch.randn(4, 5, 4), torch.randn(4, 5, 4, 4)
    told = [targets(c, (torch.rand(len(c), 4, 4) > 0.5).float()) for c in ([1, 0], [], [2], [0, 1, 2])]
    alone = [losses.match(logits[i : i + 1], masks[i : i + 1], told[i : i + 1])[0] for i in range(4)]
    for one, together in zip(alone, losses.match(logits, masks, told), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, together, strict=True))
    assert [len(m.queries) for m in alone] == [2, 0, 1, 3]


def test_masks_decide_between_queries_of_one_class():
    truth = torch.zeros(1, 4, 4)
    truth[0, 0] = 1
    masks = torch.stack([-(truth[0] * 2 - 1), truth[0] * 2 - 1]) * 8
    assert losses.match(torch.zeros(1, 2, 4), masks[None], [targets([1], truth)])[0].queries.tolist() == [1]


def test_logits_that_are_not_finite_do_not_stop_the_matching():
    assert len(losses.match(torch.full((1, 3, 4), float("nan")), None, [targets([0, 1])])[0].queries) == 2


def test_unmatched_queries_are_not_told_that_unannotated_classes_are_absent():
    """Class 2 is not annotated in this data set: a query that sees it may go on saying so."""
    logits = torch.zeros(1, 3, 4, requires_grad=True)
    told = torch.tensor([True, True, False])
    losses.set_loss(logits, None, [targets([], told=told)], 0.5).classes.backward()
    assert bool((logits.grad[..., 2] == 0).all())
    assert bool((logits.grad[..., :2] > 0).all())
    assert bool((logits.grad[..., 3] < 0).all())


def test_a_matched_query_is_told_its_class_against_all_others():
    logits = torch.zeros(1, 1, 4, requires_grad=True)
    told = torch.zeros(3, dtype=torch.bool)
    loss = losses.set_loss(logits, None, [targets([1], told=told)], 0.5)
    loss.classes.backward()
    assert float(loss.classes.detach() / loss.class_weight) == pytest.approx(np.log(4))
    assert (logits.grad[0, 0] < 0).tolist() == [False, True, False, False]


def test_the_class_loss_is_a_weighted_mean_over_queries():
    logits = torch.randn(1, 4, 4)
    loss = losses.set_loss(logits, None, [targets([2])], 0.25)
    (found,) = losses.match(logits, None, [targets([2])])
    truth = torch.full((4,), 3)
    truth[found.queries] = 2
    expected = F.cross_entropy(logits[0], truth, weight=torch.tensor([1, 1, 1, 0.25]))
    assert float(loss.classes) / loss.class_weight == pytest.approx(float(expected), rel=1e-5)


def test_only_matched_queries_learn_masks():
    truth = torch.zeros(1, 4, 4)
    truth[0, :2] = 1
    masks = torch.zeros(1, 3, 4, 4)
    masks[0, 1] = truth[0] - 0.5
    masks.requires_grad_()
    losses.set_loss(torch.zeros(1, 3, 4), masks, [targets([0], truth)], 0.5).masks.backward()
    assert [bool(g.abs().sum() > 0) for g in masks.grad[0]] == [False, True, False]


def test_without_targets_there_is_nothing_to_add_up():
    loss = losses.set_loss(torch.zeros(0, 3, 4), torch.zeros(0, 3, 4, 4), [], 0.5)
    assert (float(loss.classes), loss.class_weight, float(loss.masks), loss.mask_weight) == (0, 0, 0, 0)


def test_a_query_for_each_class_learns_whether_it_is_there_where_that_is_known():
    """Class 0 stands there, class 1 does not, and of class 2 nothing is known."""
    logits = torch.zeros(1, 3, requires_grad=True)
    told = torch.tensor([False, True, False])
    losses.set_loss(
        presence(logits), None, [targets([0], torch.zeros(1, 4, 4), told)], 0.5, tied=True
    ).classes.backward()
    assert torch.sign(logits.grad[0]).tolist() == [-1, 1, 0]


def test_a_query_for_each_class_draws_its_own_class():
    truth = torch.zeros(1, 4, 4)
    truth[0, :2] = 1
    masks = torch.zeros(1, 3, 4, 4, requires_grad=True)
    losses.set_loss(presence(torch.zeros(1, 3)), masks, [targets([2], truth)], 0.5, tied=True).masks.backward()
    assert [bool(g.abs().sum() > 0) for g in masks.grad[0]] == [False, False, True]


def test_more_targets_than_queries_match_as_many_as_there_are():
    (found,) = losses.match(torch.zeros(1, 2, 4), None, [targets([0, 1, 2])])
    assert [len(part) for part in found] == [2, 2, 0]


def test_unmatched_queries_together_weigh_as_much_as_matched_ones():
    assert losses.no_object_weight(5, 1.5) == pytest.approx(1.5 / 3.5)
    assert losses.no_object_weight(16, 4) == pytest.approx(1 / 3)
    assert losses.no_object_weight(100, 0) == 0.05
    assert losses.no_object_weight(4, 4) == 1.0
